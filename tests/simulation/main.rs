//! The whole engine on a simulated clock and network, over many seeds. `SEED=7 cargo test
//! --test simulation` runs one seed and prints its history; `SEEDS=1000` runs so many.
#![expect(clippy::unwrap_used, reason = "a world that cannot go on has failed")]

#[path = "sim.rs"]
mod sim;

/// Seeds of a usual run.
const SEEDS: u64 = 60;

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
#[expect(clippy::print_stderr, reason = "a history that nobody sees cannot be mended")]
fn every_promise_holds_in_every_history() {
    if let Some(seed) = number("SEED") {
        let outcome = sim::one(seed);
        eprintln!("{}", sim::story(seed, &outcome));
        assert!(outcome.violations.is_empty(), "seed {seed} breaks a promise");
        return;
    }
    let summary = sim::many(0..number("SEEDS").unwrap_or(SEEDS));
    eprintln!(
        "simulation: cases={} acked={} delivered={} duplicated={} failed={}",
        summary.cases,
        summary.acked,
        summary.delivered,
        summary.duplicated,
        summary.failed.len()
    );
    assert!(summary.failed.is_empty(), "{}", summary.failed[0]);
    assert!(summary.acked as u64 > summary.cases, "little has happened: {summary:?}");
    assert!(summary.delivered as u64 > summary.cases, "little was delivered: {summary:?}");
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..10 {
        let (first, second) = (sim::one(seed), sim::one(seed));
        let differs = first.trace.iter().zip(&second.trace).position(|(one, two)| one != two);
        if let Some(line) = differs {
            let from = line.saturating_sub(5);
            panic!(
                "seed {seed}, line {line}:\n{:#?}\n{:#?}",
                &first.trace[from..=line],
                &second.trace[from..=line]
            );
        }
        assert_eq!(first.trace.len(), second.trace.len(), "seed {seed}");
    }
}
