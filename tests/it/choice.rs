//! Variants, languages and seeds on a real server: who gets which words, and what the
//! sender's own mailboxes get.

use rulerun::model::JobState;
use rulerun::model::queue::Tally;
use rulerun::store::JobFilter;
use serde_json::{Value, json};

use crate::support::server::{Make, TestClock, TestServer, eventually, results};

const RULES: &str = r#"
sender "Acme <hello@acme.test>" {
    postal-address "1 Main Street, Springfield"
    cap 1 per="12h"
    seeds "qa@acme.test"
}
webhooks "t" {
    path "/t"
    endpoint "in" {
        payload {
            email email
            language text optional
        }
        start "news"
    }
}
sequence "news" to="{{email}}" locale="{{language}}" {
    email "news-1" after="0s" subject="News for {{email}}" {
        locale "de" subject="Neues für {{email}}"
        variant "b" weight=50 subject="What is new, {{email}}" {
            locale "de" subject="Was es gibt, {{email}}"
        }
    }
}
"#;

async fn begin() -> TestServer {
    Make::empty()
        .file("rules/one.kdl", RULES)
        .file("rules/emails/news-1.md", "Hello.\n\n[Leave]({{unsubscribe_url}})\n")
        .file("rules/emails/news-1.de.md", "Hallo.\n")
        .clock(&TestClock::at("2026-01-05T10:00:00Z"))
        .start()
        .await
}

async fn start(server: &TestServer, email: &str, language: &str) {
    let body = json!({ "email": email, "language": language });
    assert_eq!(server.post("/t/in", &body).await.status, 200);
    eventually("everything is looked at", || async {
        // What was pending at the first look may be under way at the second.
        let none = |state| async move {
            let filter = JobFilter { state: Some(state), ..JobFilter::default() };
            server.app().store.jobs(filter, 0, 1).await.unwrap().rows.is_empty()
        };
        none(JobState::Pending).await
            && none(JobState::Sending).await
            && none(JobState::Pending).await
    })
    .await;
}

/// What a mailbox got: variant, subject and text, the oldest first.
async fn got(server: &TestServer, to: &str) -> Vec<(Value, String, String)> {
    let mails = results(&server.get("/api/v1/outbox?size=200").await);
    let text = |mail: &Value, field: &str| mail[field].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = mails
        .iter()
        .filter(|mail| mail["to"] == to)
        .map(|mail| (mail["variant"].clone(), text(mail, "subject"), text(mail, "text")))
        .collect();
    found.sort_by_key(|(_, subject, _)| subject.clone());
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_their_variant_in_their_language() {
    let server = begin().await;
    // By their addresses these are b and a, for ever.
    for (person, language, variant, subject, text, link) in [
        ("sarah@example.com", "en", "b", "What is new, ", "Hello.", "Unsubscribe"),
        ("peter@example.com", "de_AT", "b", "Was es gibt, ", "Hallo.", "Abmelden ("),
        ("lisa@example.com", "DE", "a", "Neues für ", "Hallo.", "Abmelden ("),
        ("otto@example.com", "../x", "a", "News for ", "Hello.", "Leave ("),
    ] {
        start(&server, person, language).await;
        let mails = got(&server, person).await;
        let [(got, about, words)] = mails.as_slice() else { panic!("{person}: {mails:?}") };
        assert_eq!((got, about), (&json!(variant), &format!("{subject}{person}")));
        assert!(words.starts_with(text), "{person}: {words}");
        assert!(link == "Unsubscribe" || words.contains(link), "{person}: {words}");
    }
    // What became of each variant, with the reasons: here nobody is there to send them.
    let stats = server.get("/api/v1/sequences/news/stats").await.json();
    let variants = stats["steps"][0]["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 2, "{stats}");
    for variant in variants {
        assert_eq!(variant["skipped"], 2, "{stats}");
        assert_eq!(variant["skipped_because"], json!({ "captured": 2 }), "{stats}");
    }
    let mails = got(&server, "lisa@example.com").await;
    let link = mails[0].2.split(['(', ')', ' ', '\n']).find(|word| word.contains("/unsubscribe/"));
    let path = &link.unwrap()[link.unwrap().find("/unsubscribe/").unwrap()..];
    assert!(path.ends_with("?lang=de"), "{path}");
    let page = server.get(path).await.text;
    assert!(page.contains("<html lang=\"de\">") && page.contains("Alle E-Mails abbestellen"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_senders_mailbox_gets_each_wording_once_and_nothing_is_counted_for_it() {
    let server = begin().await;
    for number in 0..20 {
        let language = if number % 2 == 0 { "de" } else { "en" };
        start(&server, &format!("p{number}@example.com"), language).await;
    }
    let copies = got(&server, "qa@acme.test").await;
    let begins = |subject: &str| copies.iter().filter(|mail| mail.1.starts_with(subject)).count();
    for subject in ["News for", "What is new,", "Neues für", "Was es gibt,"] {
        assert_eq!(begins(&format!("[Seed] {subject}")), 1, "{subject}: {copies:?}");
    }
    // No two mailboxes share a link, and that of a copy changes nothing for anybody.
    let link = |text: &str| {
        let found = text.split(['(', ')', ' ', '\n']).find(|word| word.contains("/unsubscribe/"));
        found.unwrap().to_owned()
    };
    let own = link(&copies[0].2);
    for number in 0..20 {
        for mail in got(&server, &format!("p{number}@example.com")).await {
            assert_ne!(link(&mail.2), own);
        }
    }
    let path = &own[own.find("/unsubscribe/").unwrap()..];
    let answer = server.send("POST", path, &[], "List-Unsubscribe=One-Click").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let tallies = server.app().store.tallies(Some("news".to_owned())).await.unwrap();
    let left = tallies.iter().filter(|(counted, _)| counted.what == Tally::Unsubscribed).count();
    assert_eq!(left, 0, "{tallies:?}");
    assert_eq!(server.app().store.examine(server.app().millis()).await.unwrap(), []);
}
