//! The language server as an editor meets it: the real binary over standard input and output,
//! with the framing of the protocol.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod client;
mod complete;
mod mistakes;
mod names;
mod nonsense;
