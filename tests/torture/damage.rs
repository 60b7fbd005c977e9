//! The files of a closed store are damaged in nine ways. The next start has everything, or
//! refuses soon and says which file is damaged and how to mend it; never does it go on with
//! less without a word.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::load::{Client, Plan};
use crate::sink::Sink;
use crate::tally::{Dice, Job, Tally};
use crate::world::{RULES, Up, World, ms, start};

/// A refusal has come by then.
const IN_TIME: Duration = Duration::from_secs(5);
/// Calls in the store.
const CALLS: usize = 400;
/// Bits that flip.
const FLIPS: usize = 20;

/// What remains of a damaged store.
enum Outcome {
    /// All of it.
    Whole,
    /// A refusal in words.
    Refused,
    /// Something else, which must not be.
    Wrong(String),
}

pub(crate) fn run(job: &Job) -> Tally {
    let mut tally = Tally::default();
    let mut dice = job.dice();
    let mut world = World::new(job, RULES, Sink::start());
    let up = world.up();
    let plan = Plan { length: 0..20_000, most: CALLS, ..Plan::small(4, Duration::ZERO) };
    let load = world.load(&up, &plan);
    crate::binary::until("the store is filled", || world.book.acked() == CALLS);
    load.end();
    world.settle(&up, &mut tally);
    second_process(&world, &up, &mut tally);
    // A start on what another has left writes a snapshot.
    up.kill();
    for _ in 0..2 {
        let (code, _) = world.up().stop();
        tally.must(code == Some(0), || format!("the store was not closed: {code:?}"));
    }
    let calls: BTreeMap<u64, String> =
        world.book.pages().acked.iter().map(|(n, acked)| (*n, acked.id.clone())).collect();
    let mut test = Test { world, job, calls, tally: &mut tally, whole: 0, refused: 0, slowest: 0 };
    test.classes(&mut dice);
    let (whole, refused, slowest) = (test.whole, test.refused, test.slowest);
    tally.figure("whole", whole);
    tally.figure("refused", refused);
    tally.figure("slowest_refusal_ms", slowest);
    tally
}

/// A second process on the same folder is refused; the first goes on.
fn second_process(world: &World, up: &Up, tally: &mut Tally) {
    tally.cases += 1;
    match start(world.command()) {
        Ok(_) => tally.wrong("a second process uses the same store"),
        Err(down) => {
            let named = down.said.contains("data") && down.said.contains("in use");
            tally.must(named && down.code.is_some_and(|code| code != 0), || {
                format!("a second process is refused unclearly: {down:?}")
            });
            // It may wait a moment for a dying one to let go.
            tally.must(down.took <= IN_TIME + Duration::from_secs(1), || format!("{down:?}"));
        }
    }
    tally.must(up.get("/livez").status == 200, || "the first process is disturbed".into());
}

struct Test<'a> {
    world: World,
    job: &'a Job,
    calls: BTreeMap<u64, String>,
    tally: &'a mut Tally,
    whole: usize,
    refused: usize,
    slowest: u128,
}

