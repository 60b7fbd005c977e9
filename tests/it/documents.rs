//! The documents that are made of the rules, read by the programs that they are made for: an
//! OpenAPI document that a running server keeps to, JSON Schemas that judge as we do, pictures
//! that can be drawn, a reference that names everything and shows no secret.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rulerun::language::analyze;
use rulerun::model::rules::{RuleSet, Schema};
use rulerun::serve::sources;
use serde_json::{Value, json};

use crate::support::binary::{Running, rulerun};
use crate::support::server::{copy, write};
use crate::support::{python, script};

/// A copy of the project's rules, and what it says with these arguments.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["rules", "schemas", "examples"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(part), &folder.path().join(part));
    }
    folder
}

fn says(folder: &Path, arguments: &[&str]) -> String {
    let output = rulerun().current_dir(folder).args(arguments).output().unwrap();
    let (text, notes) = (output.stdout.clone(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {notes}");
    String::from_utf8(text).unwrap()
}

fn own_json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&says(folder, arguments)).unwrap()
}

/// Lets a foreign program read a text.
fn reads(mut program: Command, text: &str) -> Output {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

/// Lets schemathesis call a server, which must keep to its document.
fn keeps_its_word(server: &mut Running, folder: &Path, paths: Option<&str>, token: Option<&str>) {
    let Some(python) = python() else { return };
    let mut command = Command::new(python);
    command.arg(script("check_openapi.py")).arg(server.base()).arg(folder).args(paths);
    command.env("RULERUN_API_TOKEN", token.unwrap_or_default());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{notes}");
    assert!(said.contains(" passed"), "nothing was tried: {said}{notes}");
}

#[test]
fn a_server_keeps_to_its_openapi_document() {
    let folder = project();
    let mut server = Running::serve(folder.path(), &[], &["--dev"]);
    keeps_its_word(&mut server, folder.path(), None, None);
}

#[test]
fn where_a_token_is_set_the_document_asks_for_it_and_the_server_too() {
    let folder = project();
    let hello = std::fs::read_to_string(folder.path().join("examples/hello.kdl")).unwrap();
    let server = "server listen=\"127.0.0.1:0\" { api-token (env)\"TOKEN\"; }\n";
    write(&folder.path().join("examples/hello.kdl"), &format!("{server}{hello}"));
    let token = "a-token-that-is-long-enough-for-all";
    let arguments = ["examples/hello.kdl", "--dev"];
    let mut server = Running::serve(folder.path(), &[("TOKEN", token)], &arguments);
    let paths = "^/(hello/|api/v1/(status|flows|queue/stats|openapi))";
    keeps_its_word(&mut server, folder.path(), Some(paths), Some(token));
}

#[test]
fn the_command_prints_the_document_of_the_server() {
    let folder = project();
    let mut server = Running::serve(folder.path(), &[], &["--dev"]);
    let url = format!("{}/api/v1/openapi.json", server.base());
    let (status, served) =
        crate::support::binary::get(&crate::support::binary::agent(), &url).unwrap();
    assert_eq!(status, 200);
    let served: Value = serde_json::from_str(&served).unwrap();
    assert_eq!(own_json(folder.path(), &["openapi"]), served);
    let secrets = std::fs::read_to_string(folder.path().join("data/dev-secrets.env")).unwrap();
    let text = served.to_string();
    for secret in secrets.lines().filter_map(|line| line.split_once('=')) {
        assert!(!text.contains(secret.1), "{} is shown", secret.0);
    }
}

/// Payloads near an example: each field left out, null, or of another kind or size.
fn variants(example: &Value) -> Vec<Value> {
    let mut found = vec![example.clone(), json!([]), json!("text"), json!(null)];
    for name in example.as_object().into_iter().flat_map(serde_json::Map::keys) {
        let mut without = example.clone();
        without.as_object_mut().unwrap().shift_remove(name);
        found.push(without);
        for value in [
            json!(null),
            json!(""),
            json!("text"),
            json!("a@b"),
            json!("a b@example.com"),
            json!("ftp://example.com"),
            json!("2025-12-01"),
            json!("2025-12-01T10:30:00"),
            json!("2025-13-01T10:30:00Z"),
            json!(-1),
            json!(0.5),
            json!(1_000_000),
            json!(true),
            json!([]),
            json!([1, "a"]),
            json!({}),
            json!("x".repeat(1000)),
        ] {
            let mut changed = example.clone();
            changed[name] = value;
            found.push(changed);
        }
    }
    found
}

fn cases(schema: &Schema) -> Vec<Value> {
    let one = |payload: Value| {
        let fits = schema.checker.check(&payload).is_empty();
        json!({ "name": schema.name, "schema": schema.published(), "payload": payload, "fits": fits })
    };
    assert!(schema.checker.check(&schema.example).is_empty(), "{}", schema.name);
    variants(&schema.example).into_iter().map(one).collect()
}

/// Everything that a schema may say, beyond what the project's own rules do.
const MORE: &str = r#"
schema "order" {
    sku text min-length=3 max-length=12 pattern="^[A-Z]+-[0-9]+$" example="ABC-12"
    price number min=0.5 max=99.5 example=9.5
    count integer min=1 max=9 default=1
    kind text { one-of "demo" "video" }
    day date example="2025-12-01"
    at time optional example="2025-12-01T10:30:00Z"
    page url optional example="https://www.example.com/a?b=c"
    tags list min-length=1 max-length=3 { of text }
    buyer object closed=#true {
        email email
        phone text optional
    }
    extra any optional
}
"#;

