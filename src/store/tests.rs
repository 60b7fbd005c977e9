//! Calls for the tests of this folder that look at the rows themselves. What every store
//! promises to its callers is tested from outside, in `tests/store_contract`.

use bytes::Bytes;

use crate::base::Id;
use crate::model::commit::{Commit, IdempotencyKey, NextStep, Write};
use crate::model::queue::{
    Enrolment, EnrolmentState, Execution, ExecutionState, Job, Record, Task,
};

/// When it all happens.
pub(super) const NOW: i64 = 1_764_583_800_000;

pub(super) fn id(number: u32) -> Id {
    let mut random = [0; 10];
    random[..4].copy_from_slice(&number.to_be_bytes());
    Id::new(NOW + i64::from(number), &random)
}

/// Ann's call with this number, a body of this length and what it writes.
pub(super) fn call(number: u32, length: usize, writes: Vec<Write>) -> Commit {
    let execution = Execution {
        id: id(number),
        namespace: "website".into(),
        flow: "booking".into(),
        at: NOW,
        rules: "r1".into(),
        person: Some("ann@example.com".into()),
        labels: vec![],
        reply_status: 200,
        reply: "{}".into(),
        logs: vec![],
        state: ExecutionState::Created,
        remote: None,
    };
    let key = IdempotencyKey {
        endpoint: "website/booking".into(),
        key: format!("key:{number}"),
        body: [1; 32],
        expires: NOW + 86_400_000,
    };
    Commit {
        backlog: None,
        own: false,
        now: NOW,
        execution: Some((execution, Bytes::from(vec![b'x'; length]))),
        keys: vec![key],
        assumes: vec![],
        writes,
    }
}

/// A job of a call; with `order` it goes one at a time.
pub(super) fn job(number: u32, name: &str, order: Option<&str>) -> Job {
    let task = Task::Event { event: name.into(), path: "/".into(), body: vec![7; 30] };
    Job {
        event_type: name.into(),
        order: order.map(str::to_owned),
        ..Job::new(id(number).derive(name), id(number), "n8n".into(), task, NOW)
    }
}

/// Puts a person into a sequence of two steps, the first of which is due.
pub(super) fn enrol(number: u32, person: &str) -> Write {
    let enrolment = Enrolment {
        id: id(number).derive("welcome"),
        sequence: "welcome".into(),
        key: person.into(),
        person: person.into(),
        to: person.into(),
        zone: "UTC".into(),
        execution: id(number),
        payload: None,
        started: NOW,
        rules: "r1".into(),
        plan: vec![("hello".into(), NOW), ("more".into(), NOW + 86_400_000)],
        next: 0,
        live: vec![],
        state: EnrolmentState::Active,
        updated: NOW,
    };
    Write::Enrol { enrolment, step: NextStep { lane: "mail".into(), priority: 0 } }
}

pub(super) fn stop(person: &str) -> Write {
    let (sequence, person) = ("welcome".into(), person.into());
    Write::Stop { sequence, person, key: None, reason: "booked".into() }
}

pub(super) fn record(id: &str, version: u64) -> Write {
    let fields = format!("{{\"n\":{version}}}");
    Write::Record(Record { name: "lead".into(), id: id.into(), fields, version, updated: NOW })
}
