//! Editions of a sequence: what it said at one time of its steps, their waits and their
//! conditions. Whoever begins a sequence stays with the edition of that moment.

use serde::{Deserialize, Serialize};

/// What one edition of a sequence says, without what is read live (subjects, texts, services).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// A hash over the text, 16 hex digits: two editions that mean the same have the same.
    pub hash: String,
    /// Its words as KDL, in one form however they were written, and which of the names in its
    /// conditions are points in time.
    pub text: String,
}
