//! One program for every test that talks to real sockets, files and foreign programs: it
//! links once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]
#![allow(clippy::print_stderr, reason = "a skipped test must not look like a passed one")]

mod api;
mod bounces;
mod campaign;
mod care;
mod chaos;
mod choice;
mod clock;
mod commands;
mod content;
mod crash;
mod documents;
mod fairness;
mod feedback;
mod full_disk;
mod hostile;
mod injection;
mod killed;
mod leaving;
mod mail;
mod mirror;
mod n8n;
mod n8n_export;
mod numbers;
mod once;
mod outbound;
mod people;
mod policies;
mod preview;
mod providers;
mod receivers;
mod rehearsal;
mod reload;
mod secrets;
mod sending;
mod sharp;
mod smtp;
mod smtp_foreign;
mod smtp_sink;
mod spam;
mod support;
mod suppression;
mod terminal;
mod test_verb;
mod vendors;
mod window;
