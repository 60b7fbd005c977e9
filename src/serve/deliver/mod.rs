//! Due jobs leave the house here: over which connection, to which address, how many at
//! once, and what came of it. What becomes of a job afterwards is the engine's decision.

pub mod address;
mod dial;
pub mod gate;
pub mod http;
pub mod notion;
pub mod reply;
