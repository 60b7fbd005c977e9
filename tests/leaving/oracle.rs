//! What must become of people in a sequence, worked out with nothing but lists and hours.

use std::collections::BTreeSet;

/// Who may be in the sequence twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    Never,
    AfterFinish,
    /// So many hours after the start.
    Hours(i64),
    Restart,
}

/// The rules of one history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) again: Again,
    /// Whether a run is told apart by its order, or else by the person.
    pub(crate) per_order: bool,
    /// Whether `stop-on` and `goal` name the run by its key.
    pub(crate) keyed: bool,
    /// How many hours late a step may be.
    pub(crate) max_late: i64,
}

/// When steps are due, in hours after the start.
pub(crate) const DUE: [i64; 3] = [1, 5, 9];
/// How many hours after the last step the goal counts.
pub(crate) const WITHIN: i64 = 10;
/// How many hours after a refusal an e-mail is tried again, and how often.
pub(crate) const RETRY: i64 = 2;
const RETRIES: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    Finished,
    Stopped,
    Converted,
}

/// An e-mail that was refused and is tried again.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    step: usize,
    due: i64,
}

/// One run of one person.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Its number among all runs.
    pub(crate) number: usize,
    pub(crate) person: u8,
    pub(crate) order: u8,
    pub(crate) began: i64,
    pub(crate) next: usize,
    /// Steps that were sent.
    pub(crate) sent: Vec<usize>,
    /// How often each step was tried.
    pub(crate) tries: [usize; DUE.len()],
    waiting: Vec<Waiting>,
    pub(crate) state: State,
    ended: i64,
}

impl Run {
    /// Steps that are still to come.
    pub(crate) fn left(&self) -> impl Iterator<Item = usize> {
        let next = Some(self.next).filter(|next| *next < DUE.len());
        self.waiting.iter().map(|one| one.step).chain(next)
    }

    fn end(&mut self, state: State) {
        self.state = state;
        self.waiting.clear();
    }

    /// When something is due next, and which e-mail that was refused it is, if it is one.
    fn upcoming(&self) -> Option<(i64, Option<usize>)> {
        let step = DUE.get(self.next).map(|hours| (self.began + hours, None));
        let again = self.waiting.iter().enumerate().map(|(place, one)| (one.due, Some(place)));
        step.into_iter().chain(again).min()
    }

    /// What is due is looked at.
    fn go(&mut self, at: i64, again: Option<usize>, policy: Policy, refuses: bool) {
        let step = if let Some(place) = again {
            self.waiting.remove(place).step
        } else {
            self.next += 1;
            self.next - 1
        };
        let latest = self.began + DUE[step] + policy.max_late;
        self.ended = at;
        if at > latest {
            return;
        }
        self.tries[step] += 1;
        if !refuses {
            self.sent.push(step);
        } else if self.tries[step] <= RETRIES && at + RETRY <= latest {
            self.waiting.push(Waiting { step, due: at + RETRY });
        }
    }
}

/// Everything that ever happened.
#[derive(Debug)]
pub(crate) struct Oracle {
    policy: Policy,
    pub(crate) now: i64,
    pub(crate) runs: Vec<Run>,
    /// Paused for everybody (none) or for a person.
    pauses: BTreeSet<Option<u8>>,
    /// Whether the mail server refuses everything for now.
    pub(crate) refuses: bool,
    /// How often each step converted.
    pub(crate) conversions: [u64; 3],
}

impl Oracle {
    pub(crate) fn new(policy: Policy) -> Self {
        let (runs, pauses) = (Vec::new(), BTreeSet::new());
        Self { policy, now: 0, runs, pauses, refuses: false, conversions: [0; 3] }
    }

    /// What makes two starts the same.
    pub(crate) fn key(&self, person: u8, order: u8) -> u8 {
        if self.policy.per_order { order } else { person }
    }

    /// The newest run of each key.
    pub(crate) fn newest(&self, key: u8) -> Option<&Run> {
        self.runs.iter().rev().find(|run| self.key(run.person, run.order) == key)
    }

    /// Somebody starts; answers whether that lets them in.
    pub(crate) fn start(&mut self, person: u8, order: u8) -> bool {
        let newest = self.newest(self.key(person, order)).cloned();
        let enters = newest.as_ref().is_none_or(|run| {
            let active = run.state == State::Active;
            match self.policy.again {
                Again::Never => false,
                Again::AfterFinish => !active,
                Again::Hours(hours) => !active && self.now >= run.began + hours,
                Again::Restart => true,
            }
        });
        if enters {
            if let Some(old) = newest.filter(|old| old.state == State::Active) {
                self.runs[old.number].end(State::Stopped);
            }
            self.runs.push(Run {
                number: self.runs.len(),
                person,
                order,
                began: self.now,
                next: 0,
                sent: Vec::new(),
                tries: [0; DUE.len()],
                waiting: Vec::new(),
                state: State::Active,
                ended: 0,
            });
        }
        enters
    }

    /// The newest runs that a call of this person about this order is about.
    fn meant(&self, person: u8, order: u8) -> Vec<usize> {
        let keys: BTreeSet<u8> =
            self.runs.iter().map(|run| self.key(run.person, run.order)).collect();
        let newest = keys.iter().filter_map(|key| self.newest(*key));
        let own = newest.filter(|run| run.person == person);
        let key = self.key(person, order);
        own.filter(|run| !self.policy.keyed || self.key(run.person, run.order) == key)
            .map(|run| run.number)
            .collect()
    }

    pub(crate) fn cancel(&mut self, person: u8, order: u8) {
        for number in self.meant(person, order) {
            self.stop(number);
        }
    }

    /// A step of a call stops whatever the person is in.
    pub(crate) fn stop_all(&mut self, person: u8) {
        for number in 0..self.runs.len() {
            if self.runs[number].person == person {
                self.stop(number);
            }
        }
    }

    fn stop(&mut self, number: usize) {
        let run = &mut self.runs[number];
        if run.state == State::Active {
            run.end(State::Stopped);
        }
    }

    pub(crate) fn buy(&mut self, person: u8, order: u8) {
        for number in self.meant(person, order) {
            let run = &mut self.runs[number];
            let counts = match run.state {
                State::Active => true,
                State::Finished => self.now - run.ended <= WITHIN,
                State::Stopped | State::Converted => false,
            };
            if counts {
                run.end(State::Converted);
                if let Some(step) = run.sent.iter().max() {
                    self.conversions[*step] += 1;
                }
            }
        }
    }

    pub(crate) fn pause(&mut self, person: Option<u8>) {
        self.pauses.insert(person);
    }

    pub(crate) fn resume(&mut self, person: Option<u8>) {
        self.pauses.remove(&person);
        self.pass(0);
    }

    /// Hours pass.
    pub(crate) fn pass(&mut self, hours: i64) {
        let until = self.now + hours;
        for run in self.runs.iter_mut().filter(|run| run.state == State::Active) {
            if self.pauses.contains(&None) || self.pauses.contains(&Some(run.person)) {
                continue;
            }
            while let Some((due, again)) = run.upcoming().filter(|(due, _)| *due <= until) {
                run.go(due.max(self.now), again, self.policy, self.refuses);
            }
            if run.upcoming().is_none() {
                run.state = State::Finished;
            }
        }
        self.now = until;
    }
}
