//! The server, its queue, and the sender of e-mails.

use super::Cap;
use crate::base::{Delay, Secret, Span, Zone};
use crate::model::setting::{Network, Setting};

/// A variable of the environment or a file that the rules read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// The variable's name, or the file's path.
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
    /// How many marketing e-mails one person gets; every cap holds.
    pub caps: Vec<Cap>,
    /// The sender's own mailboxes: each gets a copy of an e-mail that is new.
    pub seeds: Vec<String>,
    /// The zone in which days are counted and times are written.
    pub zone: Zone,
    /// Where it is written.
    pub span: Span,
}

impl Sender {
    /// Who seems to send an e-mail that goes nowhere, where the rules say nobody; `span` is
    /// any place of the rules.
    #[must_use]
    pub fn nobody(span: Span) -> Self {
        Self {
            name: None,
            address: String::from("nobody@example.com"),
            reply_to: None,
            postal_address: None,
            caps: Vec::new(),
            seeds: Vec::new(),
            zone: Zone::UTC,
            span,
        }
    }
}
