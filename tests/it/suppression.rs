//! Who gets how much: caps over all sequences, leaving and coming back by the links in
//! e-mails, the suppression list, and people who are forgotten.

use std::time::Duration;

use rulerun::model::JobState;
use rulerun::model::commit::{Commit, Write};
use rulerun::model::queue::{Tally, Task};
use rulerun::store::{Backup, JobFilter};
use serde_json::{Value, json};

use crate::support::server::{Make, TestClock, TestServer, eventually, results};
use crate::support::smtp_server::{Answer, Script, Server};

const RULES: &str = r#"
sender "Acme <hello@acme.test>" {
    postal-address "1 Main Street, Springfield"
    cap 1 per="12h"
}
webhooks "t" {
    path "/t"
    endpoint "all" {
        payload {
            email email
            referred_by text optional
        }
        save "contact" id="{{email}}" {
            email "{{email}}"
        }
        save "lead" id="7" {
            owner "{{email}}"
        }
        start "news"
        start "offers"
        start "tips"
        start "owed"
    }
}
sequence "news" to="{{email}}" {
    about "Our <weekly> news"
    email "news-1" after="0s" subject="News" max-late="3d"
}
sequence "offers" to="{{email}}" {
    email "offers-1" after="0s" subject="Offers" max-late="3d"
}
sequence "tips" to="{{email}}" {
    email "tips-1" after="0s" subject="Tips" max-late="1h"
}
sequence "owed" to="{{email}}" kind="transactional" {
    email "owed-1" after="0s" subject="Owed"
}
"#;

fn make() -> Make {
    ["news-1", "offers-1", "tips-1", "owed-1"]
        .iter()
        .fold(Make::empty().file("rules/one.kdl", RULES), |make, name| {
            make.file(&format!("rules/emails/{name}.md"), "Some words.\n")
        })
}

async fn begin() -> (TestServer, std::sync::Arc<TestClock>) {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    (make().clock(&clock).start().await, clock)
}

