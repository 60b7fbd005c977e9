//! The serving storey: sockets, tasks, the clock, rule files. Calls come in through `ingress`
//! and `api`, due jobs leave through `deliver`, rule files are swapped by `reload`; they meet
//! only in [`app::App`] and the store.

pub mod api;
pub mod app;
pub mod apply;
pub mod checks;
mod clean_up;
pub mod clock;
pub mod curl;
pub mod deliver;
pub mod dev;
pub mod enclosures;
pub mod feedback;
pub mod ingress;
pub mod journal;
pub mod metrics;
pub mod people;
pub mod reload;
pub mod server;
pub mod settings;
pub mod sources;
pub mod suppression_csv;
pub mod trial;
pub mod watch;
