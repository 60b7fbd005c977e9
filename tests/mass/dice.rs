//! The dice of the simulation, with numbers of the kinds that are needed here.

#[path = "../simulation/dice.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod throws;

pub(crate) use throws::Dice;

impl Dice {
    /// A time below this one, in milliseconds.
    pub(crate) fn millis(&self, below: i64) -> i64 {
        i64::try_from(self.below(u64::try_from(below).unwrap())).unwrap()
    }

    /// An index below this one.
    pub(crate) fn number(&self, below: usize) -> usize {
        usize::try_from(self.below(below as u64)).unwrap()
    }
}
