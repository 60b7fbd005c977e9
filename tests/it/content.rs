//! E-mails of every kind as a foreign program reads them: what the author wrote, in whichever
//! way, arrives letter for letter and byte for byte.

use mail_parser::{Message, MessageParser, MimeHeaders as _, PartType};
use rulerun::base::{Asset, Id, SourceMap, time};
use rulerun::model::{RuleSet, Task};
use rulerun::review::{self, Scene, starts};
use rulerun::store::JobFilter;

use crate::support::server::Make;

/// Bytes of every value, so that nothing in between can keep them by luck.
fn bytes(length: usize) -> Vec<u8> {
    (0..=255u8).cycle().take(length).collect()
}

const RULES: &str = r#"
sender "Zoë Müller <zoe@example.com>" {
    postal-address "1 Main Street, Århus"
}
webhooks "t" {
    path "/t"
    endpoint "signup" {
        payload {
            email email example="ann@example.com"
            name text example="Łukasz <b>& \"Söhne\"</b> 🎄"
            site url example="https://example.com/?a=1&b=ü"
        }
        start "s"
    }
}
"#;

const TEXT: &str = "Grüße, Łukasz <b>& \"Söhne\"</b> 🎄";

const HTML: &str = "<style>p { color: #222222 }</style>\n\
    <p>Grüße, {{name}}</p><p><a href=\"{{site}}\" title=\"{{name}}\">日本語</a></p>\
    <table>{% for letter in ['ä', 'ß'] %}<tr><td>{{letter}}</td></tr>{% endfor %}</table>\n";

const MJML: &str = "<mjml><mj-body><mj-section><mj-column>\n\
    <mj-text>Grüße, {{name}}</mj-text>\n\
    <mj-button href=\"{{site}}\">日本語</mj-button>\n\
    </mj-column></mj-section></mj-body></mjml>\n";

const LAYOUT: &str = "<!DOCTYPE html>\n<html lang=\"da\">\n<head>\n<title></title>\n\
    <style>p { color: #333333 } @media (max-width: 600px) { p { font-size: 18px } }</style>\n\
    </head>\n<body>\n<h1>Æblegård</h1>\n{{content}}\n\
    <p>{{postal_address}} <a href=\"{{unsubscribe_url}}\">Frameld</a></p>\n</body>\n</html>\n";

/// A rule set with one e-mail, `hello`, and the files beside it.
struct Project {
    step: String,
    sequence: &'static str,
    sources: SourceMap,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let mut sources = SourceMap::new();
        for (name, text) in files {
            sources.add(format!("rules/emails/{name}"), *text);
        }
        let step = String::from("email \"hello\" subject=\"Für {{name}}\"");
        Self { step, sequence: "", sources }
    }

    fn asset(mut self, name: &str, bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        self.sources.add_asset(Asset {
            path: format!("rules/emails/{name}"),
            size: bytes.len() as u64,
            hash: hex::encode(sha2::Sha256::digest(bytes)),
            bytes: Some(bytes.into()),
        });
        self
    }

    fn step(mut self, more: &str) -> Self {
        self.step.push_str(more);
        self
    }

    fn rules(mut self) -> RuleSet {
        let sequence = format!(
            "{RULES}\nsequence \"s\" to=\"{{{{email}}}}\" {} {{\n    {}\n}}\n",
            self.sequence, self.step
        );
        self.sources.add("rules/t.kdl", sequence);
        let (rules, found) = review::read(&self.sources);
        rules.unwrap_or_else(|| panic!("{found:?}"))
    }

    /// The message as it leaves.
    fn message(self) -> Vec<u8> {
        let rules = self.rules();
        let at = time::parse_time("2025-12-01T10:30:00Z").unwrap();
        let scene =
            Scene { rules: &rules, public_url: "https://mail.example.com", at, id: Id([7; 16]) };
        let sequence = &rules.sequences["s"];
        let start = starts(&rules, "s").remove(0);
        let draft = scene
            .draft(sequence, &sequence.steps[0], &start.full, &rulerun::engine::Pick::default())
            .unwrap();
        let letter = scene.letter(sequence, &sequence.steps[0], draft).unwrap();
        assert!(letter.email.message.is_ascii() && !letter.email.message.contains(&0));
        letter.email.message
    }
}

