//! Where each row lies. One tree holds everything; the first byte of a key says what the
//! row is, ids follow as their 16 bytes, texts are ended so that none is the beginning of
//! another, numbers are written so that bytes sort as numbers do.

use sha2::{Digest as _, Sha256};

use crate::base::Id;
use crate::model::queue::{Counted, Fingerprint, Suppression, Tally};

/// Executions by id.
pub(super) const EXECUTION: u8 = b'e';
/// Job rows by id.
pub(super) const JOB: u8 = b'j';
/// What is due.
pub(super) const DUE: u8 = b'q';
/// What is held aside because its sequence is paused.
pub(super) const HELD: u8 = b'h';
/// Attempts by id, which is by time.
pub(super) const ATTEMPT: u8 = b'a';
/// Enrolments by sequence and key.
pub(super) const ENROLMENT: u8 = b'n';
/// Idempotency keys.
pub(super) const IDEMPOTENCY: u8 = b'i';
/// Calls that were turned away, by id.
pub(super) const REFUSAL: u8 = b'r';
/// Counters by event type and lane.
pub(super) const COUNTER: u8 = b'c';
/// Jobs that may be what kills the process, by id.
pub(super) const SUSPECT: u8 = b'w';
/// Records by name and id.
pub(super) const RECORD: u8 = b'd';
/// Bodies that do not lie with their execution.
pub(super) const BODY: u8 = b'b';
/// How far executions have come.
pub(super) const PROGRESS: u8 = b'p';
/// Log lines by execution and time.
pub(super) const LOG: u8 = b'l';
/// Open jobs that go one at a time.
pub(super) const GROUP: u8 = b'o';
/// Enrolments by person.
pub(super) const PERSON_ENROLMENT: u8 = b'm';
/// Executions by person.
pub(super) const PERSON_EXECUTION: u8 = b'x';
/// Flags by name.
pub(super) const FLAG: u8 = b'f';
/// Suppressions by the hash of the address.
pub(super) const SUPPRESSION: u8 = b's';
/// How often things happened to steps of sequences.
pub(super) const TALLY: u8 = b't';
/// Editions of sequences by sequence and hash.
pub(super) const EDITION: u8 = b'v';
/// How many people follow each edition.
pub(super) const FOLLOWERS: u8 = b'y';
/// Places under caps, by the hash of the address.
pub(super) const PLACES: u8 = b'g';
/// What was counted once for a job, by its id.
pub(super) const ONCE: u8 = b'u';
/// Files that e-mails name, by hash.
pub(super) const FILE: u8 = b'F';
/// Which jobs name a file, by its hash and theirs.
pub(super) const FILE_OF: u8 = b'J';
/// Pieces of long rows.
pub(super) const CHUNK: u8 = b'z';
/// How much work waits in each lane.
pub(super) const BACKLOG: u8 = b'k';

/// No row lies before this key; what does is the store's own.
pub(super) const FIRST: &[u8] = &[1];
/// Every row lies before this key.
pub(super) const LAST: &[u8] = &[0xff];

/// What stands before the lane in the due rows of retries. No lane's text begins so.
const RETRY: [u8; 2] = [0, 1];

/// Longest text within a key as it is; of a longer one the beginning and a hash are kept.
const LONGEST: usize = 256;

/// What a row is, for people.
pub(super) fn kind(key: &[u8]) -> &'static str {
    match key.first() {
        Some(&EXECUTION) => "an execution",
        Some(&JOB) => "a job",
        Some(&DUE) => "a due job",
        Some(&ATTEMPT) => "an attempt",
        Some(&ENROLMENT | &PERSON_ENROLMENT) => "an enrolment",
        Some(&IDEMPOTENCY) => "an idempotency key",
        Some(&BODY) => "the body of a call",
        Some(&FILE) => "a file of e-mails",
        Some(&PROGRESS) => "the progress of an execution",
        Some(&LOG) => "a log line",
        Some(&RECORD) => "a record",
        Some(&SUPPRESSION) => "an entry of the suppression list",
        _ => "a row",
    }
}

