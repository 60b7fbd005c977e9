//! Feedback: where mail providers report what became of e-mails, and how much of it an
//! address may gather before it gets no more.

use crate::base::{Delay, Secret, Span};
use crate::model::setting::Setting;
use crate::signature::Scheme;

/// Who reports, and so in which form and with which proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeedbackType {
    /// Resend: signed by Svix.
    Resend,
    /// Postmark: HTTP Basic authentication.
    Postmark,
    /// Amazon SES by way of SNS: signed by Amazon's key.
    Ses,
    /// Anybody: a small JSON object, signed with a shared secret.
    Generic,
}

impl FeedbackType {
    /// Every type.
    const ALL: [Self; 4] = [Self::Resend, Self::Postmark, Self::Ses, Self::Generic];

    /// The word that rule files use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Resend => "resend",
            Self::Postmark => "postmark",
            Self::Ses => "ses",
            Self::Generic => "generic",
        }
    }

    /// The type of that word, if there is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// `feedback`: an address at which a mail provider reports.
#[derive(Debug)]
pub struct Feedback {
    /// Its name: the flow of its executions, whose namespace is `feedback`.
    pub name: String,
    /// Who reports.
    pub kind: FeedbackType,
    /// Its address below the server, beginning with a slash.
    pub path: String,
    /// What it is, for people.
    pub about: Option<String>,
    /// Any of them proves the caller; none for SES.
    pub secrets: Vec<Setting<Secret>>,
    /// How a generic report is signed; Resend's is always `standard`.
    pub scheme: Scheme,
    /// The one SNS topic that is listened to; for SES alone.
    pub topic: Option<Setting<String>>,
    /// How much is too much.
    pub limits: Tolerance,
    /// Where it is written.
    pub span: Span,
}

impl Feedback {
    /// `feedback/name`, how logs and metrics name it.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("feedback/{}", self.name)
    }
}

/// How much an address may gather; 0 means that nothing follows from it, however often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// So many hard bounces suppress an address as `bounced`.
    pub hard_bounces: u32,
    /// So many complaints suppress it as `complained`.
    pub complaints: u32,
    /// So many soft bounces suppress it as `soft-bounced`, for a while ...
    pub soft_bounces: u32,
    /// ... if they come within this time.
    pub within: Delay,
}

impl Default for Tolerance {
    fn default() -> Self {
        let week = Delay { days: 7, millis: 0 };
        Self { hard_bounces: 1, complaints: 1, soft_bounces: 3, within: week }
    }
}
