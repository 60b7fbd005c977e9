//! Very many people in a sequence, from the call that puts them into it to the last e-mail in
//! their mailbox: the server's own parts, a store on disk, a mail server, and a clock that is
//! turned by hand. They live in five time zones, clocks change while they wait, windows close,
//! a cap counts over two sequences, and some of them stop, unsubscribe or vanish on the way.
//! Then everything that came is held against what should have come.
//!
//! `cargo test --release --test mass -- --full` writes to 100,000 people; without `--full` (as
//! in `cargo test`) to a few hundred. `--people=N` says how many, `--seed=N` repeats the
//! choices of an earlier run.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a test program: it may stop at the first surprise, speaks on the terminal and lives in real time"
)]

mod calendar;
mod clock;
mod dice;
mod judge;
mod mailbox;
mod people;
mod rules;
mod world;

use std::process::exit;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use calendar::DAY;
use clock::HandClock;
use people::{Book, ENTRY};
use world::World;

/// A Wednesday. Clocks change on the Sunday after it in Berlin, and one week later in America.
const BEGINNING: i64 = 1_761_091_200_000;
/// Memory is looked at so often once everybody has entered.
const LOOKS: usize = 10;
/// From this look on as much is cleaned away as comes: finished work is kept for two days, and
/// the cleaning comes every three.
const STEADY: usize = 5;
/// So much more than at that look may it be at the last, in MiB.
const GROWTH: u64 = 32;

/// What the command line asks for.
struct Asked {
    people: usize,
    seed: u64,
    /// How far the clock leaps where much happens, in milliseconds.
    leap: i64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|word| word == "--list") {
        return println!("mass: test");
    }
    let filtered = arguments.iter().any(|word| !word.starts_with('-') && !"mass".contains(word));
    if filtered || arguments.iter().any(|word| word == "--ignored") {
        return println!("\ntest result: ok. 0 passed; 0 failed; 1 filtered out\n");
    }
    let number = |name: &str| {
        let given = arguments.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        given.map(|text| text.parse::<u64>().unwrap())
    };
    let full = arguments.iter().any(|word| word == "--full");
    let seed = number("--seed").unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 1_000_000
    });
    let people = number("--people").unwrap_or(if full { 100_000 } else { 300 });
    let people = usize::try_from(people).unwrap();
    let leap = if people < 10_000 { 60 * 60_000 } else { 5 * 60_000 };
    let asked = Asked { people, seed, leap };
    let began = Instant::now();
    println!("\nrunning 1 test: {people} people, --seed={seed}");
    let wrong = run(&asked);
    for text in &wrong {
        eprintln!("{text}");
    }
    let (word, failed) = if wrong.is_empty() { ("ok", 0) } else { ("FAILED", 1) };
    println!("test mass ... {word}");
    println!(
        "\ntest result: {word}. {} passed; {failed} failed; 0 ignored; finished in {:.2}s\n",
        1 - failed,
        began.elapsed().as_secs_f64()
    );
    exit(failed * 101);
}

/// Lives through it; answers what is wrong.
fn run(asked: &Asked) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::new(BEGINNING));
    let book = Arc::new(Book::new(asked.seed, asked.people, BEGINNING));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let began = Instant::now();
    let (memory, open) = runtime.unwrap().block_on(async {
        let mut world =
            World::new(folder.path(), Arc::clone(&book), Arc::clone(&clock), asked.leap);
        let memory = live_through(&mut world).await;
        println!(
            "{} calls in {:.1} s; cleaning up took {:.1} s",
            world.calls,
            world.calling.as_secs_f64(),
            world.cleaning.as_secs_f64()
        );
        (memory, world.close().await)
    });
    let took = began.elapsed().as_secs_f64();
    let mut pages = book.open();
    let seen = judge::everybody(&mut pages, asked.leap);
    let days = (clock.millis() - BEGINNING) / DAY;
    println!(
        "{} people, {} e-mails, {} bounces, {days} days in {took:.1} s: {:.0} people/s, {:.0} e-mails/s",
        asked.people,
        pages.mails,
        pages.bounces,
        asked.people as f64 / took,
        pages.mails as f64 / took
    );
    println!("{seen:?}");
    let mut wrong = std::mem::take(&mut pages.broken);
    if pages.more_broken > 0 {
        wrong.push(format!("and {} more", pages.more_broken));
    }
    wrong.extend(open.into_iter().map(|open| format!("still open: {open}")));
    wrong.extend(grown(&memory));
    let examined = rulerun::store::examine_folder(folder.path(), clock.millis(), false).unwrap();
    wrong.extend(examined.found.iter().map(|found| format!("the doctor finds {found:?}")));
    wrong
}

/// Lets everything happen; answers how much memory was taken, in MiB, at moments that are evenly
/// spread over the time in which everybody only waits and gets e-mails.
async fn live_through(world: &mut World) -> Vec<u64> {
    let mut memory = Vec::new();
    let from = BEGINNING + ENTRY;
    let each = 9 * DAY / i64::try_from(LOOKS).unwrap();
    while world.next().await {
        let looks = i64::try_from(memory.len()).unwrap();
        if memory.len() < LOOKS && world.clock.millis() >= from + looks * each {
            memory.push(resident());
        }
    }
    println!("resident memory: {memory:?} MiB, and {} at the end", resident());
    memory
}

/// The memory of this process that is in the machine's, in MiB.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0_u64);
    pages * 4 / 1024
}

/// Whether memory has grown once as much goes as comes.
fn grown(memory: &[u64]) -> Option<String> {
    let (first, last) = (memory.get(STEADY)?, memory.last()?);
    (*last > first + GROWTH).then(|| format!("memory has grown: {memory:?} MiB"))
}