/// What every message says, however its text is written.
fn read(message: &[u8]) -> Message<'_> {
    let mail = MessageParser::default().parse(message).unwrap();
    assert_eq!(mail.subject(), Some("Für Łukasz <b>& \"Söhne\"</b> 🎄"));
    let from = mail.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Zoë Müller"), Some("zoe@example.com")));
    assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("ann@example.com"));
    assert_eq!(mail.message_id().unwrap().split('@').next_back(), Some("example.com"));
    assert!(mail.header("List-Unsubscribe").is_some() && mail.header("List-Id").is_some());
    mail
}

fn text(mail: &Message<'_>) -> String {
    mail.body_text(0).unwrap().replace("\r\n", "\n")
}

fn html(mail: &Message<'_>) -> String {
    mail.body_html(0).unwrap().replace("\r\n", "\n")
}

/// Both parts say who sends it and how to leave.
fn has_footer(mail: &Message<'_>) {
    for part in [text(mail), html(mail)] {
        assert!(part.contains("https://mail.example.com/unsubscribe/preview"), "{part}");
        assert!(part.contains("Main Street") && part.contains("Århus"), "{part}");
    }
}

#[test]
fn markdown_arrives_as_it_was_written() {
    let message =
        Project::new(&[("hello.md", "Grüße, {{name}}\n\n[日本語]({{site}})\n")]).message();
    let mail = read(&message);
    assert!(text(&mail).starts_with(&format!("{TEXT}\n\n日本語 (https://example.com/?a=1&b=ü)\n")));
    assert!(html(&mail).contains("Grüße, Łukasz &lt;b&gt;"));
    assert!(html(&mail).contains("<title>Für Łukasz &lt;b&gt;"));
    has_footer(&mail);
}

#[test]
fn html_arrives_with_its_styles_in_place() {
    let message = Project::new(&[("hello.html", HTML)]).message();
    let mail = read(&message);
    assert!(
        text(&mail)
            .starts_with(&format!("{TEXT}\n\n日本語 (https://example.com/?a=1&b=ü)\n\nä\nß\n")),
        "{}",
        text(&mail)
    );
    let page = html(&mail);
    assert!(
        page.contains("<p style=\"color: #222222;margin: 0 0 16px 0;\">Grüße")
            || page.contains("color: #222222"),
        "{page}"
    );
    assert!(page.contains("href=\"https://example.com/?a&#61;1&#38;b&#61;ü\""), "{page}");
    has_footer(&mail);
}

#[test]
fn mjml_arrives_as_html_that_mail_programs_read() {
    let message = Project::new(&[("hello.mjml", MJML)]).message();
    let mail = read(&message);
    assert!(text(&mail).contains(TEXT), "{}", text(&mail));
    assert!(text(&mail).contains("日本語 (https://example.com/?a=1&b=ü)"), "{}", text(&mail));
    let page = html(&mail);
    assert!(page.contains("<table") && !page.contains("<mj-"), "{page}");
    has_footer(&mail);
}

#[test]
fn a_plain_text_of_ones_own_takes_the_place_of_the_one_that_is_made() {
    for (file, source) in
        [("hello.md", "# Hi {{name}}"), ("hello.html", HTML), ("hello.mjml", MJML)]
    {
        let own = "Grüße & <Küsse>, {{name}}\n\n  東京\n";
        let message = Project::new(&[(file, source), ("hello.txt", own)]).message();
        let mail = read(&message);
        assert!(
            text(&mail)
                .starts_with("Grüße & <Küsse>, Łukasz <b>& \"Söhne\"</b> 🎄\n\n  東京\n\n---"),
            "{}",
            text(&mail)
        );
        has_footer(&mail);
    }
}

#[test]
fn a_layout_goes_around_markdown_and_parts_of_html_and_says_the_footer_itself() {
    for (file, source) in [("hello.md", "Grüße, {{name}}"), ("hello.html", HTML)] {
        let mut project = Project::new(&[(file, source), ("frame.html", LAYOUT)]);
        project.sequence = "layout=\"frame\"";
        let message = project.message();
        let mail = read(&message);
        let page = html(&mail);
        assert!(
            page.contains("<h1>Æblegård</h1>") && page.contains("<html lang=\"da\">"),
            "{page}"
        );
        assert!(page.contains("@media (max-width: 600px)"), "{page}");
        assert!(page.contains("<title>Für Łukasz"), "{page}");
        assert_eq!(page.matches("/unsubscribe/preview").count(), 1, "{page}");
        assert_eq!(page.matches("Århus").count(), 1, "{page}");
        assert!(text(&mail).contains(TEXT), "{}", text(&mail));
        has_footer(&mail);
    }
}

