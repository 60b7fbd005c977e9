//! Which wording of an e-mail a person gets. The variant follows from who they are and which
//! e-mail it is, and from nothing else: it is the same on every attempt, after every restart
//! and on every machine.

use sha2::{Digest as _, Sha256};

use crate::base::address;
use crate::model::Context;
use crate::model::rules::{Choice, ITSELF, Said, Sequence, SequenceAction, SequenceStep, locale};

/// The variant or the language that is wanted, in the place of the person's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pick {
    /// The variant; none is the e-mail itself.
    pub variant: Option<String>,
    /// The language; none is the person's.
    pub locale: Option<String>,
}

/// Where a person stands among 100 for one e-mail: from 0 to 99. It is the first eight bytes
/// of SHA-256 over the address in small letters, the sequence and the e-mail's name, with a
/// zero byte between them, as a share of 2^64.
#[must_use]
pub fn position(person: &str, sequence: &str, step: &str) -> u32 {
    let person = address::person(person);
    let digest = Sha256::digest([&person, sequence, step].join("\0"));
    let first = digest.iter().take(8).fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    u32::try_from((first * 100) >> 64).unwrap_or_default()
}

/// The variant of an e-mail that a person gets; none where it has only one wording. The
/// variants take the positions from 0 on, in the order of the rules, and the e-mail itself
/// takes what is left. So one more variant at the end takes people from the e-mail itself and
/// from no other variant.
#[must_use]
pub fn variant<'a>(
    choice: &'a Choice,
    person: &str,
    sequence: &str,
    step: &str,
) -> Option<&'a str> {
    if choice.shares.is_empty() {
        return None;
    }
    let position = position(person, sequence, step);
    let mut end = 0;
    let taken = choice.shares.iter().find(|share| {
        end += share.weight;
        position < end
    });
    Some(taken.map_or(ITSELF, |share| share.name.as_str()))
}

/// What an e-mail says to a person, with their language; none where no e-mail is sent. A
/// language that cannot be made out is no language.
pub fn said<'a>(
    sequence: &Sequence,
    step: &'a SequenceStep,
    person: &str,
    context: &Context<'_>,
    pick: Option<&Pick>,
) -> Option<(Said<'a>, Option<String>)> {
    let SequenceAction::Email { choice, .. } = &step.action else { return None };
    let variant = match pick {
        None => variant(choice, person, &sequence.name, &step.name),
        Some(pick) => Some(pick.variant.as_deref().unwrap_or(ITSELF)),
    };
    let wanted = pick.and_then(|pick| pick.locale.clone());
    let own = || sequence.locale.as_ref().and_then(|template| template.text(context).ok());
    let wanted = wanted.or_else(own).and_then(|text| locale(&text));
    Some((step.action.said(variant, wanted.as_deref())?, wanted))
}

/// What fills a text in, with the language in which it is written. A text that was chosen for
/// its language writes numbers as people do where its reader lives: `14,700` in Mexico is
/// `14.700` in Spain. The plain text is in the language that the rules say for everybody, if
/// they do.
#[must_use]
pub fn spoken<'a>(
    sequence: &Sequence,
    said: Said<'_>,
    reader: Option<&str>,
    context: &Context<'a>,
) -> Context<'a> {
    let mut spoken = context.clone();
    spoken.language = match said.locale {
        Some(own) => Some(reader.unwrap_or(own).to_owned()),
        None => sequence.language(),
    };
    spoken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::rules::Share;

    fn choice(shares: &[(&str, u32)]) -> Choice {
        let share =
            |(name, weight): &(&str, u32)| Share { name: (*name).to_owned(), weight: *weight };
        Choice { shares: shares.iter().map(share).collect(), wordings: Vec::new() }
    }

    fn of(choice: &Choice, person: &str) -> String {
        variant(choice, person, "welcome", "welcome-1").unwrap_or_default().to_owned()
    }

    #[test]
    fn the_same_person_stands_at_the_same_place_for_ever() {
        // Whoever changes these moves people between variants in the middle of a trial.
        assert_eq!(position("sarah@example.com", "welcome", "welcome-1"), 49);
        assert_eq!(position("peter@example.com", "welcome", "welcome-1"), 9);
        assert_eq!(position(" Sarah@Example.COM", "welcome", "welcome-1"), 49);
        assert_ne!(position("sarah@example.com", "welcome", "welcome-2"), 49);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn the_shares_are_as_declared(b in 1_u32..60, c in 1_u32..39, salt in any::<u32>()) {
            const PEOPLE: u32 = 20_000;
            let choice = choice(&[("b", b), ("c", c)]);
            let mut counted = std::collections::BTreeMap::<String, u32>::new();
            for number in 0..PEOPLE {
                *counted.entry(of(&choice, &format!("p{number}.{salt}@example.com"))).or_default() += 1;
            }
            for (name, weight) in choice.shares() {
                let share = f64::from(weight) / 100.0;
                let got = f64::from(*counted.get(name).unwrap_or(&0));
                let wanted = f64::from(PEOPLE) * share;
                // Six standard deviations: less than one wrong alarm in 100 million.
                let spread = 6.0 * (f64::from(PEOPLE) * share * (1.0 - share)).sqrt();
                prop_assert!((got - wanted).abs() < spread, "{name}: {got}, not {wanted}");
            }
        }

        #[test]
        fn a_third_variant_takes_people_from_the_email_itself_only(
            b in 1_u32..60, c in 1_u32..39, person in "[a-z]{1,12}@[a-z]{1,12}\\.com"
        ) {
            let (before, after) = (of(&choice(&[("b", b)]), &person), of(&choice(&[("b", b), ("c", c)]), &person));
            prop_assert!(before == after || (before == "a" && after == "c"), "{before} {after}");
        }
    }
}