async fn start(server: &TestServer, email: &str) {
    let answer = server.post("/t/all", &json!({ "email": email })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// The e-mails that were made for a person, or for everybody.
async fn mails(server: &TestServer, to: &str) -> Vec<Value> {
    let mails = results(&server.get("/api/v1/outbox?size=200").await);
    mails.into_iter().filter(|mail| to.is_empty() || mail["to"] == to).collect()
}

/// Waits until nothing is due any more.
async fn settled(server: &TestServer) {
    eventually("everything is looked at", || async {
        let now = server.app().millis();
        let filter =
            JobFilter { state: Some(rulerun::model::JobState::Pending), ..JobFilter::default() };
        let sending = results(&server.get("/api/v1/queue?status=sending").await);
        let pending = server.app().store.jobs(filter, 0, 1000).await.unwrap();
        sending.is_empty() && pending.rows.iter().all(|job| job.due > now)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_sequences_at_once_give_each_person_one_email_in_twelve_hours() {
    let (server, clock) = begin().await;
    for number in 0..20 {
        start(&server, &format!("p{number}@shop.example")).await;
    }
    settled(&server).await;
    let marketing = |mails: &[Value]| mails.iter().filter(|mail| mail["marketing"] == true).count();
    for number in 0..20 {
        let got = mails(&server, &format!("p{number}@shop.example")).await;
        assert_eq!((got.len(), marketing(&got)), (2, 1), "one, and what is owed: {got:?}");
    }
    // What may not be later than an hour is left out, visibly.
    let capped =
        results(&server.get("/api/v1/queue?status=cancelled&event_type=tips-1&size=200").await);
    let why = |job: &Value| job["reason"].as_str().unwrap_or_default().to_owned();
    let lost = capped.iter().filter(|job| why(job).starts_with("capped: ")).count();
    let sent = capped.iter().filter(|job| why(job) == "captured").count();
    assert_eq!(lost + sent, 20, "{capped:?}");

    server.advance(&clock, Duration::from_secs(12 * 3600 - 1)).await;
    settled(&server).await;
    assert_eq!(marketing(&mails(&server, "").await), 20, "not a second earlier");
    for _ in 0..2 {
        server.advance(&clock, Duration::from_hours(12)).await;
        settled(&server).await;
    }
    assert_eq!(marketing(&mails(&server, "").await), 60 - lost);
    let doctor = server.app().store.examine(server.app().millis()).await.unwrap();
    assert_eq!(doctor, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_of_one_sequence_counts_the_emails_of_those_that_have_none() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let offers = "email \"offers-1\" after=\"";
    let rules = RULES
        .replace("    cap 1 per=\"12h\"\n", "")
        .replace(&format!("{offers}0s"), &format!("cap 1 per=\"2d\"\n    {offers}1h"));
    let server = make().file("rules/one.kdl", &rules).clock(&clock).start().await;
    start(&server, "sarah@shop.example").await;
    settled(&server).await;
    let marketing = || async {
        let mails = mails(&server, "sarah@shop.example").await;
        let mut names: Vec<Value> = mails.iter().map(|mail| mail["name"].clone()).collect();
        names.sort_by_key(Value::to_string);
        names
    };
    assert_eq!(marketing().await, ["news-1", "owed-1", "tips-1"], "nothing holds these back");
    for hours in [1, 46] {
        server.advance(&clock, Duration::from_hours(hours)).await;
        settled(&server).await;
        assert_eq!(marketing().await.len(), 3, "two days have not passed");
    }
    server.advance(&clock, Duration::from_secs(3_600 + 5)).await;
    settled(&server).await;
    assert_eq!(marketing().await, ["news-1", "offers-1", "owed-1", "tips-1"]);
}

/// The path of the link in an e-mail.
fn link(mail: &Value) -> String {
    let text = mail["text"].as_str().unwrap();
    let at = text.find("/unsubscribe/").expect("a link");
    text[at..].split([' ', '\n', ')', '>']).next().unwrap().to_owned()
}

async fn news_link(server: &TestServer, email: &str) -> (String, String) {
    start(server, email).await;
    settled(server).await;
    let mails = mails(server, email).await;
    let mail = mails.iter().find(|mail| mail["marketing"] == true).expect("a marketing e-mail");
    (link(mail), mail["sequence"].as_str().unwrap().to_owned())
}

async fn reasons(server: &TestServer, email: &str) -> Vec<(String, Value)> {
    let known = server.get(&format!("/api/v1/contacts/{email}")).await.json();
    let entries = known["suppressions"].as_array().cloned().unwrap_or_default();
    let pair =
        |entry: &Value| (entry["reason"].as_str().unwrap().to_owned(), entry["sequence"].clone());
    entries.iter().map(pair).collect()
}

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

#[tokio::test(flavor = "multi_thread")]
async fn people_leave_and_come_back_by_the_page_and_only_by_its_buttons() {
    let (server, _clock) = begin().await;
    let (path, sequence) = news_link(&server, "sarah@shop.example").await;
    for method in ["GET", "HEAD", "GET"] {
        assert_eq!(server.send(method, &path, &[], "").await.status, 200);
    }
    assert_eq!(reasons(&server, "sarah@shop.example").await, [], "looking is not leaving");
    let page = server.get(&path).await;
    assert!(
        page.text.contains("sarah@shop.example") && !page.text.contains("<script"),
        "{}",
        page.text
    );
    assert!(page.text.contains("width=device-width") && page.text.contains("method=\"post\""));

    let post = |body: &'static str| server.send("POST", &path, &FORM, body);
    let answer = post("leave=this").await;
    assert_eq!((answer.status, answer.headers.get("location")), (200, None));
    assert!(!answer.headers.contains_key("set-cookie"));
    let this = [("unsubscribed".to_owned(), json!(sequence))];
    assert_eq!(reasons(&server, "sarah@shop.example").await, this);
    assert_eq!(post("join=this").await.status, 200);
    assert_eq!(reasons(&server, "sarah@shop.example").await, []);

    let parts = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\n\
                 One-Click\r\n--x--\r\n";
    let multipart = [("content-type", "multipart/form-data; boundary=x")];
    let clicked = server.send("POST", &path, &multipart, parts).await;
    assert_eq!((clicked.status, clicked.headers.get("location")), (200, None));
    assert_eq!(
        reasons(&server, "sarah@shop.example").await,
        [("unsubscribed".into(), Value::Null)]
    );
    post("List-Unsubscribe=One-Click").await;
    post("join=all").await;
    post("").await;
    let counted = server.app().store.tallies(Some(sequence)).await.unwrap();
    let left: Vec<u64> = counted
        .iter()
        .filter(|(counted, _)| counted.what == Tally::Unsubscribed)
        .map(|(_, count)| *count)
        .collect();
    assert_eq!(left, [1], "however often somebody leaves by one e-mail, it counts once");

    for (body, status) in [("leave=everything", 400), (&*"x".repeat(5000), 400)] {
        assert_eq!(server.send("POST", &path, &FORM, body).await.status, status);
    }
    assert_eq!(server.send("PUT", &path, &FORM, "leave=all").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_left_one_sequence_still_gets_the_others() {
    let (server, clock) = begin().await;
    let (path, sequence) = news_link(&server, "sarah@shop.example").await;
    server.send("POST", &path, &FORM, "leave=this").await;
    server.advance(&clock, Duration::from_hours(13)).await;
    settled(&server).await;
    start(&server, "sarah@shop.example").await;
    for _ in 0..4 {
        server.advance(&clock, Duration::from_hours(13)).await;
        settled(&server).await;
    }
    let skipped = results(&server.get("/api/v1/queue?status=cancelled&size=200").await);
    let barred: Vec<&Value> = skipped
        .iter()
        .filter(|job| job["reason"] == "suppressed: the address is unsubscribed")
        .collect();
    assert!(!barred.is_empty(), "{skipped:?}");
    assert!(barred.iter().all(|job| job["event_type"] == format!("{sequence}-1")), "{barred:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_added_to_taken_from_and_carried_to_another_server() {
    let (server, _clock) = begin().await;
    let add = |body: Value| async move { body };
    let body = add(json!({ "email": "Ann@Example.com", "note": "=asked, by \"phone\"" })).await;
    let first = server.post("/api/v1/suppressions", &body).await.json();
    assert_eq!((&first["added"], &first["entry"]["reason"]), (&json!(true), &json!("manual")));
    let again = server.post("/api/v1/suppressions", &body).await.json();
    assert_eq!((&again["added"], &again["entry"]), (&json!(false), &first["entry"]));
    for (body, status) in [
        (json!({ "email": "ann" }), 400),
        (json!({ "email": "ann@example.com", "reason": "spam" }), 400),
        (json!({ "email": "ann@example.com", "sequence": "newz" }), 404),
        (json!({ "mail": "ann@example.com" }), 400),
        (json!({}), 400),
    ] {
        let answer = server.post("/api/v1/suppressions", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }

    let file = "email,reason,sequence\nbob@example.com,unsubscribed,news\nnobody\n\
                eve@example.com,complained,\nANN@example.com,manual,\n";
    let csv = [("content-type", "text/csv")];
    let import = server.send("POST", "/api/v1/suppressions/import", &csv, file).await.json();
    assert_eq!(
        import,
        json!({
            "added": 2, "known": 1, "refused": 1,
            "problems": [{ "line": 3, "message": "`nobody` is no e-mail address" }],
        })
    );
    let twice = server.send("POST", "/api/v1/suppressions/import?line=10", &csv, file).await.json();
    assert_eq!((&twice["added"], &twice["known"]), (&json!(0), &json!(3)));
    assert_eq!(twice["problems"][0]["line"], 11);

    let mut paged = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.get(&format!("/api/v1/suppressions?size=2&after={after}")).await.json();
        paged.extend(page["results"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(paged.len(), 3, "{paged:?}");
    assert!(!json!(paged).to_string().contains("example.com"), "addresses are hashed");

    let export = server.get("/api/v1/suppressions/export").await;
    let (other, _other_clock) = begin().await;
    let carried =
        other.send("POST", "/api/v1/suppressions/import", &csv, &export.text).await.json();
    assert_eq!((&carried["added"], &carried["refused"]), (&json!(3), &json!(0)), "{carried}");
    let theirs = other.get("/api/v1/suppressions/export").await.text;
    assert_eq!(theirs, export.text, "with reasons, sequences, notes and times");

    let remove = |who: &str, query: &str| {
        let path = format!("/api/v1/suppressions/{who}{query}");
        let server = &server;
        async move { server.send("DELETE", &path, &[], "").await.status }
    };
    assert_eq!(remove("ann@example.com", "").await, 200);
    assert_eq!(remove("ann@example.com", "").await, 404);
    assert_eq!(remove("eve@example.com", "").await, 409, "a complaint is the person's own word");
    assert_eq!(remove("eve@example.com", "?confirm=false").await, 409);
    assert_eq!(remove("eve@example.com", "?confirm=true").await, 200);
    assert_eq!(remove("bob@example.com", "?reason=bounced").await, 404);
}

/// A backup of everything as bytes.
async fn backup(server: &TestServer) -> Vec<u8> {
    let store = &server.app().store;
    let mut bytes = Vec::new();
    let mut backup = store.backup(Backup::new(server.app().millis())).await.unwrap();
    loop {
        bytes.extend(backup.take());
        if backup.contents().is_some() {
            return bytes;
        }
        backup = store.backup(backup).await.unwrap();
    }
}

fn mentions(bytes: &[u8], text: &str) -> usize {
    let found = |part: &&[u8]| part.eq_ignore_ascii_case(text.as_bytes());
    bytes.windows(text.len()).filter(found).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_in_other_letters_is_forgotten_and_found_however_it_was_typed() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let server = make().clock(&clock).start().await;
    for email in ["Zoe@MÜNCHEN.example", "xan@ｇmail.example", "yan@xn--mnchen-3ya.example"] {
        start(&server, email).await;
    }
    let other = json!({ "email": "eve@shop.example", "referred_by": "by ZOE@mÜnchen.example" });
    server.post("/t/all", &other).await;
    settled(&server).await;
    // The contact is kept as e-mails write it, and known by its own name.
    let known = server.get("/api/v1/contacts/yan@m%C3%BCnchen.example").await.json();
    assert_eq!(known["contact"]["email"], "yan@xn--mnchen-3ya.example", "{known}");

    for (path, kept) in [
        ("/api/v1/contacts/zoe@m%C3%BCnchen.example", "zoe@"),
        ("/api/v1/contacts/XAN@gmail.example", "xan@"),
        ("/api/v1/contacts/Yan@M%C3%9CNCHEN.example", "yan@"),
    ] {
        let gone = server.send("DELETE", path, &[], "").await.json();
        assert_eq!(gone["removed"]["records"], 1, "{path}: {gone}");
        assert_eq!(mentions(&backup(&server).await, kept), 0, "{path}");
    }
    let records = results(&server.get("/api/v1/records/contact").await);
    assert_eq!(records.len(), 1, "the others stay: {records:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_forgotten_person_no_byte_of_the_address_is_left_and_others_stay() {
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let server = make().clock(&clock).on_disk().start().await;
    for email in ["Sarah@Shop.example", "josarah@shop.example", "bob@shop.example"] {
        start(&server, email).await;
    }
    let keyed = [("idempotency-key", "k-1"), ("content-type", "application/json")];
    server.send("POST", "/t/all", &keyed, "{\"email\": \"sarah@shop.example\"}").await;
    settled(&server).await;
    let told =
        json!({ "email": "eve@shop.example", "referred_by": "my friend sarah@shop.example." });
    server.post("/t/all", &told).await;
    let refused = json!({ "email": "sarah@shop.example", "referred_by": 7 });
    assert_eq!(server.post("/t/all", &refused).await.status, 422);
    settled(&server).await;
    let theirs = mails(&server, "Sarah@Shop.example").await;
    let marketing = theirs.iter().find(|mail| mail["marketing"] == true).expect("one");
    server.send("POST", &link(marketing), &FORM, "List-Unsubscribe=One-Click").await;
    let before = backup(&server).await;
    assert!(mentions(&before, "sarah@shop.example") > 20, "there is something to forget");
    let others = |bytes: &[u8]| {
        mentions(bytes, "josarah@shop.example") + mentions(bytes, "bob@shop.example")
    };

    let gone = server.send("DELETE", "/api/v1/contacts/SARAH@shop.example", &[], "").await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    let gone = gone.json();
    for what in ["executions", "enrolments", "deliveries", "records", "mentions"] {
        assert!(gone["removed"][what].as_u64().unwrap() > 0, "{what}: {gone}");
    }
    assert_eq!(gone["suppressions"], 1);

    let after = backup(&server).await;
    let whole = mentions(&after, "sarah@shop.example") - mentions(&after, "josarah@shop.example");
    assert_eq!(whole, 0, "no byte of the address");
    assert_eq!(others(&after), others(&before), "and nothing of the others is gone");
    let known = server.get("/api/v1/contacts/sarah@shop.example").await.json();
    assert_eq!(known["suppressions"][0]["reason"], "unsubscribed", "{known}");
    assert_eq!((&known["contact"], &known["executions"]), (&Value::Null, &json!(0)));
    assert_eq!(server.app().store.examine(server.app().millis()).await.unwrap(), []);
    let again = server.send("DELETE", "/api/v1/contacts/sarah@shop.example", &[], "").await.json();
    assert_eq!(again["removed"]["executions"], 0);

    server.send("DELETE", "/api/v1/contacts/bob@shop.example", &[], "").await;
    assert_eq!(server.get("/api/v1/contacts/bob@shop.example").await.status, 404);
    // What waited for the forgotten is not sent any more; who comes back is suppressed still.
    let made = mails(&server, "").await.len();
    for _ in 0..3 {
        server.advance(&clock, Duration::from_hours(12)).await;
        settled(&server).await;
    }
    let left = mails(&server, "").await;
    assert!(left.len() > made && left.iter().all(|mail| mail["to"] != "Sarah@Shop.example"));
    start(&server, "sarah@shop.example").await;
    settled(&server).await;
    let back = mails(&server, "sarah@shop.example").await;
    assert!(back.iter().all(|mail| mail["marketing"] == false), "{back:?}");
    let emails = server.app().store.jobs(JobFilter::default(), 0, 500).await.unwrap().rows;
    assert!(emails.iter().any(|job| matches!(job.task, Task::Email(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_forgotten_goes_whatever_field_named_them_and_so_do_copies_for_the_sender() {
    let rules = RULES.replace("    cap 1 per=\"12h\"\n", "    seeds \"qa@acme.test\"\n")
        + r#"
webhooks "shop" {
    path "/shop"
    endpoint "order" {
        payload {
            customer email
            email email optional
        }
        start "receipt"
    }
}
sequence "receipt" to="{{customer}}" kind="transactional" {
    once-per "{{customer}}"
    email "receipt-1" after="0s" subject="Your order, {{customer}}"
}
"#;
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let make = make().file("rules/one.kdl", &rules).file("rules/emails/receipt-1.md", "Thanks.\n");
    let server = make.clock(&clock).start().await;
    let order = |body: Value| {
        let server = &server;
        async move { assert_eq!(server.post("/shop/order", &body).await.status, 200) }
    };
    let made = |count: usize| {
        let server = &server;
        async move {
            let all = || async { results(&server.get("/api/v1/outbox").await).len() == count };
            eventually("e-mails are made", all).await;
        }
    };
    let copies = || async {
        let all = results(&server.get("/api/v1/outbox").await);
        all.iter().filter(|mail| mail["to"] == "qa@acme.test").count()
    };
    // The call names the person in a field of its own, and nobody else.
    order(json!({ "customer": "sarah@shop.example" })).await;
    made(2).await;
    assert_eq!(copies().await, 1);
    let gone = server.send("DELETE", "/api/v1/contacts/sarah@shop.example", &[], "").await.json();
    assert_eq!(gone["removed"]["executions"], 1, "{gone}");
    assert_eq!(results(&server.get("/api/v1/outbox").await).len(), 0, "the copy is gone, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_rests_after_soft_bounces_leaves_like_everybody_else() {
    let (server, clock) = begin().await;
    let (path, _) = news_link(&server, "sarah@shop.example").await;
    let rest = Write::Suppress {
        address: String::from("sarah@shop.example"),
        reason: String::from("soft-bounced"),
        note: String::new(),
    };
    let now = server.app().millis();
    let commit = Commit { now, writes: vec![rest], ..Commit::default() };
    server.app().store.commit(commit).await.unwrap();
    for _ in 0..2 {
        let page = server.get(&path).await.text;
        assert!(page.contains("value=\"this\"") && page.contains("value=\"all\""), "{page}");
        // And when it rests no more.
        server.advance(&clock, Duration::from_hours(8 * 24)).await;
    }
    let page = server.send("POST", &path, &FORM, "leave=all").await.text;
    assert!(page.contains("name=\"join\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn once_an_unsubscribe_is_answered_nothing_more_leaves() {
    let silent = Script { dot: &[Answer::Silence], ..Script::default() };
    let mail = Server::start(vec![silent]).await;
    let service =
        "service \"mail\" type=\"smtp\" {\n    url (env)\"SMTP_URL\"\n    timeout \"2s\"\n}";
    let clock = TestClock::at("2026-01-05T10:00:00Z");
    let server = make()
        .file("rules/service.kdl", service)
        .env("SMTP_URL", &format!("smtp://127.0.0.1:{}?tls=none", mail.port))
        .clock(&clock)
        .start()
        .await;
    start(&server, "sarah@shop.example").await;
    eventually("two are on their way", || async { mail.count("message") == 2 }).await;
    let sending = || async {
        let jobs = server.app().store.jobs(JobFilter::default(), 0, 100).await.unwrap().rows;
        let sending = jobs.into_iter().filter(|job| job.state == JobState::Sending);
        sending.filter(|job| job.event_type != "owed-1").map(|job| job.task).collect::<Vec<_>>()
    };
    let under_way = sending().await;
    let [Task::Email(email)] = &under_way[..] else { panic!("{under_way:?}") };
    let path = link(&json!({ "text": email.text }));
    for _ in 0..2 {
        let left = server.send("POST", &path, &FORM, "List-Unsubscribe=One-Click").await;
        assert_eq!((left.status, sending().await.len()), (200, 0), "{}", left.text);
    }
}