#[test]
fn numbers_days_and_layouts_are_in_the_language_of_the_text() {
    let files = [
        ("hello.md", "It costs {{14700 | number}} on {{'2026-01-01' | date}}.\n"),
        ("hello.de.md", "Es kostet {{14700 | number}} am {{'2026-01-01' | date}}.\n"),
        ("frame.html", "<html><body><h1>Hello</h1>{{content}}</body></html>"),
        ("frame.de.html", "<html><body><h1>Hallo</h1>{{content}}</body></html>"),
    ];
    for (sequence, shown, heading) in [
        ("layout=\"frame\"", "It costs 14,700 on 1 January 2026.", "Hello"),
        ("layout=\"frame\" locale=\"{{name}}\"", "It costs 14,700 on 1 January 2026.", "Hello"),
        ("layout=\"frame\" locale=\"de-AT\"", "Es kostet 14.700 am 1. Januar 2026.", "Hallo"),
        // Whoever writes for one language alone says it once, and needs no other text.
        ("layout=\"frame\" locale=\"de-CH\"", "Es kostet 14’700 am 1. Januar 2026.", "Hallo"),
        ("layout=\"frame\" locale=\"sv\"", "It costs 14\u{a0}700 on 2026-01-01.", "Hello"),
    ] {
        // A text that nobody gets is told.
        let files: Vec<_> = files
            .iter()
            .filter(|(name, _)| sequence.contains("locale") || !name.contains(".de."))
            .copied()
            .collect();
        let mut project = Project::new(&files);
        if sequence.contains("locale") {
            project = project.step(" { locale \"de\" subject=\"Für {{name}}\"; }");
        }
        project.sequence = sequence;
        let message = project.message();
        let mail = read(&message);
        assert!(text(&mail).starts_with(shown), "{sequence}: {}", text(&mail));
        assert!(
            html(&mail).contains(&format!("<h1>{heading}</h1>")),
            "{sequence}: {}",
            html(&mail)
        );
    }
}

#[test]
fn the_language_of_everybody_chooses_the_layout_of_the_only_text() {
    let mut project = Project::new(&[
        ("hello.md", "Es kostet {{14700 | number}}.\n"),
        ("frame.html", "<html><body><h1>Hello</h1>{{content}}</body></html>"),
        ("frame.de.html", "<html><body><h1>Hallo</h1>{{content}}</body></html>"),
    ]);
    project.sequence = "layout=\"frame\" locale=\"de-AT\"";
    let message = project.message();
    let mail = read(&message);
    assert!(text(&mail).starts_with("Es kostet 14.700."), "{}", text(&mail));
    assert!(html(&mail).contains("<h1>Hallo</h1>"), "{}", html(&mail));
}

#[test]
fn a_preheader_stands_first_in_the_html_and_nowhere_in_the_text() {
    for (file, source) in [("hello.md", "Hi"), ("hello.html", "<p>Hi</p>"), ("hello.mjml", MJML)] {
        let project = Project::new(&[(file, source)]).step(" preheader=\"Schön, {{name}}\"");
        let message = project.message();
        let mail = read(&message);
        let page = html(&mail);
        let (_, body) = page.split_once("<body").unwrap();
        let (_, body) = body.split_once('>').unwrap();
        assert!(body.starts_with("<div style=\"display:none"), "{body}");
        assert!(body.contains("Schön, Łukasz &lt;b&gt;"), "{body}");
        assert!(!text(&mail).contains("Schön"), "{}", text(&mail));
    }
}

#[test]
fn files_arrive_byte_for_byte_under_their_names() {
    let (guide, prices) = (bytes(100_000), bytes(77));
    let more =
        " {\n attach \"guide.pdf\" name=\"Führer für Łukasz.pdf\"\n attach \"p/prices.csv\"\n}";
    let project = Project::new(&[("hello.md", "Hi {{name}}")])
        .asset("guide.pdf", &guide)
        .asset("p/prices.csv", &prices)
        .step(more);
    let message = project.message();
    assert!(message.split(|byte| *byte == b'\n').all(|line| line.len() < 1000));
    let mail = read(&message);
    let files: Vec<_> = mail.attachments().collect();
    let told: Vec<_> = files
        .iter()
        .map(|file| {
            let kind = file.content_type().unwrap();
            let kind = format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default());
            (
                file.attachment_name().unwrap(),
                kind,
                file.contents() == guide || file.contents() == prices,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("Führer für Łukasz.pdf", "application/pdf".to_owned(), true),
            ("prices.csv", "text/csv".to_owned(), true)
        ]
    );
    assert!(text(&mail).starts_with("Hi Łukasz"));
}