/// Whether a backup counts the row of this key.
pub(super) fn is_counted(key: &[u8]) -> bool {
    matches!(key.first(), Some(&(EXECUTION | JOB | ENROLMENT | RECORD)))
}

/// The first key behind everything that begins so.
pub(super) fn end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

struct Key(Vec<u8>);

impl Key {
    fn new(kind: u8) -> Self {
        let mut key = Vec::with_capacity(96);
        key.push(kind);
        Self(key)
    }

    fn id(mut self, id: Id) -> Self {
        self.0.extend(id.0);
        self
    }

    fn number(mut self, number: i64) -> Self {
        self.0.extend((number.cast_unsigned() ^ 1 << 63).to_be_bytes());
        self
    }

    fn text(mut self, text: &str) -> Self {
        let hashed;
        let bytes = if text.len() <= LONGEST {
            text.as_bytes()
        } else {
            // 0xff is in no UTF-8 text, so no short text can look like this.
            hashed = [&text.as_bytes()[..200], &[0xff], &Sha256::digest(text)[..]].concat();
            &hashed
        };
        for (number, part) in bytes.split(|byte| *byte == 0).enumerate() {
            if number > 0 {
                self.0.extend([0, 0xff]);
            }
            self.0.extend(part);
        }
        self.0.extend([0, 0]);
        self
    }
}

/// A row that an id alone names.
pub(super) fn by_id(kind: u8, id: Id) -> Vec<u8> {
    Key::new(kind).id(id).0
}

/// The id in a key made by [`by_id`], or at the end of an index key.
pub(super) fn id_of(key: &[u8]) -> Id {
    let mut id = [0; 16];
    if let Some(tail) = key.len().checked_sub(16) {
        id.copy_from_slice(&key[tail..]);
    }
    Id(id)
}

/// A long body, apart from its execution.
pub(super) fn body(execution: Id) -> Vec<u8> {
    by_id(BODY, execution)
}

/// How far an execution has come.
pub(super) fn progress(execution: Id) -> Vec<u8> {
    by_id(PROGRESS, execution)
}

/// All log lines of an execution.
pub(super) fn logs(execution: Id) -> Vec<u8> {
    by_id(LOG, execution)
}

/// One log line; `number` tells lines of one moment apart.
pub(super) fn log(execution: Id, at: i64, number: u64) -> Vec<u8> {
    let mut key = Key(logs(execution)).number(at).0;
    key.extend(number.to_be_bytes());
    key
}

/// One lane's due rows of one priority, oldest first; first tries and retries lie apart.
pub(super) fn class(lane: &str, retry: bool, priority: i64) -> Vec<u8> {
    let mut key = Key::new(DUE);
    if retry {
        key.0.extend(RETRY);
    }
    // Higher priorities come first.
    key.text(lane).number(!priority).0
}

/// A due row.
pub(super) fn due(lane: &str, retry: bool, priority: i64, due: i64, id: Id) -> Vec<u8> {
    Key(class(lane, retry, priority)).number(due).id(id).0
}

/// Everything that is held aside of a sequence.
pub(super) fn all_held(sequence: &str) -> Vec<u8> {
    Key::new(HELD).text(sequence).0
}

/// The row of a job that is held aside, in place of its due row.
pub(super) fn held(sequence: &str, due: i64, id: Id) -> Vec<u8> {
    Key(all_held(sequence)).number(due).id(id).0
}

/// The class prefix of a due row and when it is due.
pub(super) fn split_due(key: &[u8]) -> Option<(&[u8], i64)> {
    let (class, tail) = key.split_at_checked(key.len().checked_sub(24)?)?;
    let number = u64::from_be_bytes(tail[..8].try_into().ok()?);
    Some((class, (number ^ 1 << 63).cast_signed()))
}

/// The lane's part of a class prefix, which is the same for all of its classes, and whether
/// the class is one of retries.
pub(super) fn lane_of(class: &[u8]) -> (&[u8], bool) {
    let lane = class.get(1..class.len().saturating_sub(8)).unwrap_or_default();
    match lane.strip_prefix(&RETRY) {
        Some(lane) => (lane, true),
        None => (lane, false),
    }
}

