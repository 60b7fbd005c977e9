//! Services: where events, e-mails and mirrored records go.

use crate::base::{Delay, Secret, Span};
use crate::model::setting::{Rate, Setting};

/// Attempts at once where a service does not say it.
pub const IN_FLIGHT: usize = 8;
/// Messages that leave over one connection to a mail server, where its service does not say
/// it: as many as large relays like.
pub const MESSAGES_PER_CONNECTION: u32 = 100;

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
    /// The mail provider Resend, over its HTTP API.
    Resend,
    /// The mail provider Postmark, over its HTTP API.
    Postmark,
}

impl ServiceType {
    /// Every type.
    const ALL: [Self; 6] =
        [Self::N8n, Self::Http, Self::Notion, Self::Smtp, Self::Resend, Self::Postmark];

    /// The word that rule files use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::N8n => "n8n",
            Self::Http => "http",
            Self::Notion => "notion",
            Self::Smtp => "smtp",
            Self::Resend => "resend",
            Self::Postmark => "postmark",
        }
    }

    /// Whether it sends e-mail.
    #[must_use]
    pub fn is_mail(self) -> bool {
        self == Self::Smtp || self.is_mail_provider()
    }

    /// Whether it takes e-mail as JSON over HTTP and can be asked again after a lost answer
    /// without sending twice.
    #[must_use]
    pub fn is_mail_provider(self) -> bool {
        matches!(self, Self::Resend | Self::Postmark)
    }

    /// The type of that word, if there is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
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
    /// The message stream that Postmark sends through; none is its usual one.
    pub stream: Option<String>,
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
    /// Attempts at once, which is connections at once for a mail server.
    pub in_flight: usize,
    /// Messages that leave over one connection to a mail server.
    pub messages_per_connection: u32,
    /// How e-mails are signed.
    pub dkim: Option<DkimRule>,
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

/// `dkim`: how e-mails through a service are signed.
#[derive(Debug)]
pub struct DkimRule {
    /// The domain that signs.
    pub domain: String,
    /// Which of the domain's keys it is.
    pub selector: String,
    /// The private key, in PEM form.
    pub key: Setting<Secret>,
    /// Where it is written.
    pub span: Span,
}
