//! What the shipped rule files mean, and that no text at all can upset the reader of rules.

#![allow(clippy::expect_used, reason = "a test that cannot read its files has failed")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rulerun::base::{Delay, SourceMap, Zone};
use rulerun::language::analyze;
use rulerun::model::rules::{
    Action, Again, CountsFrom, Fill, MailKind, SequenceAction, ServiceType,
};
use rulerun::model::{Kind, RuleSet};
use rulerun::signature::Scheme;

const FILES: &[&str] = &[
    "rules/settings.kdl",
    "rules/christmas.kdl",
    "rules/n8n.kdl",
    "schemas/christmas.kdl",
    "schemas/n8n.kdl",
];

fn shipped() -> SourceMap {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |name: &str| fs::read_to_string(root.join(name)).expect("a shipped file");
    let mut sources = SourceMap::new();
    for name in FILES {
        sources.add(*name, text(name));
    }
    let mut emails: Vec<String> = fs::read_dir(root.join("rules/emails"))
        .expect("the e-mails")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    emails.sort();
    for name in emails {
        let path = format!("rules/emails/{name}");
        sources.add(path.clone(), text(&path));
    }
    sources
}

fn rules() -> RuleSet {
    let (rules, found) = analyze(&shipped());
    assert!(found.is_empty(), "{found:?}");
    rules.expect("no mistakes, so rules")
}

fn minutes(count: u64) -> Delay {
    Delay { days: 0, millis: count * 60_000 }
}

#[test]
fn settings_are_read_with_their_defaults() {
    let rules = rules();
    assert_eq!(rules.hash.len(), 16);
    assert_eq!(rules.server.listen.fallback.as_deref(), Some("127.0.0.1:8080"));
    assert_eq!(rules.server.public_url.fallback.as_deref(), Some("http://localhost:8080"));
    assert_eq!(rules.queue.batch, 10);
    let sender = rules.sender.expect("a sender");
    assert_eq!(sender.name.as_deref(), Some("Acme Scaling"));
    assert_eq!(sender.address, "hello@example.com");
    assert_eq!(sender.zone, Zone::get("America/New_York").expect("a zone"));
    let n8n = &rules.services["n8n"];
    assert_eq!(n8n.kind, ServiceType::N8n);
    assert_eq!(n8n.url.env_names().collect::<Vec<_>>(), ["N8N_WEBHOOK_BASE_URL", "N8N_BASE_URL"]);
    let sign = n8n.sign.as_ref().expect("it is signed");
    assert_eq!(sign.schemes, [Scheme::Body, Scheme::Standard]);
    assert_eq!(n8n.retry.fallback.as_ref().map(Vec::len), Some(3));
    assert_eq!(rules.services["mail"].kind, ServiceType::Smtp);
    assert_eq!(rules.services["notion"].in_flight, 1);
}

#[test]
fn environment_names_say_what_is_required_and_what_is_secret() {
    let rules = rules();
    let name = |name: &str| {
        let found = rules.environment.iter().find(|known| known.name == name).expect("a name");
        (found.required, found.secret)
    };
    assert_eq!(name("WEBHOOK_SECRET"), (true, true));
    assert_eq!(name("SIGNUP_WEBHOOK_KEY"), (true, true));
    assert_eq!(name("N8N_API_KEY"), (false, true));
    assert_eq!(name("N8N_BASE_URL"), (false, false));
    assert_eq!(name("SMTP_URL"), (false, false));
}

#[test]
fn endpoints_carry_access_keys_and_their_own_text() {
    let rules = rules();
    let endpoint = |name: &str| {
        rules.endpoints.iter().find(|known| known.full_name() == name).expect("an endpoint")
    };
    let signup = endpoint("christmas/signup-handler");
    assert_eq!(signup.group.paths.len(), 2);
    assert_eq!(signup.keys.len(), 1);
    assert_eq!(signup.methods, ["POST"]);
    assert_eq!(signup.access.origins, ["https://www.example.com"]);
    assert!(
        signup.source.starts_with("endpoint \"signup-handler\"") && signup.source.ends_with('}')
    );
    let approval = endpoint("n8n/demo-approval");
    let rule = &approval.access.signatures[0];
    assert_eq!((rule.scheme, rule.max_age, rule.time_optional), (Scheme::Body, minutes(5), true));
    assert_eq!(rule.headers, ["X-N8N-Signature", "X-Webhook-Signature-256"]);
    assert!(endpoint("n8n/workflow-status").repeats && !approval.repeats);
    let Action::Reply { status, fields } = &approval.steps[3].action else { panic!("a reply") };
    assert_eq!(*status, 200);
    assert!(matches!(&fields[0], (name, Fill::Constant(_)) if name == "status"));
    assert!(matches!(&fields[1], (name, Fill::Tag(_)) if name == "demo_id"));
}