fn rules(folder: &Path, paths: &[&str]) -> RuleSet {
    let paths: Vec<_> = paths.iter().map(|path| folder.join(path)).collect();
    let (rules, found) = analyze(&sources::load(&paths).unwrap());
    rules.unwrap_or_else(|| panic!("{found:?}"))
}

#[test]
fn another_checker_judges_payloads_as_we_do() {
    let Some(python) = python() else { return };
    let folder = project();
    write(&folder.path().join("schemas/more.kdl"), MORE);
    let own = rules(folder.path(), &["rules", "schemas"]);
    let hello = rules(folder.path(), &["examples/hello.kdl"]);
    let inline = hello.endpoints.iter().filter_map(|endpoint| endpoint.payload.as_ref());
    let schemas: Vec<_> = own.schemas.values().chain(inline).collect();
    assert!(schemas.len() > 20);
    let all: Vec<Value> = schemas.iter().flat_map(|schema| cases(schema)).collect();
    assert!(all.iter().any(|case| case["fits"] == false));
    let mut checker = Command::new(python);
    checker.arg(script("check_schemas.py"));
    let output = reads(checker, &Value::from(all).to_string());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn schemas_are_printed_for_everything_that_has_one() {
    let folder = project();
    for row in own_json(folder.path(), &["schema", "--format", "json"]).as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        let schema = own_json(folder.path(), &["schema", name]);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(schema["title"].is_string() && schema["type"] == "object", "{schema}");
    }
    let saved = own_json(folder.path(), &["schema", "contact"]);
    assert_eq!(saved["properties"]["email"]["type"], json!(["string", "null"]));
    let inline = own_json(folder.path(), &["--rules", "examples/hello.kdl", "schema", "signup"]);
    assert_eq!(inline["required"], json!(["email"]));
}

/// Names and guards that mean something in every language that a picture is written in.
const SHARP: &str = r##"
webhooks "shop <b> & \"co\"" {
    path "/shop"
    endpoint "order" {
        payload { email email; note text; }
        save "a_record" id="{{email}}" when=#"note == "\\ \" ] --> x; end" && "<script>" != note"# { note "{{note}}"; }
    }
}
"##;

#[test]
fn graphviz_draws_the_picture_whatever_the_names() {
    let folder = project();
    write(&folder.path().join("sharp/rules.kdl"), SHARP);
    let drawn = Command::new("dot").arg("-V").stderr(Stdio::null()).status();
    if drawn.is_err() {
        eprintln!("skipped: `dot` (Graphviz) is not installed");
        return;
    }
    for rules in ["rules", "sharp"] {
        let mut arguments = vec!["--rules", rules, "graph", "--format", "dot"];
        if rules == "rules" {
            arguments.splice(..0, ["--rules", "schemas"]);
        }
        let text = says(folder.path(), &arguments);
        let mut dot = Command::new("dot");
        dot.arg("-Tsvg");
        let output = reads(dot, &text);
        let notes = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && notes.is_empty(), "{notes}\n{text}");
        let svg = String::from_utf8_lossy(&output.stdout);
        let nodes = text.lines().filter(|line| line.contains("shape=")).count();
        assert_eq!(svg.matches("class=\"node\"").count(), nodes, "{text}");
        let shown =
            if rules == "sharp" { "shop &lt;b&gt; &amp; &quot;co&quot;" } else { "after 5min" };
        assert!(svg.contains(shown), "{svg}");
    }
}

