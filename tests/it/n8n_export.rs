//! The exported workflows: of n8n's form, without secrets, and with scripts that n8n's own
//! engine runs here for real: they let pass what rulerun signed and nothing else, and
//! rulerun lets pass what they sign.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::commands::{json, run};
use crate::support::receiver::{Received, Receiver};
use crate::support::server::{KEYS, Make, TestClock, TestServer, eventually};

/// Whether Node.js is here. Without it nothing of this can be tried, which is said loudly;
/// where `CI` is `true` it fails.
#[allow(clippy::disallowed_methods, reason = "tests are told by the environment")]
fn node_is_here() -> bool {
    let here = Command::new("node").arg("--version").output().is_ok();
    if !here {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "node is not installed");
        eprintln!("skipped: node is not installed");
    }
    here
}

/// Runs a Code node's script.
fn execute(code: &Value, env: &Value, json: &Value, body: &[u8]) -> Value {
    let task = json!({ "code": code, "env": env, "json": json, "body": STANDARD.encode(body) });
    let mut child = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/code_node.js"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The workflows that a server's rules export, by file.
fn export(server: &TestServer) -> BTreeMap<String, Value> {
    run(server, "n8n export --out flows").fine();
    let mut flows = BTreeMap::new();
    for entry in std::fs::read_dir(server.folder.path().join("flows")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        flows.insert(name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap());
    }
    flows
}

fn node<'a>(workflow: &'a Value, kind: &str) -> &'a Value {
    let nodes = workflow["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["type"] == format!("n8n-nodes-base.{kind}")).unwrap()
}

fn script<'a>(flows: &'a BTreeMap<String, Value>, file: &str) -> &'a Value {
    &node(&flows[file], "code")["parameters"]["jsCode"]
}

