//! Nothing is sent twice and nothing is sent blindly: deliveries while the store is full or
//! cannot be read, while the clock jumps, after mail was switched off, after a 410, while
//! people edit the rules badly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rulerun::base::{Clock, Span, time};
use rulerun::engine::{Watch, Way};
use rulerun::model::{Attempt, AttemptError, Call, Job, Origin};
use rulerun::serve::app::{App, Options};
use rulerun::serve::deliver::{Deliver, Network};
use rulerun::serve::journal::Voice;
use rulerun::serve::server::StartError;
use rulerun::serve::{settings, sources};
use rulerun::store::{JobFilter, MemoryStore, StoreError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::support::faulty::{Faults, Faulty};
use crate::support::receiver::Receiver;
use crate::support::server::{Make, TestClock, TestServer, eventually, write};
use crate::support::smtp_server::Answer::HangUp;
use crate::support::smtp_server::{Script, Server};

#[allow(
    clippy::needless_raw_string_hashes,
    reason = "the guard inside ends with a quote and a hash"
)]
const RULES: &str = r##"
server listen="127.0.0.1:8080" { api-token (env)"TOKEN" optional=#true }
sender "Acme <hello@example.com>"
service "n8n" { url (env)"N8N_BASE_URL"; retry "5s" "30s"; timeout "20s" }
service "mail" type="smtp" { url (env)"SMTP_URL" optional=#true; retry "1min" }
events to="n8n" path="/hook" {
    event "ping" { require #"kind != "secret""# else="not this kind" }
}
schema "ping" { kind text }
webhooks "in" {
    path "/in"
    endpoint "join" { payload { email email; kind text }; start "drip" }
    endpoint "count" { payload { number integer }; save "tally" id="all" { last "{{number}}" } }
    endpoint "mail" { payload { email email }; start "news" }
}
sequence "drip" to="{{email}}" { send "ping" after="1min" { kind "{{kind}}" } }
sequence "news" to="{{email}}" kind="transactional" { email "news-1" after="1min" subject="News" }
"##;

fn make(base: &str) -> Make {
    Make::empty()
        .env("N8N_BASE_URL", base)
        .file("rules/a.kdl", RULES)
        .file("rules/emails/news-1.md", "Hello\n")
}

/// An app over a store that can be made to fail, at work.
fn faulty(base: &str) -> (Arc<App>, Arc<Faults>, watch::Sender<bool>, tempfile::TempDir) {
    let clock = TestClock::at("2026-01-05T12:00:00Z");
    at_work(make(base), &clock, Network::Sockets, None)
}

/// The same with this network and somebody who is told which way decisions go.
fn at_work(
    make: Make,
    clock: &Arc<TestClock>,
    network: Network,
    watcher: Option<Arc<dyn Watch>>,
) -> (Arc<App>, Arc<Faults>, watch::Sender<bool>, tempfile::TempDir) {
    let folder = make.folder;
    let files = sources::load(&[folder.path().join("rules")]).unwrap();
    let (rules, found) = rulerun::language::analyze(&files);
    let rules = rules.unwrap_or_else(|| panic!("{found:?}"));
    let live = settings::resolve(Arc::new(rules), &make.env, 1).unwrap();
    let clock: Arc<dyn Clock> = Arc::<TestClock>::clone(clock);
    let faults = Arc::<Faults>::default();
    let inner = MemoryStore::new(time::millis(clock.now()));
    let app = Arc::new(App::new(
        Arc::new(Faulty { inner, faults: Arc::clone(&faults) }),
        Arc::new(live),
        clock,
        Voice::silent(),
        Options { jitter: false, watch: watcher, ..Options::default() },
    ));
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(Deliver::over(network, Arc::clone(&app), None).unwrap().run(stopped));
    (app, faults, stop, folder)
}

fn ping(app: &App) -> Call {
    let event = Arc::clone(&app.live.load().rules.events["ping"]);
    made(app, Origin::Event { event }, json!({ "kind": "x" }))
}

async fn queue_ping(app: &App) {
    accept(app, ping(app)).await;
}

async fn call(app: &App, endpoint: &str, payload: Value) {
    let live = app.live.load_full();
    let found = live.rules.endpoints.iter().find(|one| one.name == endpoint);
    accept(app, made(app, Origin::Endpoint(Arc::clone(found.unwrap())), payload)).await;
}

fn made(app: &App, origin: Origin, payload: Value) -> Call {
    let Value::Object(payload) = payload else { unreachable!() };
    Call { id: app.new_id(), at: app.now(), origin, payload }
}

async fn accept(app: &App, call: Call) {
    let live = app.live.load_full();
    app.accept(&live, &call, bytes::Bytes::new(), Vec::new(), None).await.unwrap();
}

async fn counts(app: &App) -> [u64; 5] {
    let mut all = [0; 5];
    for (_, stat) in app.store.stats().await.unwrap() {
        for (sum, count) in all.iter_mut().zip(stat.counts) {
            *sum += count;
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn below_low_water_rates_and_timed_events_go_on() {
    let receiver = Receiver::start(&[]).await;
    let rules = RULES.replace("service \"n8n\" {", "service \"n8n\" { rate \"20/s\";");
    let make = make(&receiver.url()).file("rules/a.kdl", &rules);
    let clock = TestClock::at("2026-01-05T12:00:00Z");
    let (app, faults, _stop, _folder) = at_work(make, &clock, Network::Sockets, None);
    call(&app, "join", json!({ "email": "ann@example.com", "kind": "x" })).await;
    for _ in 0..8 {
        queue_ping(&app).await;
    }
    faults.low.store(true, Ordering::SeqCst);
    let all = async || {
        clock.pass(Duration::from_secs(20));
        app.store.bell().notify_one();
        receiver.seen().len() == 9
    };
    eventually("all arrive, and the timed event", all).await;
    let live = app.live.load_full();
    let refused = app.accept(&live, &ping(&app), bytes::Bytes::new(), Vec::new(), None).await;
    assert!(matches!(refused, Err(StoreError::NoSpace { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_waits_for_a_full_store_and_is_not_lost() {
    let receiver = Receiver::start(&[]).await;
    let (app, faults, _stop, _folder) = faulty(&receiver.url());
    faults.full.store(10, Ordering::SeqCst);
    queue_ping(&app).await;
    eventually("it is written down as sent", || async { counts(&app).await[2] == 1 }).await;
    assert_eq!(faults.full.load(Ordering::SeqCst), 0);
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_up_is_not_sent() {
    let receiver = Receiver::start(&[]).await;
    let (app, faults, _stop, _folder) = faulty(&receiver.url());
    faults.blind.store(true, Ordering::SeqCst);
    queue_ping(&app).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(receiver.seen().len(), 0, "whether the address is gone was not known");
    assert_eq!(counts(&app).await[0] + counts(&app).await[1], 1, "and nothing is lost");
}

/// A receiver that takes its time; answers its address and how many requests it got.
async fn slow(wait: Duration) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::<AtomicUsize>::default();
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                seen.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(wait).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            });
        }
    });
    (url, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_does_not_send_again_what_is_under_way() {
    let clock = TestClock::at("2026-01-05T12:00:00Z");
    let (url, seen) = slow(Duration::from_secs(1)).await;
    let server = make(&url).clock(&clock).start().await;
    queue_ping(server.app()).await;
    eventually("the attempt", || async { seen.load(Ordering::SeqCst) == 1 }).await;
    for _ in 0..5 {
        server.advance(&clock, Duration::from_hours(1)).await;
    }
    eventually("it is sent", || async { counts(server.app()).await[2] == 1 }).await;
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

/// A delivery whose first attempt has failed: its second is due in minutes.
async fn after_a_failure(clock: &Arc<TestClock>) -> (Receiver, TestServer) {
    let receiver = Receiver::start(&[503]).await;
    let server = make(&receiver.url()).clock(clock).start().await;
    queue_ping(server.app()).await;
    let failed = || async { receiver.seen().len() == 1 && counts(server.app()).await[0] == 1 };
    eventually("the first attempt has failed", failed).await;
    (receiver, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_neither_holds_up_nor_hurries_a_retry() {
    for hours in [-1, 1] {
        let clock = TestClock::at("2026-01-05T12:00:00Z");
        let (receiver, server) = after_a_failure(&clock).await;
        clock.set(hours * 3_600);
        server.advance(&clock, Duration::ZERO).await;
        assert_eq!(receiver.seen().len(), 1);
        server.advance(&clock, Duration::from_mins(10)).await;
        eventually("the second attempt", || async { receiver.seen().len() == 2 }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_came_before_the_clock_was_set_back_is_done_soon_after() {
    let clock = TestClock::at("2026-01-05T12:00:00Z");
    let receiver = Receiver::start(&[]).await;
    let server = make(&receiver.url()).clock(&clock).start().await;
    let app = server.app();
    queue_ping(app).await;
    eventually("deliveries go on", || async { receiver.seen().len() == 1 }).await;
    // It has its moment, and is decided when the clock has been set and that was minded.
    let call = ping(app);
    clock.set(-3_600);
    server.advance(&clock, Duration::ZERO).await;
    queue_ping(app).await;
    eventually("by the new clock", || async { receiver.seen().len() == 2 }).await;
    accept(app, call).await;
    for _ in 0..8 {
        server.advance(&clock, Duration::from_secs(1)).await;
    }
    eventually("it is done, too", || async { receiver.seen().len() == 3 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_falls_due_while_the_machine_sleeps_is_done_within_a_second() {
    let clock = TestClock::at("2026-01-05T12:00:00Z");
    let (receiver, _server) = after_a_failure(&clock).await;
    let began = tokio::time::Instant::now();
    // Nobody rings: the clock alone says that the retry is due.
    clock.pass(Duration::from_hours(1));
    eventually("the second attempt", || async { receiver.seen().len() == 2 }).await;
    assert!(began.elapsed() < Duration::from_secs(2), "after {:?}", began.elapsed());
}

/// Fails inside once it is told to: a mistake of ours.
#[derive(Debug, Default)]
struct Slip(AtomicBool);

impl Watch for Slip {
    fn went(&self, _: Span, _: Way) {
        assert!(!self.0.load(Ordering::SeqCst), "a slip of ours");
    }
}

async fn job_of(app: &App) -> (Job, Vec<Attempt>) {
    let job = app.store.jobs(JobFilter::default(), 0, 1).await.unwrap().rows.remove(0);
    app.store.job(job.id).await.unwrap().unwrap()
}

/// Lets time pass until the only job has failed; answers it, and how many attempts are listed.
async fn given_up(app: &App, clock: &TestClock) -> (Job, usize) {
    for _ in 0..100 {
        if counts(app).await[3] == 1 {
            let (job, attempts) = job_of(app).await;
            assert!(attempts.iter().all(|one| one.error == Some(AttemptError::Internal)));
            return (job, attempts.len());
        }
        clock.pass(Duration::from_secs(10));
        app.store.bell().notify_one();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    panic!("it goes on for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_fails_inside_is_given_up_after_its_retries() {
    let clock = TestClock::at("2026-01-05T12:00:00Z");
    let slips = Network::Told(Arc::new(|_: &str| panic!("a slip of ours")));
    let (app, _faults, _stop, _folder) =
        at_work(make("http://n8n.example.com"), &clock, slips, None);
    queue_ping(&app).await;
    let (job, attempts) = given_up(&app, &clock).await;
    assert_eq!((job.attempts, attempts), (3, 3));
    let why = "retries used up: rulerun failed inside: a slip of ours";
    assert_eq!(job.reason.as_deref(), Some(why));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_inside_is_given_up_and_its_sequence_goes_on() {
    let clock = TestClock::at("2026-01-05T12:00:00Z");
    let slip = Arc::<Slip>::default();
    let taken = Network::Told(Arc::new(|_: &str| 200));
    let watch = Some(Arc::<Slip>::clone(&slip) as Arc<dyn Watch>);
    let (app, _faults, _stop, _folder) =
        at_work(make("http://n8n.example.com"), &clock, taken, watch);
    call(&app, "join", json!({ "email": "ann@example.com", "kind": "x" })).await;
    slip.0.store(true, Ordering::SeqCst);
    let (job, attempts) = given_up(&app, &clock).await;
    assert_eq!((job.attempts, attempts), (3, 3));
    assert!(job.reason.unwrap().ends_with("a slip of ours"));
    assert_eq!(app.store.examine(time::millis(app.now())).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_whose_outcome_was_lost_is_not_sent_again() {
    let hung = Script { dot: &[HangUp], ..Script::default() };
    for (script, end) in [(Script::default(), 2), (hung, 3)] {
        for slip in [false, true] {
            let mail = Server::start(vec![script.clone()]).await;
            let clock = TestClock::at("2026-01-05T12:00:00Z");
            let url = format!("smtp://127.0.0.1:{}?tls=none", mail.port);
            let make = make("http://n8n.example.com").env("SMTP_URL", &url);
            let (app, faults, _stop, _folder) = at_work(make, &clock, Network::Sockets, None);
            let lost = if slip { &faults.slips } else { &faults.lost };
            lost.store(1, Ordering::SeqCst);
            call(&app, "mail", json!({ "email": "ann@example.com" })).await;
            let ended = async || {
                clock.pass(Duration::from_secs(20));
                app.store.bell().notify_one();
                counts(&app).await[end] == 1
            };
            eventually("its end is known", ended).await;
            assert_eq!(lost.load(Ordering::SeqCst), 0);
            let (job, attempts) = job_of(&app).await;
            assert_eq!((mail.count("DATA"), attempts.len()), (1, 1), "{job:?}");
            let told = job.reason.unwrap_or_default();
            assert!(end == 2 || told.starts_with("unknown: "), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_was_gone_can_be_tried_again_by_hand() {
    let receiver = Receiver::start(&[410]).await;
    let server = make(&receiver.url()).start().await;
    queue_ping(server.app()).await;
    eventually("the 410", || async { counts(server.app()).await[3] == 1 }).await;
    queue_ping(server.app()).await;
    eventually("the next is not sent", || async { counts(server.app()).await[3] == 2 }).await;
    let retried = server.send("POST", "/api/v1/queue/retry?status=failed", &[], "").await;
    assert_eq!(retried.json()["retried"], 2, "{}", retried.text);
    eventually("both arrive", || async { counts(server.app()).await[2] == 2 }).await;
    queue_ping(server.app()).await;
    eventually("and so does what follows", || async { counts(server.app()).await[2] == 3 }).await;
    assert_eq!(receiver.seen().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timed_event_that_the_rules_refuse_is_not_called_sent() {
    let clock = TestClock::at("2026-01-05T12:00:00Z");
    let receiver = Receiver::start(&[]).await;
    let server = make(&receiver.url()).clock(&clock).start().await;
    for (email, kind) in [("a@example.com", "secret"), ("b@example.com", "open")] {
        let joined = server.post("/in/join", &json!({ "email": email, "kind": kind })).await;
        assert_eq!(joined.status, 200, "{}", joined.text);
    }
    server.advance(&clock, Duration::from_mins(1)).await;
    eventually("one arrives", || async { receiver.seen().len() == 1 }).await;
    let failed = || async { server.get("/api/v1/queue?status=failed").await.json() };
    eventually("the other fails", || async { failed().await["total"] == 1 }).await;
    let why = failed().await["results"][0]["reason"].to_string();
    assert!(why.contains("not this kind"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_from_before_mail_was_switched_off_is_captured() {
    let clock = TestClock::at("2026-01-05T12:00:00Z");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = make("http://127.0.0.1:9")
        .env("SMTP_URL", &format!("smtp://{closed}"))
        .clock(&clock)
        .on_disk()
        .start()
        .await;
    assert_eq!(server.post("/in/mail", &json!({ "email": "a@example.com" })).await.status, 200);
    server.advance(&clock, Duration::from_mins(1)).await;
    let tried =
        || async { server.get("/api/v1/queue").await.json()["results"][0]["attempts"] == 1 };
    eventually("an attempt in vain", tried).await;
    let TestServer { server, folder } = server;
    server.stop().await;

    let mut again = make("http://127.0.0.1:9").clock(&clock).on_disk();
    again.config.paths = vec![folder.path().join("rules")];
    again.config.data = Some(folder.path().join("data"));
    let server = again.start().await;
    server.advance(&clock, Duration::from_mins(1)).await;
    let captured = || async { server.get("/api/v1/outbox").await.json()["total"] == 1 };
    eventually("it is kept in the outbox", captured).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_that_change_one_record_are_all_accepted() {
    let server = Arc::new(make("http://127.0.0.1:9").on_disk().start().await);
    let calls: Vec<_> = (0..200)
        .map(|number| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                server.post("/in/count", &json!({ "number": number })).await.status
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    let record = server.app().store.record("tally", "all").await.unwrap().unwrap();
    assert_eq!(record.version, 200);
}

async fn rules_word(server: &TestServer) -> String {
    server.get("/readyz").await.json()["rules"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_stop_neither_the_server_nor_the_next_good_edit() {
    let server = make("http://127.0.0.1:9").start().await;
    let odd = server.folder.path().join("rules/odd.kdl");
    let bomb = "/-a{".repeat(27);
    let make_pipe =
        || assert!(std::process::Command::new("mkfifo").arg(&odd).status().unwrap().success());
    let hostile: [(&str, &dyn Fn()); 5] = [
        ("a pipe", &make_pipe),
        ("a device", &|| std::os::unix::fs::symlink("/dev/zero", &odd).unwrap()),
        ("a link to nowhere", &|| std::os::unix::fs::symlink("nowhere", &odd).unwrap()),
        ("a bomb", &|| write(&odd, &bomb)),
        ("bytes", &|| std::fs::write(&odd, [0xff, 0xfe, 0]).unwrap()),
    ];
    assert_eq!(bomb.len(), 108);
    for (what, plant) in hostile {
        plant();
        server.server.reload();
        eventually(what, || async { rules_word(&server).await.contains("stale") }).await;
        let answer = server
            .post("/in/mail", &json!({ "email": format!("{}@example.com", what.len()) }))
            .await;
        assert_eq!(answer.status, 200, "{what}");
        std::fs::remove_file(&odd).unwrap();
        server.server.reload();
        eventually(what, || async { rules_word(&server).await.contains("live") }).await;
    }
    let stopping = tokio::time::timeout(Duration::from_secs(5), server.server.stop()).await;
    assert!(stopping.is_ok(), "nothing hangs");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_edit_opens_the_api_of_an_open_address() {
    let open = || {
        let mut make = make("http://127.0.0.1:9");
        make.config.listen = Some("0.0.0.0:0".into());
        make
    };
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let mut make = open();
        make.config.listen = Some(listen.into());
        assert!(matches!(make.try_start().await, Err(StartError::Unsafe(_))), "{listen}");
    }
    let Err(StartError::Unsafe(why)) = open().env("TOKEN", "fifteen-letters").try_start().await
    else {
        panic!("a token that can be tried out opens the API to everybody");
    };
    assert!(why.contains("rulerun secret") && !why.contains("fifteen"), "{why}");
    let server = open().env("TOKEN", "a-long-enough-token").start().await;
    assert_eq!(server.app().live.load().listen, "0.0.0.0:0");
    let rules = server.folder.path().join("rules/a.kdl");
    write(&rules, &RULES.replace("api-token (env)\"TOKEN\" optional=#true", ""));
    server.server.reload();
    eventually("the edit is refused", || async { rules_word(&server).await.contains("stale") })
        .await;
    assert!(server.app().live.load().api_token.is_some());
    write(&rules, &RULES.replace("\"News\"", "\"New news\""));
    server.server.reload();
    eventually("a good edit goes live", || async { rules_word(&server).await.contains("live") })
        .await;
    assert_eq!(server.app().live.load().listen, "0.0.0.0:0", "it still knows where it listens");
}