/// The lane's part of its keys.
pub(super) fn lane(lane: &str) -> Vec<u8> {
    Key(Vec::new()).text(lane).0
}

/// All open jobs that go one at a time.
pub(super) fn group(lane: &str, order: &str) -> Vec<u8> {
    Key::new(GROUP).text(lane).text(order).0
}

/// Every open job that goes one at a time.
pub(super) fn groups() -> Vec<u8> {
    vec![GROUP]
}

/// A job within its group.
pub(super) fn in_group(group: &[u8], id: Id) -> Vec<u8> {
    Key(group.to_vec()).id(id).0
}

/// All enrolments of a sequence.
pub(super) fn sequence(sequence: &str) -> Vec<u8> {
    Key::new(ENROLMENT).text(sequence).0
}

/// The newest enrolment of a key.
pub(super) fn enrolment(sequence: &str, key: &str) -> Vec<u8> {
    Key(self::sequence(sequence)).text(key).0
}

/// All editions of a sequence.
pub(super) fn editions(sequence: &str) -> Vec<u8> {
    Key::new(EDITION).text(sequence).0
}

/// An edition of a sequence.
pub(super) fn edition(sequence: &str, hash: &str) -> Vec<u8> {
    Key(editions(sequence)).text(hash).0
}

/// How many people follow each edition of a sequence.
pub(super) fn all_followers(sequence: &str) -> Vec<u8> {
    Key::new(FOLLOWERS).text(sequence).0
}

/// How many people follow an edition of a sequence.
pub(super) fn followers(sequence: &str, hash: &str) -> Vec<u8> {
    Key(all_followers(sequence)).text(hash).0
}

/// How many people follow the edition of this row.
pub(super) fn followers_of(edition: &[u8]) -> Vec<u8> {
    [&[FOLLOWERS], edition.get(1..).unwrap_or_default()].concat()
}

/// A person's enrolments.
pub(super) fn person_enrolments(person: &str) -> Vec<u8> {
    Key::new(PERSON_ENROLMENT).text(person).0
}

/// A person's enrolments in a sequence.
pub(super) fn person_sequence(person: &str, sequence: &str) -> Vec<u8> {
    Key(person_enrolments(person)).text(sequence).0
}

/// A person's enrolment.
pub(super) fn person_enrolment(person: &str, sequence: &str, key: &str) -> Vec<u8> {
    Key(person_sequence(person, sequence)).text(key).0
}

/// A person's executions.
pub(super) fn person_executions(person: &str) -> Vec<u8> {
    Key::new(PERSON_EXECUTION).text(person).0
}

/// A person's execution.
pub(super) fn person_execution(person: &str, execution: Id) -> Vec<u8> {
    Key(person_executions(person)).id(execution).0
}

/// All records of a name.
pub(super) fn records(name: &str) -> Vec<u8> {
    Key::new(RECORD).text(name).0
}

/// A record.
pub(super) fn record(name: &str, id: &str) -> Vec<u8> {
    Key(records(name)).text(id).0
}

/// An idempotency key.
pub(super) fn idempotency(endpoint: &str, key: &str) -> Vec<u8> {
    Key::new(IDEMPOTENCY).text(endpoint).text(key).0
}

/// A flag, or all whose name begins so.
pub(super) fn flag(name: &str) -> Vec<u8> {
    [&[FLAG], name.as_bytes()].concat()
}

/// All suppressions of an address.
pub(super) fn suppressions(who: Fingerprint) -> Vec<u8> {
    [&[SUPPRESSION], &who.0[..]].concat()
}

/// A suppression.
pub(super) fn suppression(entry: &Suppression) -> Vec<u8> {
    unsuppressed(entry.who, &entry.reason, entry.sequence.as_deref())
}

