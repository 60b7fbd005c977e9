//! An ordered byte map, the little that the ledger needs of a database: point reads and
//! lazy walks in both directions. [`Batch`] lays changes that are not written yet over such
//! a map, so that many commits become one atomic write and later ones see earlier ones.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::Peekable;

use super::{StoreError, keys};

/// A key with its raw value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);
/// A lazy walk.
pub(super) type Rows<'a> = Box<dyn Iterator<Item = Result<Pair, StoreError>> + 'a>;

/// Which way to walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Smallest key first.
    Up,
    /// Largest key first.
    Down,
}

/// An ordered map from bytes to bytes.
pub(super) trait Kv: Sync {
    /// The raw value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// The rows from `from` up to but without `to`.
    fn scan<'a>(&'a self, from: &[u8], to: &[u8], way: Way) -> Rows<'a>;

    /// The rows whose key begins so.
    fn prefix<'a>(&'a self, prefix: &[u8], way: Way) -> Rows<'a> {
        self.scan(prefix, &keys::end(prefix), way)
    }
}

/// The map of the memory store.
pub(super) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

impl Kv for Map {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(BTreeMap::get(self, key).cloned())
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8], way: Way) -> Rows<'a> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let rows = self.range(from.to_vec()..to.to_vec()).map(|(k, v)| Ok((k.clone(), v.clone())));
        match way {
            Way::Up => Box::new(rows),
            Way::Down => Box::new(rows.rev()),
        }
    }
}

/// Longest value of one row. sled moves long leaves into files that nobody syncs; values of
/// this size stay far below that.
pub(super) const CHUNK: usize = 15 * 1024;
/// First byte of a value that is whole: the version of the row format.
const WHOLE: u8 = 1;
/// First byte of a value that lies in chunks; their number follows.
const CHUNKED: u8 = 0x81;

/// What becomes of a row: its new value, or none to remove it.
pub(super) type Change = Option<Vec<u8>>;

/// Changes over a map: what will be written at once.
pub(super) struct Batch<'k> {
    base: &'k dyn Kv,
    changes: BTreeMap<Vec<u8>, Change>,
    bytes: usize,
    undo: Vec<(Vec<u8>, Option<Change>)>,
}

impl<'k> Batch<'k> {
    /// No changes yet.
    pub(super) fn over(base: &'k dyn Kv) -> Self {
        Self { base, changes: BTreeMap::new(), bytes: 0, undo: Vec::new() }
    }

    /// Bytes that were put into it, for bounding a group.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The changes by key.
    pub(super) fn into_changes(self) -> BTreeMap<Vec<u8>, Change> {
        self.changes
    }

    /// Begins a request: what follows can be rolled back as one.
    pub(super) fn begin(&mut self) {
        self.undo.clear();
    }

    /// Takes back everything since `begin`.
    pub(super) fn rollback(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(change) => self.changes.insert(key, change),
                None => self.changes.remove(&key),
            };
        }
    }

    /// Writes a row of any length, in chunks if it is long.
    pub(super) fn put(&mut self, key: Vec<u8>, payload: &[u8]) -> Result<(), StoreError> {
        self.drop_chunks(&key)?;
        self.put_new(key, payload);
        Ok(())
    }

    /// Writes a row of any length where none was before.
    pub(super) fn put_new(&mut self, key: Vec<u8>, payload: &[u8]) {
        if payload.len() <= CHUNK {
            self.put_small(key, payload);
            return;
        }
        let mut count = 0_u32;
        for chunk in payload.chunks(CHUNK) {
            self.set(keys::chunk(&key, count), Some(chunk.to_vec()));
            count += 1;
        }
        let mut value = vec![CHUNKED];
        value.extend(count.to_be_bytes());
        self.set(key, Some(value));
    }

    /// Writes a row that is always short, without looking at what was there.
    pub(super) fn put_small(&mut self, key: Vec<u8>, payload: &[u8]) {
        let mut value = Vec::with_capacity(payload.len() + 1);
        value.push(WHOLE);
        value.extend(payload);
        self.set(key, Some(value));
    }

    /// Removes a row with its chunks.
    pub(super) fn delete(&mut self, key: Vec<u8>) -> Result<(), StoreError> {
        self.drop_chunks(&key)?;
        self.set(key, None);
        Ok(())
    }

    /// Removes a row that is always short.
    pub(super) fn delete_small(&mut self, key: Vec<u8>) {
        self.set(key, None);
    }

    fn drop_chunks(&mut self, key: &[u8]) -> Result<(), StoreError> {
        if let Some(count) = self.get(key)?.as_deref().and_then(chunks) {
            for number in 0..count {
                self.set(keys::chunk(key, number), None);
            }
        }
        Ok(())
    }

    fn set(&mut self, key: Vec<u8>, value: Change) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        let before = self.changes.insert(key.clone(), value);
        self.undo.push((key, before));
    }
}

