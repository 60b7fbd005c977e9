//! What the rule files say, compiled: the [`RuleSet`] and everything in it. It is built by
//! `language::analyze`, never changes afterwards, and is shared behind an `Arc` and swapped
//! as a whole when a file changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::setting::{Network, Rate, Setting};
use crate::base::{Delay, Secret, Span, Zone};
use crate::guard::Guard;
use crate::payload::Checker;
use crate::template::Template;

/// A whole rule set.
#[derive(Debug)]
pub struct RuleSet {
    /// A hash over every source text, 16 hex digits: the version that is running.
    pub hash: String,
    /// Where rulerun listens.
    pub server: Server,
    /// The folder of the embedded store (`store "sled" path=`).
    pub data: Setting<String>,
    /// How the queue works.
    pub queue: QueueRules,
    /// Who sends e-mail.
    pub sender: Option<Sender>,
    /// Systems we call, by name.
    pub services: BTreeMap<String, Arc<Service>>,
    /// Payload shapes, by name.
    pub schemas: BTreeMap<String, Arc<Schema>>,
    /// What happens when remembered data changes, by record name. Records that rules only
    /// save and find are listed too, without reactions.
    pub records: BTreeMap<String, Arc<RecordRules>>,
    /// Groups of incoming addresses.
    pub webhooks: Vec<Arc<Webhooks>>,
    /// Every endpoint of every group.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Outgoing messages, by name.
    pub events: BTreeMap<String, Arc<Event>>,
    /// Timed e-mails, by name.
    pub sequences: BTreeMap<String, Arc<Sequence>>,
    /// Every environment name with whether rulerun cannot start without it, and its place.
    pub environment: Vec<EnvironmentName>,
}

/// An environment name that the rules read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentName {
    /// The variable.
    pub name: String,
    /// Whether nothing else can stand in for it.
    pub required: bool,
    /// Whether it holds a secret (a key or a token), which `serve --dev` may make up.
    pub secret: bool,
    /// Where it is read first.
    pub span: Span,
}

/// `server`: where rulerun listens and whom it trusts.
#[derive(Debug)]
pub struct Server {
    /// Address and port.
    pub listen: Setting<String>,
    /// The address that the outside uses, for links in e-mails.
    pub public_url: Setting<String>,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<Setting<Vec<Network>>>,
    /// The bearer token of the API.
    pub api_token: Option<Setting<Secret>>,
    /// Bounds.
    pub limits: Limits,
}

/// `limits`: bounds of the ingress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest body in bytes.
    pub body: usize,
    /// Calls at once.
    pub in_flight: usize,
    /// Connections of one client.
    pub per_client: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 256 * 1024, in_flight: 1024, per_client: 256 }
    }
}

/// `queue`: how jobs are taken and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRules {
    /// Jobs claimed in one round.
    pub batch: usize,
    /// The longest idle wait; due work wakes the queue at once.
    pub every: Delay,
    /// How long finished work is kept.
    pub keep: Delay,
}

impl Default for QueueRules {
    fn default() -> Self {
        Self {
            batch: 10,
            every: Delay { days: 0, millis: 5_000 },
            keep: Delay { days: 30, millis: 0 },
        }
    }
}

/// `sender`: the default From of every e-mail.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Name shown, if any.
    pub name: Option<String>,
    /// Address.
    pub address: String,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The postal address in the footer of marketing e-mail.
    pub postal_address: Option<String>,
    /// The zone in which days are counted and times are written.
    pub zone: Zone,
    /// Where it is written.
    pub span: Span,
}

/// The kinds of systems that rulerun calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceType {
    /// n8n: signed twice, `body` and `standard`.
    N8n,
    /// Any HTTP receiver.
    Http,
    /// A Notion database that mirrors records.
    Notion,
    /// An SMTP relay.
    Smtp,
}

/// `service`: a system that rulerun calls.
#[derive(Debug)]
pub struct Service {
    /// Its name, which is also its lane in the queue.
    pub name: String,
    /// Its kind.
    pub kind: ServiceType,
    /// What it is, for people.
    pub about: Option<String>,
    /// Off: its jobs end `cancelled` with that reason.
    pub enabled: Setting<bool>,
    /// Base address.
    pub url: Setting<String>,
    /// Bearer token.
    pub token: Setting<Secret>,
    /// Notion's database.
    pub database: Setting<String>,
    /// Extra headers of every request.
    pub headers: Vec<(String, Setting<Secret>)>,
    /// How requests are signed.
    pub sign: Option<Sign>,
    /// Waits between attempts: N waits are N retries.
    pub retry: Setting<Vec<Delay>>,
    /// Deadline of one attempt.
    pub timeout: Setting<Delay>,
    /// Attempts per time.
    pub rate: Option<Rate>,
    /// Attempts at once.
    pub in_flight: usize,
    /// Whether a private address other than loopback is fine.
    pub allow_private: bool,
    /// What happens to an e-mail whose fate is unknown: sent again (true) or held.
    pub resend_unknown: bool,
    /// Where it is written.
    pub span: Span,
}

