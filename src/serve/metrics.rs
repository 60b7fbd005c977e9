//! What happens, in numbers, for Prometheus.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Refused calls of one endpoint that are kept as executions, per minute.
const REFUSALS_KEPT: u32 = 60;
/// How long a service is shown as full after a call was turned away, in milliseconds.
const CROWDED_SHOWN: i64 = 60_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    endpoint: String,
    status: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    service: String,
    outcome: String,
}

/// Counters and their registry.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    call_seconds: Histogram,
    attempts: Family<AttemptLabels, Counter>,
    reloads: Counter,
    store_accepts: Gauge,
    refusals: Mutex<HashMap<String, (i64, u32)>>,
    crowded: Mutex<HashMap<String, i64>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("rulerun");
        let calls = Family::default();
        let call_seconds =
            Histogram::new([0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0]);
        let attempts = Family::default();
        let reloads = Counter::default();
        let store_accepts = Gauge::default();
        store_accepts.set(1);
        registry.register("calls", "Incoming calls by endpoint and status", calls.clone());
        registry.register("call_seconds", "Time to answer a call", call_seconds.clone());
        registry.register("attempts", "Delivery attempts by service and outcome", attempts.clone());
        registry.register("reloads", "Rule sets that went live", reloads.clone());
        let help = "1 while the store accepts calls, 0 while it refuses them";
        registry.register("store_accepts", help, store_accepts.clone());
        Self {
            registry,
            calls,
            call_seconds,
            attempts,
            reloads,
            store_accepts,
            refusals: Mutex::default(),
            crowded: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Counts an answered call; `endpoint` is a declared name, never a caller's text.
    pub fn call(&self, endpoint: &str, status: u16, took: Duration) {
        let labels = CallLabels { endpoint: endpoint.to_owned(), status: status.into() };
        self.calls.get_or_create(&labels).inc();
        self.call_seconds.observe(took.as_secs_f64());
    }

    /// Counts an attempt.
    pub fn attempt(&self, service: &str, outcome: &str) {
        let labels = AttemptLabels { service: service.to_owned(), outcome: outcome.to_owned() };
        self.attempts.get_or_create(&labels).inc();
    }

    /// Counts a rule set that went live.
    pub fn reload(&self) {
        self.reloads.inc();
    }

    /// Notes whether the store accepts calls; answers whether that is new.
    pub fn store_accepts(&self, accepts: bool) -> bool {
        let now = i64::from(accepts);
        self.store_accepts.set(now) != now
    }

    /// Whether one more refused call of this endpoint may be kept this minute: a caller must
    /// not be able to fill the disk with refusals.
    pub fn may_note_refusal(&self, endpoint: &str, now: i64) -> bool {
        let minute = now / 60_000;
        let Ok(mut kept) = self.refusals.lock() else { return false };
        let Some(entry) = kept.get_mut(endpoint) else {
            kept.insert(endpoint.to_owned(), (minute, 1));
            return true;
        };
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        entry.1 += 1;
        entry.1 <= REFUSALS_KEPT
    }

    /// Notes that a call was turned away because too much waits for a service.
    pub fn crowded(&self, service: &str, now: i64) {
        if let Ok(mut crowded) = self.crowded.lock() {
            crowded.insert(service.to_owned(), now);
        }
    }

    /// The services, by name, because of which calls were turned away in the last minute.
    #[must_use]
    pub fn full_services(&self, now: i64) -> Vec<String> {
        let Ok(mut crowded) = self.crowded.lock() else { return Vec::new() };
        crowded.retain(|_, at| now.saturating_sub(*at) < CROWDED_SHOWN);
        let mut names: Vec<String> = crowded.keys().cloned().collect();
        names.sort();
        names
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
