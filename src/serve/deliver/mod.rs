//! Due jobs leave the house here, one file per kind of system they go to.

pub mod smtp;
