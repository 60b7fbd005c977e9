//! Who is in the middle of a sequence, with what they began with: what an edit is measured
//! against.

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
    /// Where the next part begins; none when this was the last.
    pub next: Option<usize>,
}

/// The part that begins at `from`: of so many who were ever in the sequence, those who are
/// mid-way. A person who comes meanwhile may be told twice, and none is left out: nobody is
/// ever taken off the list.
///
/// # Errors
/// The store cannot be read.
pub async fn active(
    store: &dyn Store,
    sequence: &str,
    from: usize,
    size: usize,
) -> Result<Midway, StoreError> {
    let rows = store.enrolments(Some(sequence.to_owned()), from, size).await?.rows;
    let next = (rows.len() == size).then_some(from.saturating_add(size));
    let mut people = Vec::new();
    for enrolment in rows {
        if enrolment.state == EnrolmentState::Active {
            let payload = payload(store, &enrolment).await?;
            people.push(Started { enrolment, payload });
        }
    }
    Ok(Midway { people, next })
}

impl Midway {
    /// For the API.
    #[must_use]
    pub fn shape(&self) -> Value {
        json!({ "results": self.people.iter().map(person).collect::<Value>(), "next": self.next })
    }

    /// Reads [`shape`](Self::shape) back; none when it is none.
    #[must_use]
    pub fn read(shape: &Value) -> Option<Self> {
        let people = shape["results"].as_array()?.iter().map(read).collect::<Option<_>>()?;
        let next = shape["next"].as_u64().and_then(|next| next.try_into().ok());
        Some(Self { people, next })
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

fn read(shape: &Value) -> Option<Started> {
    let text = |name: &str| shape[name].as_str().map(str::to_owned);
    let id = |name: &str| shape[name].as_str()?.parse::<Id>().ok();
    let moment = |value: &Value| time::parse_time(value.as_str()?).ok().map(time::millis);
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
