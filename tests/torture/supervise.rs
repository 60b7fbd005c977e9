//! A fault runs in a process group of its own: when it ends, or its time is up, everything
//! that it started is killed, what it mounted is unmounted and its folder removed. When this
//! program itself is killed, the group notices and ends as well.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio, exit};
use std::time::{Duration, Instant};

use crate::tally::Job;
use crate::{FAULTS, Fault, volume};

/// The exit code of a fault of which nothing could run here.
const SKIPPED: i32 = 3;

/// How a fault ended.
pub(crate) enum Ended {
    Passed,
    Failed,
    Skipped,
}

/// Runs one fault; its process prints the line.
pub(crate) fn run(fault: &Fault, full: bool, seed: u64, limit: Duration) -> Ended {
    let folder = tempfile::Builder::new().prefix("torture-").tempdir().unwrap();
    // Mounts are known by their real path.
    let path = folder.path().canonicalize().unwrap();
    let job = Job { name: fault.name.to_owned(), full, seed, folder: path.clone() };
    let began = Instant::now();
    // Thousands of connections need more file handles than a shell lends at first.
    let most = "ulimit -n \"$(ulimit -Hn)\" 2>&-; exec \"$0\" \"$@\"";
    let mut child = Command::new("sh")
        .args(["-c", most])
        .arg(std::env::current_exe().unwrap())
        .args(job.arguments())
        .env("TMPDIR", &path)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let ended = wait(&mut child, began + limit);
    // Its children outlive it when it was stopped in the middle.
    signal_group(child.id());
    let _ = child.wait();
    volume::unmount_all(&path);
    match ended.and_then(|status| status.code()) {
        Some(0) => Ended::Passed,
        Some(SKIPPED) => Ended::Skipped,
        Some(1) => Ended::Failed,
        other => {
            let name = fault.name;
            println!("{name} cases=0 acked=0 lost=0 duplicated=0 skipped=0");
            match (ended, other) {
                (None, _) => println!("  {name}: not done after {} s", limit.as_secs()),
                _ => println!("  {name}: it ended with {ended:?}"),
            }
            Ended::Failed
        }
    }
}

fn wait(child: &mut Child, until: Instant) -> Option<ExitStatus> {
    while Instant::now() < until {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Kills a process group.
fn signal_group(leader: u32) {
    // It may be empty by now, which is as good.
    let _ = Command::new("kill")
        .args(["-s", "KILL", "--", &format!("-{leader}")])
        .stderr(Stdio::null())
        .status();
}

/// The process of one fault: injects it, prints its line and ends.
pub(crate) fn within(job: &Job) {
    let folder = job.folder.clone();
    std::thread::spawn(move || {
        // The other end closes when the supervisor ends, however that happens.
        let _ = std::io::stdin().read(&mut [0]);
        volume::unmount_all(&folder);
        let _ = std::fs::remove_dir_all(folder);
        signal_group(std::process::id());
    });
    let fault = FAULTS.iter().find(|fault| fault.name == job.name).unwrap();
    let began = Instant::now();
    let Ok(mut tally) = catch_unwind(AssertUnwindSafe(|| (fault.run)(job))) else {
        println!("{} cases=0 acked=0 lost=0 duplicated=0 skipped=0", fault.name);
        println!("  {}: it came to no end, see above; --seed={}", fault.name, job.seed);
        exit(1);
    };
    tally.figure("seconds", began.elapsed().as_secs());
    let well = tally.print(fault.name);
    exit(match (well, tally.is_skipped()) {
        (false, _) => 1,
        (true, true) => SKIPPED,
        (true, false) => 0,
    });
}

/// Whether `cargo test` was asked for this very program. A filter that cargo hands to all
/// test programs then cannot be mistaken for the name of a fault.
pub(crate) fn asked_by_name() -> bool {
    let parent = std::os::unix::process::parent_id();
    let Ok(line) = std::fs::read(format!("/proc/{parent}/cmdline")) else { return true };
    let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let program = words.first().map(ToString::to_string).unwrap_or_default();
    let is_cargo = Path::new(&program).file_name().is_some_and(|name| name == "cargo");
    !is_cargo || words.iter().any(|word| *word == "torture" || *word == "--test=torture")
}