/// One line of mermaid's language, as strictly as we write it.
fn is_mermaid(line: &str) -> bool {
    let line = line.trim();
    let quoted = |text: &str| {
        text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).is_some_and(|inner| {
            let inner = inner.replace("<br>", " ");
            !inner.contains(['"', '<', '>', '`', '\\', '&'])
                && inner.split('#').skip(1).all(|rest| {
                    rest.split_once(';').is_some_and(|(number, _)| number.parse::<u32>().is_ok())
                })
        })
    };
    let node =
        |text: &str| text.strip_prefix('n').is_some_and(|rest| rest.parse::<usize>().is_ok());
    if line == "end" || line == "flowchart LR" {
        return true;
    }
    if let Some(rest) = line.strip_prefix("subgraph g") {
        let inner = rest.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
        return inner.is_some_and(quoted);
    }
    for arrow in [" -.-x", " -.->", " -->"] {
        if let Some((from, rest)) = line.split_once(arrow) {
            let (label, to) = rest.rsplit_once(' ').unwrap_or_default();
            let label = label.trim_matches('|');
            return node(from) && node(to) && (label.is_empty() || quoted(label));
        }
    }
    let shape = line.find(|c| "([>".contains(c)).unwrap_or(line.len());
    let (name, text) = line.split_at(shape);
    [("([", "])"), ("[(", ")]"), ("[[", "]]"), ("[", "]"), (">", "]")].iter().any(
        |(open, close)| {
            let inner = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
            node(name) && inner.is_some_and(quoted)
        },
    )
}

#[test]
fn the_picture_is_mermaid_whatever_the_names_and_always_the_same() {
    let folder = project();
    write(&folder.path().join("sharp/rules.kdl"), SHARP);
    for arguments in [
        &["graph"][..],
        &["graph", "christmas"],
        &["graph", "lead"],
        &["--rules", "sharp", "graph"],
        &["--rules", "examples/hello.kdl", "graph"],
    ] {
        let text = says(folder.path(), arguments);
        assert!(text.lines().count() > 3, "{text}");
        for line in text.lines() {
            assert!(is_mermaid(line), "{arguments:?}: {line}");
        }
        assert_eq!(says(folder.path(), arguments), text);
    }
    assert!(!is_mermaid("n1[\"a\"b\"]") && !is_mermaid("n1 --> n2; n3") && !is_mermaid("x"));
}

#[test]
fn a_name_shows_what_leads_there_and_what_follows() {
    let folder = project();
    let graph = own_json(folder.path(), &["graph", "noshow-recovery", "--format", "json"]);
    let names: Vec<&str> = graph["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|node| node["name"].as_str())
        .collect();
    let around = ["christmas/noshow-recovery-handler", "christmas/onboarding-handler"];
    assert_eq!(names, [&around[..], &["noshow-recovery", "mail"]].concat());
    let stop =
        graph["edges"].as_array().unwrap().iter().find(|edge| edge["is"] == "stops").unwrap();
    assert_eq!(stop["from"]["name"], "christmas/onboarding-handler");
    let changed = own_json(folder.path(), &["graph", "lead_qualified", "--format", "json"]);
    let on: Vec<&Value> =
        changed["edges"].as_array().unwrap().iter().map(|edge| &edge["on"]).collect();
    assert_eq!(on, [&json!("new"), &json!("changed"), &json!(null)]);
}

#[test]
fn the_reference_names_everything_and_its_links_lead_somewhere() {
    let folder = project();
    let page = says(folder.path(), &["docs"]);
    let list = own_json(folder.path(), &["list", "--format", "json"]);
    for kind in ["endpoints", "sequences", "events"] {
        for thing in list[kind].as_array().unwrap() {
            let heading = format!("\n### {}\n", thing["name"].as_str().unwrap());
            assert_eq!(page.matches(&heading).count(), 1, "{heading}");
        }
    }
    for told in [
        "Send e-mail #1 first, then call this webhook.",
        "| noshow-1 | 5 minutes after the start | `Sorry we missed you, {{first_name}}` | 1 day |",
        "| `score` | number |  | 0 to 1 |",
        "| 200 | if `approved` | `{\"status\":\"approved\"",
        "-H 'X-N8N-Signature: <signature with N8N_WEBHOOK_SECRET>'",
        "| `SIGNUP_WEBHOOK_KEY` | yes | yes |",
        "Tried again after 5 seconds, 30 seconds and 5 minutes.",
    ] {
        assert!(page.contains(told), "{told}");
    }
    let anchors: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(|heading| heading.replace('/', ""))
        .collect();
    let links: Vec<&str> =
        page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 20);
    for link in links {
        assert!(anchors.iter().any(|anchor| anchor == link), "{link}");
    }
}

#[test]
fn the_pages_of_the_reference_overwrite_only_themselves() {
    let folder = project();
    let first = says(folder.path(), &["docs", "--out", "pages"]);
    assert_eq!(first.lines().count(), 4, "{first}");
    let endpoints = std::fs::read_to_string(folder.path().join("pages/endpoints.md")).unwrap();
    assert!(endpoints.contains("](sequences.md#onboarding)"), "{endpoints}");
    assert_eq!(says(folder.path(), &["docs", "--out", "pages"]), first);
    write(&folder.path().join("pages/events.md"), "mine\n");
    let refused =
        rulerun().current_dir(folder.path()).args(["docs", "--out", "pages"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let kept = std::fs::read_to_string(folder.path().join("pages/events.md")).unwrap();
    assert_eq!(kept, "mine\n");
}
