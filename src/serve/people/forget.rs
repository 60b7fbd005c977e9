//! Forgetting a person who asks for it (GDPR, article 17): everything that the store knows of
//! them goes, in small steps; that they are suppressed stays, as a hash, and so does what was
//! counted.

use std::time::Duration;

use crate::model::RuleSet;
use crate::model::rules::ServiceType;
use crate::store::{Forgotten, Store, StoreError};

/// How long something that is being sent at this moment is waited for.
const SETTLE: Duration = Duration::from_secs(20);
/// How often it is gone through again at most, when something was under way.
const ROUNDS: usize = 4;

/// Forgets a person. What is being sent to them at that moment is waited for; where that takes
/// too long, it is still named as in flight in the answer, and forgetting is to be asked for
/// again.
///
/// # Errors
/// The store cannot be read or written; what was removed until then is gone.
pub async fn forget(
    store: &dyn Store,
    person: &str,
    now: impl Fn() -> i64,
) -> Result<Forgotten, StoreError> {
    let mut all = Forgotten::default();
    for _ in 0..ROUNDS {
        let round = store.forget(person, now()).await?;
        all.executions += round.executions;
        all.enrolments += round.enrolments;
        all.jobs += round.jobs;
        all.records += round.records;
        all.mentions += round.mentions;
        all.in_flight.clone_from(&round.in_flight);
        if round.in_flight.is_empty()
            || tokio::time::timeout(SETTLE, store.settled(round.in_flight)).await.is_err()
        {
            break;
        }
    }
    Ok(all)
}

/// What forgetting cannot reach, as sentences.
#[must_use]
pub fn out_of_reach(rules: &RuleSet) -> Vec<String> {
    let mirrors = rules.services.values().filter(|service| service.kind == ServiceType::Notion);
    let mut told: Vec<String> = mirrors
        .map(|service| {
            format!("Pages that were mirrored to `{}`: delete them there.", service.name)
        })
        .collect();
    if !rules.events.is_empty() {
        told.push(String::from("Events that were delivered: their receivers must forget, too."));
    }
    told.push(String::from("E-mails that were sent, and the logs of the mail service."));
    told.push(String::from("Backups that were made before: make a new one, delete the old ones."));
    told
}