#[test]
fn images_are_shown_from_within_the_message() {
    let logo = bytes(5_000);
    let kinds = [
        ("hello.md", "Hi {{name}}\n\n![Das Logo](img/logö.png)\n"),
        (
            "hello.html",
            "<p>Hi {{name}} <img src=\"img/logö.png\" alt=\"Das Logo\" width=\"90\"></p>",
        ),
        (
            "hello.mjml",
            "<mjml><mj-body><mj-section><mj-column><mj-text>Hi {{name}}</mj-text>\
             <mj-image src=\"img/logö.png\" alt=\"Das Logo\" /></mj-column></mj-section></mj-body></mjml>",
        ),
    ];
    for (file, source) in kinds {
        let message = Project::new(&[(file, source)]).asset("img/logö.png", &logo).message();
        let mail = read(&message);
        let page = html(&mail);
        let id = page.split("src=\"cid:").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let part = mail.parts.iter().find(|part| part.content_id() == Some(id.as_str())).unwrap();
        assert_eq!(part.contents(), logo, "{file}");
        assert_eq!(part.attachment_name(), Some("logö.png"));
        let related = mail
            .parts
            .iter()
            .find(|part| part.content_type().is_some_and(|kind| kind.subtype() == Some("related")));
        assert!(matches!(related.unwrap().body, PartType::Multipart(_)), "{file}");
    }
}

/// An e-mail with a file and an image, through a mail service.
fn make(port: u16) -> Make {
    let rules = RULES.replace("sender", "service \"smtp\" { url (env)\"SMTP_URL\"; }\nsender")
        + "sequence \"s\" to=\"{{email}}\" {\n    email \"hello\" subject=\"Hi\" {\n        attach \"guide.pdf\"\n    }\n}\n";
    Make::empty()
        .env("SMTP_URL", &format!("smtp://127.0.0.1:{port}"))
        .file("rules/t.kdl", &rules)
        .file("rules/emails/hello.html", "<p>Hi {{name}} <img src=\"dot.gif\" alt=\"A dot\"></p>")
        .file("rules/emails/dot.gif", "GIF89a one dot")
        .file("rules/emails/guide.pdf", "%PDF the first edition")
        .file("rules/emails/nobody-asks.bin", "\u{0}")
}

