//! The real program: killed, stopped, started twice, started on a fresh clone. What it
//! answered with 200 is kept, whatever happens next.
#![allow(
    clippy::disallowed_methods,
    reason = "real processes and files live in real time, and are looked at until it is so"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::support::binary::{Running, agent, get, post, rulerun, until};
use crate::support::receiver::Receiver;
use crate::support::server::{copy, folder};

/// Calls that were answered 200: their numbers with their executions.
type Answered = Arc<Mutex<BTreeMap<usize, String>>>;

/// 200 callers at once, each calling until the server is gone.
fn callers(
    base: &str,
    numbers: &Arc<AtomicUsize>,
    answered: &Answered,
) -> Vec<std::thread::JoinHandle<()>> {
    (0..200)
        .map(|_| {
            let (url, numbers) = (format!("{base}/t/note"), Arc::clone(numbers));
            let answered = Arc::clone(answered);
            std::thread::spawn(move || {
                let agent = agent();
                loop {
                    let n = numbers.fetch_add(1, Ordering::Relaxed);
                    let Ok((status, text)) = post(&agent, &url, &format!("{{\"n\":{n}}}")) else {
                        return;
                    };
                    if status == 503 {
                        // It is stopping, and says so.
                        return;
                    }
                    assert_eq!(status, 200, "{text}");
                    let body: Value = serde_json::from_str(&text).unwrap();
                    answered.lock().unwrap().insert(n, body["id"].as_str().unwrap().to_owned());
                }
            })
        })
        .collect()
}

/// Every answered call is there, and its event has arrived; twice only with the same bytes.
fn nothing_is_lost(base: &str, answered: &Answered, receiver: &Receiver) {
    let answered = answered.lock().unwrap().clone();
    let agent = agent();
    for (n, id) in &answered {
        let (status, text) = get(&agent, &format!("{base}/api/v1/executions/{id}")).unwrap();
        assert_eq!(status, 200, "call {n}: {text}");
    }
    let arrived = || {
        let mut bodies: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for request in receiver.seen() {
            bodies.entry(request.headers["webhook-id"].clone()).or_default().insert(request.body);
        }
        assert!(bodies.values().all(|bodies| bodies.len() == 1), "one id, one body");
        let numbers = bodies.values().flatten().map(|body| {
            let body: Value = serde_json::from_slice(body).unwrap();
            usize::try_from(body["n"].as_u64().unwrap()).unwrap()
        });
        let count = bodies.len();
        let numbers: BTreeSet<usize> = numbers.collect();
        assert_eq!(numbers.len(), count, "one call, one event");
        numbers
    };
    until("every event arrives", || {
        let arrived = arrived();
        answered.keys().all(|n| arrived.contains(n))
    });
}

#[allow(clippy::print_stderr, reason = "figures for people")]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_kill_9() {
    let receiver = Receiver::start(&[]).await;
    let folder = folder();
    let (url, answered, numbers) = (receiver.url(), Answered::default(), Arc::default());
    let env = [("CRM_URL", url.as_str())];
    for round in 1..=3 {
        let before = answered.lock().unwrap().len();
        let mut server = Running::serve(folder.path(), &env, &["--data", "data"]);
        let base = server.base();
        let callers = callers(&base, &numbers, &answered);
        until("some calls are answered", || answered.lock().unwrap().len() > before + 300);
        server.signal("KILL");
        server.end();
        for caller in callers {
            caller.join().unwrap();
        }
        eprintln!("round {round}: {} calls answered", answered.lock().unwrap().len() - before);
    }
    let mut server = Running::serve(folder.path(), &env, &["--data", "data"]);
    nothing_is_lost(&server.base(), &answered, &receiver);
}

/// The number in an event's body.
fn number(body: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(body).ok()?["n"].as_u64()
}

