//! Rehearsals: the project's own tests pass and leave nothing untried, the same is the same
//! each time, and what is not as expected is told in one sentence.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rulerun::base::{Clock as _, Delay, SourceMap, Timestamp, time};
use rulerun::engine::Watch;
use rulerun::language;
use rulerun::model::RuleSet;
use rulerun::model::test::Test;
use rulerun::rehearse::{self, Coverage, Reached, Rehearsal, RehearsalError, What};
use rulerun::serve::clock::SystemClock;
use rulerun::serve::settings::Live;
use rulerun::serve::sources;
use serde_json::{Map, Value, json};

/// Rules and the tests beside them, all without a mistake.
struct Stage {
    rules: Arc<RuleSet>,
    live: Arc<Live>,
    tests: Vec<Test>,
}

fn stage(sources: &SourceMap) -> Stage {
    let (rules, found) = language::analyze(sources);
    let rules = Arc::new(rules.unwrap_or_else(|| panic!("{found:?}")));
    let (tests, found) = language::tests(sources, &rules);
    assert!(found.is_empty(), "{found:?}");
    let live = rehearse::prepare(Arc::clone(&rules)).unwrap();
    Stage { rules, live, tests }
}

/// The project's own rules and tests.
fn shipped() -> Stage {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = |name: &str| root.join(name);
    let mut all = sources::load(&[folder("rules"), folder("schemas")]).unwrap();
    let tests: Vec<PathBuf> = sources::tests(&[folder("examples")]).unwrap();
    sources::add(&mut all, &tests).unwrap();
    stage(&all)
}

/// A small shop and these tests.
fn shop(tests: &str) -> Stage {
    let rules = r#"
        sender "Shop <shop@example.com>"
        service "n8n" {
            url "http://localhost:5678"
            retry "5s"
        }
        service "mail" type="smtp" {
            url (env)"SMTP_URL"
        }
        schema "order" {
            email email example="ann@example.com"
            total number example=20
        }
        webhooks "shop" {
            path "/shop"
            endpoint "order" {
                payload "order"
                require "total > 0" else="Nothing was bought." status=409
                save "contact" id="{{email}}" {
                    total "{{total}}"
                }
                send "sold" when="total >= 100"
                start "thanks"
                reply 202 when="total >= 100" {
                    gift #true
                }
            }
            endpoint "review" {
                payload "order"
                find "contact" id="{{email}}" else="Who is that?"
                stop "thanks" for="{{email}}"
            }
        }
        events to="n8n" {
            event "sold" path="/sold"
            event "asked" path="/asked"
        }
        schema "sold" {
            total number example=100
        }
        schema "asked" {
            email email example="ann@example.com"
            city text optional
        }
        sequence "thanks" to="{{email}}" kind="transactional" {
            once-per "{{email}}"
            stop-when "contact.total != () && contact.total == 13"
            email "thanks-1" after="1h" subject="Thank you for {{total}}"
            email "thanks-2" after="2h" subject="A gift" when="total >= 50"
            send "asked" after="3h"
        }
    "#;
    let mut sources = SourceMap::new();
    sources.add("rules/shop.kdl", rules);
    sources.add("rules/emails/thanks-1.md", "Thank you!\n");
    sources.add("rules/emails/thanks-2.md", "A gift!\n");
    sources.add("shop.test.kdl", tests);
    stage(&sources)
}

/// What is wrong with each test, as sentences.
fn faults(stage: &Stage) -> Vec<String> {
    let judged = stage.tests.iter().map(|test| rehearse::judge(&stage.live, test, None).unwrap());
    judged.flat_map(|verdict| verdict.faults).map(|fault| fault.message).collect()
}

#[test]
fn the_shipped_rules_do_all_that_their_tests_promise_and_nothing_is_untried() {
    let began = SystemClock.passing();
    let stage = shipped();
    let reached = Arc::new(Reached::default());
    for test in &stage.tests {
        let watch: Arc<dyn Watch> = Arc::<Reached>::clone(&reached);
        let verdict = rehearse::judge(&stage.live, test, Some(watch)).unwrap();
        assert!(verdict.faults.is_empty(), "{}: {:?}", test.name, verdict.faults);
    }
    let coverage = Coverage::of(&stage.rules, &reached);
    assert!(coverage.missed.is_empty(), "no test tries: {:#?}", coverage.missed);
    assert!(coverage.all > 60 && coverage.reached == coverage.all, "{coverage:?}");
    let took = SystemClock.passing() - began;
    eprintln!("{} tests of the shipped rules in {took} ms", stage.tests.len());
    // Well under a second in release; this is not.
    assert!(took < 10_000, "{took} ms");
}