impl Test<'_> {
    fn classes(&mut self, dice: &mut Dice) {
        self.case("nothing", |_| true);
        self.case("an empty snapshot in the making", |store| {
            std::fs::write(store.join("snap.00000000000000FF.generating"), "").is_ok()
        });
        self.case("half a snapshot in the making", |store| {
            std::fs::write(store.join("snap.00000000000000FF.generating"), [7; 100]).is_ok()
        });
        let cuts: &[u64] = &[1, 2, 7, 64, 511, 512, 513, 1_024, 2_048, 3_000, 4_095, 4_096];
        for cut in &cuts[..self.job.count(3, cuts.len())] {
            self.case(&format!("its log is {cut} bytes shorter"), |store| shorten(store, *cut));
        }
        for _ in 0..self.job.count(4, FLIPS) {
            let bits = [dice.next()];
            self.case("a bit of its log has flipped", |store| flip(store, &bits));
        }
        let bits: Vec<u64> = (0..FLIPS).map(|_| dice.next()).collect();
        self.case("20 bits of its log have flipped", |store| flip(store, &bits));
        self.case("its log is empty", |store| std::fs::write(store.join("db"), "").is_ok());
        self.case("its log is missing", |store| std::fs::remove_file(store.join("db")).is_ok());
        self.case("its snapshots are missing", |store| remove(store, "snap."));
        self.case("its settings are missing", |store| remove(store, "conf"));
        if files(&self.world.data.join("store/blobs")).is_empty() {
            self.tally.skip(1, "this store keeps no blobs, so none can be missing");
        } else {
            self.case("its blobs are missing", |store| remove_all(&files(&store.join("blobs"))));
        }
        // Permissions do not bind root, so the log is made unreadable in another way.
        self.case("its log cannot be read", |store| {
            let log = store.join("db");
            std::fs::remove_file(&log).and_then(|()| std::fs::create_dir(log)).is_ok()
        });
    }

    /// Damages a copy and starts on it. `damage` answers whether there was anything to damage.
    fn case(&mut self, what: &str, damage: impl FnOnce(&Path) -> bool) {
        let data = self.job.folder.join("copy");
        let _ = std::fs::remove_dir_all(&data);
        copy(&self.world.data, &data);
        if !damage(&data.join("store")) {
            return self.tally.wrong(format!("there is nothing to damage: {what}"));
        }
        self.tally.cases += 1;
        self.tally.acked += self.calls.len();
        match self.outcome(data) {
            Outcome::Whole => self.whole += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Wrong(why) => self.tally.wrong(format!("{what}: {why}")),
        }
    }

    fn outcome(&mut self, data: PathBuf) -> Outcome {
        let before = std::mem::replace(&mut self.world.data, data);
        let started = start(self.world.command());
        self.world.data = before;
        match started {
            Ok(mut up) => {
                let missing = self.missing(&up);
                if missing == 0 {
                    up.kill();
                    return Outcome::Whole;
                }
                // What is found while it serves stops it.
                std::thread::sleep(Duration::from_secs(1));
                if up.process.runs() {
                    up.kill();
                    self.tally.lost += missing;
                    return Outcome::Wrong(format!("{missing} executions are gone without a word"));
                }
                let (status, said, took) = up.process.end();
                self.judge(status.code(), &said, took)
            }
            Err(down) => self.judge(down.code, &down.said, down.took),
        }
    }

    /// A refusal must be soon, and say which file and what to do.
    fn judge(&mut self, code: Option<i32>, said: &str, took: Duration) -> Outcome {
        self.slowest = self.slowest.max(ms(took));
        let refused = code.is_some_and(|code| code != 0);
        let damaged = said.contains("damaged") && said.contains("rulerun restore");
        // What cannot be read is not damaged; the system's words say what to mend.
        let unreadable = said.contains("cannot be used") && said.contains("`db`");
        if refused && (damaged || unreadable) && took <= IN_TIME && !said.contains("panicked") {
            return Outcome::Refused;
        }
        Outcome::Wrong(format!("{code:?} after {took:?}: {said:?}"))
    }

    /// Executions that cannot be read, or with another payload.
    fn missing(&self, up: &Up) -> usize {
        let mut client = Client::new(up.address);
        let mut is_missing = |(n, id): (&u64, &String)| {
            let reply = client.get(&format!("/api/v1/executions/{id}"));
            !reply.is_ok_and(|reply| reply.status == 200 && reply.json()["inputs"]["n"] == *n)
        };
        self.calls.iter().filter(|call| is_missing(*call)).count()
    }
}

fn shorten(store: &Path, by: u64) -> bool {
    let log = OpenOptions::new().write(true).open(store.join("db")).unwrap();
    let length = log.metadata().unwrap().len();
    log.set_len(length.saturating_sub(by)).unwrap();
    length > by
}

/// Flips bits where something was written; what was never written holds zeros.
fn flip(store: &Path, bits: &[u64]) -> bool {
    let log = store.join("db");
    let bytes = std::fs::read(&log).unwrap();
    let written: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let file = OpenOptions::new().write(true).open(log).unwrap();
    for bit in bits {
        let at = written[usize::try_from(*bit >> 3).unwrap() % written.len()];
        file.write_all_at(&[bytes[at] ^ (1 << (bit & 7))], at as u64).unwrap();
    }
    true
}

/// Removes the files whose names begin so.
fn remove(store: &Path, name: &str) -> bool {
    let mut found = files(store);
    found.retain(|file| file.file_name().unwrap().to_string_lossy().starts_with(name));
    remove_all(&found)
}

fn remove_all(files: &[PathBuf]) -> bool {
    for file in files {
        std::fs::remove_file(file).unwrap();
    }
    !files.is_empty()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