/// A delivery whose very request kills the process: the receiver sees to that at the moment
/// when its bytes arrive.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_kills_the_process_is_given_up_and_the_others_arrive() {
    const POISON: u64 = 10;
    let receiver = Receiver::start(&[]).await;
    let victim = Arc::new(Mutex::new(0));
    let hangman = Arc::clone(&victim);
    receiver.on_request(move |request| {
        if number(&request.body) == Some(POISON) {
            let pid = hangman.lock().unwrap().to_string();
            Command::new("kill").args(["-s", "KILL", &pid]).status().unwrap();
        }
    });
    let folder = folder();
    let url = receiver.url();
    let start = || {
        let server = Running::serve(folder.path(), &[("CRM_URL", &url)], &["--data", "data"]);
        *victim.lock().unwrap() = server.id();
        server
    };
    let agent = agent();
    let call = |base: &str, n| post(&agent, &format!("{base}/t/note"), &format!("{{\"n\":{n}}}"));
    let mut server = start();
    let mut base = server.base();
    for n in 0..POISON {
        call(&base, n).unwrap();
    }
    // Whether its answer gets out before the end is chance; it was accepted before that.
    drop(call(&base, POISON));
    let given_up = |base: &str| {
        let failed = get(&agent, &format!("{base}/api/v1/queue?status=failed"));
        failed.is_ok_and(|(_, text)| text.contains("quarantined: rulerun died 3 times"))
    };
    let mut deaths = 0;
    loop {
        until("it dies or gives the delivery up", || !server.runs() || given_up(&base));
        if server.runs() {
            break;
        }
        deaths += 1;
        assert!(deaths <= 5, "it never gives up");
        server = start();
        // It may be dead already before it has said where it listens.
        until("it listens or dies", || !server.runs() || server.said().contains(" at http://"));
        if server.runs() {
            base = server.base();
        }
    }
    call(&base, POISON + 1).unwrap();
    until("the others arrive", || {
        let arrived: BTreeSet<_> = receiver.seen().iter().filter_map(|r| number(&r.body)).collect();
        (0..=POISON + 1).all(|n| arrived.contains(&n))
    });
    let tries = receiver.seen().iter().filter(|r| number(&r.body) == Some(POISON)).count();
    assert_eq!(tries, deaths, "one attempt for each death, none after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_ends_well_and_loses_nothing() {
    let receiver = Receiver::start(&[]).await;
    let folder = folder();
    let (url, answered, numbers) = (receiver.url(), Answered::default(), Arc::default());
    let env = [("CRM_URL", url.as_str())];
    let mut server = Running::serve(folder.path(), &env, &["--data", "data"]);
    let base = server.base();
    let callers = callers(&base, &numbers, &answered);
    until("some calls are answered", || answered.lock().unwrap().len() > 300);
    server.signal("TERM");
    let (status, said, took) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    for caller in callers {
        caller.join().unwrap();
    }
    let mut server = Running::serve(folder.path(), &env, &["--data", "data"]);
    nothing_is_lost(&server.base(), &answered, &receiver);
}

