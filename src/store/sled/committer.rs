//! The one thread that writes. It takes everything that waits, lets the ledger do it as one
//! batch, applies the batch, syncs the log and then answers them all. No timer: while one
//! group is being synced, the next gathers.
//!
//! **Invariants.** Requests are done in the order in which they came, each seeing all before
//! it. Nothing is answered before everything of its group is on the disk, claims included:
//! what a claim hands out has been written down. After the first failed write nothing is
//! answered but `Stopped`, since nobody can tell any more what the disk holds.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::bell::Bell;
use super::fatal::Fatal;
use super::flight::Flight;
use super::open::Disk;
use super::space::Space;
use super::{damage, in_sled, trouble};
use crate::base::text::last_words;
use crate::store::care::tap::Tap;
use crate::store::kv::{Batch, Change};
use crate::store::ledger::Ledger;
use crate::store::{Answer, StoreError};

/// Most requests from outside that wait; then callers are told to come again.
const OUTSIDE: usize = 4_096;
/// Room for the house's own requests (claims, completions) behind those.
const WAITING: usize = OUTSIDE + 1_024;
/// Most requests in a group.
const GROUP: usize = 4_096;
/// A group that has grown to so many bytes is closed; it is smaller where room is short.
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
    fatal: Arc<Fatal>,
    space: Arc<Space>,
    /// Hands the files back when it has closed them well.
    thread: Mutex<Option<JoinHandle<Option<Disk>>>>,
}

