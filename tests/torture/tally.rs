//! What a fault is told, what it counts, and the line that it prints.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

/// What a fault is told.
#[derive(Clone)]
pub(crate) struct Job {
    /// Which fault.
    pub(crate) name: String,
    /// Every case, or a few.
    pub(crate) full: bool,
    /// Where its randomness begins.
    pub(crate) seed: u64,
    /// An empty folder of its own.
    pub(crate) folder: PathBuf,
}

impl Job {
    /// The words that start a fault as a process of its own.
    pub(crate) fn arguments(&self) -> [String; 4] {
        [
            format!("--fault={}", self.name),
            format!("--full={}", self.full),
            format!("--seed={}", self.seed),
            format!("--folder={}", self.folder.display()),
        ]
    }

    /// Reads what [`Self::arguments`] wrote.
    pub(crate) fn from_arguments(arguments: &[String]) -> Option<Self> {
        let word = |name: &str| arguments.iter().find_map(|word| word.strip_prefix(name));
        Some(Self {
            name: word("--fault=")?.to_owned(),
            full: word("--full=")? == "true",
            seed: word("--seed=")?.parse().ok()?,
            folder: word("--folder=")?.into(),
        })
    }

    /// The number of cases in this form.
    pub(crate) fn count(&self, short: usize, full: usize) -> usize {
        if self.full { full } else { short }
    }

    /// The length of something in this form.
    pub(crate) fn seconds(&self, short: u64, full: u64) -> Duration {
        Duration::from_secs(if self.full { full } else { short })
    }

    /// Numbers that follow from the seed.
    pub(crate) fn dice(&self) -> Dice {
        Dice(self.seed)
    }
}

/// Random numbers that come again with the same seed (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of this range; its end is never met.
    pub(crate) fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}

/// What a fault has counted.
#[derive(Default)]
pub(crate) struct Tally {
    /// How often the fault was injected.
    pub(crate) cases: usize,
    /// Calls that were answered with 2xx.
    pub(crate) acked: usize,
    /// Those of them that are not there, or whose event never arrived.
    pub(crate) lost: usize,
    /// Deliveries beyond the first, with the same id and bytes.
    pub(crate) duplicated: usize,
    /// Cases that could not run here.
    pub(crate) skipped: usize,
    /// How often the doctor has looked at the store.
    pub(crate) examined: usize,
    /// Whether this machine lacked what a skipped case needs.
    lacking: bool,
    figures: Vec<String>,
    wrong: Vec<String>,
    left_out: Vec<String>,
}

impl Tally {
    /// Nothing could run, and why.
    pub(crate) fn all_skipped(cases: usize, why: impl Display) -> Self {
        let mut tally = Self::default();
        tally.lacks(cases, why);
        tally
    }

    /// Notes a figure that the fault is about.
    pub(crate) fn figure(&mut self, name: &str, value: impl Display) {
        self.figures.push(format!("{name}={value}"));
    }

    /// Notes something that must not be so.
    pub(crate) fn wrong(&mut self, what: impl Display) {
        self.wrong.push(what.to_string());
    }

    /// Notes that something must be so.
    pub(crate) fn must(&mut self, so: bool, what: impl FnOnce() -> String) {
        if !so {
            self.wrong.push(what());
        }
    }

    /// Notes cases that cannot be, whatever the machine, and why.
    pub(crate) fn skip(&mut self, cases: usize, why: impl Display) {
        self.skipped += cases;
        self.left_out.push(why.to_string());
    }

    /// Notes cases that this machine could not run, and why. With `CI=true` that is a failure:
    /// nobody reads what was skipped there.
    pub(crate) fn lacks(&mut self, cases: usize, why: impl Display) {
        self.skip(cases, why);
        self.lacking = true;
    }

    /// Prints it; whether all is well.
    pub(crate) fn print(&mut self, name: &str) -> bool {
        if self.examined > 0 {
            self.figure("doctor", self.examined);
        }
        if self.lacking && std::env::var("CI").as_deref() == Ok("true") {
            self.wrong("with CI=true nothing may be skipped that this machine lacks something for");
        }
        println!(
            "{name} cases={} acked={} lost={} duplicated={} skipped={} {}",
            self.cases,
            self.acked,
            self.lost,
            self.duplicated,
            self.skipped,
            self.figures.join(" ")
        );
        if self.lost > 0 {
            println!("  {name}: {} of {} acknowledged calls are lost", self.lost, self.acked);
        }
        for wrong in self.wrong.iter().take(20) {
            println!("  {name}: {wrong}");
        }
        if self.wrong.len() > 20 {
            println!("  {name}: … and {} more", self.wrong.len() - 20);
        }
        for why in &self.left_out {
            println!("  SKIPPED in {name}: {why}");
        }
        self.lost == 0 && self.wrong.is_empty()
    }

    /// Whether nothing ran at all.
    pub(crate) fn is_skipped(&self) -> bool {
        self.cases == 0 && self.skipped > 0
    }
}

/// The value below which this share of them lies.
pub(crate) fn percentile<T: Copy + Ord + Default>(values: &mut [T], percent: usize) -> T {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    values.get((last * percent).div_ceil(100)).copied().unwrap_or_default()
}
