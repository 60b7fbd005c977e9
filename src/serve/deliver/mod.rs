//! Deliveries: due jobs are claimed, tried, and their outcome is written down.

/// The state of every service's gate.
#[derive(Debug, Default)]
pub struct Gates {}

impl Gates {
    /// Services that take no work at the moment, each with why, as a short sentence.
    #[must_use]
    pub fn closed(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}
