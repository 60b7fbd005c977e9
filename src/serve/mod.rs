//! Serving: the only part of the house with sockets, tasks, the clock and the environment.

pub mod deliver;
