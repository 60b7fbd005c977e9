//! E-mail sequences.

use std::sync::Arc;

use super::{Cap, Choice, Edition, EmailText, Ending, Fill, Said, Window, locale};
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
    /// The person's language, if the payload knows it.
    pub locale: Option<Template>,
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

impl Sequence {
    /// The language of everybody in it, where the rules write it out.
    #[must_use]
    pub fn language(&self) -> Option<String> {
        let fixed = self.locale.as_ref().filter(|template| template.paths().is_empty())?;
        locale(fixed.source())
    }
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
        subject: Arc<Template>,
        /// The service that sends it; none when no mail service is declared.
        via: Option<String>,
        /// Its text, with what goes with it.
        body: Arc<EmailText>,
        /// What it says instead to some people.
        choice: Choice,
    },
    /// Queue an outgoing event.
    Send {
        /// Its name.
        event: String,
        /// Its payload; none sends the frozen payload.
        fields: Option<Vec<(String, Fill)>>,
    },
}

impl SequenceAction {
    /// What an e-mail says to somebody of this variant and language, or of the nearest
    /// language that there is; none where no e-mail is sent.
    #[must_use]
    pub fn said(&self, variant: Option<&str>, locale: Option<&str>) -> Option<Said<'_>> {
        let Self::Email { subject, body, choice, .. } = self else { return None };
        let shares = choice.shares();
        let variant = shares.iter().map(|(name, _)| *name).find(|name| Some(*name) == variant);
        let found = choice.find(variant, locale.unwrap_or_default());
        let own = Said { variant, locale: None, subject, body };
        Some(found.map_or(own, |found| Said {
            variant,
            locale: found.locale.as_deref(),
            subject: &found.subject,
            body: &found.body,
        }))
    }

    /// Everything that an e-mail says to anybody, its own words first.
    pub fn wordings(&self) -> impl Iterator<Item = Said<'_>> {
        let (own, others) = match self {
            Self::Email { subject, body, choice, .. } => {
                let variant = choice.shares().first().map(|(name, _)| *name);
                let own = Said { variant, locale: None, subject, body };
                (Some(own), choice.wordings.as_slice())
            }
            Self::Send { .. } => (None, &[][..]),
        };
        let variant = own.and_then(|own| own.variant);
        own.into_iter().chain(others.iter().map(move |other| Said {
            variant: other.variant.as_deref().or(variant),
            locale: other.locale.as_deref(),
            subject: &other.subject,
            body: &other.body,
        }))
    }
}
