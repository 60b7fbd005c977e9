//! The ground floor: what every storey above needs and what knows nothing of rules.
//! Mistakes with their places, time with calendars, ids and secrets. Everything here is
//! pure: no file, socket, environment, thread, clock or randomness.

pub mod delay;
pub mod diagnostic;
pub mod id;
pub mod report;
pub mod secret;
pub mod source;
pub mod text;
pub mod time;

pub use delay::Delay;
pub use diagnostic::{Diagnostic, Fix, Severity, Sink};
pub use id::Id;
pub use secret::Secret;
pub use source::{Asset, FileId, SourceMap, Span};
pub use time::{Clock, Moment, Timestamp, Zone};
