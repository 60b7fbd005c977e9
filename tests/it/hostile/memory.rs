//! How much memory callers can make the real program take.
#![allow(clippy::print_stderr, reason = "figures for people")]

use std::collections::HashSet;

use super::*;
use crate::support::binary::Running;
use crate::support::server::write;

/// The program with these rules, and where it listens.
pub(super) fn program(folder: &std::path::Path) -> (Running, SocketAddr) {
    write(&folder.join("rules/a.kdl"), RULES);
    let env = [("SIGNUP_WEBHOOK_KEY", "signup-webhook-key"), ("WEBHOOK_SECRET", "s")];
    let mut server = Running::serve(folder, &env, &["--data", "data"]);
    let address = server.base().strip_prefix("http://").unwrap().parse().unwrap();
    (server, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_guessed_keys_get_one_answer_and_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (server, address) = program(folder.path());
    let guess = |number: usize| {
        let path = match number % 4 {
            0 => format!("/in/keyed/{number:032x}"),
            1 => format!("/in/keyed/signup-webhook-key{number}"),
            2 => format!("/in/{number}/signup-webhook-key"),
            _ => format!("/api/v1/executions/webhook/g/keyed/{number}"),
        };
        call(&path, "", BODY)
    };
    let mut seen: HashSet<Got> = HashSet::new();
    seen.extend(burst(address, &(0..500).map(guess).collect::<Vec<_>>()).await);
    let before = server.memory("VmRSS");
    for round in 1..=20 {
        let requests: Vec<String> = (round * 500..(round + 1) * 500).map(guess).collect();
        seen.extend(burst(address, &requests).await);
    }
    let after = server.memory("VmRSS");
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen.iter().next().unwrap().status, 404);
    eprintln!("10,500 guessed keys: 1 answer, {before} KiB before, {after} KiB after");
    assert!(after < before + 4 * 1024, "{before} KiB became {after} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_bombs_of_256_kib_at_once_stay_below_256_mib() {
    let folder = tempfile::tempdir().unwrap();
    let (server, address) = program(folder.path());
    let full = |filling: String| format!("{{\"email\":\"a@example.com\",\"x\":[{filling}]}}");
    // Too many values; just not too many; and as much text as may be.
    let bombs = [
        full(format!("{}{{}}", "{\"a\":[]},".repeat(26_000))),
        full(format!("{}{{}}", "{\"a\":[]},".repeat(4_900))),
        full(format!("\"{}\"", "x".repeat(262_000))),
    ];
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let request = call("/in/open", "", &bombs[number % bombs.len()]);
            tokio::spawn(async move { burst(address, &[request]).await.remove(0) })
        })
        .collect();
    let mut counts = std::collections::BTreeMap::<u16, usize>::new();
    for task in tasks {
        let got = task.await.unwrap();
        assert!(matches!(got.status, 200 | 400 | 503), "{got:?}");
        assert_eq!(got.status == 503, got.header("retry-after").is_some(), "{got:?}");
        *counts.entry(got.status).or_default() += 1;
    }
    let most = server.memory("VmHWM");
    eprintln!("100 bombs: {counts:?}, at most {most} KiB");
    assert!(most < 256 * 1024, "{most} KiB");
    assert_eq!(burst(address, &[call("/in/open", "", BODY)]).await[0].status, 200);
}
