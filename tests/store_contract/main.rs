//! What every store promises, told as examples. Each one runs on the memory store and on
//! the one on disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an example that cannot go on has failed"
)]
#![allow(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "real files live in real time; a skip and a figure are told"
)]

mod calls;
mod care;
mod damage;
mod deaths;
mod disk;
mod editions;
mod fairness;
mod files;
mod help;
mod pauses;
mod queue;
mod race;
mod reading;
mod sequences;

/// Runs plain async functions over `&dyn Store` on every store.
macro_rules! on_every_store {
    ($($name:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&rulerun::store::MemoryStore::new($crate::help::NOW)).await;
            })+
        }
        mod on_disk {
            $(#[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&$crate::help::on_disk(folder.path())).await;
            })+
        }
    };
}
pub(crate) use on_every_store;
