//! Jobs, what is due, and the lines of jobs that go one at a time.

use super::{Examination, Flaw, Result, readable};
use crate::model::queue::JobState;
use crate::store::keys;
use crate::store::kv::Way;
use crate::store::ledger::progress::shift;
use crate::store::ledger::queue::{ACTIVE, PARKED, is_active};
use crate::store::rows::{self, Due, StoredJob};

impl Examination<'_> {
    /// Every job is counted, and one that waits will be taken up.
    pub(super) fn jobs(&mut self) -> Result<()> {
        self.each(keys::JOB, |found, key, stored: StoredJob| {
            let job = &stored.job;
            if keys::id_of(&key) != job.id {
                found.unreadable(&key);
                return Ok(());
            }
            let stat = found.stats.entry((job.event_type.clone(), job.lane.clone())).or_default();
            shift(stat, None, Some(job.state));
            found.undecided += u64::from(job.is_unknown());
            if job.state != JobState::Pending {
                stat.retries += u64::from(job.retries);
                stat.max_retries = stat.max_retries.max(job.retries);
                return Ok(());
            }
            found.count_waiting(job);
            if stored.counted {
                *found.open.entry(job.execution).or_default() += 1;
            }
            found.waiting(&stored)
        })
    }

    /// A waiting job is due, or stands in line behind another.
    fn waiting(&mut self, stored: &StoredJob) -> Result<()> {
        let (id, due) = (stored.job.id, stored.due_key());
        let is_due = self.has(&due)?;
        if let Some(group) = stored.group() {
            let place = keys::in_group(&group, id);
            match self.kv.get(&place)? {
                None => {
                    let mark = if is_due { ACTIVE } else { PARKED };
                    self.add_row(Flaw::NotInLine, place, mark, format!("job {id}"));
                    return Ok(());
                }
                Some(raw) if !is_active(&raw) => return Ok(()),
                Some(_) => {}
            }
        }
        if !is_due {
            self.add_row(Flaw::NotDue, due, &rows::encode(&Due::Job)?, format!("job {id}"));
        }
        Ok(())
    }

    /// What is due is waiting, and due then.
    pub(super) fn due(&mut self) -> Result<()> {
        let kv = self.kv;
        let held = kv.prefix(&[keys::HELD], Way::Up);
        for row in kv.prefix(&[keys::DUE], Way::Up).chain(held) {
            let (key, raw) = row?;
            let id = keys::id_of(&key);
            let Some(due) = readable(rows::decode::<Due>(kv, &key, &raw))? else {
                // The next round writes it anew if it is needed.
                self.drop_row(Flaw::DueForNothing, key, format!("an unreadable one of job {id}"))?;
                continue;
            };
            // A job that cannot be read is noted as such; its due row stays.
            let Some(stored) = readable(rows::due(kv, id, &due))? else { continue };
            let fits = stored.is_some_and(|stored| {
                stored.job.state == JobState::Pending && stored.due_key() == key
            });
            if !fits {
                self.drop_row(Flaw::DueForNothing, key, format!("job {id}"))?;
            }
        }
        Ok(())
    }

    /// Who stands in line is waiting, and one of each line has its turn.
    pub(super) fn lines(&mut self) -> Result<()> {
        let kv = self.kv;
        // The line that is being looked at: its prefix, the first job in it, whether any has
        // its turn.
        let mut line: Option<(Vec<u8>, StoredJob, bool)> = None;
        for row in kv.prefix(&keys::groups(), Way::Up) {
            let (key, raw) = row?;
            let id = keys::id_of(&key);
            let Some(stored) = readable(rows::job(kv, id))? else { continue };
            let waits = stored.filter(|stored| {
                stored.job.state == JobState::Pending
                    && stored.group().is_some_and(|group| keys::in_group(&group, id) == key)
            });
            let Some(stored) = waits else {
                self.drop_row(Flaw::LineForNothing, key, format!("job {id}"))?;
                continue;
            };
            let group = stored.group().unwrap_or_default();
            match &mut line {
                Some((open, _, turn)) if *open == group => *turn |= is_active(&raw),
                _ => {
                    self.turn(line.take())?;
                    line = Some((group, stored, is_active(&raw)));
                }
            }
        }
        self.turn(line)
    }

    fn turn(&mut self, line: Option<(Vec<u8>, StoredJob, bool)>) -> Result<()> {
        if let Some((group, first, false)) = line {
            let id = first.job.id;
            self.add_row(
                Flaw::NoTurn,
                keys::in_group(&group, id),
                ACTIVE,
                format!("the one that job {id} leads"),
            );
            self.fixes.put_small(first.due_key(), &rows::encode(&Due::Job)?);
        }
        Ok(())
    }
}
