//! Copies of everything, to be kept somewhere else. [`Backup`] draws one from a store that
//! is being written to, `tap` lets it hear of the writes made meanwhile, and `format` is the
//! file in which it is kept.
//!
//! **Why a copy is one moment although its rows are read one after the other.** It is a walk
//! through the rows in slices, and behind each slice the changes that the writer has made
//! since the slice before, in their order. The tap is open before the first row is read, and
//! an empty request through the writer (a barrier) has by then waited for the group that may
//! have been on its way. Behind each slice stands such a barrier again: whatever the slice
//! may have seen of a group, even half of it, has then been handed over whole. Now take any
//! row. If it was changed meanwhile, its last change is in the copy, and what the walk read
//! of the row stands either before that change or was read after it, and then is the same.
//! If it was not changed, what the walk read is what it is. So the last word of the copy on
//! each row is the row's value behind the last whole group that was handed over: the moment
//! at which the copy ends.

pub(super) mod backup;
pub(super) mod format;
pub(super) mod tap;
#[cfg(test)]
mod tests;

pub use self::backup::Backup;
pub use self::format::{Contents, Unfit, check};
