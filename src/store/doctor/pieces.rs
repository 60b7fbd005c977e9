//! Counters, idempotency keys, and whether everything else can be read and belongs to
//! something.

use super::{Examination, Flaw, Result, readable};
use crate::base::Id;
use crate::model::queue::{
    Attempt, JobState, LogLine, Places, Progress, Record, Refusal, Suppression,
};
use crate::store::kv::{Way, chunks, payload};
use crate::store::ledger::Suspect;
use crate::store::ledger::purge::KEPT;
use crate::store::rows::{self, Counter, Followers, StoredEdition, UsedKey};
use crate::store::{Stat, keys};

/// Every kind of row.
const KINDS: [u8; 28] = [
    keys::EXECUTION,
    keys::JOB,
    keys::DUE,
    keys::HELD,
    keys::ATTEMPT,
    keys::ENROLMENT,
    keys::IDEMPOTENCY,
    keys::REFUSAL,
    keys::COUNTER,
    keys::BACKLOG,
    keys::SUSPECT,
    keys::RECORD,
    keys::BODY,
    keys::PROGRESS,
    keys::LOG,
    keys::GROUP,
    keys::PERSON_ENROLMENT,
    keys::PERSON_EXECUTION,
    keys::FLAG,
    keys::SUPPRESSION,
    keys::TALLY,
    keys::EDITION,
    keys::FOLLOWERS,
    keys::PLACES,
    keys::ONCE,
    keys::FILE,
    keys::FILE_OF,
    keys::CHUNK,
];

