//! The scrub: after an opening every row is read once. sled reads a page and its checksum when
//! it is first needed, so damage could lie there for weeks; this finds it at once. The opening
//! itself waits a moment for it, which is enough for a small store; a large one is read on in
//! the background, slowly. A long row lies in pieces: that none of them is missing is looked
//! at, too. Whether rows agree with each other is `rulerun doctor`'s affair.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::store::kv::Way;
use crate::store::{StoreError, keys, kv, rows};

/// How long the opening waits.
const AT_OPEN: Duration = Duration::from_millis(300);
/// Rows that are read without a pause in the background, and the pause: 40,000 rows in a
/// second at most.
const STRETCH: usize = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// Reads rows for as long as the opening waits; answers where to go on, if it is not done.
///
/// # Errors
/// A row cannot be read.
#[expect(clippy::disallowed_methods, reason = "only how long the opening waits")]
pub(super) fn at_open(tree: &sled::Tree) -> Result<Option<Vec<u8>>, StoreError> {
    let until = Instant::now() + AT_OPEN;
    let mut from = Some(Vec::new());
    while let Some(next) = from.take_if(|_| Instant::now() < until) {
        from = stretch(tree, &next)?;
    }
    Ok(from)
}

/// Reads some rows from a key on; answers the key to go on with, none after the last row.
fn stretch(tree: &sled::Tree, from: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let read = AssertUnwindSafe(|| {
        let mut ahead = super::walk(tree.range(from..), Way::Up);
        for row in ahead.by_ref().take(STRETCH) {
            let (key, raw) = row?;
            if !key.starts_with(&[keys::CHUNK]) && kv::chunks(&raw).is_some() {
                rows::bytes(tree, &key).map_err(in_log)?;
            }
        }
        Ok(ahead.next().transpose()?.map(|(key, _)| key))
    });
    catch_unwind(read).unwrap_or_else(|panic| {
        Err(super::damage(panic).unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Names the file in which the piece of a row is missing.
fn in_log(error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged(why) if !why.contains("`db`") => {
            StoreError::Damaged(format!("a part of its file `db` is lost: {why}"))
        }
        error => error,
    }
}

/// The scrub in the background. It ends when this is dropped.
pub(super) struct Scrub {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Scrub {
    /// Reads on from a key; `found` is called when a row cannot be read.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn start(
        tree: sled::Tree,
        from: Vec<u8>,
        found: impl FnOnce(&StoreError) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel::<()>(0);
        let thread = std::thread::Builder::new().name("scrub".into()).spawn(move || {
            let mut from = from;
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                match stretch(&tree, &from) {
                    Ok(Some(next)) => from = next,
                    Ok(None) => return,
                    Err(error) => return found(&error),
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Scrub {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // What it found it has said itself.
            let _ = thread.join();
        }
    }
}
