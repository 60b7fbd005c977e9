//! The one thread that writes. It takes everything that waits, lets the ledger do it as one
//! batch, applies the batch, syncs the log and then answers them all. No timer: while one
//! group is being synced, the next gathers.
//!
//! **Invariants.** Requests are done in the order in which they came, each seeing all before
//! it. Nothing is answered before everything of its group is on the disk, claims included:
//! what a claim hands out has been written down. After the first failed write nothing is
//! answered but `Stopped`, since nobody can tell any more what the disk holds.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::open::Disk;
use super::{OnFatal, trouble};
use crate::store::care::tap::Tap;
use crate::store::kv::Batch;
use crate::store::ledger::Ledger;
use crate::store::{Answer, StoreError};

/// Most requests from outside that wait; then callers are told to come again.
const OUTSIDE: usize = 4_096;
/// Room for the house's own requests (claims, completions) behind those.
const WAITING: usize = OUTSIDE + 1_024;
/// Most requests in a group.
const GROUP: usize = 4_096;
/// A group that has grown to so many bytes is closed.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Answers a request once it is known whether its group is durable.
type Reply = Box<dyn FnOnce(Result<(), String>) + Send>;
/// A request: does its part of the group and says how to answer.
type Work = Box<dyn FnOnce(&mut Ledger, &mut Batch<'_>) -> Reply + Send>;

/// Answers who closed the store.
type Closed = oneshot::Sender<Result<(), StoreError>>;

enum Request {
    Work(Work),
    Close(Closed),
}

/// The way to the thread.
pub(super) struct Committer {
    queue: SyncSender<Request>,
    waiting: Arc<AtomicUsize>,
    stopped: Arc<Mutex<Option<String>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Committer {
    /// Starts the thread.
    pub(super) fn start(
        disk: Disk,
        ledger: Ledger,
        tap: Arc<Tap>,
        on_fatal: OnFatal,
    ) -> io::Result<Self> {
        let (queue, requests) = sync_channel(WAITING);
        let (waiting, stopped) = (Arc::<AtomicUsize>::default(), Arc::default());
        let mut worker = Worker {
            runtime: tokio::runtime::Handle::try_current().ok(),
            disk,
            ledger,
            tap,
            waiting: Arc::clone(&waiting),
            stopped: Arc::clone(&stopped),
        };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || {
            // sled panics on some damage where it should answer an error.
            let end = catch_unwind(AssertUnwindSafe(|| worker.work(&requests)));
            let fatal = end.unwrap_or_else(|_| Err("the store failed inside".into()));
            if let Err(why) = fatal {
                note(&worker.stopped, &why);
                on_fatal(&why);
            }
        })?;
        Ok(Self { queue, waiting, stopped, thread: Mutex::new(Some(thread)) })
    }

    /// Queues a request; it is on its way when this returns.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        outside: bool,
        work: impl FnOnce(&mut Ledger, &mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |ledger, batch| {
            let result = ledger.run(batch, work);
            Box::new(move |durable| {
                let result = durable.map_err(StoreError::Stopped).and(result);
                // Whoever asked may have gone away.
                let _ = answer.send(result);
            })
        });
        let sent = self.send(outside, Request::Work(work));
        let stopped = Arc::clone(&self.stopped);
        Box::pin(async move {
            sent?;
            answered.await.unwrap_or_else(|_| Err(why(&stopped)))
        })
    }

    fn send(&self, outside: bool, request: Request) -> Result<(), StoreError> {
        if self.stopped().is_some() {
            return Err(why(&self.stopped));
        }
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let sent = if outside && waiting >= OUTSIDE {
            Err(StoreError::Full)
        } else {
            self.queue.try_send(request).map_err(|error| match error {
                TrySendError::Full(_) => StoreError::Full,
                TrySendError::Disconnected(_) => why(&self.stopped),
            })
        };
        if sent.is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        sent
    }

    /// Does what waits, syncs and ends the thread.
    pub(super) fn close(&self) -> Answer<'static, ()> {
        let (answer, answered) = oneshot::channel();
        let sent = self.send(false, Request::Close(answer));
        let stopped = Arc::clone(&self.stopped);
        Box::pin(async move {
            sent?;
            answered.await.unwrap_or_else(|_| Err(why(&stopped)))
        })
    }

    /// Why nothing is accepted, if so.
    pub(super) fn stopped(&self) -> Option<String> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        if self.stopped().is_none() {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            // Waits for room; fails when the thread has ended, which is as good.
            let _ = self.queue.send(Request::Close(oneshot::channel().0));
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic inside was reported by the thread itself.
            let _ = thread.join();
        }
    }
}

