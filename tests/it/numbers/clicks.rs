//! Counted clicks: what is led over the server, where it leads, and what counts.

use mail_parser::MessageParser;
use serde_json::json;

use crate::support::server::{Make, TestServer, eventually, results};
use crate::support::smtp_server::{Script, Server};

use super::stats;

const RULES: &str = r#"
sender "Acme <hello@acme.test>" {
    postal-address "1 Main Street"
}
service "mail" type="smtp" {
    url (env)"SMTP_URL" optional=#true
}
webhooks "t" {
    path "/t"
    endpoint "start" {
        payload {
            email email
            link text
        }
        start "s"
        start "quiet"
    }
}
sequence "s" to="{{email}}" {
    track "clicks"
    email "one" after="0s" subject="One"
    email "page" after="0s" subject="Page"
}
sequence "quiet" to="{{email}}" {
    email "three" after="0s" subject="Three"
}
"#;

const TEXT: &str = "[Shop](https://example.com/shop?a=1&b=2#c), [mail](mailto:a@example.com), \
                    [call](tel:+4912345), [off]({{unsubscribe_url}}). Yours: {{link}}\n";
const PAGE: &str = "<p>Hello. <a href=\"https://example.com/a\">A</a> \
                    <a href='https://example.com/b'>B</a> {{link}} \
                    <a href=\"{{unsubscribe_url}}\">off</a></p>\n";

struct Sent {
    server: TestServer,
    smtp: Server,
}

async fn sent() -> Sent {
    let smtp = Server::start(vec![Script::default()]).await;
    let server = make(Make::empty(), &smtp).start().await;
    let link = "[x](https://evil.example/) <a href=\"https://evil.example/\">y</a>";
    let person = json!({ "email": "ann@shop.example", "link": link });
    assert_eq!(server.post("/t/start", &person).await.status, 200);
    eventually("three are sent", || async { smtp.messages().len() == 3 }).await;
    Sent { server, smtp }
}

fn make(make: Make, smtp: &Server) -> Make {
    files(make).env("SMTP_URL", &format!("smtp://127.0.0.1:{}", smtp.port)).on_disk()
}

fn files(make: Make) -> Make {
    make.file("rules/t.kdl", RULES)
        .file("rules/emails/one.md", TEXT)
        .file("rules/emails/page.html", PAGE)
        .file("rules/emails/three.md", TEXT)
}

impl Sent {
    /// The links of an e-mail's HTML, and its plain text.
    fn mail(&self, subject: &str) -> (Vec<String>, String) {
        let all = self.smtp.messages();
        let of = |message: &&String| message.contains(&format!("Subject: {subject}\r\n"));
        let message = all.iter().find(of).expect("a message");
        let mail = MessageParser::default().parse(message.as_bytes()).unwrap();
        let html = mail.body_html(0).unwrap().into_owned();
        let links = rulerun::markup::see(&html).links.into_iter().map(|link| link.url);
        (links.collect(), mail.body_text(0).unwrap().into_owned())
    }

    /// The path of the first link in the first e-mail.
    fn path(&self) -> String {
        let (links, _) = self.mail("One");
        path_of(&links[0])
    }

    async fn clicked(&self) -> u64 {
        clicked(&self.server).await
    }
}

/// What follows the host of an address.
fn path_of(url: &str) -> String {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.find('/').map_or_else(String::new, |at| rest[at..].to_owned())
}