#[test]
fn what_no_test_tries_is_told_with_its_place() {
    let tests = r#"
        test "one small order" {
            post "shop/order" example="order"
            expect email="thanks-1" after="1h"
            expect skipped="thanks-2"
            expect event="asked" after="3h"
        }
    "#;
    let stage = shop(tests);
    let reached = Arc::new(Reached::default());
    let watch: Arc<dyn Watch> = Arc::<Reached>::clone(&reached);
    assert!(rehearse::judge(&stage.live, &stage.tests[0], Some(watch)).unwrap().faults.is_empty());
    let coverage = Coverage::of(&stage.rules, &reached);
    let missed: Vec<String> =
        coverage.missed.iter().map(|missed| format!("{} {}", missed.owner, missed.what)).collect();
    let expected = [
        "endpoint shop/order require total > 0 never refuses a call",
        "endpoint shop/order send sold is never done",
        "endpoint shop/order reply 202 is never given",
        "endpoint shop/review is never called",
        "event sold is never sent",
        "sequence thanks its `stop-when` never ends it",
        "sequence thanks e-mail thanks-2 is never sent",
    ];
    assert_eq!(missed, expected);
    // Of an endpoint that is never called its four ways are missing, and told as one.
    assert_eq!(coverage.all - coverage.reached, missed.len() + 3);
}

#[test]
fn a_fault_is_told_in_one_sentence() {
    for (lines, told) in [
        ("expect reply=201\nREST", "the call is answered with 200, not 201"),
        ("expect reply=200\nexpect reply=200\nREST", "there is no further answer"),
        (
            "expect email=\"thanks-1\" after=\"2h\"\nexpect skipped=\"thanks-2\"\nexpect event=\"asked\"",
            "the e-mail `thanks-1` comes 1h after the call, not 2h",
        ),
        (
            "expect email=\"thanks-1\" to=\"bob@example.com\"\nexpect event=\"asked\"",
            "the e-mail `thanks-1` goes to \"ann@example.com\", not \"bob@example.com\"",
        ),
        (
            "expect email=\"thanks-1\" subject=\"Thanks\"\nexpect event=\"asked\"",
            "the e-mail `thanks-1` has the subject \"Thank you for 20\", not \"Thanks\"",
        ),
        (
            "expect email=\"thanks-1\"\nexpect event=\"asked\" to=\"mail\"",
            "the event `asked` goes to \"n8n\", not \"mail\"",
        ),
        (
            "expect email=\"thanks-1\"\nexpect event=\"asked\" { email \"x@example.com\"; }",
            "the event's `email` is \"ann@example.com\", not \"x@example.com\"",
        ),
        ("expect email=\"thanks-2\"\nREST", "the e-mail `thanks-2` does not come"),
        ("expect event=\"sold\"\nREST", "the event `sold` does not come"),
        ("expect save=\"contact\" { total 30; }\nREST", "the record's `total` is 20, not 30"),
        (
            "expect event=\"asked\" { city \"Rome\"; }\nexpect email=\"thanks-1\"",
            "the event's field `city` is missing",
        ),
        (
            "expect save=\"contact\" id=\"bob\"\nREST",
            "the record is \"ann@example.com\", not \"bob\"",
        ),
        ("expect retry=\"asked\"\nREST", "`asked` is not tried again"),
        ("expect failed=\"asked\"\nREST", "`asked` does not fail"),
        ("expect skipped=\"thanks-1\"\nREST", "`thanks-1` is not skipped"),
        ("expect email=\"thanks-1\"", "the event `asked` is sent, and no line expects it"),
        ("expect event=\"asked\"", "the e-mail `thanks-1` comes, and no line expects it"),
        ("expect reply=200", "2 things happen that no line expects"),
        ("expect nothing", "something happens, and nothing was to happen"),
        (
            "expect nothing before=\"61min\"\nexpect event=\"asked\"",
            "something happens, and nothing was to happen",
        ),
        (
            "service \"n8n\" answers=400\nadvance \"4h\"\nREST",
            "`asked` fails, and no line expects it",
        ),
    ] {
        let lines = lines.replace("REST", "expect email=\"thanks-1\"\nexpect event=\"asked\"");
        let test = format!("test \"t\" {{\npost \"shop/order\" example=\"order\"\n{lines}\n}}\n");
        assert_eq!(faults(&shop(&test)), [told], "{lines}");
    }
}

#[test]
fn an_expectation_of_a_refused_call_says_why_nothing_came() {
    let test = r#"
        test "nothing was bought" {
            post "shop/order" example="order" { total 0; }
            expect email="thanks-1"
        }
    "#;
    let stage = shop(test);
    let verdict = rehearse::judge(&stage.live, &stage.tests[0], None).unwrap();
    assert!(verdict.faults[0].got.contains("refused with 409"), "{:?}", verdict.faults);
    assert!(verdict.faults[0].got.contains("Nothing was bought."), "{:?}", verdict.faults);
}