/// Where the suppression of an address for this reason lies.
pub(super) fn unsuppressed(who: Fingerprint, reason: &str, sequence: Option<&str>) -> Vec<u8> {
    Key(suppressions(who)).text(sequence.unwrap_or_default()).text(reason).0
}

/// The places that a person's e-mails have taken.
pub(super) fn places(who: Fingerprint) -> Vec<u8> {
    [&[PLACES], &who.0[..]].concat()
}

/// That something was counted for a job.
pub(super) fn once(job: Id, what: Tally) -> Vec<u8> {
    Key::new(ONCE).id(job).text(what.word()).0
}

/// The job in a key made by [`once`].
pub(super) fn job_of_once(key: &[u8]) -> Id {
    let mut id = [0; 16];
    if let Some(bytes) = key.get(1..17) {
        id.copy_from_slice(bytes);
    }
    Id(id)
}

/// A file that e-mails name.
pub(super) fn file(hash: &str) -> Vec<u8> {
    Key::new(FILE).text(hash).0
}

/// All jobs that name the file of this row.
pub(super) fn jobs_of_file(file: &[u8]) -> Vec<u8> {
    [&[FILE_OF], file.get(1..).unwrap_or_default()].concat()
}

/// That a job names a file.
pub(super) fn file_of(hash: &str, job: Id) -> Vec<u8> {
    Key(jobs_of_file(&file(hash))).id(job).0
}

/// The row of the file in a key made by [`file_of`].
pub(super) fn file_named(key: &[u8]) -> Vec<u8> {
    let hash = key.get(1..key.len().saturating_sub(16)).unwrap_or_default();
    [&[FILE], hash].concat()
}

/// A counter.
pub(super) fn counter(event_type: &str, lane: &str) -> Vec<u8> {
    Key::new(COUNTER).text(event_type).text(lane).0
}

/// All tallies of a sequence.
pub(super) fn tallies(sequence: &str) -> Vec<u8> {
    Key::new(TALLY).text(sequence).0
}

/// A tally.
pub(super) fn tally(counted: &Counted) -> Vec<u8> {
    let Counted { sequence, step, variant, what, reason } = counted;
    let key = Key(tallies(sequence)).text(step).text(variant.as_deref().unwrap_or_default());
    key.text(what.word()).text(reason.as_deref().unwrap_or_default()).0
}

/// How much work waits in a lane.
pub(super) fn backlog(lane: &str) -> Vec<u8> {
    Key::new(BACKLOG).text(lane).0
}

/// A piece of a long row.
pub(super) fn chunk(key: &[u8], number: u32) -> Vec<u8> {
    [&[CHUNK], key, &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_rows_sort_by_lane_then_priority_then_time() {
        let id = Id([7; 16]);
        let order = [
            due("a", false, 9, 500, id),
            due("a", false, 0, -5, id),
            due("a", false, 0, 5, id),
            due("a", false, -3, 1, id),
            due("a\0", false, 0, 1, id),
            due("ab", false, 0, 1, id),
        ];
        assert!(order.is_sorted());
        assert_eq!(split_due(&order[1]), Some((&class("a", false, 0)[..], -5)));
        assert_eq!(id_of(&order[0]), id);
    }

    #[test]
    fn first_tries_and_retries_lie_apart_in_the_same_lane() {
        for name in ["a", "", "\0", "\0\u{1}", "\u{1}"] {
            for retry in [false, true] {
                assert_eq!(lane_of(&class(name, retry, 9)), (&lane(name)[..], retry), "{name:?}");
            }
            assert!(!class(name, true, 0).starts_with(&class(name, false, 0)), "{name:?}");
        }
    }

    #[test]
    fn no_text_is_the_beginning_of_another_and_long_ones_are_bounded() {
        assert_ne!(record("a", "bc"), record("ab", "c"));
        assert!(!enrolment("s", "key").starts_with(&enrolment("s", "ke")));
        let (long, other) = ("x".repeat(5000), "x".repeat(5001));
        assert!(record("a", &long).len() < 300);
        assert_ne!(record("a", &long), record("a", &other));
    }
}
