//! Calls per time, per endpoint and per client: token buckets in a bounded map.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use crate::model::setting::Rate;

/// Buckets kept at most; when more clients come, full buckets are forgotten first.
const MAX_BUCKETS: usize = 100_000;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: i64,
}

/// Whose bucket it is: endpoint, client, and the rate's count and period, because an endpoint
/// may have several rates.
type Owner = (String, Option<IpAddr>, u32, u64);

/// Counts calls against rates.
#[derive(Debug, Default)]
pub struct Rates {
    buckets: Mutex<HashMap<Owner, Bucket>>,
}

impl Rates {
    /// Takes one call out of the endpoint's bucket (of this client, when one is given);
    /// answers how many seconds to wait when it is empty.
    pub fn take(
        &self,
        endpoint: &str,
        rate: Rate,
        client: Option<IpAddr>,
        now: i64,
    ) -> Option<u64> {
        let Ok(mut buckets) = self.buckets.lock() else { return None };
        if buckets.len() >= MAX_BUCKETS {
            buckets.retain(|(.., period), bucket| {
                now.saturating_sub(bucket.at) < i64::try_from(*period).unwrap_or(i64::MAX)
            });
            if buckets.len() >= MAX_BUCKETS {
                return Some(1);
            }
        }
        let full = f64::from(rate.count);
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of a rate stay far below 2^52"
        )]
        let per_millis = full / rate.per_millis as f64;
        let key = (endpoint.to_owned(), client.map(subnet), rate.count, rate.per_millis);
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: full, at: now });
        #[expect(clippy::cast_precision_loss, reason = "an elapsed time is small")]
        let elapsed = (now - bucket.at).max(0) as f64;
        bucket.tokens = (bucket.tokens + elapsed * per_millis).min(full);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive and small"
        )]
        Some(((1.0 - bucket.tokens) / per_millis / 1000.0).ceil() as u64)
    }
}

/// One IPv6 customer owns a /64; counting single addresses would be no limit.
fn subnet(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let mut segments = v6.segments();
            segments[4..].fill(0);
            IpAddr::V6(segments.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let rates = Rates::default();
        let rate = Rate { count: 2, per_millis: 1_000 };
        assert_eq!(rates.take("a/b", rate, None, 0), None);
        assert_eq!(rates.take("a/b", rate, None, 0), None);
        assert_eq!(rates.take("a/b", rate, None, 0), Some(1));
        assert_eq!(rates.take("a/c", rate, None, 0), None);
        assert_eq!(rates.take("a/b", rate, None, 500), None);
    }

    #[test]
    fn two_rates_of_one_endpoint_are_counted_apart() {
        let rates = Rates::default();
        let (burst, day) =
            (Rate { count: 2, per_millis: 1_000 }, Rate { count: 3, per_millis: 86_400_000 });
        let call =
            |now| [burst, day].into_iter().find_map(|rate| rates.take("a/b", rate, None, now));
        assert_eq!([call(0), call(0), call(0)], [None, None, Some(1)]);
        assert_eq!(call(1_000), None);
        assert!(call(2_000).is_some_and(|wait| wait > 3_600), "the day's calls are used up");
    }
}
