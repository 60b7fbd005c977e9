//! A sequence's numbers, put together from what was counted: how many entered and how they
//! left, and for each step what became of it, each of its texts by itself too. Every rate has
//! one denominator, the e-mails that it can be about.

use std::collections::BTreeMap;

use super::chance::{self, Arm, Comparison};
use crate::model::queue::{AT_ONCE, Counted, Tally};
use crate::model::rules::Sequence;

/// What happens to e-mails that were sent, as rates are told of it.
pub const RATES: [Tally; 5] =
    [Tally::Bounced, Tally::Complained, Tally::Unsubscribed, Tally::Clicked, Tally::Converted];

/// Counts of one step, or of one of its texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    by: BTreeMap<Tally, u64>,
    /// Why it was left out, and how often.
    pub skipped_because: BTreeMap<String, u64>,
    /// Why it was given up, and how often.
    pub failed_because: BTreeMap<String, u64>,
    /// E-mails that the mail server refused for good when they were handed over: they bounced
    /// and never counted as sent.
    refused: u64,
}

impl Counts {
    /// How often it happened.
    #[must_use]
    pub fn of(&self, what: Tally) -> u64 {
        self.by.get(&what).copied().unwrap_or_default()
    }

    /// How often it happened, of the e-mails that it can happen to, from 0 to 1: bounces of
    /// those that were handed over, everything else of those that were taken. None where there
    /// were no such e-mails.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "rates for people, to a hundredth of a percent")]
    pub fn rate(&self, what: Tally) -> Option<f64> {
        let refused = if what == Tally::Bounced { self.refused } else { 0 };
        let all = self.of(Tally::Sent) + refused;
        let rate = self.of(what) as f64 / all as f64;
        (all > 0).then(|| (rate * 10_000.0).round() / 10_000.0)
    }

    fn add(&mut self, counted: &Counted, count: u64) {
        *self.by.entry(counted.what).or_default() += count;
        let reason = counted.reason.as_deref();
        let because = match counted.what {
            Tally::Skipped => &mut self.skipped_because,
            Tally::Failed => &mut self.failed_because,
            Tally::Bounced if reason == Some(AT_ONCE) => {
                self.refused += count;
                return;
            }
            _ => return,
        };
        if count > 0 {
            *because.entry(reason.unwrap_or("other").to_owned()).or_default() += count;
        }
    }
}

/// The numbers of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepNumbers {
    /// Its name.
    pub name: String,
    /// Whether the rules still have it.
    pub in_rules: bool,
    /// All of it, whatever its text.
    pub all: Counts,
    /// Each of its texts by name, from the moment when it was chosen for somebody.
    pub variants: BTreeMap<String, Counts>,
    /// Whether its texts differ by more than chance; none where it has only one.
    pub comparison: Option<Comparison>,
}

/// The numbers of a sequence since its beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// How often somebody entered.
    pub entered: u64,
    /// How many are in it now.
    pub active: u64,
    /// How often somebody was led through to its end.
    pub finished: u64,
    /// How often somebody was taken out.
    pub stopped: u64,
    /// How often somebody reached its goal.
    pub converted: u64,
    /// Its steps in the order of the rules, then those that the rules no longer have.
    pub steps: Vec<StepNumbers>,
}

