//! What a decision may look at: the rules, the few facts about services that only the
//! serving storey knows, and the part of the store that was fetched for it.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use crate::base::{Span, Zone};
use crate::model::rules::{SequenceAction, SequenceStep};
use crate::model::{Enrolment, RuleSet};

/// The lane of e-mails while no mail service is declared.
pub const OUTBOX: &str = "outbox";

/// What serve knows about a service once its settings are looked up.
#[derive(Clone, Debug, Default)]
pub struct Outlet {
    /// Base address, without a trailing slash.
    pub base: Option<String>,
    /// Whether it has what it needs: a mirror without a token gets no jobs.
    pub ready: bool,
}

/// Which way a decision went at a place of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// An endpoint was called, a step done, an event queued, an e-mail made.
    Done,
    /// Its `when` did not hold.
    LeftOut,
    /// A `require` did not hold, a `find` found nothing, a `stop-when` ended the sequence.
    Refused,
}

/// Is told which way decisions go, for those who ask what no test has tried. A decision that
/// is made again tells the same again.
pub trait Watch: std::fmt::Debug + Send + Sync {
    /// A decision went this way at this place.
    fn went(&self, place: Span, way: Way);
}

/// Everything a decision sees besides the call.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The rules.
    pub rules: &'a RuleSet,
    /// Services by name.
    pub outlets: &'a BTreeMap<String, Outlet>,
    /// How many times faster the waits of sequences pass (`--speed`); 1 is real time.
    pub speed: u32,
    /// Whether those who wait for a window are spread over its opening.
    pub spread: bool,
    /// Who is told which way decisions go, if anybody.
    pub watch: Option<&'a dyn Watch>,
}

/// No services: for questions to which they do not matter.
static NO_OUTLETS: BTreeMap<String, Outlet> = BTreeMap::new();

impl<'a> World<'a> {
    /// The rules by themselves, for those who ask what they would decide: no service is
    /// looked up and nobody is told.
    #[must_use]
    pub fn alone(rules: &'a RuleSet, speed: u32) -> Self {
        Self { rules, outlets: &NO_OUTLETS, speed, spread: true, watch: None }
    }

    /// Tells which way a decision went.
    pub(super) fn went(&self, place: Span, way: Way) {
        if let Some(watch) = self.watch {
            watch.went(place, way);
        }
    }

    /// The zone in which days are counted unless a person has their own.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.rules.sender.as_ref().map_or(Zone::UTC, |sender| sender.zone.clone())
    }

    /// The lane (service) and priority of a timed step.
    #[must_use]
    pub fn lane(&self, step: &SequenceStep) -> (String, i64) {
        match &step.action {
            SequenceAction::Email { via, .. } => {
                (via.clone().unwrap_or_else(|| OUTBOX.to_owned()), 0)
            }
            SequenceAction::Send { event, .. } => self.rules.events.get(event).map_or_else(
                || (OUTBOX.to_owned(), 0),
                |event| (event.service.clone(), event.priority),
            ),
        }
    }

    /// The full address of a path on a service; the bare path when its base is unknown.
    #[must_use]
    pub fn address(&self, service: &str, path: &str) -> String {
        let base = self.outlets.get(service).and_then(|outlet| outlet.base.as_deref());
        format!("{}{path}", base.unwrap_or_default())
    }
}

/// Something that a decision must see before it can be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// A record, by name and id.
    Record(String, String),
    /// The newest enrolment of a key, by sequence and key.
    Enrolment(String, String),
}

/// A record as it was when the decision looked: its fields and its version.
pub type Seen = (Map<String, Value>, u64);

/// What has been fetched from the store for a decision. What is not in it was not looked
/// at; what is in it as none does not exist.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Records, by name and id.
    pub records: HashMap<(String, String), Option<Seen>>,
    /// Newest enrolments, by sequence and key.
    pub enrolments: HashMap<(String, String), Option<Enrolment>>,
}