#[test]
fn nothing_before_a_wait_is_silent_until_then_and_not_a_moment_longer() {
    let tests = r#"
        test "silent for an hour" {
            post "shop/order" example="order"
            expect nothing before="1h"
            expect email="thanks-1"
            expect event="asked"
        }
        test "a review ends it" {
            post "shop/order" example="order"
            post "shop/review" example="order"
            expect nothing
        }
        test "a guard ends it" {
            post "shop/order" example="order" { total 13; }
            expect skipped="thanks-1"
            expect nothing
        }
        test "a rule that does not hold leaves one out" {
            post "shop/order" example="order" { total 100; }
            expect reply=202 { gift #true; }
            expect event="sold" { total 100.0; }
            expect email="thanks-1" after="1h"
            expect email="thanks-2" after="2h"
            expect event="asked" after="3h"
        }
    "#;
    assert_eq!(faults(&shop(tests)), [] as [&str; 0]);
}

fn body(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn the_same_calls_always_give_the_same() {
    let stage = shop("");
    let at: Timestamp = "2025-12-01T10:30:00Z".parse().unwrap();
    let play = || {
        let mut stage = Rehearsal::new(&stage.live, at, None).unwrap();
        stage.answers("n8n", 503);
        for email in ["ann@example.com", "bob@example.com"] {
            stage.post("shop/order", body(&json!({"email": email, "total": 100}))).unwrap();
        }
        stage.advance(Delay { days: 1, millis: 0 }).unwrap();
        assert_eq!(stage.now(), time::millis(at) + 86_400_000);
        format!("{:?}", stage.happened())
    };
    let first = play();
    assert!(first.contains("thanks-2") && first.contains("Retry"), "{first}");
    assert_eq!(first, play());
}

#[test]
fn a_rehearsal_answers_as_the_server_does() {
    let stage = shop("");
    let at: Timestamp = "2025-12-01T10:30:00Z".parse().unwrap();
    let mut stage = Rehearsal::new(&stage.live, at, None).unwrap();
    let misfit = stage.post("shop/order", body(&json!({"emial": "ann@example.com"}))).unwrap();
    assert_eq!(misfit.status, 422);
    assert!(misfit.body["message"].as_str().unwrap().contains("did you mean"), "{misfit:?}");
    assert!(misfit.body["errors"].as_array().is_some_and(|errors| !errors.is_empty()));
    let sent = stage.send("asked", body(&json!({"email": "ann@example.com"}))).unwrap();
    assert_eq!((sent.status, &sent.body["state"]), (202, &json!("CREATED")));
    let unknown = stage.post("shop/ordr", Map::new());
    assert!(matches!(unknown, Err(RehearsalError::Unknown(_))), "{unknown:?}");
    let saved = stage.save("contact", "ann@example.com", body(&json!({"total": 7}))).unwrap();
    assert_eq!(saved.status, 200);
    let wrote = |one: &rehearse::Happened| matches!(&one.what, What::Saved { id, .. } if id == "ann@example.com");
    assert!(stage.happened().iter().any(wrote), "{:?}", stage.happened());
}

#[test]
fn rules_that_never_come_to_an_end_are_ended() {
    let rules = r#"
        service "n8n" {
            url "http://localhost:5678"
        }
        webhooks "loop" {
            path "/loop"
            endpoint "begin" {
                payload "ping"
                send "ping"
            }
        }
        events to="n8n" {
            event "ping" path="/ping" {
                start "later"
            }
            event "pong" path="/pong" {
                start "again"
            }
        }
        schema "ping" {
            email email example="ann@example.com"
        }
        schema "pong" {
            email email example="ann@example.com"
        }
        sequence "later" to="{{email}}" {
            send "pong" after="1h"
        }
        sequence "again" to="{{email}}" {
            send "ping" after="1h"
        }
    "#;
    let mut sources = SourceMap::new();
    sources.add("rules/loop.kdl", rules);
    let (rules, found) = language::analyze(&sources);
    let live = rehearse::prepare(Arc::new(rules.unwrap_or_else(|| panic!("{found:?}")))).unwrap();
    let at: Timestamp = "2025-12-01T10:30:00Z".parse().unwrap();
    let mut stage = Rehearsal::new(&live, at, None).unwrap();
    stage.post("loop/begin", body(&json!({"email": "ann@example.com"}))).unwrap();
    let ended = stage.run_out();
    assert!(matches!(ended, Err(RehearsalError::Endless)), "{ended:?}");
    // A test has a bound of its own, so that a long list of calls ends as well.
    let mut short = Rehearsal::new(&live, at, None).unwrap().at_most(20);
    short.post("loop/begin", body(&json!({"email": "ann@example.com"}))).unwrap();
    let ended = short.run_out();
    assert!(matches!(ended, Err(RehearsalError::TooMuch(20))), "{ended:?}");
}
