//! Lists of operations, done to every store and to a naive oracle: all must agree at every
//! step. A list on which they do not is made as short as it can be, and printed.

mod ops;
mod oracle;
mod run;

use std::fmt::Write as _;

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Runs so many lists with both stores, on two threads; answers what went wrong.
pub(crate) fn both(seed: u64, cases: u32) -> Result<(), String> {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| many(seed + 1, cases / 2, true));
        many(seed, cases - cases / 2, true)?;
        other.join().unwrap()
    })
}

/// Runs so many lists from a seed, with a store on disk too if asked to; answers what went
/// wrong.
pub(crate) fn many(seed: u64, cases: u32, on_disk: bool) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let failed = TestRunner::new_with_rng(config, rng).run(&ops::ops(), |ops| {
        let folder = on_disk.then(folder);
        let path = folder.as_ref().map(tempfile::TempDir::path);
        let result = runtime.block_on(run::run(&ops, path));
        result.map_err(proptest::test_runner::TestCaseError::fail)
    });
    match failed {
        Ok(()) => Ok(()),
        Err(TestError::Abort(why)) => Err(why.to_string()),
        Err(TestError::Fail(why, ops)) => {
            let mut text = format!("seed {seed}, {cases} cases, disk: {on_disk}\n{why}\n");
            for (number, op) in ops.iter().enumerate() {
                let _ = writeln!(text, "{number:>3}  {op:?}");
            }
            Err(text)
        }
    }
}

/// A folder for a store: in memory where the machine has such a place, because what is tried
/// here is not the disk.
fn folder() -> tempfile::TempDir {
    let shared = std::path::Path::new("/dev/shm");
    let made = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() };
    made.unwrap()
}
