//! One thing that came in and has to be decided: a website's call, an event that the
//! backend reports, or a record that somebody wrote through the API.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::rules::{Endpoint, Event};
use crate::base::{Id, Timestamp};

/// What a call is about.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A webhook endpoint was called.
    Endpoint(Arc<Endpoint>),
    /// An outgoing event was reported (`POST /api/v1/events/NAME`, `rulerun send`).
    Event {
        /// The event.
        event: Arc<Event>,
    },
    /// A record was written (`PUT`, `PATCH /api/v1/records/NAME/ID`).
    Record {
        /// Record name.
        name: String,
        /// Its id.
        id: String,
        /// Merge (`PATCH`) instead of replace (`PUT`).
        merge: bool,
    },
}

/// A call with its payload, already checked against its schema.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its id, which becomes the execution's; every other id derives from it.
    pub id: Id,
    /// When it arrived.
    pub at: Timestamp,
    /// What it is about.
    pub origin: Origin,
    /// The payload.
    pub payload: Map<String, Value>,
}
