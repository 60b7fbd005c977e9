//! rulerun: a declarative rules interpreter. Marketers declare webhook endpoints, payload
//! schemas, e-mail sequences and n8n events in KDL files; this crate reads them, decides
//! what a call means, keeps what is to be done durably and delivers it.
//!
//! The house has six storeys; a module imports only from storeys below its own:
//!
//! | storey | modules | what it is |
//! |---|---|---|
//! | 6 | [`cli`] | one file per verb |
//! | 5 | [`rehearse`] | rules on a clock that is turned by hand |
//! | 4 | [`serve`] | the only place with sockets, tasks, the clock and the environment |
//! | 3 | [`store`], [`review`] | state, in memory or on disk; e-mails read before anybody gets them |
//! | 2 | [`language`], [`engine`], [`mail`] | text to rules, calls to decisions, e-mails to messages |
//! | 1 | [`model`], [`guard`], [`template`], [`payload`], [`signature`] | the nouns and what is checked |
//! | 0 | [`base`] | mistakes, time, ids, secrets |
//!
//! Storeys 0 to 2 are pure. That is what makes rules testable on a simulated clock.

pub mod base;
pub mod cli;
pub mod engine;
pub mod guard;
pub mod language;
pub mod mail;
pub mod model;
pub mod payload;
pub mod rehearse;
pub mod review;
pub mod serve;
pub mod signature;
pub mod store;
pub mod template;