/// Sends the head of a call and a part of its body.
fn half_a_call(base: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(base.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let head = format!(
        "POST /t/note HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body.as_bytes()[..body.len() / 2]).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_has_begun_when_the_stop_comes_is_answered() {
    let receiver = Receiver::start(&[]).await;
    let folder = folder();
    let (url, answered) = (receiver.url(), Answered::default());
    let env = [("CRM_URL", url.as_str())];
    let mut server = Running::serve(folder.path(), &env, &["--data", "data"]);
    let base = server.base();
    let body = |n: usize| format!("{{\"n\": {n}}}");
    let begun: Vec<(usize, TcpStream)> =
        (0..20).map(|n| (n, half_a_call(&base, &body(n)))).collect();
    // An answer on a later connection means that the earlier ones were accepted.
    assert_eq!(get(&agent(), &format!("{base}/livez")).unwrap().0, 200);
    server.signal("TERM");
    until("it is stopping", || server.said().contains("stopping"));
    for (n, mut stream) in begun {
        let body = body(n);
        stream.write_all(&body.as_bytes()[body.len() / 2..]).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer, not a reset");
        assert!(text.starts_with("HTTP/1.1 200"), "call {n}: {text:?}");
        let (_, answer) = text.split_once("\r\n\r\n").unwrap();
        let answer: Value = serde_json::from_str(answer).unwrap();
        answered.lock().unwrap().insert(n, answer["id"].as_str().unwrap().to_owned());
    }
    let (status, said, took) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(took < Duration::from_secs(2), "nothing is left to wait for: {took:?}");
    let mut server = Running::serve(folder.path(), &env, &["--data", "data"]);
    nothing_is_lost(&server.base(), &answered, &receiver);
}

#[test]
fn whoever_asks_twice_does_not_wait() {
    let folder = folder();
    let env = [("CRM_URL", "http://127.0.0.1:9")];
    let mut server = Running::serve(folder.path(), &env, &["--data", "data"]);
    let base = server.base();
    let _open = half_a_call(&base, "{\"n\": 1}");
    assert_eq!(get(&agent(), &format!("{base}/livez")).unwrap().0, 200);
    server.signal("TERM");
    until("it is stopping", || server.said().contains("stopping"));
    std::thread::sleep(Duration::from_millis(200));
    assert!(server.runs(), "it waits for the open call");
    server.signal("TERM");
    let (status, _, took) = server.end();
    assert_eq!(status.code(), Some(130));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_second_process_and_a_taken_port_are_refused_in_words() {
    let folder = folder();
    let env = [("CRM_URL", "http://127.0.0.1:9")];
    let mut first = Running::serve(folder.path(), &env, &["--data", "data"]);
    let base = first.base();

    let mut second = Running::serve(folder.path(), &env, &["--data", "data"]);
    let (status, said, _) = second.end();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.starts_with("error: "), "{said}");
    assert!(said.contains("data") && said.contains("another"), "{said}");
    assert!(!said.contains("panicked"), "{said}");

    let mut command = rulerun();
    let address = base.strip_prefix("http://").unwrap();
    command.current_dir(folder.path()).envs(env);
    command.args(["serve", "--listen", address, "--data", "other"]);
    let (status, said, _) = Running::start(command).end();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains(address) && said.contains("another program uses this port"), "{said}");
    assert_eq!(get(&agent(), &format!("{base}/livez")).unwrap().0, 200, "the first goes on");
}

/// A fresh clone: rules and schemas, nothing else.
fn clone() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["rules", "schemas"] {
        copy(&root.join(part), &folder.path().join(part));
    }
    folder
}

/// The printed commands; a backslash at the end of a line goes on in the next.
fn curl_lines(said: &str) -> Vec<String> {
    let joined = said.replace("\\\n", " ");
    joined.lines().filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
}

#[test]
fn a_fresh_clone_starts_for_development_and_every_printed_line_works() {
    let folder = clone();
    let mut server = Running::serve(folder.path(), &[], &["--dev"]);
    server.base();
    until("the greeting is complete", || server.said().contains("Ctrl-C stops"));
    let lines = curl_lines(&server.said());
    assert_eq!(lines.len(), 10, "{}", server.said());
    let path = std::env::var("PATH").unwrap_or_default();
    let run = |line: &str| {
        let line = format!("{line} -s -o answer.json -w '%{{http_code}}'");
        let mut shell = Command::new("sh");
        shell.env_clear().env("PATH", &path).current_dir(folder.path()).args(["-c", &line]);
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        let answer = std::fs::read_to_string(folder.path().join("answer.json")).unwrap();
        (String::from_utf8(output.stdout).unwrap(), answer)
    };
    for line in &lines {
        let (status, answer) = run(line);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        if line.contains("-approval") {
            assert_eq!(status, "404", "{line}: {answer}");
            assert!(answer["detail"].as_str().unwrap().ends_with("not found"), "{answer}");
        } else {
            assert_eq!(status, "200", "{line}: {answer}");
        }
    }
}

#[test]
fn made_up_secrets_stay_the_same() {
    let folder = clone();
    let file = folder.path().join("data/dev-secrets.env");
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let mut server = Running::serve(folder.path(), &[], &["--dev"]);
        server.base();
        secrets.push(std::fs::read_to_string(&file).unwrap());
        server.signal("TERM");
        let (status, said, _) = server.end();
        assert_eq!(status.code(), Some(0), "{said}");
    }
    assert!(secrets[0].contains("SIGNUP_WEBHOOK_KEY="), "{}", secrets[0]);
    assert_eq!(secrets[0], secrets[1]);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads them");
}