/// Puts a sequence's numbers together. `rule` is none where the rules no longer have it,
/// `active` how many are in it now.
#[must_use]
pub fn numbers(rule: Option<&Sequence>, tallies: &[(Counted, u64)], active: u64) -> Numbers {
    let whole = |what: Tally| {
        let found = tallies.iter().find(|(one, _)| one.step.is_empty() && one.what == what);
        found.map_or(0, |(_, count)| *count)
    };
    let mut steps: Vec<StepNumbers> = Vec::new();
    let step = |name: &str, in_rules: bool| StepNumbers {
        name: name.to_owned(),
        in_rules,
        all: Counts::default(),
        variants: BTreeMap::new(),
        comparison: None,
    };
    steps.extend(rule.into_iter().flat_map(|rule| &rule.steps).map(|one| step(&one.name, true)));
    for (counted, count) in tallies.iter().filter(|(one, _)| !one.step.is_empty()) {
        let at = steps.iter().position(|one| one.name == counted.step).unwrap_or_else(|| {
            steps.push(step(&counted.step, false));
            steps.len() - 1
        });
        steps[at].all.add(counted, *count);
        if let Some(variant) = &counted.variant {
            steps[at].variants.entry(variant.clone()).or_default().add(counted, *count);
        }
    }
    // What was only planned before the rules lost it says nothing.
    steps.retain(|one| one.in_rules || one.all.by.values().any(|count| *count > 0));
    let measure = measure(rule, tallies);
    for one in &mut steps {
        let arm = |(name, counts): (&String, &Counts)| Arm {
            name: name.clone(),
            sent: counts.of(Tally::Sent),
            hits: counts.of(measure).min(counts.of(Tally::Sent)),
        };
        let arms: Vec<Arm> = one.variants.iter().map(arm).collect();
        one.comparison = chance::compare(measure, &arms);
    }
    Numbers {
        entered: whole(Tally::Entered),
        active,
        finished: whole(Tally::Finished),
        stopped: whole(Tally::Stopped),
        converted: whole(Tally::Converted),
        steps,
    }
}

/// By what texts are compared: conversions where the sequence has a goal (or had one), clicks
/// otherwise.
fn measure(rule: Option<&Sequence>, tallies: &[(Counted, u64)]) -> Tally {
    let has_goal = rule.is_some_and(|rule| rule.endings.iter().any(|one| one.goal.is_some()));
    let had_one = tallies.iter().any(|(one, _)| one.what == Tally::Converted);
    if has_goal || had_one { Tally::Converted } else { Tally::Clicked }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(
        step: &str,
        variant: Option<&str>,
        what: Tally,
        why: Option<&str>,
        count: u64,
    ) -> (Counted, u64) {
        let one = Counted {
            sequence: String::from("welcome"),
            step: step.to_owned(),
            variant: variant.map(str::to_owned),
            what,
            reason: why.map(str::to_owned),
        };
        (one, count)
    }

    #[test]
    fn every_rate_is_told_of_the_e_mails_that_it_can_be_about() {
        let tallies = [
            counted("a", None, Tally::Sent, None, 90),
            counted("a", None, Tally::Bounced, Some(AT_ONCE), 10),
            counted("a", None, Tally::Bounced, None, 5),
            counted("a", None, Tally::Clicked, None, 9),
            counted("a", None, Tally::Skipped, Some("too late"), 1000),
        ];
        let found = numbers(None, &tallies, 0);
        let step = &found.steps[0].all;
        assert_eq!(step.of(Tally::Bounced), 15, "at once and later");
        assert_eq!(step.rate(Tally::Bounced), Some(0.15), "15 of 100 that were handed over");
        assert_eq!(step.rate(Tally::Clicked), Some(0.1), "9 of 90 that were taken");
        assert_eq!(step.rate(Tally::Converted), Some(0.0));
        assert_eq!(Counts::default().rate(Tally::Clicked), None, "nothing sent, no rate");
    }

    #[test]
    fn a_step_is_the_sum_of_its_texts_and_of_what_happened_before_one_was_chosen() {
        let tallies = [
            counted("", None, Tally::Entered, None, 12),
            counted("a", None, Tally::Skipped, Some("suppressed"), 2),
            counted("a", Some("a"), Tally::Sent, None, 4),
            counted("a", Some("b"), Tally::Sent, None, 6),
            counted("gone", None, Tally::Sent, None, 0),
        ];
        let found = numbers(None, &tallies, 3);
        assert_eq!((found.entered, found.active, found.steps.len()), (12, 3, 1));
        assert_eq!(found.steps[0].all.of(Tally::Sent), 10);
        assert_eq!(found.steps[0].all.skipped_because["suppressed"], 2);
        assert_eq!(found.steps[0].variants["b"].of(Tally::Sent), 6);
    }
}
