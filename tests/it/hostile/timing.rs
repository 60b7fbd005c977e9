//! Whether time tells how much of a secret is right, by the method of dudect: two classes of
//! input in random turns, the slowest samples cropped (they are the machine's affair), Welch's
//! t over what is left. Below 4.5 there is no sign of a difference. What is measured is our
//! code in this build; a round that other work has spoilt is repeated, at most twice.
#![allow(clippy::disallowed_methods, reason = "time is what is measured")]
#![allow(clippy::cast_precision_loss, reason = "counts and nanoseconds stay far below 2^52")]
#![allow(clippy::print_stderr, reason = "figures for people")]

use std::hint::black_box;
use std::time::Instant;

use rulerun::base::Secret;
use rulerun::signature::{Presented, Scheme, sign, verify};

const SAMPLES: usize = 200_000;
const ROUNDS: usize = 3;

/// Welch's t of two classes, each without its slowest tenth.
fn t(mut classes: [Vec<f64>; 2]) -> f64 {
    let [first, second] = classes.each_mut().map(|times| {
        times.sort_by(f64::total_cmp);
        times.truncate(times.len() * 9 / 10);
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let spread = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, spread / count)
    });
    (first.0 - second.0) / (first.1 + second.1).sqrt()
}

/// Measures two inputs in turns that no rhythm of the machine follows.
fn measure(what: &str, mut one: impl FnMut(usize) -> bool) {
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let mut classes = [Vec::new(), Vec::new()];
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..SAMPLES {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let class = usize::from(random & 1 == 1);
            let began = Instant::now();
            let right = black_box(one(black_box(class)));
            let took = began.elapsed();
            assert!(!right, "neither input is right");
            classes[class].push(took.as_nanos() as f64);
        }
        let t = t(classes);
        eprintln!("{what}: {SAMPLES} samples, t = {t:.2}");
        seen.push(t);
        // A secret that shows makes the same class slower each time; noise does not.
        if t.abs() < 4.5 || t.signum() != seen[0].signum() {
            return;
        }
    }
    panic!("{what}: time tells the classes apart in every round: {seen:?}");
}

#[test]
fn time_does_not_tell_how_much_of_a_key_is_right() {
    let key = Secret::new("0123456789abcdef0123456789abcdef");
    // Nothing right, and everything but the last character.
    let given = ["ffffffffffffffffffffffffffffffff", "0123456789abcdef0123456789abcdee"];
    measure("a key", |class| key.matches(given[class]));
}

#[test]
fn time_does_not_tell_how_much_of_a_signature_is_right() {
    let secrets = [Secret::new("one"), Secret::new("two")];
    let body = br#"{"email":"sarah@example.com"}"#;
    let right = sign(Scheme::Github, &secrets, "", 0, body)[0].1.clone();
    // A letter becomes another letter and a digit another digit, so that reading them takes as
    // long: how a caller writes a wrong signature is no secret.
    let wrong = |digit| match digit {
        '9' => '0',
        'f' => 'a',
        other => char::from(other as u8 + 1),
    };
    let (name, digits) = right.split_at("sha256=".len());
    let (most, last) = digits.split_at(digits.len() - 1);
    let far: String = digits.chars().map(wrong).collect();
    let near: String = most.chars().chain(last.chars().map(wrong)).collect();
    let given = [format!("{name}{far}"), format!("{name}{near}")];
    measure("a signature", |class| {
        let presented = Presented { signature: Some(&given[class]), ..Presented::default() };
        verify(Scheme::Github, &secrets, &presented, body, 0, 300, true).is_ok()
    });
}
