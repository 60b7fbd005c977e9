//! A bell for a writer that sled has left asleep. When a write of sled's fails, sled notes the
//! error, and one of its ways of doing so (0.34, `exit_reservation`) wakes nobody: whoever
//! waits for that write waits for ever, with a failed disk and without an end. Any flush that
//! begins later sees the error and wakes all. So while one group takes longer than a second,
//! a flush is begun beside it; on a disk that is slow but well it ends with the group.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread, park, park_timeout};
use std::time::Duration;

/// A group that takes longer may be asleep.
const LONG: Duration = Duration::from_secs(1);
/// Each wait is twice as long as the one before, up to so many doublings.
const DOUBLINGS: u32 = 6;
/// So often is rung for one group.
const RINGS: u32 = 64;

/// Rings for the thread that writes.
pub(super) struct Bell {
    shared: Arc<Shared>,
    thread: Thread,
    ended: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Groups begun and ended: odd while one is being written.
    groups: AtomicU64,
    /// Whether the next group has to wake who looks at them.
    asleep: AtomicBool,
    over: AtomicBool,
}

impl Bell {
    /// Watches from now on; `flush` may take as long as it likes.
    pub(super) fn new(flush: impl Fn() + Clone + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let watched = Arc::clone(&shared);
        let watch = move || watched.watch(&flush);
        let ended = std::thread::Builder::new().name("store-bell".into()).spawn(watch)?;
        Ok(Self { shared, thread: ended.thread().clone(), ended: Some(ended) })
    }

    /// A group is being written.
    pub(super) fn begins(&self) {
        self.shared.groups.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    /// It is written, or has failed.
    pub(super) fn ends(&self) {
        self.shared.groups.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.thread.unpark();
        // It fails only if it has panicked, which is its own end.
        drop(self.ended.take().map(JoinHandle::join));
    }
}

impl Shared {
    /// Looks once a second while groups are written, and sleeps while none is.
    fn watch(&self, flush: &(impl Fn() + Clone + Send + 'static)) {
        let (mut seen, mut rings) = (0, 0);
        while !self.over.load(Ordering::SeqCst) {
            let group = self.groups.load(Ordering::SeqCst);
            if group.is_multiple_of(2) {
                self.asleep.store(true, Ordering::SeqCst);
                if self.groups.load(Ordering::SeqCst) == group {
                    park();
                }
                self.asleep.store(false, Ordering::SeqCst);
            } else if group != seen {
                (seen, rings) = (group, 0);
                park_timeout(LONG);
            } else {
                if rings < RINGS {
                    let flush = flush.clone();
                    // Without a thread to spare it is rung later.
                    drop(std::thread::Builder::new().name("store-flush".into()).spawn(flush));
                }
                rings += 1;
                park_timeout(LONG * 2_u32.pow(rings.min(DOUBLINGS)));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "what is watched takes real time")]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_rings_for_a_group_that_takes_long_and_for_no_other() {
        let (rung, rings) = channel();
        let ring = move || {
            let _ = rung.send(());
        };
        let bell = Bell::new(ring).unwrap();
        for _ in 0..1_000 {
            bell.begins();
            bell.ends();
        }
        std::thread::sleep(LONG + Duration::from_millis(200));
        assert!(rings.try_recv().is_err(), "nothing is being written");
        bell.begins();
        rings.recv_timeout(LONG * 3).expect("one is asleep");
        rings.recv_timeout(LONG * 4).expect("the error may come later");
        bell.ends();
        drop(bell);
        assert!(rings.try_iter().count() <= 1);
    }
}
