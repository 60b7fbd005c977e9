//! Whether two texts differ by more than chance: a two-proportion test, told in one sentence.
//! Of more than two texts the best is held against the worst, and counts as better only if
//! that holds however many pairs there were to choose from (Bonferroni).

use crate::model::queue::Tally;

/// E-mails of each text below which nothing is said about a difference.
pub const ENOUGH: u64 = 100;
/// A difference counts when chance alone would make one so large less often than this.
const LEVEL: f64 = 0.05;

/// One text with its results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arm {
    /// Its name.
    pub(super) name: String,
    /// E-mails of it that were sent.
    pub(super) sent: u64,
    /// How many of them did what they are measured by; at most `sent`.
    pub(super) hits: u64,
}

/// What can be said about a difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What was compared: conversions or clicks.
    pub measure: Tally,
    /// How often chance alone would make so large a difference, from 0 to 1; none while too few
    /// were sent.
    pub p: Option<f64>,
    /// The text that did better, where that is more than chance.
    pub better: Option<String>,
    /// All that in a sentence.
    pub sentence: String,
}

/// Compares the texts of a step; none where there are fewer than two.
#[must_use]
pub(super) fn compare(measure: Tally, arms: &[Arm]) -> Option<Comparison> {
    let by_rate = |one: &&Arm, other: &&Arm| rate(one).total_cmp(&rate(other));
    let (best, worst) = (arms.iter().max_by(by_rate)?, arms.iter().min_by(by_rate)?);
    if arms.len() < 2 {
        return None;
    }
    let few = arms.iter().min_by_key(|arm| arm.sent)?;
    let undecided =
        |p: Option<f64>, sentence: String| Some(Comparison { measure, p, better: None, sentence });
    if few.sent < ENOUGH {
        return undecided(
            None,
            format!(
                "Too early to compare: `{}` was sent {} times, and each text needs at least \
                 {ENOUGH}.",
                few.name, few.sent
            ),
        );
    }
    let word = measure.word();
    if best.hits * worst.sent == worst.hits * best.sent {
        return undecided(Some(1.0), format!("No difference: all texts {word} equally often."));
    }
    if best.hits < 5 {
        return undecided(
            None,
            format!("Too early to compare: `{}` has {word} {} times only.", best.name, best.hits),
        );
    }
    let pairs = arms.len() * (arms.len() - 1) / 2;
    let pairs = u32::try_from(pairs).map_or(f64::MAX, f64::from);
    let p = (by_chance(best, worst) * pairs).min(1.0);
    let told = format!(
        "`{}` {word} {} of the time, `{}` {}",
        best.name,
        percent(best),
        worst.name,
        percent(worst)
    );
    let often = odds(p);
    if p < LEVEL {
        let sentence = format!("{told}: more than chance, which alone would do that {often}.");
        return Some(Comparison { measure, p: Some(p), better: Some(best.name.clone()), sentence });
    }
    undecided(Some(p), format!("{told}: that can be chance, which alone would do that {often}."))
}

#[expect(clippy::cast_precision_loss, reason = "counts of e-mails are far below 2^52")]
fn rate(arm: &Arm) -> f64 {
    if arm.sent == 0 { 0.0 } else { arm.hits as f64 / arm.sent as f64 }
}

fn percent(arm: &Arm) -> String {
    format!("{:.1} %", rate(arm) * 100.0)
}

/// How often so large a difference comes about by chance, in words.
fn odds(p: f64) -> String {
    if p < 0.001 {
        String::from("less than once in 1000 tests")
    } else if p < 0.095 {
        format!("about once in {:.0} tests", 1.0 / p)
    } else {
        format!("in about {:.0} of 100 tests", p * 100.0)
    }
}

/// The two-sided p value of a two-proportion z-test with pooled variance.
#[expect(clippy::cast_precision_loss, reason = "counts of e-mails are far below 2^52")]
fn by_chance(one: &Arm, other: &Arm) -> f64 {
    let (m, n) = (one.sent as f64, other.sent as f64);
    let pooled = (one.hits + other.hits) as f64 / (m + n);
    let spread = (pooled * (1.0 - pooled) * (1.0 / m + 1.0 / n)).sqrt();
    if spread == 0.0 {
        return 1.0;
    }
    let z = (rate(one) - rate(other)).abs() / spread;
    erfc(z / std::f64::consts::SQRT_2)
}

/// The complementary error function for what is not negative, to seven digits (Abramowitz and
/// Stegun 7.1.26).
fn erfc(x: f64) -> f64 {
    const FACTORS: [f64; 5] =
        [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let sum = FACTORS.iter().fold(0.0, |sum, factor| (sum + factor) * t);
    (sum * (-x * x).exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arms(results: &[(u64, u64)]) -> Vec<Arm> {
        let arm = |(at, (hits, sent)): (usize, &(u64, u64))| Arm {
            name: ["a", "b", "c"][at].to_owned(),
            sent: *sent,
            hits: *hits,
        };
        results.iter().enumerate().map(arm).collect()
    }

    #[test]
    fn known_p_values_come_out() {
        // (0.12 - 0.09) / sqrt(0.105 * 0.895 * 2 / 1000) = 2.18826, beyond which lie 2.865 %.
        let p = compare(Tally::Clicked, &arms(&[(120, 1000), (90, 1000)])).unwrap().p.unwrap();
        assert!((p - 0.028_65).abs() < 0.000_01, "{p}");
        // z = 1.96 is the two-sided 5 %.
        assert!((erfc(1.959_964 / std::f64::consts::SQRT_2) - 0.05).abs() < 0.000_001);
    }

    #[test]
    fn no_winner_is_named_before_enough_was_sent() {
        let found = compare(Tally::Converted, &arms(&[(50, 99), (0, 5000)])).unwrap();
        assert_eq!((found.p, found.better), (None, None));
        assert!(found.sentence.contains("`a` was sent 99 times"), "{}", found.sentence);
        let found = compare(Tally::Converted, &arms(&[(50, 100), (0, 5000)])).unwrap();
        assert_eq!(found.better.as_deref(), Some("a"));
    }

    #[test]
    fn what_can_be_chance_is_told_as_such() {
        let found = compare(Tally::Clicked, &arms(&[(12, 200), (9, 200)])).unwrap();
        assert_eq!(found.better, None);
        assert!(found.sentence.contains("can be chance"), "{}", found.sentence);
        let same = compare(Tally::Clicked, &arms(&[(0, 200), (0, 300)])).unwrap();
        assert!(same.sentence.starts_with("No difference"), "{}", same.sentence);
        let rare = compare(Tally::Clicked, &arms(&[(1, 200), (0, 300)])).unwrap();
        assert_eq!((rare.p, rare.better), (None, None));
    }

    #[test]
    fn one_of_three_must_be_further_ahead_than_one_of_two() {
        let two = compare(Tally::Clicked, &arms(&[(120, 1000), (90, 1000)])).unwrap();
        let three =
            compare(Tally::Clicked, &arms(&[(120, 1000), (90, 1000), (100, 1000)])).unwrap();
        assert!(two.better.is_some() && three.better.is_none(), "{two:?} {three:?}");
    }

    #[test]
    fn one_text_is_compared_with_nothing() {
        assert_eq!(compare(Tally::Clicked, &arms(&[(5, 500)])), None);
        assert_eq!(compare(Tally::Clicked, &[]), None);
    }
}
