//! Who is in the middle of a sequence, with what they began with: what an edit is measured
//! against.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{at, payload};
use crate::base::{Id, time};
use crate::engine::Started;
use crate::model::Enrolment;
use crate::model::queue::EnrolmentState;
use crate::store::{Store, StoreError};

/// People of one sequence, a part of all of them.
#[derive(Debug, Default)]
pub struct Midway {
    /// Those who are mid-way.
    pub people: Vec<Started>,
    /// Behind which key the next part begins; none when this was the last.
    pub next: Option<String>,
    /// Since when each edition is known that one of them follows, by its hash.
    pub since: BTreeMap<String, i64>,
}

/// The part that begins behind the key `after`: of so many who were ever in the sequence, those
/// who are mid-way. Whoever comes meanwhile may be left out; nobody is told twice.
///
/// # Errors
/// The store cannot be read.
pub async fn active(
    store: &dyn Store,
    sequence: &str,
    after: Option<String>,
    size: usize,
) -> Result<Midway, StoreError> {
    let rows = store.enrolments_behind(sequence, after, size).await?;
    let last = rows.last().filter(|_| rows.len() == size);
    let next = last.map(|last| last.key.clone());
    let (mut people, mut since) = (Vec::new(), BTreeMap::new());
    for enrolment in rows {
        if enrolment.state == EnrolmentState::Active {
            if !since.contains_key(&enrolment.rules)
                && let Some((_, kept)) = store.edition(sequence, &enrolment.rules).await?
            {
                since.insert(enrolment.rules.clone(), kept);
            }
            let payload = payload(store, &enrolment).await?;
            people.push(Started { enrolment, payload });
        }
    }
    Ok(Midway { people, next, since })
}

impl Midway {
    /// For the API.
    #[must_use]
    pub fn shape(&self) -> Value {
        let results: Value = self.people.iter().map(person).collect();
        let version = |(hash, since): (&String, &i64)| json!({ "hash": hash, "since": at(*since) });
        let versions: Value = self.since.iter().map(version).collect();
        json!({ "results": results, "next": self.next, "versions": versions })
    }

    /// Reads [`shape`](Self::shape) back; none when it is none.
    #[must_use]
    pub fn read(shape: &Value) -> Option<Self> {
        let people = shape["results"].as_array()?.iter().map(read).collect::<Option<_>>()?;
        let next = shape["next"].as_str().map(str::to_owned);
        let version = |version: &Value| {
            Some((version["hash"].as_str()?.to_owned(), moment(&version["since"])?))
        };
        let since = shape["versions"].as_array()?.iter().map(version).collect::<Option<_>>()?;
        Some(Self { people, next, since })
    }
}

fn person(started: &Started) -> Value {
    let one = &started.enrolment;
    let step = |(name, due): &(String, i64)| json!({ "step": name, "due": at(*due) });
    json!({
        "id": one.id.to_string(),
        "sequence": one.sequence,
        "key": one.key,
        "person": one.person,
        "to": one.to,
        "zone": one.zone,
        "started_at": at(one.started),
        "execution_id": one.execution.to_string(),
        "rules": one.rules,
        "reached": one.next,
        "plan": one.plan.iter().map(step).collect::<Value>(),
        "payload": started.payload,
    })
}

fn moment(value: &Value) -> Option<i64> {
    time::parse_time(value.as_str()?).ok().map(time::millis)
}

fn read(shape: &Value) -> Option<Started> {
    let text = |name: &str| shape[name].as_str().map(str::to_owned);
    let id = |name: &str| shape[name].as_str()?.parse::<Id>().ok();
    let step = |step: &Value| Some((step["step"].as_str()?.to_owned(), moment(&step["due"])?));
    let started = moment(&shape["started_at"])?;
    Some(Started {
        enrolment: Enrolment {
            id: id("id")?,
            sequence: text("sequence")?,
            key: text("key")?,
            person: text("person")?,
            to: text("to")?,
            zone: text("zone")?,
            execution: id("execution_id")?,
            payload: None,
            started,
            rules: text("rules")?,
            plan: shape["plan"].as_array()?.iter().map(step).collect::<Option<_>>()?,
            next: shape["reached"].as_u64()?.try_into().ok()?,
            live: Vec::new(),
            state: EnrolmentState::Active,
            updated: started,
        },
        payload: shape["payload"].as_object()?.clone(),
    })
}
