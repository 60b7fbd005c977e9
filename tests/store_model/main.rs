//! The store in memory and the store on disk against a naive oracle, over lists of operations
//! that chance makes up. `SEED=7 CASES=2000 cargo test --test store_model` tries others.
#![expect(clippy::unwrap_used, reason = "a list that cannot go on has failed")]

#[path = "model.rs"]
mod model;

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment")]
fn number(name: &str, usual: u32) -> u32 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

#[test]
fn memory_does_what_the_oracle_says() {
    let seed = number("SEED", 1).into();
    model::many(seed, number("CASES", 400), false).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn memory_and_disk_do_what_the_oracle_says() {
    let seed = number("SEED", 2).into();
    model::both(seed, number("CASES", 200)).unwrap_or_else(|why| panic!("{why}"));
}