#[test]
fn records_have_the_fields_that_rules_save() {
    let rules = rules();
    let demo = &rules.records["demo"].scope.names;
    assert_eq!(demo["lead_id"].kind, Kind::Integer);
    assert_eq!(demo["approved"].kind, Kind::Boolean);
    assert!(demo.values().all(|shape| shape.optional));
    let lead = &rules.records["lead"];
    assert_eq!((lead.on_create.len(), lead.on_change.len()), (2, 1));
    assert!(!lead.scope.names["lead_id"].optional && lead.scope.names["score"].optional);
}

#[test]
fn events_know_their_paths_and_schemas() {
    let rules = rules();
    let event = &rules.events["approval_requested"];
    assert_eq!(event.path, "/webhook/approval-requested");
    assert_eq!((event.service.as_str(), event.priority), ("n8n", 10));
    assert!(rules.events.values().all(|event| event.schema.is_some()));
    assert_eq!(rules.events.len(), 11);
}

#[test]
fn sequences_count_from_where_they_say() {
    let rules = rules();
    let recovery = &rules.sequences["noshow-recovery"];
    assert_eq!(recovery.again, Again::Never);
    assert_eq!(recovery.kind, MailKind::Marketing);
    let waits: Vec<String> = recovery.steps.iter().map(|step| step.after.to_string()).collect();
    assert_eq!(waits, ["5min", "24h", "48h"]);
    assert!(recovery.steps.iter().all(|step| matches!(step.counts_from, CountsFrom::Sequence)));
    let SequenceAction::Email { via, body, .. } = &recovery.steps[0].action else {
        panic!("an e-mail")
    };
    assert_eq!(via.as_deref(), Some("mail"));
    assert_eq!(body.path, "rules/emails/noshow-1.md");
    assert!(rules.sequences["assessment-followup"].counts_from.is_some());
}

#[test]
fn the_hash_follows_every_text() {
    let mut sources = shipped();
    let before = analyze(&sources).0.expect("rules").hash;
    assert_eq!(before, rules().hash);
    sources.add("rules/more.kdl", "// nothing\n");
    assert_ne!(before, analyze(&sources).0.expect("rules").hash);
}

/// A text in which one stretch is taken away or replaced by what people may type there.
fn damage(text: &str, at: usize, length: usize, with: &str) -> String {
    let floor = |mut offset: usize| {
        offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let start = floor(at % (text.len() + 1));
    let end = floor(start + length).max(start);
    format!("{}{with}{}", &text[..start], &text[end..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_answered_with_mistakes_that_have_a_place(
        file in 0..FILES.len(),
        at in any::<usize>(),
        length in 0_usize..60,
        with in prop_oneof![
            Just(String::new()),
            "[ -~é\n]{0,12}",
            Just(String::from("\"")), Just(String::from("{")), Just(String::from("}")),
            Just(String::from("{{")), Just(String::from("/-")), Just(String::from("\\u{")),
            Just(String::from("#\"")), Just(String::from("(env)")), Just(String::from("\"\"\"\n")),
        ],
    ) {
        let mut sources = SourceMap::new();
        for (index, (_, original)) in shipped().iter().enumerate() {
            let text = if index == file {
                damage(&original.text, at, length, &with)
            } else {
                original.text.clone()
            };
            sources.add(original.path.clone(), text);
        }
        let (rules, found) = analyze(&sources);
        prop_assert!(rules.is_some() || !found.is_empty());
        for diagnostic in found {
            let text = &sources.file(diagnostic.span.file).text;
            prop_assert!(text.get(diagnostic.span.range()).is_some(), "{diagnostic:?}");
            prop_assert!(!diagnostic.message.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_heap_of_marks_is_answered_soon(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "{", "{", "}", "\"", "\"\"\"", "#\"", "\"#", "#", "/-", "/-{", "//", "/*", "*/", "\n",
                "\r", "\u{85}", " ", ";", "a", "é", "=", "(", ")", "\\", "\\\n", "{{", "}}", "x y=1 ",
                "webhooks \"a\" {", "path \"/a\"\n", "endpoint \"b\" {", "reply 200\n",
            ]),
            0..120,
        ),
    ) {
        let mut sources = SourceMap::new();
        sources.add("a.kdl", parts.concat());
        let (rules, found) = analyze(&sources);
        prop_assert!(rules.is_some() || !found.is_empty());
    }
}