/// How requests to a service are signed.
#[derive(Debug)]
pub struct Sign {
    /// Every scheme whose headers are sent.
    pub schemes: Vec<crate::signature::Scheme>,
    /// Current secret first.
    pub secrets: Vec<Setting<Secret>>,
}

/// `schema`: the shape of a payload.
#[derive(Debug)]
pub struct Schema {
    /// Its name; empty for one written inside a `payload` step.
    pub name: String,
    /// The fields with their types, for guards and tags.
    pub scope: super::Scope,
    /// The JSON Schema (2020-12) that it stands for.
    pub json: Value,
    /// The compiled check.
    pub checker: Checker,
    /// A payload made of the examples; fields without one are made up from their type,
    /// optional fields without one are left out.
    pub example: Value,
    /// Where it is written.
    pub span: Span,
}

/// `record`: what happens when remembered data changes.
#[derive(Debug, Default)]
pub struct RecordRules {
    /// Its name.
    pub name: String,
    /// The shape that `PUT` and `PATCH` are checked against.
    pub schema: Option<Arc<Schema>>,
    /// The fields that guards and tags may use, each of them optional unless the schema says
    /// otherwise.
    pub scope: super::Scope,
    /// Steps of `on-create`.
    pub on_create: Vec<Step>,
    /// Each `on-change` with its guard and steps.
    pub on_change: Vec<(Option<Guard>, Vec<Step>)>,
}

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

/// `event`: an outgoing message.
#[derive(Debug)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// The service it goes to.
    pub service: String,
    /// The path on that service, after the event's own name is filled in.
    pub path: String,
    /// What it is about (`lead`), for the queue's columns.
    pub entity: Option<String>,
    /// The id of what it is about.
    pub id: Option<Template>,
    /// Higher leaves first.
    pub priority: i64,
    /// What it is, for people.
    pub about: Option<String>,
    /// Whether the body is wrapped in `{"event","timestamp","data"}`.
    pub enveloped: bool,
    /// One at a time per value of this, in order.
    pub ordered_by: Option<Template>,
    /// The schema that has its name.
    pub schema: Option<Arc<Schema>>,
    /// Steps that happen when it is queued.
    pub steps: Vec<Step>,
    /// Where it is written.
    pub span: Span,
}

/// Marketing e-mail carries unsubscribe links and obeys the suppression list's
/// unsubscribes; transactional does neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// News and nurture.
    Marketing,
    /// What the person is owed: receipts, onboarding.
    Transactional,
}

/// Who may be in a sequence twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Nobody, ever, per key.
    Never,
    /// Whoever is not in it now.
    AfterFinish,
    /// Whoever entered at least this long ago and is not in it now.
    After(Delay),
    /// Everyone: the running one ends and a new one begins.
    Restart,
}

/// `sequence`: timed e-mails and events for one person.
#[derive(Debug)]
pub struct Sequence {
    /// Its name.
    pub name: String,
    /// The person's address.
    pub to: Template,
    /// The person's time zone, if the payload knows it.
    pub zone: Option<Template>,
    /// The moment `after` counts from; none is the start.
    pub counts_from: Option<Template>,
    /// Marketing or transactional.
    pub kind: MailKind,
    /// What makes two starts the same.
    pub once_per: Option<Template>,
    /// Who may be in it twice.
    pub again: Again,
    /// Looked at right before every send.
    pub stop_when: Option<Guard>,
    /// The steps in order.
    pub steps: Vec<SequenceStep>,
    /// Where it is written.
    pub span: Span,
}

/// From which moment a step's wait counts.
#[derive(Debug)]
pub enum CountsFrom {
    /// The sequence's own moment.
    Sequence,
    /// The moment when the step before was due.
    Previous,
    /// A time in the payload.
    Field(Template),
}

/// One timed step.
#[derive(Debug)]
pub struct SequenceStep {
    /// Its name (an e-mail's, or the event's).
    pub name: String,
    /// How long after.
    pub after: Delay,
    /// After what.
    pub counts_from: CountsFrom,
    /// Only when this holds, looked at right before it happens.
    pub when: Option<Guard>,
    /// What is later than that is skipped.
    pub max_late: Delay,
    /// What happens.
    pub action: SequenceAction,
    /// Where it is written.
    pub span: Span,
}

/// What a timed step does.
#[derive(Debug)]
pub enum SequenceAction {
    /// Send an e-mail.
    Email {
        /// Subject line.
        subject: Template,
        /// The service that sends it; none when no mail service is declared.
        via: Option<String>,
        /// The Markdown text.
        body: Arc<EmailText>,
    },
    /// Queue an outgoing event.
    Send {
        /// Its name.
        event: String,
        /// Its payload; none sends the frozen payload.
        fields: Option<Vec<(String, Fill)>>,
    },
}

/// The text of an e-mail.
#[derive(Debug)]
pub struct EmailText {
    /// The file it stands in.
    pub path: String,
    /// The Markdown template.
    pub template: Template,
}
