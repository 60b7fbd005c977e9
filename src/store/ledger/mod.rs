//! The ledger: what commits, claims and completions mean, written once over an ordered byte
//! map and used by every embedded store. It is handed one request at a time, in order, so
//! nothing in it is locked and nothing in it can race. Time is always an argument.
//!
//! Rows are the truth; what lives here is claims, cursors and caps, and a restart without
//! them is a correct beginning.
//!
//! **Why a stop cannot be overtaken.** Stops, claims and completions are requests of the
//! same sequence. A claim after a stop finds no due row of the stopped enrolment. A step
//! claimed before it can only be sent after `Become`, which is refused from the stop on. A
//! job that was already being sent is named in the stop's answer and marked, so that it is
//! never tried again: not by its worker, not after its lease, not after a crash.

mod claim;
mod clock;
mod commit;
mod editions;
mod finish;
pub(super) mod forget;
mod goal;
mod hold;
mod places;
pub(super) mod progress;
pub(super) mod purge;
pub(super) mod queue;
mod replan;
mod steer;
mod suspect;
mod tally;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::Notify;

pub(super) use self::clock::Moving;
pub(super) use self::forget::Forget;
use self::progress::Delta;
pub(super) use self::purge::Purge;
pub(super) use self::suspect::Suspect;
use super::StoreError;
use super::claims::{Claims, Held};
use super::kv::Batch;
use crate::base::Id;

/// The domain logic with what it keeps in memory.
pub(super) struct Ledger {
    claims: Arc<Claims>,
    bell: Arc<Notify>,
    /// The newest fence. It begins with the time of opening, so it grows over restarts.
    fence: u64,
    /// Tells log lines of one moment apart.
    lines: u64,
    /// Per lane, kind and priority: every row before this one is under a lease.
    cursors: HashMap<Vec<u8>, Vec<u8>>,
    /// Per lane in which first tries and retries wait: first tries since the last retry.
    shares: HashMap<Vec<u8>, u8>,
    /// When the last claim said that the next job is due.
    reported: i64,
    /// The lane at which the last claim was full: the next one begins behind it.
    turn: Option<Vec<u8>>,
    /// Due rows that cannot be read. They are reported once and left alone.
    unreadable: HashSet<Vec<u8>>,
    /// Jobs that were under way when the process died.
    suspects: HashMap<Id, Suspect>,
    /// Whether what is under way has changed since somebody asked.
    moved: bool,
    /// Refusals that were written per endpoint in this hour.
    refusals: (i64, HashMap<String, u32>),
    // What the present request changes besides rows.
    deltas: BTreeMap<Id, Delta>,
    effects: Vec<(Id, Option<Held>)>,
    ring: bool,
}

impl Ledger {
    /// A ledger that was opened at `now`.
    pub(super) fn new(claims: Arc<Claims>, bell: Arc<Notify>, now: i64) -> Self {
        let base = u64::try_from(now).unwrap_or(0) << 16;
        Self {
            claims,
            bell,
            fence: base,
            lines: base,
            cursors: HashMap::new(),
            shares: HashMap::new(),
            reported: i64::MAX,
            turn: None,
            unreadable: HashSet::new(),
            suspects: HashMap::new(),
            moved: false,
            refusals: (0, HashMap::new()),
            deltas: BTreeMap::new(),
            effects: Vec::new(),
            ring: false,
        }
    }

    /// Does one request: all of it, or nothing when it fails.
    pub(super) fn run<T>(
        &mut self,
        batch: &mut Batch<'_>,
        work: impl FnOnce(&mut Self, &mut Batch<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        batch.begin();
        let mut result = work(self, batch);
        if result.is_ok() && !self.suspects.is_empty() {
            result = self.follow_suspects(batch).and(result);
        }
        if result.is_err() {
            self.undo(batch);
        }
        self.moved |= !self.effects.is_empty();
        self.claims.apply(self.effects.drain(..));
        if std::mem::take(&mut self.ring) {
            self.bell.notify_one();
        }
        result
    }

    /// Takes back what the present request did so far. Cursors begin anew, which only costs
    /// a look.
    fn undo(&mut self, batch: &mut Batch<'_>) {
        batch.rollback();
        self.cursors.clear();
        self.deltas.clear();
        self.effects.clear();
        self.ring = false;
    }

    /// The due rows of everything under way, when that has changed since the last time.
    pub(super) fn moved(&mut self) -> Option<Vec<Vec<u8>>> {
        let all = || self.claims.all().values().map(|held| held.key.clone()).collect();
        std::mem::take(&mut self.moved).then(all)
    }

    /// The claim on a job, as the present request sees it.
    fn held(&self, id: Id) -> Option<Held> {
        match self.effects.iter().rev().find(|(job, _)| *job == id) {
            Some((_, change)) => change.clone(),
            None => self.claims.all().get(&id).cloned(),
        }
    }
}
