//! The language server as an editor meets it: the real binary over standard input and output,
//! with the framing of the protocol.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]
#![allow(clippy::needless_pass_by_value, reason = "a `json!` reads best where it is meant")]

mod chance;
mod client;
mod complete;
mod mistakes;
mod names;
mod nonsense;
mod tests;
