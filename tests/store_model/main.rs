//! The store in memory and the store on disk against a naive oracle, over lists of operations
//! that chance makes up. `SEED=7 CASES=1000 cargo test --test store_model` tries others.
#![expect(clippy::unwrap_used, reason = "a list that cannot go on has failed")]

#[path = "model.rs"]
mod model;

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment")]
fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

fn check(part: u64, cases: u64, on_disk: bool) {
    let cases = u32::try_from(number("CASES", cases)).unwrap();
    if let Err(why) = model::many(number("SEED", 1) + part, cases, on_disk) {
        panic!("{why}");
    }
}

#[test]
fn memory_does_what_the_oracle_says() {
    check(0, 1_000, false);
}

#[test]
fn memory_and_disk_do_what_the_oracle_says() {
    check(1, 300, true);
}
