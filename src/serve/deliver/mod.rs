//! Deliveries: due jobs are claimed, tried, and their outcome is written down.

/// The state of every service's gate.
#[derive(Debug, Default)]
pub struct Gates {}
