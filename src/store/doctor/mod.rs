//! Looks whether the rows of a store agree with each other: every row can be read, counters
//! are what a recount says, everything unfinished is due some time, and every index row has
//! the row that it stands for, and the other way round. What can be derived from other rows
//! can be mended; what a person's data is cannot, and is only reported.
//!
//! `work` looks at jobs, what is due and turns, `people` at executions, enrolments and their
//! indexes, `pieces` at everything else. Rows are read one at a time and compared by looking
//! the other one up, so memory is only needed for the recount.

mod people;
mod pieces;
#[cfg(test)]
mod tests;
mod work;

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;

use super::kv::{Batch, Change, Kv, Way};
use super::{Stat, StoreError, keys, rows};
use crate::base::Id;
use crate::model::queue::Job;

type Result<T> = std::result::Result<T, StoreError>;

/// One way in which rows do not agree; the worst come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// A row cannot be read.
    Unreadable,
    /// A row is of no kind that this version knows.
    Unknown,
    /// The body of a call is gone.
    BodyMissing,
    /// A file that an e-mail names is gone.
    FileMissing,
    /// An idempotency key names a recent call that is not there.
    CallMissing,
    /// A waiting job that nothing will ever take up.
    NotDue,
    /// The next step of an enrolment that nothing will ever take up.
    StepNotDue,
    /// Something is due that is over, or is due at another time.
    DueForNothing,
    /// Jobs that go one at a time, and none has its turn.
    NoTurn,
    /// A waiting job does not stand in the line in which it belongs.
    NotInLine,
    /// A place in a line whose job is over.
    LineForNothing,
    /// The version of a sequence that somebody follows is not kept.
    EditionMissing,
    /// An enrolment is active, and nothing of it is left to do.
    Stuck,
    /// An enrolment lists a job as open that is over.
    LiveOver,
    /// An e-mail that is over holds a place under a cap.
    PlaceForNothing,
    /// An execution counts another number of open jobs than there are.
    OpenCount,
    /// A counter of the queue is not what a recount says.
    Counter,
    /// An execution or enrolment is missing in the index of its person.
    NotIndexed,
    /// The index of a person names what is not there.
    IndexForNothing,
    /// A body or progress without its execution, or a piece of no row.
    Leftover,
}

impl Flaw {
    /// Its name, for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown",
            Self::BodyMissing => "body-missing",
            Self::FileMissing => "file-missing",
            Self::CallMissing => "call-missing",
            Self::NotDue => "not-due",
            Self::StepNotDue => "step-not-due",
            Self::DueForNothing => "due-for-nothing",
            Self::NoTurn => "no-turn",
            Self::NotInLine => "not-in-line",
            Self::LineForNothing => "line-for-nothing",
            Self::EditionMissing => "version-missing",
            Self::Stuck => "stuck",
            Self::LiveOver => "live-over",
            Self::PlaceForNothing => "place-for-nothing",
            Self::OpenCount => "open-count",
            Self::Counter => "counter",
            Self::NotIndexed => "not-indexed",
            Self::IndexForNothing => "index-for-nothing",
            Self::Leftover => "leftover",
        }
    }

    /// What is wrong, as it follows on a number.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::Unreadable => "rows that cannot be read",
            Self::Unknown => "rows of a kind that this version does not know",
            Self::BodyMissing => "accepted calls whose body is missing",
            Self::FileMissing => "e-mails with a file that is missing",
            Self::CallMissing => "idempotency keys of calls that are missing",
            Self::NotDue => "waiting jobs that would never be sent",
            Self::StepNotDue => "next steps of enrolments that would never be reached",
            Self::DueForNothing => "due entries of jobs that are over or due at another time",
            Self::NoTurn => "lines of ordered jobs in which none has its turn",
            Self::NotInLine => "ordered jobs that stand in no line",
            Self::LineForNothing => "places in line of jobs that are over",
            Self::EditionMissing => {
                "active enrolments whose version of the sequence is missing: today's rules judge them"
            }
            Self::Stuck => "active enrolments with nothing left to do",
            Self::LiveOver => "enrolments that wait for a job that is over",
            Self::PlaceForNothing => "e-mails that are over and hold a place under a cap",
            Self::OpenCount => "executions that count their open jobs wrongly",
            Self::Counter => "counters of the queue that a recount does not confirm",
            Self::NotIndexed => "rows that are missing in the index of their person",
            Self::IndexForNothing => "index entries of persons for what is not there",
            Self::Leftover => "leftovers of rows that are gone",
        }
    }

    /// What mending does; none where nothing can be done safely.
    #[must_use]
    pub fn mend(self) -> Option<&'static str> {
        Some(match self {
            Self::Unreadable
            | Self::Unknown
            | Self::BodyMissing
            | Self::FileMissing
            | Self::CallMissing
            | Self::EditionMissing
            | Self::Stuck
            | Self::LiveOver => return None,
            Self::NotDue | Self::StepNotDue => "put in the queue at their time",
            Self::DueForNothing => "taken out of the queue, so that nothing is sent twice",
            Self::NoTurn => "the first of each gets its turn",
            Self::NotInLine => "put in their line",
            Self::LineForNothing => "taken out of their line",
            Self::PlaceForNothing => "the place is given back",
            Self::OpenCount | Self::Counter => "set to what was counted",
            Self::NotIndexed => "entered",
            Self::IndexForNothing | Self::Leftover => "removed",
        })
    }
}

