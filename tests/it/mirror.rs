//! Records mirrored to Notion, against a stand-in that speaks Notion's shapes.

use std::time::Duration;

use crate::support::notion::Notion as StandIn;
use crate::support::notion::{DATABASE, Instead, SOURCE, TOKEN, error};
use crate::support::server::{CAMPAIGN, Make, eventually};
use rulerun::base::{Secret, Timestamp};
use rulerun::model::{AttemptError, Tried};
use rulerun::serve::deliver::http::HttpClient;
use rulerun::serve::deliver::notion::Notion;
use serde_json::{Value, json};

pub(crate) const COLUMNS: &[(&str, &str)] = &[
    ("Name", "title"),
    ("Email", "email"),
    ("First Name", "rich_text"),
    ("Score", "number"),
    ("Owner", "people"),
];

fn mirror_to(stand_in: &StandIn, token: &str, database: &str) -> Notion {
    let client = HttpClient::new(None).unwrap();
    Notion::new(client, &stand_in.url, Secret::new(token), database.to_owned(), false)
}

async fn put(mirror: &Notion, id: &str, fields: Value) -> Tried {
    put_within(mirror, id, fields, Duration::from_secs(5)).await
}

async fn put_within(mirror: &Notion, id: &str, fields: Value, timeout: Duration) -> Tried {
    let now: Timestamp = "2025-12-01T10:00:00Z".parse().unwrap();
    mirror.mirror("contact", id, fields.as_object().unwrap(), now, timeout).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_becomes_a_page_and_ten_more_of_the_same_person_stay_one() {
    let stand_in = StandIn::start(COLUMNS).await;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let settings = std::fs::read_to_string(root.join("rules/settings.kdl")).unwrap();
    let settings = settings.replace("rate \"3/s\"", "url (env)\"NOTION_URL\"\n    rate \"1000/s\"");
    let make = Make::campaigns()
        .file("rules/settings.kdl", &settings)
        .env("NOTION_TOKEN", TOKEN)
        .env("NOTION_DATABASE_ID", DATABASE)
        .env("NOTION_URL", &stand_in.url);
    let server = make.start().await;
    let path = format!("{CAMPAIGN}/signup-handler/signup-webhook-key");
    for number in 0..11 {
        let body = json!({
            "email": "s@example.com", "first_name": format!("Sarah {number}"), "business_name": "Salon",
        });
        assert_eq!(server.post(&path, &body).await.status, 200);
    }
    let newest = || async {
        let world = stand_in.world.lock().unwrap();
        let page = world.pages.first().map(|page| page.1.clone()).unwrap_or_default();
        page["First Name"]["rich_text"][0]["text"]["content"] == "Sarah 10"
    };
    eventually("the newest value is mirrored", newest).await;
    assert_eq!(stand_in.world.lock().unwrap().pages.len(), 1);
    let idle = || async { server.get("/api/v1/queue/stats").await.json()["pending"] == 0 };
    eventually("nothing is left to mirror", idle).await;
}

#[tokio::test]
async fn creating_and_updating_a_record_makes_one_page() {
    let stand_in = StandIn::start(COLUMNS).await;
    let mirror = mirror_to(&stand_in, TOKEN, DATABASE);
    let fields = json!({"email": "s@example.com", "first_name": "Sarah", "shoe_size": 40});
    let tried = put(&mirror, "s@example.com", fields).await;
    assert_eq!((tried.error, tried.status), (None, Some(200)), "{tried:?}");
    assert_eq!(tried.message.as_deref(), Some("contact s@example.com: page page-1 created"));
    let tried = put(&mirror, "s@example.com", json!({"first_name": "Sally", "score": 7})).await;
    assert_eq!(tried.message.as_deref(), Some("contact s@example.com: page page-1 updated"));

    let pages = stand_in.world.lock().unwrap().pages.clone();
    assert_eq!(pages.len(), 1);
    assert_eq!(
        Value::Object(pages[0].1.clone()),
        json!({
            "Name": {"title": [{"text": {"content": "s@example.com"}}]},
            "Email": {"email": "s@example.com"},
            "First Name": {"rich_text": [{"text": {"content": "Sally"}}]},
            "Score": {"number": 7},
        })
    );
    let query = format!("POST /v1/data_sources/{SOURCE}/query");
    assert_eq!(
        stand_in.calls(),
        [
            &format!("GET /v1/databases/{DATABASE}"),
            &format!("GET /v1/data_sources/{SOURCE}"),
            &query,
            "POST /v1/pages",
            &query,
            "PATCH /v1/pages/page-1",
        ]
    );
}

#[tokio::test]
async fn a_lost_reply_does_not_make_a_second_page() {
    let stand_in = StandIn::start(COLUMNS).await;
    let mirror = mirror_to(&stand_in, TOKEN, DATABASE);
    stand_in.world.lock().unwrap().lose_reply_of_create = true;
    let fields = json!({"email": "s@example.com"});
    let tried =
        put_within(&mirror, "s@example.com", fields.clone(), Duration::from_millis(300)).await;
    assert_eq!(tried.error, Some(AttemptError::Timeout));
    let tried = put(&mirror, "s@example.com", fields).await;
    assert_eq!(tried.error, None);
    assert_eq!(stand_in.world.lock().unwrap().pages.len(), 1);
}

#[tokio::test]
async fn without_an_email_property_the_title_finds_the_page() {
    let stand_in = StandIn::start(&[("Lead", "title"), ("Score", "number")]).await;
    let mirror = mirror_to(&stand_in, TOKEN, DATABASE);
    for score in [1, 2] {
        assert_eq!(put(&mirror, "lead-7", json!({"score": score})).await.error, None);
    }
    let pages = stand_in.world.lock().unwrap().pages.clone();
    assert_eq!(pages.len(), 1);
    assert_eq!(pages[0].1["Score"], json!({"number": 2}));
}

#[tokio::test]
async fn the_id_of_a_data_source_works_too() {
    let stand_in = StandIn::start(COLUMNS).await;
    let mirror = mirror_to(&stand_in, TOKEN, SOURCE);
    let task = tokio::spawn(async move { put(&mirror, "s@example.com", json!({})).await });
    assert_eq!(task.await.unwrap().error, None);
}

#[tokio::test]
async fn a_database_that_is_not_shared_is_our_configuration() {
    let stand_in = StandIn::start(COLUMNS).await;
    let mirror = mirror_to(&stand_in, TOKEN, "ffffffffffffffffffffffffffffffff");
    let tried = put(&mirror, "s@example.com", json!({})).await;
    assert_eq!((tried.error, tried.status), (Some(AttemptError::Login), Some(404)));
    let message = tried.message.unwrap();
    assert!(message.contains("share the database with the integration"), "{message}");
}

#[tokio::test]
async fn what_cannot_be_an_id_is_never_sent() {
    let stand_in = StandIn::start(COLUMNS).await;
    for id in ["", "../users", "https://www.notion.so/x?v=1"] {
        let mirror = mirror_to(&stand_in, TOKEN, id);
        let tried = put(&mirror, "s@example.com", json!({})).await;
        assert_eq!(tried.error, Some(AttemptError::Login));
    }
    assert!(stand_in.calls().is_empty());
}

#[tokio::test]
async fn a_refused_token_is_our_configuration() {
    let stand_in = StandIn::start(COLUMNS).await;
    let mirror = mirror_to(&stand_in, "ntn_wrong", DATABASE);
    let tried = put(&mirror, "s@example.com", json!({})).await;
    assert_eq!((tried.error, tried.status), (Some(AttemptError::Login), Some(401)));
    assert!(!format!("{tried:?}").contains("ntn_wrong"));
}

#[tokio::test]
async fn a_renamed_property_is_noticed_within_the_attempt() {
    let stand_in = StandIn::start(COLUMNS).await;
    let mirror = mirror_to(&stand_in, TOKEN, DATABASE);
    assert_eq!(put(&mirror, "a@example.com", json!({"score": 1})).await.error, None);
    stand_in.world.lock().unwrap().columns[3].0 = String::from("Points");
    let tried = put(&mirror, "b@example.com", json!({"score": 1, "points": 2})).await;
    assert_eq!(tried.error, None, "{tried:?}");
    let pages = stand_in.world.lock().unwrap().pages.clone();
    assert_eq!(pages.len(), 2);
    assert_eq!(pages[1].1["Points"], json!({"number": 2}));
}

#[tokio::test]
async fn refusals_keep_notions_own_words_and_its_wishes() {
    let stand_in = StandIn::start(COLUMNS).await;
    let mirror = mirror_to(&stand_in, TOKEN, DATABASE);
    assert_eq!(put(&mirror, "s@example.com", json!({})).await.error, None);
    for (status, code, expected) in [
        (429, "rate_limited", AttemptError::Status),
        (409, "conflict_error", AttemptError::Deferred),
        (503, "service_unavailable", AttemptError::Status),
        (529, "service_overload", AttemptError::Status),
    ] {
        let body = error(status, code, "please wait");
        let answer = Instead { to: "PATCH", status, retry_after: Some(3), body };
        stand_in.world.lock().unwrap().instead = vec![answer];
        let tried = put(&mirror, "s@example.com", json!({})).await;
        assert_eq!((tried.error, tried.status), (Some(expected), Some(status)));
        assert_eq!(tried.retry_after, Some(Duration::from_secs(3)));
        assert!(tried.message.unwrap().contains("please wait"));
    }
    let body = error(400, "validation_error", "Score is expected to be number.");
    let answer = Instead { to: "PATCH", status: 400, retry_after: None, body };
    stand_in.world.lock().unwrap().instead = vec![answer.clone(), answer];
    let tried = put(&mirror, "s@example.com", json!({})).await;
    assert_eq!((tried.error, tried.status), (Some(AttemptError::Status), Some(400)));
    let message = tried.message.unwrap();
    assert!(message.contains("validation_error: Score is expected"), "{message}");
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_named_on_success() {
    let stand_in = StandIn::start(COLUMNS).await;
    let mirror = mirror_to(&stand_in, TOKEN, DATABASE);
    let tried = put(&mirror, "s@example.com", json!({"score": "many", "owner": "me"})).await;
    assert_eq!(tried.error, None);
    assert!(tried.message.unwrap().ends_with("created; left out: `score` is not a number"));
}
