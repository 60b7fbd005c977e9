//! What the rule files say, compiled: the [`RuleSet`] and everything in it. It is built by
//! `language::analyze`, never changes afterwards, and is shared behind an `Arc` and swapped
//! as a whole when a file changes.

mod calendar;
mod cap;
mod choice;
mod edition;
mod email;
mod ending;
mod event;
mod feedback;
mod schema;
mod sequence;
mod server;
mod service;
mod webhook;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::calendar::{Days, Holiday, Hours};
pub use self::cap::Cap;
pub use self::choice::{Choice, ITSELF, Said, Share, Wording, chain, locale};
pub use self::edition::Edition;
pub use self::email::{EmailText, Layout, PlainText, TextKind};
pub use self::ending::{Ending, Trigger};
pub use self::event::Event;
pub use self::feedback::{Feedback, FeedbackType, Tolerance};
pub use self::schema::{RecordRules, Schema};
pub use self::sequence::{Again, CountsFrom, MailKind, Sequence, SequenceAction, SequenceStep};
pub use self::server::{Limits, Needed, QueueRules, Sender, Server};
pub use self::service::{DkimRule, IN_FLIGHT, MESSAGES_PER_CONNECTION, Service, ServiceType, Sign};
pub use self::webhook::{Access, Action, Endpoint, Fill, SignatureRule, Step, Webhooks};
pub use self::window::{Opening, Window};
use super::setting::Setting;

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
    /// Addresses at which mail providers report.
    pub feedback: Vec<Arc<Feedback>>,
    /// Outgoing messages, by name.
    pub events: BTreeMap<String, Arc<Event>>,
    /// Timed e-mails, by name.
    pub sequences: BTreeMap<String, Arc<Sequence>>,
    /// What calls and events end: by what is called or sent, each `stop-on` and `goal` that
    /// names it, as the sequence and the number among its endings.
    pub endings: BTreeMap<Trigger, Vec<(Arc<Sequence>, usize)>>,
    /// The cap that looks back longest, of the sender and of all sequences.
    pub longest_cap: Option<Cap>,
    /// Every environment name with whether rulerun cannot start without it, and its place.
    pub environment: Vec<Needed>,
    /// The same of every file that a setting is read from.
    pub files: Vec<Needed>,
}

impl RuleSet {
    /// How much an address may gather from what a service of this type refuses at once: as much
    /// as the `feedback` of the same provider allows, or the only `feedback` there is.
    #[must_use]
    pub fn tolerance(&self, service: ServiceType) -> Tolerance {
        let own = self.feedback.iter().find(|one| one.kind.word() == service.word());
        let only = match &self.feedback[..] {
            [only] => Some(only),
            _ => None,
        };
        own.or(only).map(|one| one.limits).unwrap_or_default()
    }
}
