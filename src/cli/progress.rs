//! A sign of life for work that takes longer than a second: one line on standard error, and
//! only where that is a terminal. It is gone when the work is done.

use std::io::{IsTerminal as _, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use super::place;

/// How often the line is written anew, and how long nothing is shown.
const TICK: Duration = Duration::from_secs(1);

/// Does something, showing meanwhile what it is and how long it takes; with the bytes that
/// the work counts, if it counts any.
pub(super) fn during<T>(what: &str, work: impl FnOnce(&AtomicU64) -> T) -> T {
    let bytes = AtomicU64::new(0);
    if !std::io::stderr().is_terminal() {
        return work(&bytes);
    }
    let (done, ended) = mpsc::sync_channel::<()>(0);
    std::thread::scope(|scope| {
        let bytes = &bytes;
        scope.spawn(move || tell(what, bytes, &ended, TICK, &mut std::io::stderr()));
        let result = work(bytes);
        drop(done);
        result
    })
}

/// Writes the line at every tick until the other end of the channel is gone.
fn tell(what: &str, bytes: &AtomicU64, ended: &Receiver<()>, tick: Duration, to: &mut impl Write) {
    let mut shown = false;
    let mut seconds = 0;
    while ended.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
        seconds += 1;
        let moved = match bytes.load(Ordering::Relaxed) {
            0 => String::new(),
            bytes => format!(", {}", place::size(bytes)),
        };
        shown = true;
        // Whoever cannot see it does not miss it.
        let _ = write!(to, "\r\u{1b}[K{what} … {seconds} s{moved}").and_then(|()| to.flush());
    }
    if shown {
        let _ = write!(to, "\r\u{1b}[K").and_then(|()| to.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::SyncSender;

    /// Ends the work at the first sign of life.
    struct Screen {
        text: String,
        work: Option<SyncSender<()>>,
    }

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.text.push_str(&String::from_utf8_lossy(bytes));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            self.work = None;
            Ok(())
        }
    }

    #[test]
    fn quick_work_says_nothing_and_long_work_leaves_nothing_behind() {
        let (done, ended) = mpsc::sync_channel(0);
        drop(done);
        let mut screen = Screen { text: String::new(), work: None };
        tell("reading", &AtomicU64::new(0), &ended, TICK, &mut screen);
        assert_eq!(screen.text, "");

        let (done, ended) = mpsc::sync_channel(0);
        let mut screen = Screen { text: String::new(), work: Some(done) };
        let tick = Duration::from_millis(1);
        tell("copying", &AtomicU64::new(3 << 20), &ended, tick, &mut screen);
        assert_eq!(screen.text, "\r\u{1b}[Kcopying … 1 s, 3.0 MiB\r\u{1b}[K");
    }
}
