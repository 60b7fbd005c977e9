//! Sharp names, payloads and rules: whatever people call things and whatever callers send, a
//! document stays a document, a script a script, a terminal as it was, and a secret unknown.

use std::process::Command;

use serde_json::{Value, json};

use crate::commands::{Done, run};
use crate::support::binary::rulerun;
use crate::support::server::{CAMPAIGN, KEYS, Make, TestServer, eventually, results, write};

/// What would steer a terminal, end a line or turn it round.
const STEERING: [char; 8] =
    ['\u{1b}', '\u{9b}', '\u{7}', '\r', '\u{7f}', '\u{202e}', '\u{2066}', '\u{2028}'];

/// A payload value that tries all of it, and HTML, headers and calendars as well.
const EVIL: &str = "Eve\u{1b}[2J\u{9b}31m\u{7}\r\nBcc: x@example.com\u{202e}\u{2066}\u{2028}\
                    END:VEVENT\u{7f};,<script>alert(1)</script>";

const RULES: &str = r##"
sender "Acme <hello@example.com>" {
    postal-address "1 Main Street"
}
service "n8n" {
    url (env)"N8N_URL" default="http://127.0.0.1:9"
    sign secret=(env)"WEBHOOK_SECRET"
}
service "n8n-eu" type="n8n" {
    url (env)"N8N_URL" default="http://127.0.0.1:9"
    sign secret=(env)"WEBHOOK_SECRET"
}
events to="n8n" path="/webhook/x" {
    event "a */ /*secrets*/ /*variables*/ <b>`|\"]-->" about="# <script> &lt;b&gt; | `"
}
webhooks "n8n" {
    path "/n8n"
    endpoint "done" {
        payload {
            email email
            text text example="/*signatures*/ ```"
        }
        require "text != \"a\" || text != \"b\""
        send "a */ /*secrets*/ /*variables*/ <b>`|\"]-->"
    }
}
webhooks "n8n-eu" {
    path "/eu"
    endpoint "done" { payload { email email; } }
}
webhooks "shop <i>|\"]" {
    path "/shop"
    endpoint "in" {
        payload {
            email email
            first_name text example="Ann"
        }
        save "contact" id="{{email}}" { name "{{first_name}}"; }
        start "wel`come|<b>"
    }
}
sequence "wel`come|<b>" to="{{email}}" {
    once-per "{{email}}" again="restart"
    email "welcome-1" after="0s" subject="Hi {{first_name}}"
    email "welcome-2" after="2d" subject="Again, {{first_name}}"
}
"##;

fn make() -> Make {
    Make::empty()
        .file("rules/a.kdl", RULES)
        .file(
            "rules/emails/welcome-1.md",
            "Hello {{first_name}}, [go](https://example.com/?{{first_name}}).\n",
        )
        .file("rules/emails/welcome-2.md", "Hello again {{first_name}}.\n")
}

/// A text may have lines and nothing else that steers.
#[track_caller]
fn is_harmless(what: &str, text: &str) {
    let found: Vec<char> = text.chars().filter(|c| STEERING.contains(c)).collect();
    assert!(found.is_empty(), "{what} says {found:?}:\n{}", text.escape_debug());
}

