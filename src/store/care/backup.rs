//! A backup under way, drawn piece by piece from a store that goes on working: whoever makes
//! it takes a part, writes it away, and asks for the next. So nothing is held up by a slow
//! disk or line, and a backup that nobody fetches any more costs nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::format::{Contents, Encoder};
use super::tap::{Heard, Listener, Tap};
use crate::store::keys::{ENROLMENT, EXECUTION, JOB, RECORD};
use crate::store::kv::{Kv, Pair, Way};
use crate::store::runner::Runner;
use crate::store::{StoreError, keys};

/// Rows of a slice.
const SLICE: usize = 2_000;
/// Bytes after which a slice is closed.
const SLICE_BYTES: usize = 512 * 1024;

/// A backup that is being made: begun by [`Backup::new`], advanced by
/// [`Store::backup`](crate::store::Store::backup) until it is complete.
#[derive(Debug)]
pub struct Backup {
    listener: Option<Listener>,
    /// Rows of a slice at most.
    rows: usize,
    /// Every row before this one is written.
    from: Vec<u8>,
    encoder: Encoder,
    contents: Contents,
    part: Vec<u8>,
    complete: bool,
}

/// Rows that were read at once, and where the next ones begin.
pub(in crate::store) struct Slice {
    rows: Vec<Pair>,
    next: Option<Vec<u8>>,
}

impl Backup {
    /// A backup that is begun at this moment, in milliseconds since 1970.
    #[must_use]
    pub fn new(taken: i64) -> Self {
        let mut encoder = Encoder::default();
        encoder.head(taken);
        Self {
            listener: None,
            rows: SLICE,
            from: keys::FIRST.to_vec(),
            encoder,
            contents: Contents { taken, ..Contents::default() },
            part: Vec::new(),
            complete: false,
        }
    }

    /// The bytes that the last step brought; the file is all of them behind each other.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.part)
    }

    /// What it holds, once it is complete.
    #[must_use]
    pub fn contents(&self) -> Option<Contents> {
        self.complete.then_some(self.contents)
    }

    /// The same in smaller slices, so that more happens in between.
    #[cfg(test)]
    pub(super) fn in_slices_of(self, rows: usize) -> Self {
        Self { rows, ..self }
    }

    /// Begins to hear of changes.
    fn listen(&mut self, tap: &Arc<Tap>) -> Result<(), StoreError> {
        let taken = || StoreError::Backup("another one is being made".into());
        self.listener = Some(tap.open().ok_or_else(taken)?);
        Ok(())
    }

    /// Reads the next rows.
    pub(in crate::store) fn slice(&self, rows: &dyn Kv) -> Result<Slice, StoreError> {
        let mut slice = Slice { rows: Vec::new(), next: None };
        let mut bytes = 0;
        // A new walk each time: one that is kept may show a row as it was before the last
        // changes were handed over.
        for row in rows.scan(&self.from, keys::LAST, Way::Up) {
            let (key, value) = row?;
            bytes += key.len() + value.len();
            let full = slice.rows.len() + 1 >= self.rows || bytes >= SLICE_BYTES;
            slice.rows.push((key, value));
            if full {
                slice.next = slice.rows.last().map(|(key, _)| [&key[..], &[0]].concat());
                break;
            }
        }
        Ok(slice)
    }

    /// Writes a slice and, behind it, what was changed since the one before.
    pub(in crate::store) fn absorb(&mut self, slice: Slice) -> Result<(), StoreError> {
        let heard = match &self.listener {
            Some(listener) => listener.hear()?,
            None => Vec::new(),
        };
        self.count(&slice, &heard);
        for (key, value) in &slice.rows {
            self.encoder.entry(key, Some(value));
        }
        for Heard { key, change, .. } in &heard {
            self.encoder.entry(key, change.as_deref());
        }
        if let Some(next) = slice.next {
            self.from = next;
            self.part = self.encoder.take();
        } else {
            self.encoder.foot(&mut self.contents);
            self.part = self.encoder.take_last();
            self.complete = true;
            self.listener = None;
        }
        Ok(())
    }

    /// Counts exactly what the file's last word on each row will be. Before the slice every
    /// change counts; within it only what is there in the end; behind it nothing yet.
    fn count(&mut self, slice: &Slice, heard: &[Heard]) {
        let mut there: BTreeSet<&[u8]> = slice
            .rows
            .iter()
            .map(|(key, _)| &key[..])
            .filter(|key| keys::is_counted(key))
            .collect();
        let next = slice.next.as_deref().unwrap_or(keys::LAST);
        for Heard { key, change, existed } in heard.iter().filter(|one| keys::is_counted(&one.key))
        {
            match (key[..] < self.from[..], change.is_some()) {
                (true, true) if !existed => *self.counter(key) += 1,
                (true, false) if *existed => {
                    let counter = self.counter(key);
                    *counter = counter.saturating_sub(1);
                }
                (false, true) if &key[..] < next => drop(there.insert(key)),
                (false, false) if &key[..] < next => drop(there.remove(&key[..])),
                _ => {}
            }
        }
        for key in there {
            *self.counter(key) += 1;
        }
    }

    /// The count of the rows of this one's kind.
    fn counter(&mut self, key: &[u8]) -> &mut u64 {
        match key.first() {
            Some(&EXECUTION) => &mut self.contents.executions,
            Some(&JOB) => &mut self.contents.jobs,
            Some(&ENROLMENT) => &mut self.contents.enrolments,
            other => {
                debug_assert_eq!(other, Some(&RECORD));
                &mut self.contents.records
            }
        }
    }
}

/// The next part of a backup; see the module above for why the parts fit together.
pub(in crate::store) async fn next<R: Runner>(
    runner: &R,
    mut backup: Backup,
) -> Result<Backup, StoreError> {
    if backup.complete {
        return Ok(backup);
    }
    if backup.listener.is_none() {
        backup.listen(runner.tap())?;
        barrier(runner).await?;
    }
    let (mut backup, slice) = runner
        .walk(move |rows, _| {
            let slice = backup.slice(rows)?;
            Ok((backup, slice))
        })
        .await?;
    barrier(runner).await?;
    runner
        .walk(move |_, _| {
            backup.absorb(slice)?;
            Ok(backup)
        })
        .await
}

/// Waits until every group that was being written is on the disk.
async fn barrier<R: Runner>(runner: &R) -> Result<(), StoreError> {
    runner.write(false, |_, _| Ok(())).await
}