impl Examination<'_> {
    /// Counters are what was counted.
    pub(super) fn counters(&mut self) -> Result<()> {
        self.each(keys::COUNTER, |found, _, row: Counter| {
            let counted = found.stats.remove(&(row.event_type.clone(), row.lane.clone()));
            found.counter(row, &counted.unwrap_or_default())
        })?;
        for ((event_type, lane), counted) in std::mem::take(&mut self.stats) {
            self.counter(Counter { event_type, lane, stat: Stat::default() }, &counted)?;
        }
        self.each(keys::BACKLOG, |found, key, says: u64| {
            let are = found.waiting.remove(&key).unwrap_or_default();
            found.backlog(key, says, are)
        })?;
        for (key, are) in std::mem::take(&mut self.waiting) {
            self.backlog(key, 0, are)?;
        }
        self.each(keys::FOLLOWERS, |found, _, row: Followers| {
            let place = (row.sequence.clone(), row.edition.clone());
            let are = found.followers.remove(&place).unwrap_or_default();
            found.following(row, are)
        })?;
        for ((sequence, edition), are) in std::mem::take(&mut self.followers) {
            self.following(Followers { sequence, edition, people: 0, updated: self.now }, are)?;
        }
        Ok(())
    }

    fn following(&mut self, row: Followers, are: u64) -> Result<()> {
        if row.people == are {
            return Ok(());
        }
        self.find(Flaw::Counter, || {
            let says = row.people;
            format!(
                "`{}` says {says} people in version {}, there are {are}",
                row.sequence, row.edition
            )
        });
        self.fixes.begin();
        let key = keys::followers(&row.sequence, &row.edition);
        rows::write(&mut self.fixes, key, &Followers { people: are, ..row })
    }

    fn backlog(&mut self, key: Vec<u8>, says: u64, are: u64) -> Result<()> {
        if says != are {
            let payload = rows::encode(&are)?;
            let example = format!("the backlog of a service says {says}, there are {are}");
            self.add_row(Flaw::Counter, key, &payload, example);
        }
        Ok(())
    }

    fn counter(&mut self, mut row: Counter, counted: &Stat) -> Result<()> {
        let stat = &mut row.stat;
        // The most retries of one job stay known when that job has been cleaned away.
        let most = stat.max_retries.max(counted.max_retries);
        if (stat.counts, stat.retries, stat.max_retries) == (counted.counts, counted.retries, most)
        {
            return Ok(());
        }
        let (says, are) = (stat.counts, counted.counts);
        stat.counts = are;
        stat.retries = counted.retries;
        stat.max_retries = most;
        self.find(Flaw::Counter, || {
            format!("`{}` to `{}` says {says:?}, there are {are:?}", row.event_type, row.lane)
        });
        self.fixes.begin();
        rows::write(&mut self.fixes, keys::counter(&row.event_type, &row.lane), &row)
    }

    /// The rest can be read, and belongs to something.
    pub(super) fn pieces(&mut self) -> Result<()> {
        self.each(keys::ATTEMPT, |_, _, _: Attempt| Ok(()))?;
        self.each(keys::REFUSAL, |_, _, _: Refusal| Ok(()))?;
        self.each(keys::LOG, |_, _, _: LogLine| Ok(()))?;
        self.each(keys::SUSPECT, |_, _, _: Suspect| Ok(()))?;
        self.each(keys::FLAG, |_, _, _: String| Ok(()))?;
        self.each(keys::EDITION, |_, _, _: StoredEdition| Ok(()))?;
        self.each(keys::SUPPRESSION, |found, key, entry: Suppression| {
            if keys::suppression(&entry) != key {
                found.unreadable(&key);
            }
            Ok(())
        })?;
        self.each(keys::PLACES, |found, key, row: Places| found.places(&key, row))?;
        self.each(keys::RECORD, |found, key, record: Record| {
            if keys::record(&record.name, &record.id) != key {
                found.unreadable(&key);
            }
            Ok(())
        })?;
        self.each(keys::IDEMPOTENCY, |found, _, used: UsedKey| {
            // An older call may have been cleaned away.
            let recent = used.execution.millis() > found.now.saturating_sub(KEPT);
            if recent && !found.has(&keys::by_id(keys::EXECUTION, used.execution))? {
                let id = used.execution;
                found.find(Flaw::CallMissing, || format!("execution {id}"));
            }
            Ok(())
        })?;
        self.each(keys::PROGRESS, |found, key, _: Progress| found.has_execution(key))?;
        self.bodies()?;
        self.files()?;
        self.chunks()?;
        self.unknown()
    }

    /// An e-mail that waits for its time under a cap is one that is still to be sent.
    fn places(&mut self, key: &[u8], mut places: Places) -> Result<()> {
        let mut over = Vec::new();
        for place in places.taken.iter().filter(|place| place.open) {
            let job = readable(rows::job(self.kv, place.job))?;
            let pending = |job: &rows::StoredJob| job.job.state == JobState::Pending;
            if job.is_some_and(|job| !job.as_ref().is_some_and(pending)) {
                over.push(place.job);
            }
        }
        for id in over {
            places.give_back(id);
            let payload = rows::encode(&places)?;
            self.add_row(Flaw::PlaceForNothing, key.to_vec(), &payload, format!("job {id}"));
        }
        Ok(())
    }

    fn bodies(&mut self) -> Result<()> {
        let kv = self.kv;
        for row in kv.prefix(&[keys::BODY], Way::Up) {
            let (key, raw) = row?;
            match readable(payload(kv, &key, &raw))?.flatten() {
                Some(_) => self.has_execution(key)?,
                None => self.unreadable(&key),
            }
        }
        Ok(())
    }

    /// Every file can be put together, and every file that an e-mail names is there.
    fn files(&mut self) -> Result<()> {
        let kv = self.kv;
        for row in kv.prefix(&[keys::FILE], Way::Up) {
            let (key, raw) = row?;
            if readable(payload(kv, &key, &raw))?.flatten().is_none() {
                self.unreadable(&key);
            }
        }
        for row in kv.prefix(&[keys::FILE_OF], Way::Up) {
            let (key, _) = row?;
            let id = keys::id_of(&key);
            if !self.has(&keys::file_named(&key))? && self.has(&keys::by_id(keys::JOB, id))? {
                self.find(Flaw::FileMissing, || format!("job {id}"));
            }
        }
        Ok(())
    }

    /// A row that an execution's id names goes with its execution.
    fn has_execution(&mut self, key: Vec<u8>) -> Result<()> {
        let id: Id = keys::id_of(&key);
        if self.has(&keys::by_id(keys::EXECUTION, id))? {
            return Ok(());
        }
        let example = format!("{} {id}", keys::kind(&key));
        self.drop_row(Flaw::Leftover, key, example)
    }

    /// Every piece belongs to a row that has so many.
    fn chunks(&mut self) -> Result<()> {
        let kv = self.kv;
        for row in kv.prefix(&[keys::CHUNK], Way::Up) {
            let (key, _) = row?;
            let whole = key.len().checked_sub(4).and_then(|end| key.get(1..end));
            let number = key.last_chunk().copied().map(u32::from_be_bytes);
            let count = match whole {
                Some(whole) => kv.get(whole)?.as_deref().and_then(chunks),
                None => None,
            };
            if count <= number {
                let example = format!("a piece of {}", whole.map_or("nothing", keys::kind));
                self.drop_row(Flaw::Leftover, key, example)?;
            }
        }
        Ok(())
    }

    /// Leaps from kind to kind and finds the rows between them.
    fn unknown(&mut self) -> Result<()> {
        let kv = self.kv;
        let mut from = keys::FIRST.to_vec();
        while let Some(row) = kv.scan(&from, keys::LAST, Way::Up).next() {
            let (key, _) = row?;
            let known = key.first().filter(|kind| KINDS.contains(kind));
            from = if let Some(kind) = known {
                keys::end(&[*kind])
            } else {
                self.find(Flaw::Unknown, || format!("row {}", hex::encode(&key)));
                [&key[..], &[0]].concat()
            };
        }
        Ok(())
    }
}
