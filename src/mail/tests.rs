//! What a message promises, whatever stands in its texts.

use super::{MailError, MailRequest, render};
use crate::base::source::{SourceMap, Span};
use crate::base::time::{Timestamp, Zone};
use crate::model::Content;
use crate::model::queue::Email;
use crate::model::rules::{MailKind, Sender};

fn sender() -> Sender {
    Sender {
        name: Some("Acme Scaling".to_owned()),
        address: "hello@acme.example".to_owned(),
        reply_to: Some("sang@acme.example".to_owned()),
        postal_address: Some("Acme Scaling\n1 Main St\nSpringfield".to_owned()),
        caps: Vec::new(),
        seeds: Vec::new(),
        zone: Zone::UTC,
        span: Span::new(SourceMap::new().add("rules.kdl", ""), 0..0),
    }
}

fn request(sender: &Sender) -> MailRequest<'_> {
    MailRequest {
        sequence: "noshow-recovery",
        name: "noshow-1",
        kind: MailKind::Marketing,
        sender,
        to: "sarah@salon.example",
        subject: "Sorry we missed you".to_owned(),
        content: Content::markdown("Hi Sarah,\n\n[Choose a time](https://acme.example/book)\n"),
        unsubscribe_url: Some("https://mail.acme.example/u/abc123".to_owned()),
        message_id: "0AbC9".to_owned(),
        at: "2025-12-01T10:30:00Z".parse::<Timestamp>().unwrap(),
    }
}

fn with(change: impl FnOnce(&mut MailRequest<'_>)) -> Result<Email, MailError> {
    let sender = sender();
    let mut request = request(&sender);
    change(&mut request);
    render(&request)
}

fn markdown(text: &str) -> Email {
    with(|request| {
        request.kind = MailKind::Transactional;
        request.content = Content::markdown(text);
    })
    .unwrap()
}

#[test]
fn the_page_of_a_packed_message_is_found_again() {
    use super::{Packing, draw, pack_as, page_of};
    use crate::model::Attachment;
    use std::sync::Arc;
    let sender = sender();
    let mut request = request(&sender);
    request.content = Content::markdown(
        "Grüße = =3D \"Sarah\" 🎄 [a](https://acme.example/?a=1&b=2) ![dot](dot.gif)\n\n".repeat(9),
    );
    let file = |name: &str| {
        Arc::new(Attachment::new(name.to_owned(), name.repeat(9), 1, Some(b"<p>no page</p>")))
    };
    request.content.images.push(file("dot.gif"));
    request.content.attachments.push(file("page.html"));
    let drawn = draw(&request).unwrap();
    for packing in [Packing::Message, Packing::Resend, Packing::Postmark { stream: "outbound" }] {
        let packed = pack_as(&request, drawn.clone(), packing).unwrap();
        let page = page_of(&packed.message).map(|page| page.replace("\r\n", "\n"));
        assert_eq!(page.as_deref().map(str::trim_end), Some(drawn.html.trim_end()), "{packing:?}");
    }
    // A text and a subject that say what a head says are neither.
    request.subject = "Content-Type: text/html".to_owned();
    request.content =
        Content::markdown("Write it so:\n\n    Content-Type: text/html\n\nand so on.");
    let drawn = draw(&request).unwrap();
    let packed = pack_as(&request, drawn.clone(), Packing::Message).unwrap();
    let page = page_of(&packed.message).map(|page| page.replace("\r\n", "\n"));
    assert_eq!(page.as_deref().map(str::trim_end), Some(drawn.html.trim_end()));
    assert_eq!(page_of(b""), None);
    assert_eq!(page_of(b"{"), None);
}

/// The header lines, unfolded.
fn headers(email: &Email) -> Vec<String> {
    let message = String::from_utf8(email.message.clone()).unwrap();
    let (head, _) = message.split_once("\r\n\r\n").unwrap();
    head.replace("\r\n ", " ").split("\r\n").map(str::to_owned).collect()
}

/// The value of the only header of that name.
fn header(email: &Email, name: &str) -> Option<String> {
    let found: Vec<String> = headers(email)
        .into_iter()
        .filter_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
        .collect();
    assert!(found.len() <= 1, "{name} stands {} times", found.len());
    found.into_iter().next()
}

/// The decoded bodies of the two parts.
fn parts(email: &Email) -> (String, String) {
    let message = String::from_utf8(email.message.clone()).unwrap();
    let kind = header(email, "Content-Type").unwrap();
    let boundary = kind.split('"').nth(1).unwrap();
    let parts: Vec<&str> = message.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "{message}");
    assert_eq!(parts[3], "--\r\n");
    let body = |part: &str, kind: &str| {
        let (head, body) = part.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Type: {kind}; charset=utf-8")), "{head}");
        decode(body)
    };
    (body(parts[1], "text/plain"), body(parts[2], "text/html"))
}

