//! Webhook endpoints, who may call them, and their steps.

use std::sync::Arc;

use serde_json::Value;

use super::Schema;
use crate::base::{Delay, Secret, Span};
use crate::guard::Guard;
use crate::model::setting::{Network, Rate, Setting};
use crate::template::Template;

/// `webhooks`: a group of incoming addresses. Its name is Kestra's namespace.
#[derive(Debug)]
pub struct Webhooks {
    /// Namespace.
    pub name: String,
    /// Each path, without a trailing slash.
    pub paths: Vec<String>,
    /// Names of the health page: `GET PATH/health` answers with them.
    pub health: Option<String>,
    /// Where it is written.
    pub span: Span,
}

/// `endpoint`: one incoming address. Its name is Kestra's flow id.
#[derive(Debug)]
pub struct Endpoint {
    /// The group.
    pub group: Arc<Webhooks>,
    /// Flow id.
    pub name: String,
    /// Keys that end its address; any of them opens it.
    pub keys: Vec<Setting<Secret>>,
    /// The variable under which `rulerun urls --format env` prints it.
    pub env: Option<String>,
    /// Methods it answers.
    pub methods: Vec<String>,
    /// Off: 409.
    pub enabled: Setting<bool>,
    /// Whether equal calls with an unsigned time are new calls (`repeats="allow"`).
    pub repeats: bool,
    /// What it is, for people.
    pub about: Option<String>,
    /// Who may call, group and endpoint together: all of it must hold.
    pub access: Access,
    /// The payload's shape, if it is checked.
    pub payload: Option<Arc<Schema>>,
    /// Steps, top to bottom.
    pub steps: Vec<Step>,
    /// The text of this endpoint's node, for the flows API.
    pub source: String,
    /// Where it is written.
    pub span: Span,
}

impl Endpoint {
    /// `group/name`, how people and tests name it.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.group.name, self.name)
    }
}

/// `access`: who may call.
#[derive(Debug, Default)]
pub struct Access {
    /// Exact origins for CORS.
    pub origins: Vec<String>,
    /// Each `ip` list; the caller must be in every list.
    pub networks: Vec<Setting<Vec<Network>>>,
    /// Headers that must carry one of the given secrets.
    pub headers: Vec<(String, Setting<Secret>)>,
    /// Signature checks; each must hold.
    pub signatures: Vec<SignatureRule>,
    /// Calls per time: each with whether it counts per client (`per="ip"`) or overall.
    pub rates: Vec<(Rate, bool)>,
}

/// `signature`: an HMAC that the caller must present.
#[derive(Debug)]
pub struct SignatureRule {
    /// What is signed and how the headers look.
    pub scheme: crate::signature::Scheme,
    /// Any of them verifies.
    pub secrets: Vec<Setting<Secret>>,
    /// How old or early a timestamp may be.
    pub max_age: Delay,
    /// Names of the signature header, first present wins; empty means the scheme's own.
    pub headers: Vec<String>,
    /// Name of the time header; none means the scheme's own.
    pub time_header: Option<String>,
    /// Whether a call without the time header passes (`optional=#true`).
    pub time_optional: bool,
}

/// A step with its condition.
#[derive(Debug)]
pub struct Step {
    /// Only when this holds.
    pub when: Option<Guard>,
    /// What to do.
    pub action: Action,
    /// Where it is written.
    pub span: Span,
}

/// What a step does.
#[derive(Debug)]
pub enum Action {
    /// Refuse the call unless the guard holds.
    Require {
        /// The condition.
        guard: Guard,
        /// The text of the refusal.
        otherwise: Option<String>,
        /// Its status.
        status: u16,
    },
    /// Look a record up; 404 with the text when it is not there.
    Find {
        /// Record name.
        record: String,
        /// Its id.
        id: Template,
        /// The text of the 404.
        otherwise: Option<String>,
    },
    /// Merge fields into a record.
    Save {
        /// Record name.
        record: String,
        /// Its id.
        id: Template,
        /// The service that mirrors it.
        also_in: Option<String>,
        /// What to remember.
        fields: Vec<(String, Fill)>,
    },
    /// Begin a sequence.
    Start {
        /// Its name.
        sequence: String,
    },
    /// End sequences of a person.
    Stop {
        /// Their names.
        sequences: Vec<String>,
        /// The address.
        person: Template,
    },
    /// Queue an outgoing event.
    Send {
        /// Its name.
        event: String,
        /// Its payload; none sends the payload (or the record) as it is.
        fields: Option<Vec<(String, Fill)>>,
    },
    /// Answer the call.
    Reply {
        /// Status.
        status: u16,
        /// The JSON body.
        fields: Vec<(String, Fill)>,
    },
}

/// How a field of a reply, record or event is filled.
#[derive(Debug)]
pub enum Fill {
    /// A value as written.
    Constant(Value),
    /// A `{{tag}}` or a text with tags.
    Tag(Template),
    /// Fields within.
    Object(Vec<(String, Fill)>),
    /// Several values.
    List(Vec<Fill>),
}