async fn clicked(server: &TestServer) -> u64 {
    let body = stats(server, "s").await;
    let of = |step: usize| body["steps"][step]["clicked"].as_u64().unwrap();
    assert_eq!(of(1), 0, "nobody clicks in the other e-mail");
    of(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_web_links_of_the_author_lead_over_the_server_and_the_text_stays_as_it_is() {
    let sent = sent().await;
    for (subject, count, first) in
        [("One", 1, "https://example.com/shop?a=1&b=2#c"), ("Page", 2, "https://example.com/a")]
    {
        let (links, text) = sent.mail(subject);
        let ours = |url: &&String| path_of(url).starts_with("/c/");
        assert_eq!(links.iter().filter(ours).count(), count, "{links:?}");
        let left: Vec<_> = links.iter().filter(|url| !ours(url)).collect();
        for url in &left {
            let fine = ["mailto:", "tel:"].iter().any(|known| url.starts_with(known));
            assert!(fine || path_of(url).starts_with("/unsubscribe/"), "{subject}: {url}");
        }
        assert!(!text.contains("/c/") && text.contains("https://example.com/"), "{text}");
        let answer = sent.server.send("HEAD", &path_of(&links[0]), &[], "").await;
        assert_eq!(answer.headers["location"], first);
    }
    let (links, _) = sent.mail("Three");
    assert!(links.contains(&"https://example.com/shop?a=1&b=2#c".to_owned()), "{links:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_links_of_a_captured_email_can_be_tried() {
    let server = files(Make::empty()).start().await;
    let person = json!({ "email": "ann@shop.example", "link": "" });
    assert_eq!(server.post("/t/start", &person).await.status, 200);
    let outbox = || async { results(&server.get("/api/v1/outbox").await) };
    eventually("three are captured", || async { outbox().await.len() == 3 }).await;
    let one = outbox().await.into_iter().find(|mail| mail["name"] == "one").unwrap();
    let whole = server.get(&format!("/api/v1/outbox/{}", one["id"].as_str().unwrap())).await.json();
    let links = rulerun::markup::see(whole["html"].as_str().unwrap()).links;
    let path = path_of(&links[0].url);
    assert!(path.starts_with("/c/"), "{links:?}");
    let answer = server.get(&path).await;
    assert_eq!(answer.headers["location"], "https://example.com/shop?a=1&b=2#c");
    assert_eq!(clicked(&server).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_counts_once_however_many_come_at_once_and_also_after_a_restart() {
    let sent = sent().await;
    let path = sent.path();
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let url = sent.server.url(&path);
        asks.spawn_blocking(move || {
            let config = ureq::Agent::config_builder().max_redirects(0).proxy(None);
            let agent: ureq::Agent =
                config.max_redirects_will_error(false).http_status_as_error(false).build().into();
            agent.get(&url).call().unwrap().status().as_u16()
        });
    }
    assert_eq!(asks.join_all().await, [302; 50]);
    assert_eq!(sent.clicked().await, 1);
    let Sent { server, smtp } = sent;
    let TestServer { server, folder } = server;
    server.stop().await;
    let server = make(Make::within(folder), &smtp).start().await;
    let answer = server.get(&path).await;
    assert_eq!(answer.status, 302, "the link still works");
    assert_eq!(clicked(&server).await, 1, "and is not counted again");
    let step = &stats(&server, "s").await["steps"][0];
    assert_eq!((&step["sent"], &step["rates"]["clicked"]), (&json!(1), &json!(1.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_and_people_who_do_not_want_it_are_sent_on_and_not_counted() {
    let sent = sent().await;
    let path = sent.path();
    for (method, headers) in [
        ("HEAD", vec![]),
        ("GET", vec![("sec-purpose", "prefetch;prerender")]),
        ("GET", vec![("purpose", "prefetch")]),
        ("GET", vec![("dnt", "1")]),
        ("GET", vec![("sec-gpc", "1")]),
    ] {
        let answer = sent.server.send(method, &path, &headers, "").await;
        assert_eq!(answer.status, 302, "{method} {headers:?}");
        assert_eq!(answer.headers["location"], "https://example.com/shop?a=1&b=2#c");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(!answer.headers.contains_key("set-cookie"));
        assert_eq!(sent.clicked().await, 0, "{method} {headers:?}");
    }
    let answer = sent.server.send("POST", &path, &[], "").await;
    assert_eq!(answer.status, 405);
    // An e-mail that has been forgotten: the link works, and counts nothing.
    let forget = "/api/v1/contacts/ann@shop.example";
    assert_eq!(sent.server.send("DELETE", forget, &[], "").await.status, 200);
    assert_eq!(sent.server.get(&path).await.status, 302);
    assert_eq!(sent.clicked().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_forged_link_leads_anywhere() {
    let sent = sent().await;
    let path = sent.path();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let first = sent.server.get("/c/").await;
    assert_eq!(first.status, 404);
    for number in 0..1_000_usize {
        let mut bytes = path.clone().into_bytes();
        let at = 3 + number * 7 % (bytes.len() - 3);
        let old = alphabet.iter().position(|letter| *letter == bytes[at]).unwrap();
        // The last letter has bits that say nothing; another one there is no base64 at all.
        bytes[at] = alphabet[(old + 1 + number % 62) % 64];
        let forged = String::from_utf8(bytes).unwrap();
        let answer = sent.server.get(&forged).await;
        assert_eq!(answer.status, 404, "{forged}");
        assert_eq!(answer.text, first.text, "every wrong link gets the same answer");
        assert!(!answer.headers.contains_key("location"), "{forged}");
    }
    // The token of an unsubscribe link opens no other door, nor the other way round.
    let (links, _) = sent.mail("One");
    let off = links.iter().find_map(|url| url.split_once("/unsubscribe/")).unwrap().1;
    assert_eq!(sent.server.get(&format!("/c/{off}")).await.status, 404);
    let swapped = path.replace("/c/", "/unsubscribe/");
    assert_eq!(sent.server.get(&swapped).await.status, 404);
    assert_eq!(sent.clicked().await, 0);
}