/// Undoes quoted-printable.
fn decode(text: &str) -> String {
    let bytes = text.replace("=\r\n", "").into_bytes();
    let mut out = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'=' {
            let code = std::str::from_utf8(&tail[..2]).unwrap();
            out.push(u8::from_str_radix(code, 16).unwrap());
            rest = &tail[2..];
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(out).unwrap().replace("\r\n", "\n")
}

#[test]
fn a_message_carries_every_header_once() {
    let email = with(|_| {}).unwrap();
    let expected = [
        ("From", "\"Acme Scaling\" <hello@acme.example>"),
        ("To", "<sarah@salon.example>"),
        ("Reply-To", "sang@acme.example"),
        ("Subject", "Sorry we missed you"),
        ("Date", "Mon, 01 Dec 2025 10:30:00 +0000"),
        ("Message-ID", "<0AbC9@acme.example>"),
        ("MIME-Version", "1.0"),
        ("List-Id", "<noshow-recovery.acme.example>"),
        ("List-Unsubscribe", "<https://mail.acme.example/u/abc123>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ];
    for (name, value) in expected {
        assert_eq!(header(&email, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(headers(&email).len(), expected.len() + 1, "{:?}", headers(&email));
    assert!(header(&email, "Content-Type").unwrap().starts_with("multipart/alternative;"));
    assert_eq!(
        (email.from.as_str(), email.to.as_str()),
        ("hello@acme.example", "sarah@salon.example")
    );
}

#[test]
fn the_same_request_gives_the_same_bytes() {
    assert_eq!(with(|_| {}), with(|_| {}));
    let other = with(|request| request.message_id = "0AbCa".to_owned());
    assert_ne!(with(|_| {}).unwrap().message, other.unwrap().message);
}

#[test]
fn a_date_before_1970_is_no_reason_to_stop() {
    let email = with(|request| request.at = Timestamp::MIN).unwrap();
    assert_eq!(header(&email, "Date").as_deref(), Some("Thu, 01 Jan 1970 00:00:00 +0000"));
    assert!(with(|request| request.at = Timestamp::MAX).is_ok());
}

#[test]
fn both_parts_say_the_same() {
    let email = with(|_| {}).unwrap();
    let (text, html) = parts(&email);
    assert_eq!(text.trim_end(), email.text.trim_end());
    assert_eq!(
        email.text,
        "Hi Sarah,\n\nChoose a time (https://acme.example/book)\n\n----------\n\n\
         Acme Scaling\n1 Main St\nSpringfield\n\n\
         Unsubscribe (https://mail.acme.example/u/abc123)\n"
    );
    for part in [
        "<title>Sorry we missed you</title>",
        "href=\"https://acme.example/book\"",
        "1 Main St<br",
        "href=\"https://mail.acme.example/u/abc123\"",
        ">Unsubscribe</a>",
    ] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
    assert!(!html.contains("<style"), "styles are written into the elements: {html}");
    assert!(html.contains("<p style=\""), "{html}");
}

#[test]
fn transactional_mail_has_no_means_to_unsubscribe() {
    let email = with(|request| request.kind = MailKind::Transactional).unwrap();
    assert!(!email.marketing);
    for name in ["List-Id", "List-Unsubscribe", "List-Unsubscribe-Post"] {
        assert_eq!(header(&email, name), None);
    }
    assert!(!email.text.contains("Unsubscribe") && !email.text.contains("Main St"));
}

#[test]
fn marketing_without_a_link_still_says_who_writes() {
    let email = with(|request| request.unsubscribe_url = None).unwrap();
    assert_eq!(header(&email, "List-Unsubscribe"), None);
    assert_eq!(header(&email, "List-Unsubscribe-Post"), None);
    assert!(header(&email, "List-Id").is_some());
    assert!(email.text.ends_with("Springfield\n"));
}

#[test]
fn in_the_plain_text_nothing_goes_on_with_an_address_that_has_ended() {
    for (source, seen) in [
        // As a template prints the value `.evil.example`.
        ("<https://a.example>&#46;evil&#46;example", "https://a.example. evil.example"),
        ("*https://a.example*&#46;evil&#46;example", "https://a.example. evil.example"),
        ("<https://a.example>&#64;evil", "https://a.example @evil"),
        ("See <https://a.example>, or *this*.", "See https://a.example, or this."),
        ("<https://a.example>\nand so on", "https://a.example and so on"),
        ("[shop](https://a.example)s", "shop (https://a.example)s"),
    ] {
        let email = with(|request| {
            request.kind = MailKind::Transactional;
            request.content = Content::markdown(source);
        });
        assert_eq!(email.unwrap().text.trim_end(), seen);
    }
}

#[test]
fn a_long_unsubscribe_link_stays_on_one_line() {
    let url = format!("https://mail.acme.example/u/{}", "x".repeat(300));
    let email = with(|request| request.unsubscribe_url = Some(url.clone())).unwrap();
    let message = String::from_utf8(email.message).unwrap();
    assert!(message.contains(&format!("\r\nList-Unsubscribe: <{url}>\r\n")));
}

#[test]
fn an_unsubscribe_link_that_could_break_its_header_is_refused() {
    for url in [
        "https://a.example/x\r\nBcc: all@a.example",
        "https://a.example/a b",
        "https://a.example/>,<https://b.example/",
        "https://a.example/ü",
        "javascript:alert(1)",
        "mailto:stop@a.example",
        "",
    ] {
        let found = with(|request| request.unsubscribe_url = Some(url.to_owned()));
        assert_eq!(found, Err(MailError::Unsubscribe), "{url}");
    }
}

#[test]
fn no_value_can_add_a_header() {
    for evil in [
        "Hi\r\nBcc: all@a.example",
        "Hi\nBcc: all@a.example",
        "Hi\rBcc: all@a.example",
        "Hi\0\r\n\r\nbody",
        "Hi\u{2028}Bcc: all@a.example",
        "Hi\u{85}Bcc: x",
        "Hi\u{b}Bcc: x",
        "=?utf-8?q?Hi=0D=0ABcc:_x?=",
        "ü\r\nBcc: all@a.example\r\n",
        " \r\n Bcc: x",
    ] {
        let email = with(|request| evil.clone_into(&mut request.subject)).unwrap();
        assert_eq!(headers(&email).len(), headers(&with(|_| {}).unwrap()).len(), "{evil:?}");
        assert_eq!(header(&email, "Bcc"), None, "{evil:?}");
        assert!(!email.subject.chars().any(char::is_control), "{evil:?}");

        let mut from = sender();
        from.name = Some(evil.to_owned());
        let email = render(&request(&from)).unwrap();
        assert_eq!(headers(&email).len(), headers(&with(|_| {}).unwrap()).len(), "{evil:?}");
        assert_eq!(header(&email, "Bcc"), None, "{evil:?}");
    }
}

#[test]
fn a_subject_is_one_line_and_never_empty() {
    let email = with(|request| request.subject = "  Hello,\r\n\t Sarah\0 ".to_owned()).unwrap();
    assert_eq!(email.subject, "Hello, Sarah");
    for empty in ["", " \r\n\t\0 "] {
        let found = with(|request| empty.clone_into(&mut request.subject));
        assert_eq!(found, Err(MailError::SubjectEmpty));
    }
    let found = with(|request| request.subject = "x".repeat(901));
    assert_eq!(found, Err(MailError::SubjectTooLong(901)));
}

#[test]
fn subjects_in_any_language_are_encoded() {
    let email = with(|request| request.subject = "Schöne Grüße 🎄 für dich".to_owned()).unwrap();
    assert!(email.message.is_ascii());
    assert!(header(&email, "Subject").unwrap().starts_with("=?utf-8?b?"));
    assert_eq!(email.subject, "Schöne Grüße 🎄 für dich");
}

#[test]
fn a_recipient_is_exactly_one_address() {
    for to in [
        "",
        "sarah",
        "sarah@",
        "@salon.example",
        "sarah@salon.example, all@a.example",
        "sarah@salon.example,all@a.example",
        "Sarah <sarah@salon.example>",
        "<sarah@salon.example>",
        "sarah@salon.example\r\nRCPT TO:<all@a.example>",
        "sarah@salon.example\0",
        " sarah@salon.example",
        "sarah@salon.example ",
        "sa rah@salon.example",
        "sarah>@salon.example",
        "sarah@salon@example",
        "särah@salon.example",
        "john@gmail,com",
    ] {
        let found = with(|request| request.to = to);
        assert_eq!(found, Err(MailError::Recipient(to.to_owned())), "{to:?}");
    }
    let found = with(|request| request.to = "info@müller.example").unwrap();
    assert_eq!(found.to, "info@xn--mller-kva.example");
    assert_eq!(header(&found, "To").as_deref(), Some("<info@xn--mller-kva.example>"));
}

#[test]
fn a_sender_that_is_no_address_is_named() {
    let mut from = sender();
    from.address = "Acme".to_owned();
    assert_eq!(render(&request(&from)), Err(MailError::Sender("Acme".to_owned())));
    let mut from = sender();
    from.reply_to = Some("nobody".to_owned());
    let found = render(&request(&from)).unwrap_err();
    assert!(found.to_string().contains("`reply-to`"), "{found}");
}

#[test]
fn raw_html_is_shown_as_text_and_comments_are_not() {
    for (given, text) in [
        ("a <b>bold</b> word", "a <b>bold</b> word\n"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>\n"),
        ("<div onclick=\"x()\">\nhi\n</div>", "<div onclick=\"x()\">\nhi\n</div>\n"),
        ("a <img src=x onerror=alert(1)> b", "a <img src=x onerror=alert(1)> b\n"),
        ("seen <!-- unseen --> too", "seen  too\n"),
        ("<!-- a note\n\nfor authors -->\n\nseen", "seen\n"),
    ] {
        let email = markdown(given);
        assert_eq!(email.text, text, "{given}");
        let (_, html) = parts(&email);
        for tag in ["<script", "<b>", "<img", "<div o", "<!--"] {
            assert!(!html.contains(tag), "{tag} in {html}");
        }
    }
}

#[test]
fn only_safe_links_lead_anywhere() {
    for safe in ["https://a.example/?a=1&b=2", "http://a.example", "mailto:a@b.example", "tel:+123"]
    {
        let (_, html) = parts(&markdown(&format!("[here]({safe})")));
        assert!(html.contains("<a href=\""), "{safe}: {html}");
    }
    for evil in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java&#115;cript:alert(1)",
        "javascript&colon;alert(1)",
        "&#1;javascript:alert(1)",
        "data:text/html;base64,PHNjcmlwdD4=",
        "vbscript:x",
        "file:///etc/passwd",
        "//a.example",
        "page.html",
        "#top",
        "https:",
        "",
    ] {
        let email = markdown(&format!("go [here]({evil}) now ![pic]({evil})"));
        let (_, html) = parts(&email);
        assert!(!html.contains("<a ") && !html.contains("<img"), "{evil}: {html}");
        assert_eq!(email.text, "go here now pic\n", "{evil}");
    }
    let (_, html) = parts(&markdown("<javascript:alert(1)>"));
    assert!(!html.contains("<a "), "{html}");
}

#[test]
fn the_plain_text_keeps_the_structure() {
    let given = "# Welcome\n\nThis is\n**next**:\n\n1. *One:* do\n   this\n2. Two\n   - deep\n\
                 \n## More\n\n- a\n- b\n\n> quoted\n>\n> twice\n\n```\nx = 1\n  y\n```\n\n\
                 <https://a.example> and <a@b.example>\n\nline one  \nline two\n\n---\n\nend";
    assert_eq!(
        markdown(given).text,
        "Welcome\n=======\n\nThis is next:\n\n1. One: do this\n2. Two\n   - deep\n\n\
         More\n----\n\n- a\n- b\n\n> quoted\n>\n> twice\n\nx = 1\n  y\n\n\
         https://a.example and a@b.example\n\nline one\nline two\n\n----------\n\nend\n"
    );
}

#[test]
fn loose_lists_and_quotes_in_lists_keep_their_marks() {
    assert_eq!(markdown("- a\n\n  more\n\n- b\n").text, "- a\n\n  more\n\n- b\n");
    assert_eq!(markdown("- > q\n  > r\n").text, "- > q r\n");
}

#[test]
fn the_boundary_cannot_be_written_by_anyone() {
    let plain = markdown("x");
    let boundary = header(&plain, "Content-Type").unwrap().split('"').nth(1).unwrap().to_owned();
    let email = markdown(&format!("    --{boundary}\n    --{boundary}--\n"));
    let (text, _) = parts(&email);
    assert!(text.contains(&boundary));
}

#[test]
fn every_line_fits_the_wire() {
    let email =
        markdown(&format!("{}\n\n.\n\nFrom here\n\n{}", "long ".repeat(2000), "ü".repeat(2000)));
    assert!(email.message.is_ascii());
    for line in email.message.split(|byte| *byte == b'\n') {
        assert!(line.len() <= 79, "{}", String::from_utf8_lossy(line));
        assert!(line.is_empty() || line.ends_with(b"\r"));
    }
}

#[test]
fn deep_nesting_is_cut_short_and_kept_as_text() {
    let email = markdown(&format!("{}deep", "> ".repeat(5_000)));
    assert!(email.text.ends_with("deep\n"));
    assert!(email.message.len() < 20_000);
    let email = markdown(&format!("{}x{}", "*a ".repeat(3_000), " b*".repeat(3_000)));
    assert!(email.text.contains('x'));
}

#[test]
fn ids_stay_whole_however_long_the_domain() {
    let mut from = sender();
    from.address = format!("hello@{}.example", ["long-label"; 18].join("."));
    let domain = from.address.split('@').nth(1).unwrap().to_owned();
    let message = String::from_utf8(render(&request(&from)).unwrap().message).unwrap();
    assert!(message.contains(&format!("\r\nMessage-ID: <0AbC9@{domain}>\r\n")), "{message}");
    assert!(message.contains(&format!("\r\nList-Id: <noshow-recovery.{domain}>\r\n")));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::with_cases(200)
    })]

    #[test]
    fn whatever_is_written_gives_a_sound_message_or_an_error(
        subject in "(?s).{0,60}",
        markdown in "([-*_`<>!\\[\\]()#:a\\\\ \\r\\n&;./\\PC]|(?s).){0,200}",
        name in "(?s).{0,20}",
        to in "[a-z\\r\\n@., <>\"\\PC]{0,20}@[a-z.\\r\\n]{0,8}",
    ) {
        let mut from = sender();
        from.name = Some(name.clone());
        let mut request = request(&from);
        request.subject = subject;
        request.content = Content::markdown(markdown);
        if let Ok(email) = render(&request) {
            let (text, html) = parts(&email);
            assert_eq!(text.trim_end(), email.text.trim_end());
            assert!(!html.contains("<script") && email.message.is_ascii());
            assert!(headers(&email).len() == 11);
        }
        request.to = &to;
        if let Ok(email) = render(&request) {
            assert!(email.to.bytes().all(|byte| byte.is_ascii_graphic()), "{}", email.to);
        }
    }
}

#[test]
fn an_address_in_angle_brackets_is_a_link() {
    let email = markdown("Write to <hello@acme.example>.\n");
    let (_, html) = parts(&email);
    assert!(html.contains("<a href=\"mailto:hello@acme.example\""), "{html}");
    assert_eq!(email.text, "Write to hello@acme.example.\n");
}
