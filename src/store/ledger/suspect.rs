//! Jobs that may be what kills the process. A job that was under way at two deaths of the
//! process is a suspect: it runs alone, nothing else beside it, so that a third death says
//! whose doing it was. How often a job was alone at a death goes with its lease; whoever does
//! jobs gives it up after [`QUARANTINE_AFTER`](crate::model::queue::QUARANTINE_AFTER). A job
//! that comes through its attempt, whatever the outcome, is no suspect any more.

use serde::{Deserialize, Serialize};

use super::Ledger;
use super::claim::Places;
use crate::base::Id;
use crate::store::kv::{Batch, Kv as _, Way};
use crate::store::{Claim, Claimed, StoreError, keys, rows};

/// At so many deaths a job begins to run alone.
const ALONE_AFTER: u8 = 2;

/// What is held against a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::store) struct Suspect {
    /// Its due row.
    key: Vec<u8>,
    /// Deaths of the process at which it was under way beside others.
    together: u8,
    /// Deaths at which nothing else was.
    alone: u8,
}

impl Suspect {
    fn runs_alone(&self) -> bool {
        self.together.saturating_add(self.alone) >= ALONE_AFTER
    }
}

impl Ledger {
    /// Begins after a death of the process at which the jobs of these due rows were under
    /// way.
    pub(in crate::store) fn accuse(
        &mut self,
        batch: &mut Batch<'_>,
        in_flight: Vec<Vec<u8>>,
    ) -> Result<(), StoreError> {
        for row in batch.prefix(&[keys::SUSPECT], Way::Up) {
            let (key, raw) = row?;
            self.suspects.insert(keys::id_of(&key), rows::decode(batch, &key, &raw)?);
        }
        for (id, due) in
            self.suspects.iter().map(|(id, one)| (*id, one.key.clone())).collect::<Vec<_>>()
        {
            if batch.get(&due)?.is_none() {
                // It was called off, or put off, without being tried.
                self.acquit(batch, id);
            }
        }
        let alone = in_flight.len() == 1;
        for key in in_flight {
            let is_due = keys::split_due(&key).is_some() && key.first() == Some(&keys::DUE);
            if !is_due || batch.get(&key)?.is_none() {
                continue;
            }
            let id = keys::id_of(&key);
            let none = Suspect { key: Vec::new(), together: 0, alone: 0 };
            let suspect = self.suspects.entry(id).or_insert(none);
            let deaths = if alone { &mut suspect.alone } else { &mut suspect.together };
            *deaths = deaths.saturating_add(1);
            suspect.key = key;
            rows::write(batch, keys::by_id(keys::SUSPECT, id), suspect)?;
        }
        Ok(())
    }

    /// Whether a job is only handed out by itself.
    pub(super) fn runs_alone(&self, id: Id) -> bool {
        !self.suspects.is_empty() && self.suspects.get(&id).is_some_and(Suspect::runs_alone)
    }

    /// At how many deaths of the process this job alone was under way.
    pub(super) fn deaths(&self, id: Id) -> u8 {
        self.suspects.get(&id).map_or(0, |suspect| suspect.alone)
    }

    /// What a claim gets while a suspect runs or has its turn: that one or nothing. None
    /// when the claim may go on as usual.
    pub(super) fn suspect_turn(
        &mut self,
        batch: &mut Batch<'_>,
        claim: &Claim,
        places: &mut Places,
    ) -> Result<Option<Claimed>, StoreError> {
        let mut turns: Vec<(u8, Id)> = self
            .suspects
            .iter()
            .filter(|(_, one)| one.runs_alone())
            .map(|(id, one)| (one.alone, *id))
            .collect();
        if turns.is_empty() {
            return Ok(None);
        }
        let running: Vec<(Id, i64)> = self
            .claims
            .all()
            .values()
            .filter(|held| held.lease.until > claim.now)
            .map(|held| (held.lease.job, held.lease.until))
            .collect();
        let first_end = running.iter().map(|(_, until)| *until).min();
        if running.iter().any(|(id, _)| self.runs_alone(*id)) {
            return Ok(Some(Claimed { jobs: Vec::new(), next_due: first_end }));
        }
        // Whoever has the least against him goes first.
        turns.sort_unstable();
        for (_, id) in turns {
            let key = self.suspects[&id].key.clone();
            let (Some(raw), Some((class, due))) = (batch.get(&key)?, keys::split_due(&key)) else {
                self.acquit(batch, id);
                continue;
            };
            if due > claim.now {
                places.next_due = places.next_due.min(due);
            } else if *places.of(keys::lane_of(class).0) == 0 {
                // Its service takes nothing now; the others need not wait for that.
            } else if running.is_empty() {
                if let Some(leased) = self.lease(batch, (key, raw), claim)? {
                    return Ok(Some(Claimed { jobs: vec![leased], next_due: None }));
                }
                self.acquit(batch, id);
            } else {
                return Ok(Some(Claimed { jobs: Vec::new(), next_due: first_end }));
            }
        }
        Ok(None)
    }

    /// Follows what the present request did with suspects: one whose claim has ended is none
    /// any more, one that became something else has another due row.
    pub(super) fn follow_suspects(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        for (id, held) in self.effects.clone() {
            match (held, self.suspects.get_mut(&id)) {
                (None, Some(_)) => self.acquit(batch, id),
                (Some(held), Some(suspect)) if held.key != suspect.key => {
                    suspect.key = held.key;
                    rows::write(batch, keys::by_id(keys::SUSPECT, id), suspect)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn acquit(&mut self, batch: &mut Batch<'_>, id: Id) {
        self.suspects.remove(&id);
        batch.delete_small(keys::by_id(keys::SUSPECT, id));
    }
}
