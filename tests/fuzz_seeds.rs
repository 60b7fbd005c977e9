//! The fuzz targets without a fuzzer: every seed, and 2,000 inputs that are made of the seeds
//! at random (always the same ones) go through the bodies of the targets in `fuzz/`. What a
//! fuzzer found once is among the seeds or has a test beside the code that was mended.
#![allow(clippy::expect_used, reason = "a test that cannot read its files has failed")]

#[path = "../fuzz/src/targets/mod.rs"]
#[expect(unreachable_pub, reason = "in the package of the fuzz targets these are public")]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use targets::Target;

/// So many inputs are made for each target.
const MADE: usize = 2_000;
/// Longest seed from which inputs are made: without optimisation long ones take long.
const LONGEST: usize = 2_048;
/// No input takes longer. A fuzzer allows a second; here nothing is optimised, and other tests
/// run at the same time.
const SLOWEST: Duration = Duration::from_secs(5);

/// Numbers that look drawn by lot and are the same each time (xorshift).
struct Lot(u64);

impl Lot {
    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).expect("64 bits")).expect("below the end")
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// A stretch of so many bytes: its two ends.
    fn stretch(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let reach = self.below(16.min(length - start + 1));
        start..start + reach
    }
}

/// A seed after a few accidents.
fn variant(lot: &mut Lot, seeds: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut made = lot.of(seeds).clone();
    for _ in 0..=lot.below(4) {
        let at = lot.stretch(made.len());
        match lot.below(6) {
            0 => drop(made.drain(at)),
            1 => drop(made.splice(at, lot.of(words).bytes())),
            2 => drop(made.splice(at.start..at.start, lot.of(words).bytes())),
            3 => {
                let twice = made[at.clone()].repeat(1 + lot.below(8));
                drop(made.splice(at, twice));
            }
            4 => {
                let bit = 1 << lot.below(8);
                made[at].iter_mut().take(1).for_each(|byte| *byte ^= bit);
            }
            _ => {
                let other = lot.of(seeds);
                let part = lot.stretch(other.len()).start..other.len();
                drop(made.splice(at.start.., other[part].iter().copied()));
            }
        }
    }
    made
}

fn holds(target: &Target, input: &[u8]) {
    let begun = now();
    let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let shown = String::from_utf8_lossy(input);
    assert!(ended.is_ok(), "{}: broken by {shown:?}", target.name);
    assert!(begun.elapsed() < SLOWEST, "{}: {:?} for {shown:?}", target.name, begun.elapsed());
}

fn survives(target: &Target) {
    let mut seeds = (target.seeds)(Path::new(env!("CARGO_MANIFEST_DIR")));
    for seed in &seeds {
        holds(target, seed);
    }
    seeds.retain(|seed| seed.len() <= LONGEST);
    let mut lot = Lot(0x5EED_0F5E_ED00);
    for _ in 0..MADE {
        holds(target, &variant(&mut lot, &seeds, target.words));
    }
}

macro_rules! survives {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            survives(&targets::$name::TARGET);
        }
    )*

        #[test]
        fn every_target_is_run_here_and_by_the_fuzzer() {
            let here = [$(stringify!($name)),*];
            assert_eq!(targets::ALL.map(|target| target.name), here);
            let manifest = include_str!("../fuzz/Cargo.toml");
            for name in here {
                assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml lacks {name}");
            }
        }
    };
}

survives! { address duration forwarded guard json mail rules schema signature template }

#[expect(clippy::disallowed_methods, reason = "what is measured here is the time itself")]
fn now() -> Instant {
    Instant::now()
}
