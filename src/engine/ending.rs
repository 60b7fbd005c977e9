//! What an accepted call or a queued event ends: every `stop-on` and `goal` that names it.
//! They come before the steps of that call, so what the call itself starts goes on.

use super::enrol::normalise;
use super::run::Run;
use crate::base::time;
use crate::model::Context;
use crate::model::commit::Write;
use crate::model::queue::Level;
use crate::model::rules::{Ending, Sequence, Trigger};

/// What was ended for a person: which sequence, and which run of it (none means all).
pub(super) struct Ended {
    sequence: String,
    person: String,
    key: Option<String>,
}

impl Ended {
    /// Every run of a person in a sequence.
    pub(super) fn all(sequence: &str, person: &str) -> Self {
        Self { sequence: sequence.to_owned(), person: person.to_owned(), key: None }
    }

    /// Whether this run is among what was ended.
    pub(super) fn holds(&self, sequence: &str, person: &str, key: &str) -> bool {
        self.sequence == sequence
            && self.person == person
            && self.key.as_deref().is_none_or(|only| only == key)
    }
}

impl Run<'_> {
    /// Ends what says that this ends it, for the person whom its payload names.
    pub(super) fn endings(&mut self, on: &Trigger, context: &Context<'_>) {
        let rules = self.world.rules;
        for (sequence, number) in rules.endings.get(on).into_iter().flatten() {
            self.ending(sequence, &sequence.endings[*number], context);
        }
    }

    fn ending(&mut self, sequence: &Sequence, ending: &Ending, context: &Context<'_>) {
        let key = ending.key.as_ref().map(|key| key.text(context)).transpose();
        let (person, key) = match (ending.person.text(context), key) {
            (Ok(person), Ok(key)) => (normalise(&person), key.map(|key| normalise(&key))),
            // The call is right as it is; that it cannot end a sequence must not refuse it.
            (Err(why), _) | (_, Err(why)) => {
                let word = ending.word();
                self.log(Level::Warn, &sequence.name, format!("{word} was left out: {why}"));
                return;
            }
        };
        // An empty key would be no key at all, and end every run.
        if person.is_empty() || key.as_deref() == Some("") {
            return;
        }
        self.world.went(ending.span, super::Way::Done);
        let name = ending.on.name();
        let sequence = sequence.name.clone();
        let which = key.as_deref().map(|key| format!(" ({key})")).unwrap_or_default();
        self.ended.push(Ended {
            sequence: sequence.clone(),
            person: person.clone(),
            key: key.clone(),
        });
        let (write, told) = match &ending.goal {
            None => {
                let reason = format!("stopped by {name}");
                let told = format!("stops for {person}{which}, if it runs");
                let sequence = sequence.clone();
                (Write::Stop { sequence, person, key, reason }, told)
            }
            Some(within) => {
                let wait = i64::try_from(within.to_duration().as_millis()).unwrap_or(i64::MAX);
                let since = time::millis(self.call.at).saturating_sub(wait);
                let reason = format!("goal reached: {name}");
                let told = format!("{person}{which} has reached its goal, if it runs or just ran");
                let sequence = sequence.clone();
                (Write::Convert { sequence, person, key, reason, since }, told)
            }
        };
        self.writes.push(write);
        self.log(Level::Info, &sequence, told);
    }
}
