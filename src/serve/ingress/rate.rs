//! Calls per time, per endpoint and per client: token buckets in a bounded map.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use crate::model::setting::Rate;

/// Buckets of clients that are kept at most.
const CLIENTS: usize = 100_000;
/// Buckets of whole endpoints that are kept at most. They are kept apart, so that no crowd of
/// clients can make one forgotten.
const ENDPOINTS: usize = 10_000;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: i64,
}

/// Whose bucket it is: endpoint, client, and the rate's count and period, because an endpoint
/// may have several rates.
type Owner = (String, Option<IpAddr>, u32, u64);

/// A map that forgets what has not been used for longest, roughly: when the young half is full
/// it becomes the old one, and the old one goes. Nothing ever has to be searched through.
#[derive(Debug, Default)]
struct Buckets {
    young: HashMap<Owner, Bucket>,
    old: HashMap<Owner, Bucket>,
}

impl Buckets {
    /// The bucket of an owner, or a new one; at most `most` are kept.
    fn of(&mut self, owner: Owner, fresh: Bucket, most: usize) -> &mut Bucket {
        if self.young.len() >= most / 2 && !self.young.contains_key(&owner) {
            self.old = std::mem::take(&mut self.young);
        }
        let known = self.old.remove(&owner).unwrap_or(fresh);
        self.young.entry(owner).or_insert(known)
    }
}

/// Counts calls against rates.
#[derive(Debug, Default)]
pub struct Rates {
    endpoints: Mutex<Buckets>,
    clients: Mutex<Buckets>,
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
        let (buckets, most) = match client {
            Some(_) => (&self.clients, CLIENTS),
            None => (&self.endpoints, ENDPOINTS),
        };
        let Ok(mut buckets) = buckets.lock() else { return None };
        let full = f64::from(rate.count);
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of a rate stay far below 2^52"
        )]
        let per_millis = full / rate.per_millis as f64;
        let key = (endpoint.to_owned(), client.map(subnet), rate.count, rate.per_millis);
        let bucket = buckets.of(key, Bucket { tokens: full, at: now }, most);
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

    #[cfg(test)]
    fn kept(&self) -> usize {
        let count = |buckets: &Mutex<Buckets>| {
            buckets.lock().map_or(0, |buckets| buckets.young.len() + buckets.old.len())
        };
        count(&self.endpoints) + count(&self.clients)
    }
}

/// One IPv6 customer owns a /64; counting single addresses would be no limit.
#[must_use]
pub fn subnet(address: IpAddr) -> IpAddr {
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

    #[test]
    fn ten_times_the_rate_is_let_in_at_the_rate() {
        let rates = Rates::default();
        let rate = Rate { count: 100, per_millis: 1_000 };
        // 60 s of 1,000 calls a second, one each millisecond.
        let admitted = (0..60_000).filter(|now| rates.take("a/b", rate, None, *now).is_none());
        let (admitted, expected) = (admitted.count(), 60 * 100);
        assert!(admitted.abs_diff(expected) <= expected * 2 / 100, "{admitted}");
    }

    #[test]
    fn a_million_made_up_clients_neither_fill_the_memory_nor_push_anybody_out() {
        let rates = Rates::default();
        let own = Rate { count: 1, per_millis: 86_400_000 };
        let honest = "198.51.100.7".parse().expect("an address");
        assert_eq!(rates.take("a/b", own, Some(honest), 0), None);
        assert_eq!(rates.take("a/b", own, None, 0), None);
        for number in 0..1_000_000_u32 {
            let client = std::net::Ipv6Addr::from(u128::from(number) << 64);
            assert_eq!(rates.take("a/b", own, Some(client.into()), 1), None);
            if number % 10_000 == 0 {
                assert!(rates.take("a/b", own, Some(honest), 1).is_some(), "it is still known");
            }
        }
        assert!(rates.take("a/b", own, None, 1).is_some(), "what all may do is not forgotten");
        assert!(rates.kept() <= 100_001, "{}", rates.kept());
        let (one, other) = ("2001:db8::1".parse().ok(), "2001:db8::2:1".parse().ok());
        assert_eq!(rates.take("a/b", own, one, 2), None);
        assert!(rates.take("a/b", own, other, 2).is_some(), "a customer's /64 is one client");
    }
}