/// What an examination found of one flaw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The flaw.
    pub flaw: Flaw,
    /// How often.
    pub count: u64,
    /// One of them, for people.
    pub example: String,
}

/// An examination under way.
pub(super) struct Examination<'k> {
    kv: &'k dyn Kv,
    now: i64,
    found: BTreeMap<Flaw, (u64, String)>,
    /// E-mails that may or may not have arrived.
    pub(super) undecided: u64,
    /// What mending would write.
    fixes: Batch<'k>,
    /// Open jobs and enrolments of each execution, where there are any.
    open: HashMap<Id, u32>,
    /// The counters as a recount says.
    stats: BTreeMap<(String, String), Stat>,
    /// How many active enrolments follow each edition, by sequence and hash.
    followers: BTreeMap<(String, String), u64>,
    /// How much work waits in each lane, by the row that says so.
    waiting: BTreeMap<Vec<u8>, u64>,
}

/// Compares everything. `now` is in milliseconds since 1970.
pub(super) fn examine(kv: &dyn Kv, now: i64) -> Result<Examination<'_>> {
    let mut examination = Examination {
        kv,
        now,
        found: BTreeMap::new(),
        undecided: 0,
        fixes: Batch::over(kv),
        open: HashMap::new(),
        stats: BTreeMap::new(),
        followers: BTreeMap::new(),
        waiting: BTreeMap::new(),
    };
    // The recount first: executions and counters are compared with it.
    examination.jobs()?;
    examination.due()?;
    examination.lines()?;
    examination.enrolments()?;
    examination.executions()?;
    examination.indexes()?;
    examination.counters()?;
    examination.pieces()?;
    Ok(examination)
}

impl Examination<'_> {
    /// What was found, worst first.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let finding = |(flaw, (count, example)): (&Flaw, &(u64, String))| Finding {
            flaw: *flaw,
            count: *count,
            example: example.clone(),
        };
        self.found.iter().map(finding).collect()
    }

    /// What mending writes.
    pub(super) fn into_fixes(self) -> BTreeMap<Vec<u8>, Change> {
        self.fixes.into_changes()
    }

    /// Counts a pending job.
    fn count_waiting(&mut self, job: &Job) {
        if rows::waits(job) {
            *self.waiting.entry(keys::backlog(&job.lane)).or_default() += 1;
        }
    }

    fn find(&mut self, flaw: Flaw, example: impl FnOnce() -> String) {
        let (count, _) = self.found.entry(flaw).or_insert_with(|| (0, example()));
        *count += 1;
    }

    /// Notes a row that cannot be read, or lies where it does not belong.
    fn unreadable(&mut self, key: &[u8]) {
        self.find(Flaw::Unreadable, || format!("{} (row {})", keys::kind(key), hex::encode(key)));
    }

    /// Notes a row that must go.
    fn drop_row(&mut self, flaw: Flaw, key: Vec<u8>, example: String) -> Result<()> {
        self.find(flaw, || example);
        self.fixes.begin();
        self.fixes.delete(key)
    }

    /// Notes a short row that must be there.
    fn add_row(&mut self, flaw: Flaw, key: Vec<u8>, payload: &[u8], example: String) {
        self.find(flaw, || example);
        self.fixes.begin();
        self.fixes.put_small(key, payload);
    }

    /// Goes through the rows of a kind.
    fn each<T: DeserializeOwned>(
        &mut self,
        kind: u8,
        mut look: impl FnMut(&mut Self, Vec<u8>, T) -> Result<()>,
    ) -> Result<()> {
        let kv = self.kv;
        for row in kv.prefix(&[kind], Way::Up) {
            let (key, raw) = row?;
            match readable(rows::decode(kv, &key, &raw))? {
                Some(row) => look(self, key, row)?,
                None => self.unreadable(&key),
            }
        }
        Ok(())
    }

    /// Whether there is a row at this place.
    fn has(&self, key: &[u8]) -> Result<bool> {
        Ok(self.kv.get(key)?.is_some())
    }
}

/// What was read; none where the row is damaged, which is noted where that row's turn is.
fn readable<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(row) => Ok(Some(row)),
        Err(StoreError::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