impl Committer {
    /// Starts the thread.
    pub(super) fn start(
        disk: Disk,
        flight: Flight,
        ledger: Ledger,
        tap: Arc<Tap>,
        fatal: Arc<Fatal>,
    ) -> io::Result<Self> {
        let (queue, requests) = sync_channel(WAITING);
        let waiting = Arc::<AtomicUsize>::default();
        let space = Arc::clone(&disk.space);
        let db = disk.db.clone();
        // What it answers is known to whoever waits for it in earnest.
        let flush = move || drop(catch_unwind(AssertUnwindSafe(|| db.flush())));
        let mut worker = Worker {
            bell: Bell::new(flush)?,
            runtime: tokio::runtime::Handle::try_current().ok(),
            disk,
            flight,
            ledger,
            tap,
            waiting: Arc::clone(&waiting),
            fatal: Arc::clone(&fatal),
        };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || {
            let end = catch_unwind(AssertUnwindSafe(|| worker.work(&requests)));
            match end.map_err(damage) {
                Ok(Ok(())) => return Some(worker.disk),
                Ok(Err(error)) | Err(Ok(error)) => worker.fatal.fail(&error),
                Err(Err(panic)) => worker.fatal.fail_inside(last_words(&*panic)),
            }
            None
        })?;
        Ok(Self { queue, waiting, fatal, space, thread: Mutex::new(Some(thread)) })
    }

    /// Queues a request; it is on its way when this returns.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        outside: bool,
        work: impl FnOnce(&mut Ledger, &mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        if outside && let Some(refusal) = self.space.refusal() {
            return Box::pin(std::future::ready(Err(refusal)));
        }
        let (answer, answered) = oneshot::channel();
        let space = Arc::clone(&self.space);
        let work: Work = Box::new(move |ledger, batch| {
            // Room may have become short while it waited.
            let result = match space.short().filter(|_| outside) {
                Some(refusal) => Err(refusal),
                None => ledger.run(batch, work),
            };
            Box::new(move |durable| {
                let result = durable.map_err(StoreError::Stopped).and(result);
                // Whoever asked may have gone away.
                let _ = answer.send(result);
            })
        });
        let sent = self.send(outside, Request::Work(work));
        let fatal = Arc::clone(&self.fatal);
        Box::pin(async move {
            sent?;
            answered.await.unwrap_or_else(|_| Err(why(&fatal)))
        })
    }

    fn send(&self, outside: bool, request: Request) -> Result<(), StoreError> {
        if self.fatal.stopped().is_some() {
            return Err(why(&self.fatal));
        }
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let sent = if outside && waiting >= OUTSIDE {
            Err(StoreError::Full)
        } else {
            self.queue.try_send(request).map_err(|error| match error {
                TrySendError::Full(_) => StoreError::Full,
                TrySendError::Disconnected(_) => why(&self.fatal),
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
        let fatal = Arc::clone(&self.fatal);
        Box::pin(async move {
            sent?;
            answered.await.unwrap_or_else(|_| Err(why(&fatal)))
        })
    }

    /// Why nothing is accepted, if so.
    pub(super) fn stopped(&self) -> Option<String> {
        let short = || self.space.refusal().map(|refusal| refusal.to_string());
        self.fatal.stopped().or_else(short)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        if self.fatal.stopped().is_none() {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            // Waits for room; fails when the thread has ended, which is as good.
            let _ = self.queue.send(Request::Close(oneshot::channel().0));
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A failure inside was told by the thread itself.
        if let Some(Ok(Some(disk))) = thread.map(JoinHandle::join) {
            disk.seal();
        }
    }
}

fn why(fatal: &Fatal) -> StoreError {
    StoreError::Stopped(fatal.stopped().unwrap_or_else(|| "it was closed".into()))
}

struct Worker {
    bell: Bell,
    /// The runtime in which the store was opened, if any.
    runtime: Option<tokio::runtime::Handle>,
    disk: Disk,
    flight: Flight,
    ledger: Ledger,
    tap: Arc<Tap>,
    waiting: Arc<AtomicUsize>,
    fatal: Arc<Fatal>,
}

impl Worker {
    /// Writes group after group until the store is closed; an error is fatal.
    fn work(&mut self, requests: &Receiver<Request>) -> Result<(), StoreError> {
        while let Ok(first) = requests.recv() {
            self.disk.space.before_group();
            let (replies, changes, close) = self.gather(first, requests);
            self.bell.begins();
            let durable = self.write(changes);
            self.bell.ends();
            let told = durable.as_ref().map_err(ToString::to_string).copied();
            if let Err(why) = &told {
                self.fatal.note(why);
            }
            self.answer(replies, told);
            durable?;
            if let Some(answer) = close {
                self.fatal.note("it was closed");
                self.bell.begins();
                let durable = self.sync();
                self.bell.ends();
                // What is under way now did not die with the process.
                self.flight.note(&[]);
                let told = durable.as_ref().map_err(ToString::to_string).copied();
                // Whoever closed it may have gone away.
                let _ = answer.send(told.map_err(StoreError::Stopped));
                return durable;
            }
        }
        Ok(())
    }

    /// Answers a group. Within a runtime one of its tasks does that, because waking each caller
    /// from this thread would cost a system call for each.
    fn answer(&self, replies: Vec<Reply>, durable: Result<(), String>) {
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
        let most = self.disk.space.group(GROUP_BYTES);
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
            if replies.len() < GROUP && batch.bytes() < most {
                next = requests.try_recv().ok();
            }
        }
        let changes = batch.into_changes();
        self.tap.stage(&changes, &*self.disk.db);
        let changes = as_sled(changes);
        if let Some(keys) = self.ledger.moved() {
            self.flight.note(&keys);
        }
        (replies, changes, close)
    }

    fn write(&mut self, changes: Option<sled::Batch>) -> Result<(), StoreError> {
        let Some(changes) = changes else { return Ok(()) };
        in_sled(|| self.disk.db.apply_batch(changes)).map_err(|error| trouble(&error))?;
        self.sync()?;
        self.tap.publish();
        Ok(())
    }

    /// sled's flush writes but does not sync; its log is synced here. A sync that fails is
    /// never tried again: the second one would succeed without having written anything.
    fn sync(&mut self) -> Result<(), StoreError> {
        in_sled(|| self.disk.db.flush()).map_err(|error| trouble(&error))?;
        self.disk.log.sync_data().map_err(|error| StoreError::Io(error.to_string()))
    }
}

/// Changes in sled's form; none when there are none.
pub(super) fn as_sled(changes: BTreeMap<Vec<u8>, Change>) -> Option<sled::Batch> {
    let mut write = None;
    for (key, change) in changes {
        let write = write.get_or_insert_with(sled::Batch::default);
        match change {
            Some(value) => write.insert(key, value),
            None => write.remove(key),
        }
    }
    write
}