fn verb(server: &TestServer, arguments: &[&str]) -> Done {
    let mut command: Command = rulerun();
    command.current_dir(server.folder.path()).env("RULERUN_URL", server.url("")).args(arguments);
    Done::of(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_payload_reaches_the_terminal_as_more_than_text() {
    let server = make().start().await;
    for name in [EVIL, "Ann"] {
        let body = json!({ "email": "eve@example.com", "first_name": name });
        assert_eq!(server.post("/shop/in", &body).await.status, 200);
    }
    eventually("the first e-mail is there", || async {
        !results(&server.get("/api/v1/outbox").await).is_empty()
    })
    .await;
    for line in [
        "why eve@example.com",
        "schedule",
        "records contact",
        "records contact eve@example.com",
        "outbox",
        "stats",
        "executions",
        "queue",
        "plan",
        "list",
    ] {
        let done = run(&server, line).fine();
        assert!(!done.data.is_empty() || !done.notes.is_empty(), "{line} says nothing");
        is_harmless(line, &done.data);
        is_harmless(line, &done.notes);
    }
    let calendar = run(&server, "schedule --format ics").fine().data;
    is_harmless("the calendar", &calendar.replace("\r\n", "\n"));
    let events = |word: &str| calendar.lines().filter(|line| *line == word).count();
    assert_eq!((events("BEGIN:VEVENT"), events("END:VEVENT")), (1, 1), "{calendar}");
    // What cannot be found is quoted as it was asked for.
    for odd in ["why", "records", "preview", "explain", "graph", "schema"] {
        let done = verb(&server, &[odd, "x\u{1b}[2J\u{202e}y"]);
        assert_ne!(done.code, Some(0), "{odd}");
        is_harmless(odd, &done.notes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_is_previewed_with_whatever_a_payload_holds() {
    let server = make().start().await;
    let folder = server.folder.path();
    let huge = "<b>".repeat(60_000);
    for (number, name) in
        [EVIL, "</style></title><!--", "javascript:alert(1)", &huge].into_iter().enumerate()
    {
        let payload = json!({ "email": "eve@example.com", "first_name": name }).to_string();
        write(&folder.join("payload.json"), &payload);
        let out = format!("mail-{number}");
        let done = run(&server, &format!("preview welcome-1 --payload payload.json --out {out}"));
        if done.code != Some(0) {
            // Too long for an e-mail, which is said.
            assert!(done.notes.starts_with("error: "), "{done:?}");
            continue;
        }
        is_harmless("preview", &done.data);
        let read = |end: &str| {
            std::fs::read_to_string(folder.join(&out).join(format!("welcome-1.{end}"))).unwrap()
        };
        let html = read("html");
        assert!(!html.contains("<script") && !html.contains("<!--\u{0}"), "{html}");
        assert!(!html.contains("href=\"javascript:"), "{html}");
        let letter = read("eml");
        let headers = letter.split("\r\n\r\n").next().unwrap();
        assert!(!headers.lines().any(|line| line.starts_with("Bcc:")), "{headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_of_sharp_names_stays_what_it_is() {
    let server = make().start().await;
    let folder = server.folder.path();
    let flows = run(&server, "n8n export --out flows --format json").json();
    let files: Vec<&str> = flows["workflows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["file"].as_str().unwrap())
        .collect();
    assert_eq!(files.len(), 3);
    let apart: std::collections::BTreeSet<&&str> = files.iter().collect();
    assert_eq!(apart.len(), 3, "each workflow has a file of its own: {files:?}");
    for file in &files {
        let flow: Value =
            serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap();
        for node in flow["nodes"].as_array().unwrap() {
            let Some(script) = node["parameters"]["jsCode"].as_str() else { continue };
            let event = "const EVENT = \"a */ /*secrets*/ /*variables*/ <b>`|\\\"]-->\";";
            let example = "\"/*signatures*/ ```\"";
            let whole = script.contains(event) || script.contains(example) || file.contains("eu");
            assert!(whole, "{file}: {script}");
        }
    }
    let page = run(&server, "docs").fine().data;
    is_harmless("docs", &page);
    let heading = "\n### a \\*/ /\\*secrets\\*/ /\\*variables\\*/ \\<b\\>\\`\\|\"\\]--\\>\n";
    assert!(page.contains(heading), "{page}");
    assert!(page.contains("\n\\# \\<script\\> \\&lt;b\\&gt; \\| \\`\n"), "{page}");
    assert!(page.contains("1. Goes on only if `text != \"a\" || text != \"b\"`;"), "{page}");
    assert!(
        page.contains("| `text != \"a\" \\|\\| text != \"b\"` |")
            || page.contains("unless `text != \"a\" \\|\\| text"),
        "{page}"
    );
    let drawn = run(&server, "graph").fine().data;
    assert!(
        !drawn.contains("<b>") && !drawn.contains("-->\"") && !drawn.contains("<i>"),
        "{drawn}"
    );
    let document = run(&server, "openapi").json();
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_told_without_a_secret() {
    let server = Make::campaigns().start().await;
    let body = json!({ "email": "sarah@example.com", "first_name": "Sarah" });
    server.post(&format!("{CAMPAIGN}/signup-handler"), &body).await;
    let rules = server.get("/api/v1/rules").await;
    assert!(
        rules.json()["files"].as_array().is_some_and(|files| files.len() > 5),
        "{}",
        rules.text
    );
    let said = ["plan", "n8n export --out flows --format json", "docs", "openapi", "graph", "list"]
        .map(|line| run(&server, line).fine().data);
    for (name, value) in
        KEYS.iter().filter(|(name, _)| name.ends_with("KEY") || name.ends_with("SECRET"))
    {
        assert!(!rules.text.contains(value), "/api/v1/rules shows {name}");
        assert!(!said.iter().any(|text| text.contains(value)), "a verb shows {name}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_reference_is_not_written_through_a_link_that_leads_nowhere() {
    let server = make().start().await;
    let folder = server.folder.path();
    let target = folder.join("elsewhere.md");
    std::fs::create_dir(folder.join("book")).unwrap();
    std::os::unix::fs::symlink(&target, folder.join("book/index.md")).unwrap();
    let done = run(&server, "docs --out book");
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.notes.contains("was not written by rulerun") && !target.exists(), "{done:?}");
}

#[test]
fn a_rule_file_cannot_steer_the_terminal_that_shows_its_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let text = "queue every=5s // \u{1b}[2J\u{9b}31m\u{202e}x\nwebhooks \"a\\u{1b}[2J\" {\n}\nservce \"\u{1b}]0;x\u{7}\"\n";
    write(&folder.path().join("a.kdl"), text);
    for format in ["human", "short", "github"] {
        let mut command = rulerun();
        command.current_dir(folder.path()).args(["validate", "a.kdl", "--format", format]);
        let done = Done::of(command);
        assert_eq!(done.code, Some(1), "{done:?}");
        is_harmless(format, &done.data);
        is_harmless(format, &done.notes);
    }
    let names = "schema \"a\\u{202e}b\" { x text; }\n";
    write(&folder.path().join("a.kdl"), names);
    let mut command = rulerun();
    command.current_dir(folder.path()).args(["validate", "a.kdl", "--format", "short"]);
    let done = Done::of(command);
    assert!(
        done.data.starts_with("a.kdl:1:8: error[bad-name]: this text holds a mark"),
        "{done:?}"
    );
}
