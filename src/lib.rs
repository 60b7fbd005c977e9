//! rulerun: a declarative rules interpreter. Marketers declare webhook endpoints, payload
//! schemas, e-mail sequences and n8n events in KDL files; this crate reads them, decides
//! what a call means, keeps what is to be done durably and delivers it.
//!
//! The house has seven storeys; a module imports only from its own and those below. On
//! storey 2 neighbours do not know each other.
//!
//! | storey | modules | what it is |
//! |---|---|---|
//! | 6 | [`cli`] | a file or a folder per verb, and the environment |
//! | 5 | [`rehearse`] | rules on a clock that is turned by hand |
//! | 4 | [`serve`] | calls in, deliveries out, reload: sockets, tasks and the clock |
//! | 3 | [`store`], [`review`] | state, in memory or on disk; e-mails read before anybody gets them |
//! | 2 | [`language`], [`engine`], [`mail`] | text to rules, calls to decisions, e-mails to messages |
//! | 1 | [`model`], [`guard`], [`template`], [`markup`], [`payload`], [`signature`] | the nouns and what is checked |
//! | 0 | [`base`] | mistakes, time, ids, secrets |
//!
//! Storeys 0 to 2 are pure: no file, socket, clock or environment. That is what makes rules
//! testable on a simulated clock.

pub mod base;
pub mod cli;
pub mod engine;
pub mod guard;
pub mod language;
pub mod mail;
pub mod markup;
pub mod model;
pub mod payload;
pub mod rehearse;
pub mod review;
pub mod serve;
pub mod signature;
pub mod store;
pub mod template;
