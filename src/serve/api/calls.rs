//! A call of the fixed API: where it is, who answers it, and what there is to be said of it.
//! The router and the OpenAPI document are both made of these, which is why no call can be
//! without a description. `table` lists them all.

use std::sync::Arc;

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodRouter};
use serde_json::Value;

use super::parameters::{self, Parameter};
use crate::serve::app::App;

/// What a call sends.
#[derive(Clone, Debug)]
pub(super) enum Carries {
    /// Nothing.
    Nothing,
    /// A JSON object.
    Json(Value),
    /// Something else, of this media type.
    Media(&'static str),
    /// What the event or record in the address wants.
    Whole,
    /// Some of the fields of the record in the address.
    Part,
}

/// What stands for `{name}` in an address: a description is made for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Each {
    /// The address has no such part.
    Once,
    /// Every event.
    Event,
    /// Every record.
    Record,
}

/// What an answer holds.
#[derive(Clone, Debug)]
pub(super) enum Holds {
    /// No body.
    Nothing,
    /// JSON.
    Json(Value),
    /// Something else, of this media type.
    Media(&'static str),
}

/// One call.
pub(super) struct Call {
    /// Its method.
    pub(super) method: Method,
    /// Its address.
    pub(super) path: &'static str,
    /// What it is about, for the order of the document.
    pub(super) group: &'static str,
    /// What it does, as one sentence.
    pub(super) about: &'static str,
    /// What may stand after the question mark.
    pub(super) query: &'static [Parameter],
    /// What it sends.
    pub(super) carries: Carries,
    /// What stands for `{name}`.
    pub(super) each: Each,
    /// What is answered when all is well.
    pub(super) answer: (u16, Holds),
    /// Further answers: statuses with what they mean.
    pub(super) also: &'static [(u16, &'static str)],
    /// Whether it needs no credentials.
    pub(super) open: bool,
    /// Whether it takes an `Idempotency-Key`.
    pub(super) once: bool,
    /// Its address as the router writes it, and its handler; none where another row's serves.
    route: Option<(&'static str, MethodRouter<Arc<App>>)>,
}

impl Call {
    /// A call that answers this when all is well.
    pub(super) fn new<H, T>(
        method: Method,
        path: &'static str,
        handler: H,
        about: (&'static str, &'static str),
        answer: (u16, Holds),
    ) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        let router = match method {
            Method::POST => routing::post(handler),
            Method::PUT => routing::put(handler),
            Method::PATCH => routing::patch(handler),
            Method::DELETE => routing::delete(handler),
            _ => routing::get(handler),
        };
        Self {
            method,
            path,
            group: about.0,
            about: about.1,
            query: parameters::NONE,
            carries: Carries::Nothing,
            each: Each::Once,
            answer,
            also: &[],
            open: false,
            once: false,
            route: Some((path, router)),
        }
    }

    /// A call that reads JSON.
    pub(super) fn get<H, T>(
        path: &'static str,
        handler: H,
        about: (&'static str, &'static str),
        answer: Value,
    ) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        Self::new(Method::GET, path, handler, about, (200, Holds::Json(answer)))
    }

    /// A call that does something and answers with JSON.
    pub(super) fn post<H, T>(
        path: &'static str,
        handler: H,
        about: (&'static str, &'static str),
        answer: Value,
    ) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        Self::new(Method::POST, path, handler, about, (200, Holds::Json(answer)))
    }

    /// With parameters.
    pub(super) fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    /// With a body.
    pub(super) fn carries(self, carries: Carries) -> Self {
        Self { carries, ..self }
    }

    /// With one description for each name.
    pub(super) fn each(self, each: Each) -> Self {
        Self { each, ..self }
    }

    /// With another answer.
    pub(super) fn answers(self, status: u16, holds: Holds) -> Self {
        Self { answer: (status, holds), ..self }
    }

    /// With further answers.
    pub(super) fn also(self, also: &'static [(u16, &'static str)]) -> Self {
        Self { also, ..self }
    }

    /// For everybody.
    pub(super) fn open(self) -> Self {
        Self { open: true, ..self }
    }

    /// With an `Idempotency-Key`.
    pub(super) fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// The address as the router writes it, where one of its parts spans slashes.
    pub(super) fn routed_as(mut self, path: &'static str) -> Self {
        self.route = self.route.map(|(_, router)| (path, router));
        self
    }

    /// The router gets here by another row.
    pub(super) fn unrouted(self) -> Self {
        Self { route: None, ..self }
    }

    /// What the router needs.
    pub(super) fn into_route(self) -> Option<(&'static str, MethodRouter<Arc<App>>)> {
        self.route
    }
}
