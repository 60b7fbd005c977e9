//! E-mails: whatever a value holds, it brings no header, no recipient, no markup and no link
//! into a message; and whatever an author writes, the message stays one that servers take.

use std::collections::BTreeMap;
use std::path::Path;

use rulerun::base::{SourceMap, Span, Timestamp, Zone};
use rulerun::mail::{MailRequest, render};
use rulerun::model::Content;
use rulerun::model::queue::Email;
use rulerun::model::rules::{MailKind, Sender};
use rulerun::template::{Format, Template};
use serde_json::{Map, Value};

use super::{Target, context, joined, parts, seeds};

/// The target.
pub const TARGET: Target = Target { name: "mail", run, seeds: begin, words: WORDS };

const WORDS: &[&str] = &[
    "\r\nBcc: eve@example.com\r\n",
    "\r\n\r\n",
    "\n.\n",
    "<script>",
    "<b>",
    "</p>",
    "<!--",
    "-->",
    "[Pay here](https://evil.example)",
    "![](https://evil.example/p.png)",
    "<https://evil.example>",
    "[a]: https://evil.example",
    "# ",
    "\n# ",
    "- ",
    "1. ",
    "> ",
    "```",
    "    ",
    "***",
    "===",
    "&lt;",
    "&#60;",
    "\u{202e}",
    "\u{2028}",
    "\u{85}",
    "\u{a0}",
    "\u{200b}",
    "=?utf-8?q?x?=",
    "=_",
    "javascript:",
    "\\",
    "| a |\n|---|",
    "~~",
    "[^1]",
    "{{ v }}",
    "@",
    ",",
    "eve@example.com",
    "\"eve\" <eve@example.com>",
];

/// E-mails with a value wherever an author may put one, but in the address of a link
/// ([`ADDRESSES`]).
const BODIES: [&str; 6] = [
    "Hi {{ v }},\n\nyou wrote: {{ v }}\n",
    "# {{ v }}\n\n- {{ v }}\n- b {{ v }}\n\n1. {{ v }}\n",
    "> {{ v }}\n\n[{{ v }}](https://example.com/book) and **so {{ v }} it** is\n",
    "<p title=\"{{ v }}\">{{ v }}</p>\n\n{{ v }}\n===\n\n`so {{ v }} it`\n",
    "```\n{{ v }}\n```\n\n    {{ v }}\n\n***\n\n{{ v }}{{ v }}\n",
    "{{ v }}\n{{ v }}\n\n[book][b]\n\n[b]: https://example.com/book\n{{ v }}",
];

/// A value behind the host of every kind of address, where it may complete what the author
/// began.
const ADDRESSES: &str = "[go](https://example.com/?who={{ v }}) <https://example.com/{{ v }}>\n\n\
    ![i](https://example.com/{{ v }}#{{ v }}) [go][r]\n\n[r]: https://example.com?{{ v }}\n";

/// Elements that an e-mail may have.
const ELEMENTS: &str = "html head meta title body div p h1 h2 h3 h4 h5 h6 ul ol li a img blockquote \
    pre code hr br em strong";

/// Subject, value, recipient, Markdown of an author; the first byte chooses one of ours.
fn run(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let [subject, value, to, author] = parts(data);
    let [subject, value, to, author] =
        [subject, value, to, author].map(|part| String::from_utf8_lossy(part).into_owned());
    let body = BODIES[usize::from(*choice) % BODIES.len()];
    let address = "sarah@example.com";
    let harmless = written("Hello x", &filled(body, "x"), address).expect("a harmless e-mail");
    let hostile = written(&format!("Hello {subject}"), &filled(body, &value), address);
    // A value that shows nothing leaves a gap: what stood around it may be read otherwise.
    let shows = |letter: char| !letter.is_control() && !letter.is_whitespace();
    if let Some(hostile) = hostile.filter(|_| value.contains(shows)) {
        assert_eq!(hostile.to, address);
        assert_eq!(names(&hostile), names(&harmless), "a value brought a header");
        let (ours, theirs) = (elements(&harmless), elements(&hostile));
        for (element, count) in &theirs {
            let expected = ours.get(element).copied().unwrap_or(0);
            assert!(*count <= expected, "{value:?} brought {element:?}");
        }
    }
    if let Some(email) = written("Hello", &filled(ADDRESSES, &value), address) {
        for element in elements(&email).into_keys() {
            let target =
                element.split_once(' ').map_or("https://example.com/", |(_, target)| target);
            let is_ours = target
                .strip_prefix("https://example.com")
                .is_some_and(|rest| rest.starts_with(['/', '?']));
            assert!(is_ours, "{value:?} leads to {target}");
        }
    }
    if let Some(email) = written(&subject, &author, &to) {
        assert!(email.to.matches('@').count() >= 1 && email.to.len() <= 254, "{:?}", email.to);
        assert!(!email.to.contains(|c: char| c.is_control() || !c.is_ascii()), "{:?}", email.to);
        assert_eq!(names(&email), names(&harmless), "an author brought a header");
        for element in elements(&email).into_keys() {
            let name = element.split(' ').next().unwrap_or_default();
            assert!(ELEMENTS.split_whitespace().any(|known| known == name), "{element:?}");
        }
    }
}