/// How many chunks a raw value stands for; none when it is whole.
pub(super) fn chunks(raw: &[u8]) -> Option<u32> {
    match raw {
        [CHUNKED, count @ ..] => count.try_into().ok().map(u32::from_be_bytes),
        _ => None,
    }
}

/// The payload behind a raw value; none when it cannot be put together.
pub(super) fn payload(kv: &dyn Kv, key: &[u8], raw: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    if let [WHOLE, payload @ ..] = raw {
        return Ok(Some(payload.to_vec()));
    }
    let Some(count) = chunks(raw) else { return Ok(None) };
    let mut whole = Vec::new();
    for number in 0..count {
        match kv.get(&keys::chunk(key, number))? {
            Some(chunk) => whole.extend(chunk),
            None => return Ok(None),
        }
    }
    Ok(Some(whole))
}

impl Kv for Batch<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.base.get(key),
        }
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8], way: Way) -> Rows<'a> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let changes = self.changes.range(from.to_vec()..to.to_vec());
        let over: Changes<'a> = match way {
            Way::Up => Box::new(changes),
            Way::Down => Box::new(changes.rev()),
        };
        let base = self.base.scan(from, to, way).peekable();
        Box::new(Merged { base, over: over.peekable(), way })
    }
}

type Changes<'a> = Box<dyn Iterator<Item = (&'a Vec<u8>, &'a Change)> + 'a>;

/// Two walks as one; where both have a key, the change wins.
struct Merged<'a> {
    base: Peekable<Rows<'a>>,
    over: Peekable<Changes<'a>>,
    way: Way,
}

impl Iterator for Merged<'_> {
    type Item = Result<Pair, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let order = match (self.base.peek(), self.over.peek()) {
                (_, None) | (Some(Err(_)), _) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(Ok((base, _))), Some((over, _))) if self.way == Way::Up => base.cmp(over),
                (Some(Ok((base, _))), Some((over, _))) => (*over).cmp(base),
            };
            match order {
                Ordering::Less => return self.base.next(),
                Ordering::Equal => drop(self.base.next()),
                Ordering::Greater => {}
            }
            if let Some((key, Some(value))) = self.over.next() {
                return Some(Ok((key.clone(), value.clone())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(kv: &dyn Kv, way: Way) -> String {
        kv.scan(b"a", b"z", way).map(|row| String::from_utf8(row.unwrap().0).unwrap()).collect()
    }

    #[test]
    fn a_batch_shows_its_changes_over_the_map_and_can_take_them_back() {
        let map: Map = ["b", "d", "f"].map(|key| (key.into(), vec![WHOLE])).into();
        let mut batch = Batch::over(&map);
        batch.put_small(b"a".into(), b"1");
        batch.delete_small(b"d".into());
        batch.begin();
        batch.put_small(b"f".into(), b"2");
        batch.put_small(b"g".into(), b"3");
        assert_eq!(walk(&batch, Way::Up), "abfg");
        assert_eq!(walk(&batch, Way::Down), "gfba");
        batch.rollback();
        assert_eq!(walk(&batch, Way::Up), "abf");
        assert_eq!(batch.get(b"f").unwrap(), Some(vec![WHOLE]));
    }

    #[test]
    fn a_long_row_lies_in_chunks_that_go_with_it() {
        let map = Map::new();
        let mut batch = Batch::over(&map);
        let long: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        batch.put(b"k".into(), &long).unwrap();
        let raw = batch.get(b"k").unwrap().unwrap();
        assert_eq!(payload(&batch, b"k", &raw).unwrap(), Some(long));
        assert!(batch.changes.values().flatten().all(|value| value.len() <= CHUNK + 1));
        batch.put(b"k".into(), b"short").unwrap();
        assert_eq!(batch.changes.values().flatten().count(), 1);
    }
}