async fn start_one(server: &crate::support::server::TestServer, email: &str) {
    let call = serde_json::json!({ "email": email, "name": "Ann", "site": "https://example.com" });
    let answer = server.post("/t/signup", &call).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_message_names_its_files_and_the_one_that_leaves_has_them() {
    use crate::support::server::eventually;
    use crate::support::smtp_server::{Script, Server};
    let mail = Server::start(vec![Script::default()]).await;
    let server = make(mail.port).start().await;
    let version = server.app().live.load().rules.hash.clone();
    start_one(&server, "ann@example.com").await;
    eventually("the first e-mail arrives", || async { mail.messages().len() == 1 }).await;
    let file = |message: &str, name: &str| {
        let mail = MessageParser::default().parse(message.as_bytes()).unwrap();
        let part = mail.parts.iter().find(|part| part.attachment_name() == Some(name)).unwrap();
        String::from_utf8(part.contents().to_vec()).unwrap()
    };
    let first = mail.messages().remove(0);
    assert_eq!(file(&first, "guide.pdf"), "%PDF the first edition");
    assert_eq!(file(&first, "dot.gif"), "GIF89a one dot");
    // What the store keeps of it is small, whatever the file is.
    let jobs = server.app().store.jobs(JobFilter::default(), 0, 10).await.unwrap();
    let kept = jobs.rows.iter().find_map(|job| match &job.task {
        Task::Email(email) => Some(email.message.clone()),
        _ => None,
    });
    let kept = kept.unwrap();
    assert_eq!(rulerun::mail::waits_for(&kept).len(), 2);
    assert!(!String::from_utf8_lossy(&kept).contains("JVBERi"), "the file itself is not kept");
    // Another edition of the file is another version of the rules.
    let path = server.folder.path().join("rules/emails/guide.pdf");
    std::fs::write(&path, "%PDF the second edition").unwrap();
    eventually("the new file is seen", || async { server.app().live.load().rules.hash != version })
        .await;
    start_one(&server, "ben@example.com").await;
    eventually("the second e-mail arrives", || async { mail.messages().len() == 2 }).await;
    assert_eq!(file(&mail.messages()[1], "guide.pdf"), "%PDF the second edition");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_message_leaves_with_its_first_files_after_a_restart_with_others() {
    use crate::support::server::{TestClock, eventually};
    use crate::support::smtp_server::{Answer::Say, Script, Server};
    let later = Script { rcpt: &[Say("451 4.3.0 try later")], ..Script::default() };
    let mail = Server::start(vec![later, Script::default()]).await;
    let clock = TestClock::at("2026-03-02T10:00:00Z");
    let guide = format!("%PDF the first edition {}", "of many pages ".repeat(5_000));
    let first = make(mail.port).file("rules/emails/guide.pdf", &guide).clock(&clock);
    let server = first.on_disk().start().await;
    start_one(&server, "ann@example.com").await;
    eventually("it is put off", || async {
        mail.log().iter().any(|line| line.starts_with("RCPT"))
            && server.get("/api/v1/queue/stats").await.json()["pending"] == 1
    })
    .await;
    std::fs::write(server.folder.path().join("rules/emails/guide.pdf"), "%PDF another").unwrap();
    std::fs::write(server.folder.path().join("rules/emails/dot.gif"), "GIF89a another").unwrap();
    let env = Make::empty().env("SMTP_URL", &format!("smtp://127.0.0.1:{}", mail.port));
    let server = crate::sending::restarted(server, env.clock(&clock)).await;
    server.advance(&clock, std::time::Duration::from_hours(1)).await;
    eventually("it arrives", || async { mail.messages().len() == 1 }).await;
    let message = mail.messages().remove(0);
    let message = MessageParser::default().parse(message.as_bytes()).unwrap();
    let file = |name: &str| {
        let part = message.parts.iter().find(|part| part.attachment_name() == Some(name)).unwrap();
        String::from_utf8(part.contents().to_vec()).unwrap()
    };
    assert_eq!(file("guide.pdf"), guide);
    assert_eq!(file("dot.gif"), "GIF89a one dot");
}

#[test]
fn files_that_are_too_large_are_refused_and_large_ones_are_told() {
    let told = |megabytes: u64| {
        let mut project = Project::new(&[("hello.md", "Hi")]).step(" { attach \"a.zip\"; }");
        project.sources.add_asset(Asset {
            path: String::from("rules/emails/a.zip"),
            size: megabytes * 1024 * 1024 + 1,
            hash: String::new(),
            bytes: None,
        });
        let rules =
            format!("{RULES}\nsequence \"s\" to=\"{{{{email}}}}\" {{\n    {}\n}}\n", project.step);
        project.sources.add("rules/t.kdl", rules);
        let (rules, found) = review::read(&project.sources);
        let large = found.iter().any(|one| one.code == rulerun::language::codes::LARGE_ATTACHMENT);
        (rules.is_some(), large)
    };
    assert_eq!((told(1), told(3), told(10)), ((true, false), (true, true), (false, true)));
}

#[test]
fn images_and_files_weigh_together() {
    let told = |text: &str, more: &str| {
        let mut project = Project::new(&[("hello.md", text)]).step(more);
        for name in ["guide.pdf", "shop.png"] {
            project.sources.add_asset(Asset {
                path: format!("rules/emails/{name}"),
                size: 6 * 1024 * 1024,
                hash: name.to_owned(),
                bytes: None,
            });
        }
        let rules =
            format!("{RULES}\nsequence \"s\" to=\"{{{{email}}}}\" {{\n    {}\n}}\n", project.step);
        project.sources.add("rules/t.kdl", rules);
        let found = review::read(&project.sources).1.into_iter();
        let large = found.filter(|one| one.code == rulerun::language::codes::LARGE_ATTACHMENT);
        large.map(|one| one.message).collect::<Vec<_>>()
    };
    let (image, file) = ("Hi ![Our shop](shop.png)", " { attach \"guide.pdf\"; }");
    let alone = "the files and images of this e-mail have 6.0 MB";
    assert_eq!(told(image, ""), [alone]);
    assert_eq!(told("Hi", file), [alone]);
    let both = format!("{}: no more than 10 MB may leave", alone.replace("6.0", "12.0"));
    assert_eq!(told(image, file), [both]);
}
