//! Everybody who is written to, what they do, and what they have got: a few bytes each, all of
//! them there from the beginning, so that memory that grows is not ours.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard};

use crate::calendar::{DAY, ZONES};
use crate::dice::Dice;
use crate::rules::{OFFER, STEPS};

/// Everybody enters within so long.
pub(crate) const ENTRY: i64 = 5 * DAY;
/// Not yet, or never.
pub(crate) const NEVER: i64 = i64::MAX;
/// After so many broken promises the rest is only counted.
const ENOUGH: usize = 20;

/// How somebody ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Gets everything.
    Stays,
    /// Leaves by a call.
    Stops,
    /// Follows the link of this e-mail some time after it came.
    Unsubscribes(usize),
    /// The mailbox is gone once it has got so many.
    Bounces(usize),
}

/// Somebody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) zone: usize,
    pub(crate) interested: bool,
    pub(crate) fate: Fate,
    /// When the signup was answered.
    pub(crate) began: i64,
    /// From when on nothing more may come: a stop, an unsubscribe or a bounce was answered then.
    pub(crate) gone: i64,
    /// When each e-mail came.
    pub(crate) got: [i64; STEPS.len()],
}

/// What somebody does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Signup,
    Leave,
    /// With the token of the link.
    Unsubscribe(String),
}

/// Everything that the test knows by itself.
pub(crate) struct Book {
    pub(crate) dice: Dice,
    inner: Mutex<Pages>,
}

/// The same, open.
pub(crate) struct Pages {
    pub(crate) people: Vec<Person>,
    /// What will be done, the earliest first: when, by whom, what.
    pub(crate) agenda: BinaryHeap<Reverse<(i64, usize, Act)>>,
    pub(crate) mails: u64,
    pub(crate) bounces: u64,
    pub(crate) broken: Vec<String>,
    pub(crate) more_broken: u64,
}

impl Pages {
    /// Notes that a promise was broken.
    pub(crate) fn broken(&mut self, text: String) {
        if self.broken.len() < ENOUGH {
            self.broken.push(text);
        } else {
            self.more_broken += 1;
        }
    }

    /// Notes an e-mail that came.
    pub(crate) fn came(&mut self, who: usize, step: usize, now: i64) {
        let name = STEPS[step].0;
        let Some(person) = self.people.get_mut(who) else {
            return self.broken(format!("{name} came to nobody"));
        };
        if person.got[step] != NEVER {
            return self.broken(format!("{name} came twice to {who}"));
        }
        person.got[step] = now;
        self.mails += 1;
    }
}

impl Book {
    /// So many people who enter from this moment on.
    pub(crate) fn new(seed: u64, count: usize, from: i64) -> Self {
        let dice = Dice::new(seed);
        let mut agenda = BinaryHeap::with_capacity(count + count / 10);
        let people = (0..count).map(|who| {
            let at = from + dice.millis(ENTRY);
            agenda.push(Reverse((at, who, Act::Signup)));
            let step = dice.number(4);
            let fate = match dice.below(100) {
                0..5 => Fate::Unsubscribes(step),
                5..7 => Fate::Stops,
                7..8 => Fate::Bounces(step),
                _ => Fate::Stays,
            };
            if fate == Fate::Stops {
                agenda.push(Reverse((at + 1 + dice.millis(10 * DAY), who, Act::Leave)));
            }
            Person {
                zone: dice.number(ZONES.len()),
                interested: dice.once_in(3),
                fate,
                began: NEVER,
                gone: NEVER,
                got: [NEVER; STEPS.len()],
            }
        });
        let people = people.collect();
        let (mails, bounces, broken, more_broken) = (0, 0, Vec::new(), 0);
        let pages = Pages { people, agenda, mails, bounces, broken, more_broken };
        Self { dice, inner: Mutex::new(pages) }
    }

    pub(crate) fn open(&self) -> MutexGuard<'_, Pages> {
        self.inner.lock().unwrap()
    }
}

impl Person {
    /// Whether an e-mail is meant for them at all.
    pub(crate) fn wants(&self, step: usize) -> bool {
        step != OFFER || self.interested
    }

    /// How many have come.
    pub(crate) fn count(&self) -> usize {
        self.got.iter().filter(|at| **at != NEVER).count()
    }
}

/// The address of somebody.
pub(crate) fn address(who: usize) -> String {
    format!("p{who}@example.net")
}

/// Whose address that is.
pub(crate) fn whose(address: &str) -> Option<usize> {
    address.strip_prefix('p')?.strip_suffix("@example.net")?.parse().ok()
}
