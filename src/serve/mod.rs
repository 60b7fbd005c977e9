//! The serving storey: the only place with sockets, tasks, the wall clock and the
//! environment.

pub mod deliver;