fn secrets() -> Value {
    KEYS.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_have_the_form_that_n8n_imports_and_hold_no_secret() {
    let server = Make::campaigns().start().await;
    let flows = export(&server);
    assert_eq!(flows.len(), 16, "11 events and 5 endpoints: {:?}", flows.keys());
    let mut ids = std::collections::BTreeSet::new();
    for (file, flow) in &flows {
        let text = flow.to_string();
        for (name, value) in KEYS.iter().filter(|(name, _)| name.ends_with("SECRET")) {
            assert!(!text.contains(value), "{file} holds {name}");
        }
        assert!(ids.insert(flow["id"].as_str().unwrap()), "{file}: an id of its own");
        assert_eq!(flow["active"], false);
        assert_eq!(flow["settings"]["executionOrder"], "v1");
        let nodes = flow["nodes"].as_array().unwrap();
        let names: Vec<&str> = nodes.iter().map(|node| node["name"].as_str().unwrap()).collect();
        for node in nodes {
            assert!(ids.insert(node["id"].as_str().unwrap()), "{file}: {node}");
            assert!(node["type"].as_str().unwrap().starts_with("n8n-nodes-base."));
            assert!(node["typeVersion"].is_number() && node["parameters"].is_object());
            assert_eq!(node["position"].as_array().unwrap().len(), 2);
        }
        for (from, to) in flow["connections"].as_object().unwrap() {
            assert!(names.contains(&from.as_str()), "{file}: {from}");
            for arrow in to["main"].as_array().unwrap().iter().flat_map(|to| to.as_array().unwrap())
            {
                assert!(names.contains(&arrow["node"].as_str().unwrap()), "{file}: {arrow}");
            }
        }
    }
    let hook = &node(&flows["event-lead_scraped.json"], "webhook")["parameters"];
    assert_eq!(
        (&hook["path"], &hook["options"]["rawBody"]),
        (&json!("lead-scraped"), &json!(true))
    );
    assert_eq!(export(&server), flows, "the same rules make the same files");
    let listed = json(&server, "n8n export --out flows");
    assert_eq!(listed["workflows"].as_array().unwrap().len(), 16);
    assert_eq!(listed["variables"], json!(["N8N_WEBHOOK_SECRET", "RULERUN_URL", "WEBHOOK_SECRET"]));
}

/// What arrives when the server delivers a lead.
async fn delivered(make: Make) -> (Received, BTreeMap<String, Value>) {
    let receiver = Receiver::start(&[]).await;
    let make = make.env("N8N_ENABLED", "true").env("N8N_WEBHOOK_BASE_URL", &receiver.url());
    let server = make.start().await;
    let lead = json!({ "lead_id": 123, "business_name": "Müller & Söhne" });
    assert_eq!(server.post("/api/v1/events/lead_scraped", &lead).await.status, 202);
    eventually("the delivery arrives", || async { receiver.seen().len() == 1 }).await;
    (receiver.seen().remove(0), export(&server))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_of_an_event_lets_pass_what_rulerun_signed_and_nothing_else() {
    if !node_is_here() {
        return;
    }
    let (request, flows) = delivered(Make::campaigns()).await;
    let script = script(&flows, "event-lead_scraped.json");
    let check = |env: &Value, request: &Received| {
        execute(script, env, &json!({ "headers": request.headers }), &request.body)
    };
    let passed = check(&secrets(), &request);
    assert_eq!((&passed["verified"], &passed["status"]), (&json!(true), &json!(200)), "{passed}");
    assert_eq!(passed["payload"], json!({ "lead_id": 123, "business_name": "Müller & Söhne" }));
    assert_eq!(passed["id"], json!(request.headers["webhook-id"]));

    let forge = |change: &dyn Fn(&mut Received)| {
        let mut forged = request.clone();
        change(&mut forged);
        forged
    };
    let header = |name: &'static str, value: &'static str| {
        forge(&|request| drop(request.headers.insert(name.to_owned(), value.to_owned())))
    };
    let without = |name: &'static str| forge(&|request| drop(request.headers.remove(name)));
    for (what, forged) in [
        ("another body", forge(&|request| request.body.push(b' '))),
        ("another signature", header("x-webhook-signature-256", "00")),
        ("no signature", without("x-webhook-signature-256")),
        ("no signature over the time", without("webhook-signature")),
        ("another time", header("webhook-timestamp", "1600000000")),
        ("no time", without("x-webhook-timestamp")),
        ("another id", header("webhook-id", "msg_2")),
    ] {
        let refused = check(&secrets(), &forged);
        assert_eq!(
            (&refused["verified"], &refused["status"]),
            (&json!(false), &json!(401)),
            "{what}"
        );
        assert!(refused["payload"].is_null(), "{what}: {refused}");
    }
    let other = check(&json!({ "WEBHOOK_SECRET": "another" }), &request);
    assert_eq!(other["answer"]["detail"], "the signature does not match");
    let unset = check(&json!({}), &request);
    let how = "n8n does not know the secret: set WEBHOOK_SECRET";
    assert_eq!((&unset["status"], &unset["answer"]["detail"]), (&json!(401), &json!(how)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_was_signed_long_ago_is_refused() {
    if !node_is_here() {
        return;
    }
    let clock = TestClock::at("2020-01-05T12:00:00Z");
    let (old, flows) = delivered(Make::campaigns().clock(&clock)).await;
    let script = script(&flows, "event-lead_scraped.json");
    let refused = execute(script, &secrets(), &json!({ "headers": old.headers }), &old.body);
    assert_eq!(refused["answer"]["detail"], "the timestamp is too old or too early", "{refused}");
}

/// Makes the call that a workflow would make; `$env` and `$json` stand in few expressions.
async fn call(server: &TestServer, flow: &Value, given: &Value) -> (u16, String) {
    let signed = execute(&node(flow, "code")["parameters"]["jsCode"], &secrets(), given, b"");
    let request = &node(flow, "httpRequest")["parameters"];
    let url = request["url"].as_str().unwrap();
    let base = r#"={{ $env.RULERUN_URL || "http://localhost:8080" }}"#;
    let path = url.strip_prefix(base).unwrap();
    let path =
        path.replace("{{ encodeURIComponent($env.SIGNUP_WEBHOOK_KEY) }}", "signup-webhook-key");
    let mut headers = vec![(
        String::from("content-type"),
        request["rawContentType"].as_str().unwrap().to_owned(),
    )];
    for header in request["headerParameters"]["parameters"].as_array().unwrap() {
        let name = header["name"].as_str().unwrap();
        let value = match header["value"].as_str().unwrap() {
            "={{ $env.WEBHOOK_SECRET }}" => json!("your-secure-webhook-secret-here"),
            _ => signed["headers"][name].clone(),
        };
        headers.push((
            name.to_owned(),
            value.as_str().unwrap_or_else(|| panic!("{name}: {signed}")).to_owned(),
        ));
    }
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = server.send("POST", &path, &headers, signed["body"].as_str().unwrap()).await;
    (answer.status, answer.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn rulerun_lets_pass_what_the_callbacks_sign() {
    if !node_is_here() {
        return;
    }
    let server = Make::campaigns().start().await;
    for event in ["demo_completed", "video_completed"] {
        run(&server, &format!("send {event} --example")).fine();
    }
    let flows = export(&server);
    for (file, flow) in flows.iter().filter(|(file, _)| file.starts_with("callback-")) {
        let (status, text) = call(&server, flow, &json!({})).await;
        assert_eq!(status, 200, "{file}: {text}");
    }
    let no = json!({ "demo_id": 456, "approved": false, "notes": "Größer, bitte" });
    let (_, text) = call(&server, &flows["callback-demo-approval.json"], &no).await;
    assert!(text.contains("Demo rejected"), "what comes in is sent instead of the example: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_give_every_endpoint_what_its_access_asks_for() {
    if !node_is_here() {
        return;
    }
    let schemes = ["body", "timestamped", "standard", "github", "stripe"];
    let endpoint = |scheme: &&str| {
        format!(
            "endpoint \"{scheme}\" key=(env)\"SIGNUP_WEBHOOK_KEY\" {{\n    access {{ \
             signature scheme=\"{scheme}\" secret=(env)\"N8N_WEBHOOK_SECRET\" {{ header \"X-Own-{scheme}\" }} }}\n}}\n"
        )
    };
    let rules = format!(
        "service \"flows\" type=\"n8n\" {{ url \"http://localhost:5678\" }}\nwebhooks \"flows\" {{\n\
         path \"/in\"\naccess {{ header \"X-API-Key\" (env)\"WEBHOOK_SECRET\" }}\n{}}}\n",
        schemes.iter().map(endpoint).collect::<String>()
    );
    let server = Make::empty().file("rules/a.kdl", &rules).start().await;
    let flows = export(&server);
    assert_eq!(flows.len(), schemes.len());
    for scheme in schemes {
        let flow = &flows[&format!("callback-{scheme}.json")];
        let (status, text) = call(&server, flow, &json!({ "n": 1 })).await;
        assert_eq!(status, 200, "{scheme}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_of_an_event_knows_every_scheme() {
    if !node_is_here() {
        return;
    }
    for scheme in ["body", "timestamped", "standard", "github", "stripe"] {
        let receiver = Receiver::start(&[]).await;
        let rules = format!(
            "service \"flows\" type=\"n8n\" {{\n    url \"{}\"\n    sign scheme=\"{scheme}\" secret=(env)\"WEBHOOK_SECRET\"\n}}\n\
             events to=\"flows\" path=\"/webhook/x\" {{ event \"noted\" }}\n",
            receiver.url()
        );
        let server = Make::empty().file("rules/a.kdl", &rules).start().await;
        server.post("/api/v1/events/noted", &json!({ "n": 1 })).await;
        eventually("the delivery arrives", || async { receiver.seen().len() == 1 }).await;
        let (mut request, flows) = (receiver.seen().remove(0), export(&server));
        let script = script(&flows, "event-noted.json");
        let check = |request: &Received| {
            let given = json!({ "headers": request.headers });
            execute(script, &secrets(), &given, &request.body)["verified"].clone()
        };
        assert_eq!(check(&request), true, "{scheme}");
        request.body.push(b' ');
        assert_eq!(check(&request), false, "{scheme}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_of_an_event_leads_out_of_the_folder() {
    let rules = "service \"n8n\" {\n    url \"http://localhost:5678\"\n    sign secret=(env)\"WEBHOOK_SECRET\"\n}\n\
         events to=\"n8n\" path=\"/webhook/x\" {\n    event \"../x\"\n    event \"a b\"\n    event \"a:b\"\n}\n";
    let server = Make::empty().file("rules/a.kdl", rules).start().await;
    let flows = export(&server);
    assert_eq!(flows.len(), 3, "each has a file of its own: {:?}", flows.keys());
    assert!(flows.keys().any(|file| file.starts_with("event----x-")), "{:?}", flows.keys());
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_without_n8n_are_told_what_is_missing() {
    let rules = "webhooks \"g\" {\n    path \"/in\"\n    endpoint \"a\"\n}\n";
    let server = Make::empty().file("rules/a.kdl", rules).start().await;
    let done = run(&server, "n8n export");
    assert_eq!((done.code, done.data.as_str()), (Some(2), ""), "{done:?}");
    assert!(done.notes.contains("nothing to do with n8n"), "{done:?}");
    assert!(!server.folder.path().join("n8n").exists(), "no empty folder is left");
}
