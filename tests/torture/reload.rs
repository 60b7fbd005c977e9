//! Rule files are edited under load, well and badly. Two fields of every answer come from
//! the same place of the rules and must agree; no caller may see an error; a good edit is
//! live within a second, a bad one is refused within two and changes nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::load::Client;
use crate::sink::Sink;
use crate::tally::{Job, Tally, percentile};
use crate::world::{World, ms, write};

/// A good edit is live by then.
const LIVE: Duration = Duration::from_secs(1);
/// A bad one is refused by then.
const REFUSED: Duration = Duration::from_secs(2);
/// Two callers with this rest make about 200 calls a second.
const REST: Duration = Duration::from_millis(9);
/// The longest answer that is waited for quietly.
const SLOW: Duration = Duration::from_secs(2);

/// The rules say which version they are, at both ends of the answer.
fn rules(version: usize) -> String {
    let filler = "x".repeat(2_000);
    format!(
        "webhooks \"t\" {{\n    path \"/t\"\n    endpoint \"ping\" {{\n        payload {{ n integer; }}\n        reply {{\n            first {version}\n            filler \"{filler}\"\n            last {version}\n        }}\n    }}\n}}\n"
    )
}

/// 108 bytes on which a careless parser works for a quarter of a minute.
fn hostile() -> String {
    "a /-{\n".repeat(18)
}

/// Texts that no version may come from.
fn bad(kind: usize, version: usize) -> (&'static str, String) {
    match kind {
        0 => ("a misspelt word", rules(version).replace("reply", "repyl")),
        1 => ("half a file", rules(version)[..1_000].to_owned()),
        2 => ("hostile 108 bytes", hostile()),
        3 => {
            ("blocks within blocks", format!("{}{}", "a {\n".repeat(20_000), "}\n".repeat(20_000)))
        }
        4 => ("comments within comments", "/*".repeat(50_000)),
        5 => ("not text", String::from("\u{0}\u{1}\u{fffd}")),
        _ => ("a bracket that never closes", format!("a {}", "(".repeat(10_000))),
    }
}

/// Kinds of [`bad`].
const BAD: usize = 7;
/// Ways to save.
const WAYS: usize = 5;

/// What callers saw.
#[derive(Default)]
struct Seen {
    first: BTreeMap<u64, Instant>,
    calls: usize,
    slowest: Duration,
    wrong: Vec<String>,
}

pub(crate) fn run(job: &Job) -> Tally {
    let mut tally = Tally::default();
    let mut dice = job.dice();
    let world = World::new(job, &rules(0), Sink::start());
    let folder = world.folder.join("rules");
    // As Kubernetes mounts a ConfigMap: the file is a link through another link.
    move_behind_links(&folder, 0);
    let up = world.up();
    let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Seen>>::default());
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let (stop, seen, address) = (Arc::clone(&stop), Arc::clone(&seen), up.address);
            std::thread::spawn(move || call(address, &stop, &seen))
        })
        .collect();
    let (mut live, mut refused) = (Vec::new(), Vec::new());
    let mut last = 0;
    for version in 1..=job.count(24, 500) {
        tally.cases += 1;
        if version % 3 == 0 {
            let (what, text) = bad((version / 3) % BAD, version);
            let way = save(&folder, version, usize::try_from(dice.within(0..4)).unwrap(), &text);
            let since = Instant::now();
            let is_refused = || up.get("/readyz").json()["rules"] != "live";
            let took = wait(since, REFUSED, is_refused);
            tally.must(took.is_some(), || format!("{what} ({way}) is not refused within 2 s"));
            refused.extend(took.map(ms));
            let went_live = seen.lock().unwrap().first.contains_key(&(version as u64));
            tally.must(!went_live, || format!("{what} ({way}) is live"));
        } else {
            last = version;
            let way = save(&folder, version, version % WAYS, &rules(version));
            let since = Instant::now();
            let is_live = || seen.lock().unwrap().first.contains_key(&(version as u64));
            let took = wait(since, LIVE, is_live);
            tally.must(took.is_some(), || format!("version {version} ({way}) is not live in 1 s"));
            live.extend(took.map(ms));
        }
    }
    tally.must(up.get("/readyz").status == 200, || "it is not ready".into());
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.join().unwrap();
    }
    up.kill();
    let seen = seen.lock().unwrap();
    let newest = seen.first.last_key_value().map(|(version, _)| *version);
    tally.must(newest == Some(last as u64), || format!("{newest:?} is live, not {last}"));
    tally.acked += seen.calls - seen.wrong.len();
    seen.wrong.iter().for_each(|wrong| tally.wrong(wrong));
    tally.figure("errors_to_callers", seen.wrong.len());
    tally.figure("live_p50_ms", percentile(&mut live, 50));
    tally.figure("slowest_live_ms", percentile(&mut live, 100));
    tally.figure("slowest_refusal_ms", percentile(&mut refused, 100));
    tally.figure("slowest_answer_ms", ms(seen.slowest));
    tally
}