fn note(stopped: &Mutex<Option<String>>, why: &str) {
    let mut stopped = stopped.lock().unwrap_or_else(PoisonError::into_inner);
    stopped.get_or_insert_with(|| why.to_owned());
}

fn why(stopped: &Mutex<Option<String>>) -> StoreError {
    let why = stopped.lock().unwrap_or_else(PoisonError::into_inner).clone();
    StoreError::Stopped(why.unwrap_or_else(|| "it was closed".into()))
}

struct Worker {
    /// The runtime in which the store was opened, if any.
    runtime: Option<tokio::runtime::Handle>,
    disk: Disk,
    ledger: Ledger,
    tap: Arc<Tap>,
    waiting: Arc<AtomicUsize>,
    stopped: Arc<Mutex<Option<String>>>,
}

impl Worker {
    /// Writes group after group until the store is closed; an error is fatal.
    fn work(&mut self, requests: &Receiver<Request>) -> Result<(), String> {
        while let Ok(first) = requests.recv() {
            let (replies, changes, close) = self.gather(first, requests);
            let durable = self.write(changes);
            if let Err(why) = &durable {
                note(&self.stopped, why);
            }
            self.answer(replies, &durable);
            durable?;
            if let Some(answer) = close {
                note(&self.stopped, "it was closed");
                let durable = self.sync();
                let result = durable.clone().map_err(StoreError::Stopped);
                let _ = answer.send(result);
                return durable;
            }
        }
        Ok(())
    }

    /// Answers a group. Within a runtime one of its tasks does that, because waking each caller
    /// from this thread would cost a system call for each.
    fn answer(&self, replies: Vec<Reply>, durable: &Result<(), String>) {
        let durable = durable.clone();
        let all = move || {
            for reply in replies {
                reply(durable.clone());
            }
        };
        match &self.runtime {
            Some(runtime) => drop(runtime.spawn(async move { all() })),
            None => all(),
        }
    }

    /// Lets the ledger do everything that waits.
    fn gather(
        &mut self,
        first: Request,
        requests: &Receiver<Request>,
    ) -> (Vec<Reply>, Option<sled::Batch>, Option<Closed>) {
        let mut batch = Batch::over(&*self.disk.db);
        let (mut replies, mut close) = (Vec::new(), None);
        let mut next = Some(first);
        while let Some(request) = next.take() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match request {
                Request::Work(work) => replies.push(work(&mut self.ledger, &mut batch)),
                Request::Close(answer) => {
                    close = Some(answer);
                    break;
                }
            }
            if replies.len() < GROUP && batch.bytes() < GROUP_BYTES {
                next = requests.try_recv().ok();
            }
        }
        let mut write = None;
        let changes = batch.into_changes();
        self.tap.stage(&changes, &*self.disk.db);
        for (key, change) in changes {
            let write = write.get_or_insert_with(sled::Batch::default);
            match change {
                Some(value) => write.insert(key, value),
                None => write.remove(key),
            }
        }
        (replies, write, close)
    }

    fn write(&mut self, changes: Option<sled::Batch>) -> Result<(), String> {
        let Some(changes) = changes else { return Ok(()) };
        self.disk.db.apply_batch(changes).map_err(|error| trouble(&error).to_string())?;
        self.sync()?;
        self.tap.publish();
        Ok(())
    }

    /// sled's flush writes but does not sync; its log is synced here.
    fn sync(&mut self) -> Result<(), String> {
        self.disk.db.flush().map_err(|error| trouble(&error).to_string())?;
        self.disk.log.sync_data().map_err(|error| StoreError::Io(error.to_string()).to_string())
    }
}
