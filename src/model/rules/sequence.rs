//! E-mail sequences.

use std::sync::Arc;

use super::{Cap, Edition, EmailText, Ending, Fill, Window};
use crate::base::{Delay, Span};
use crate::guard::Guard;
use crate::template::Template;

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
    /// What it is, for the people who get it.
    pub about: Option<String>,
    /// The person's address.
    pub to: Template,
    /// The person's time zone, if the payload knows it.
    pub zone: Option<Template>,
    /// Whether the record "contact" may know it: it has a field `zone`.
    pub contact_zone: bool,
    /// When it may send; none is always.
    pub window: Option<Window>,
    /// The moment `after` counts from; none is the start.
    pub counts_from: Option<Template>,
    /// Marketing or transactional.
    pub kind: MailKind,
    /// What makes two starts the same.
    pub once_per: Option<Template>,
    /// Who may be in it twice.
    pub again: Again,
    /// How many marketing e-mails a person may have got for one of these to be sent, besides
    /// what the sender's caps say.
    pub caps: Vec<Cap>,
    /// Looked at right before every send.
    pub stop_when: Option<Guard>,
    /// Other calls and events that end it, in the order of the rules.
    pub endings: Vec<Ending>,
    /// Whether the clicks on the links in its e-mails are counted (`track "clicks"`).
    pub tracks_clicks: bool,
    /// Whether an edited plan reaches those who are mid-way too (`apply="everyone"`).
    pub everyone: bool,
    /// The steps in order.
    pub steps: Vec<SequenceStep>,
    /// What stays as it is for those who begin it now.
    pub edition: Arc<Edition>,
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
    /// Whether it leaves the sequence's window out of account (`window="any"`).
    pub any_time: bool,
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
        /// Its text, with what goes with it.
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