/// Calls until it is told to stop, and looks at every answer.
fn call(address: SocketAddr, stop: &AtomicBool, seen: &Mutex<Seen>) {
    let mut client = Client::new(address);
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = client.post("/t/ping", "", "{\"n\":1}");
        let took = began.elapsed();
        let mut seen = seen.lock().unwrap();
        seen.calls += 1;
        seen.slowest = seen.slowest.max(took);
        if took > SLOW {
            seen.wrong.push(format!("an answer took {took:?}"));
        }
        match answer {
            Ok(reply) if reply.status == 200 && reply.json()["first"] == reply.json()["last"] => {
                let version = reply.json()["first"].as_u64().unwrap_or(u64::MAX);
                seen.first.entry(version).or_insert_with(Instant::now);
            }
            Ok(reply) => seen.wrong.push(format!("{} {}", reply.status, reply.text)),
            Err(error) => seen.wrong.push(format!("{error:?}")),
        }
        drop(seen);
        std::thread::sleep(REST);
    }
}

/// How long it took until something was so; nothing when it took too long.
fn wait(since: Instant, most: Duration, mut so: impl FnMut() -> bool) -> Option<Duration> {
    while !so() {
        if since.elapsed() > most {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Some(since.elapsed())
}

fn version_folder(folder: &Path, version: usize) -> std::path::PathBuf {
    folder.join(format!("..v{version}"))
}

fn move_behind_links(folder: &Path, version: usize) {
    let file = folder.join("t.kdl");
    let text = std::fs::read_to_string(&file).unwrap();
    write(&version_folder(folder, version).join("t.kdl"), &text);
    std::fs::remove_file(&file).unwrap();
    symlink(format!("..v{version}"), folder.join("..data")).unwrap();
    symlink("..data/t.kdl", file).unwrap();
}

/// Puts a text into the file in one of several ways, and says in which.
fn save(folder: &Path, version: usize, way: usize, text: &str) -> &'static str {
    use std::io::Write as _;
    // Where the links lead to now.
    let file = folder.join("t.kdl").canonicalize().unwrap();
    let beside = file.with_file_name(".saving");
    match way {
        0 => {
            std::fs::write(&file, text).unwrap();
            "in place"
        }
        1 => {
            std::fs::write(&beside, text).unwrap();
            std::fs::rename(beside, file).unwrap();
            "by rename"
        }
        2 => {
            let mut file = std::fs::File::create(&file).unwrap();
            let half = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            for part in [&text[..half], &text[half..]] {
                std::thread::sleep(Duration::from_millis(20));
                file.write_all(part.as_bytes()).unwrap();
            }
            "in halves"
        }
        3 => {
            let before = file.parent().unwrap().to_owned();
            write(&version_folder(folder, version).join("t.kdl"), text);
            let link = folder.join("..new");
            symlink(format!("..v{version}"), &link).unwrap();
            std::fs::rename(link, folder.join("..data")).unwrap();
            std::fs::remove_dir_all(before).unwrap();
            "by swapping a link"
        }
        _ => {
            let backup = file.with_extension("kdl~");
            std::fs::rename(&file, &backup).unwrap();
            std::thread::sleep(Duration::from_millis(5));
            std::fs::write(&file, text).unwrap();
            std::fs::remove_file(backup).unwrap();
            "with a backup"
        }
    }
}
