//! How many marketing e-mails one person gets in a time.

use crate::base::Delay;
use crate::model::queue::Limit;

/// `cap 1 per="12h"`. It counts the marketing e-mails of all sequences to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// At most so many.
    pub count: usize,
    /// In so long a time.
    pub per: Delay,
}

impl Cap {
    /// The cap in milliseconds, where the waits of sequences pass `speed` times faster.
    #[must_use]
    pub fn limit(self, speed: u32) -> Limit {
        let millis = i64::try_from(self.per.to_duration().as_millis()).unwrap_or(i64::MAX);
        Limit { count: self.count, millis: millis / i64::from(speed.max(1)) }
    }
}