/// A template of ours with a value in it, as the engine fills it.
fn filled(body: &str, value: &str) -> String {
    let payload: Map<String, Value> =
        [(String::from("v"), Value::from(value))].into_iter().collect();
    let template = Template::compile(body, Format::Markdown).expect("a template");
    template.text(&context(&payload)).unwrap_or_default()
}

/// The message, if there is one; its lines are as SMTP wants them.
fn written(subject: &str, markdown: &str, to: &str) -> Option<Email> {
    let span = Span::new(SourceMap::new().add("rules.kdl", ""), 0..0);
    let sender = Sender {
        caps: Vec::new(),
        seeds: Vec::new(),
        name: Some(String::from("Acme")),
        address: String::from("hello@example.com"),
        reply_to: None,
        postal_address: Some(String::from("Acme\n1 Main St")),
        zone: Zone::UTC,
        span,
    };
    let email = render(&MailRequest {
        sequence: "welcome",
        name: "welcome-1",
        kind: MailKind::Marketing,
        sender: &sender,
        to,
        subject: subject.to_owned(),
        content: Content::markdown(markdown),
        unsubscribe_url: Some(String::from("https://example.com/u/abc")),
        message_id: String::from("0AbC9"),
        at: "2025-12-01T10:30:00Z".parse::<Timestamp>().expect("a time"),
    })
    .ok()?;
    let message = std::str::from_utf8(&email.message).expect("messages are ASCII");
    assert!(message.is_ascii() && !message.contains('\0'));
    for line in message.split("\r\n") {
        assert!(line.len() <= 998 && !line.contains(['\r', '\n']), "{line:?}");
    }
    Some(email)
}

/// The names of the headers, in order.
fn names(email: &Email) -> Vec<String> {
    let message = String::from_utf8_lossy(&email.message).into_owned();
    let head = message.split_once("\r\n\r\n").map_or(message.as_str(), |(head, _)| head);
    let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    lines.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
}

/// How often each element stands in the HTML, links and images with where they lead.
fn elements(email: &Email) -> BTreeMap<String, usize> {
    let html = html(email);
    let mut found = BTreeMap::new();
    for tag in html.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let name = tag.split_whitespace().next().unwrap_or_default();
        if name.starts_with(['/', '!']) {
            continue;
        }
        let mut element = name.to_owned();
        for attribute in ["href=\"", "src=\""] {
            if let Some((_, rest)) = tag.split_once(attribute) {
                let target = rest.split('"').next().unwrap_or_default();
                let scheme = target.split(':').next().unwrap_or_default().to_ascii_lowercase();
                assert!(["http", "https", "mailto", "tel"].contains(&scheme.as_str()), "{tag}");
                element.extend([" ", target]);
            }
        }
        *found.entry(element).or_insert(0) += 1;
    }
    found
}

/// The HTML part, decoded from quoted-printable.
fn html(email: &Email) -> String {
    let message = String::from_utf8_lossy(&email.message).into_owned();
    let part = message.split_once("text/html").expect("an HTML part").1;
    let body = part.split_once("\r\n\r\n").expect("a body").1.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = body.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'=').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn begin(root: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let values =
        ["Sarah", "[Pay here](https://evil.example)", "<b>\r\nBcc: eve@example.com", "# x\n\n- y"];
    for (choice, value) in (0_u8..).zip(values.iter().cycle()).take(12) {
        let fields = joined(&[b"hello", value.as_bytes(), b"eve@example.com", b"Hi **you**\n"]);
        found.push([&[choice][..], &fields].concat());
    }
    for (_, text) in seeds::files(&root.join("rules"), &["md"]) {
        let fields = joined(&[b"hello", b"Sarah", b"sarah@example.com", text.as_bytes()]);
        found.push([&[0][..], &fields].concat());
    }
    found
}
