//! What people type stays text, wherever the author of an e-mail puts it: no header, no
//! recipient, no markup, no link and no image comes from data.

mod values;

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use rulerun::base::source::{SourceMap, Span};
use rulerun::base::time::{Timestamp, Zone};
use rulerun::mail::{MailError, MailRequest, render};
use rulerun::model::queue::Email;
use rulerun::model::rules::{MailKind, Sender};
use rulerun::model::{Content, Context};
use rulerun::template::{Format, Template};
use serde_json::{Map, Value, json};

use self::values::{PAYLOADS, RECIPIENTS};
use crate::support::server::{Make, eventually, results};
use crate::support::{python, script};

/// Every place of a template in which a value can stand, each between marks of its own.
const BODY: &str = "\
# P01 {{x}} E01

P02 {{x}} E02 and P03 {{who.x}} E03 and {{x}}{{x}}

{{x}}

before
{{x}}
after

{{x}} E04

- P05 {{x}} E05
- {{x}}

1. {{x}}

> P06 {{x}} E06

**{{x}}** *P07 {{x}} E07* [P08 {{x}} E08](https://example.com/book)

[book](https://example.com/?who={{x}}) ![P09 {{x}}](https://example.com/i.png)

[titled](https://example.com/ \"a {{x}} b\") `P10 {{x}}`

<div title=\"{{x}}\">P11 {{x}}</div>

a <b title='{{x}}'>{{x}}</b> c

<!-- {{x}} -->

    P12 {{x}}

```
P13 {{x}}
```

[ref] \\{{x}} \\[{{x}}](https://example.com)

{{x | upper}} {{x | lower}} {{x | trim}} {{x | title}} {{x | default('y')}} {{x | string}}
{{x | replace('Q', '<')}} {{x | list | join('')}} {{x | split(' ') | join('*')}} {{x | lines | join('_')}}
{{x | reverse}} {{x | first}} {{x | last}} {{missing | default(x)}} {{[x, x]}} {{{'k': x}}} {{x ~ x}}
{% for letter in x %}{{letter}}{% endfor %} {% if x %}{{x}}{% endif %} {% set y = x %}{{y}}
{% with z = x | trim %}{{z}}{% endwith %}

[ref]: https://example.com/ref
";

const SUBJECT: &str = "For {{x}} and {{who.x | default('you')}}";

/// The e-mail that a person with this name gets.
fn email(x: &str) -> Email {
    let mut payload = Map::new();
    payload.insert("x".to_owned(), json!(x));
    let mut context = Context::new(&payload, Zone::UTC);
    context.set("who", json!({ "x": x }));
    let fill = |source: &str, format| {
        let template = Template::compile(source, format).unwrap_or_else(|why| panic!("{why:?}"));
        template.text(&context).unwrap()
    };
    let subject = fill(SUBJECT, Format::Text);
    let text = fill(BODY, Format::Markdown);
    written("ann@example.com", subject, Content::markdown(text)).unwrap()
}

/// An e-mail of these parts.
fn written(to: &str, subject: String, content: Content) -> Result<Email, MailError> {
    let sender = Sender {
        name: Some("Acme".to_owned()),
        address: "hello@example.com".to_owned(),
        reply_to: None,
        postal_address: Some("1 Main Street".to_owned()),
        caps: Vec::new(),
        seeds: Vec::new(),
        zone: Zone::UTC,
        span: Span::new(SourceMap::new().add("rules.kdl", ""), 0..0),
    };
    render(&MailRequest {
        sequence: "welcome",
        name: "welcome-1",
        kind: MailKind::Transactional,
        sender: &sender,
        to,
        subject,
        content,
        unsubscribe_url: None,
        message_id: "0AbC".to_owned(),
        at: "2025-12-01T10:30:00Z".parse::<Timestamp>().unwrap(),
    })
}

/// The same e-mail with a name that means no harm.
const HARMLESS: &str = "Qnn";

/// A text as people see it: one line, nothing invisible.
fn seen(text: &str) -> String {
    let visible = text.chars().filter_map(|letter| match letter {
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        letter if letter.is_whitespace() => Some(' '),
        letter if letter.is_control() => None,
        letter => Some(letter),
    });
    visible.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_foreign_program_sees_the_same_message_whatever_the_name_is() {
    assert!(PAYLOADS.len() >= 90);
    let Some(python) = python() else { return };
    let mut names = vec![HARMLESS];
    names.extend(PAYLOADS);
    let mails: Vec<Email> = names.iter().map(|name| email(name)).collect();
    let read = read_by(&python, &mails);
    assert_eq!(read.len(), names.len());
    let harmless = &read[0];
    assert_eq!(harmless["to"], json!(["ann@example.com"]));
    for (name, mail) in names.iter().zip(&read) {
        for same in ["headers", "to", "parts", "defects", "comments", "raw_lt"] {
            assert_eq!(mail[same], harmless[same], "{same} of {name:?}");
        }
        assert_eq!(mail["defects"], json!([]), "{name:?}");
        assert_eq!((&mail["raw_lt"], &mail["comments"]), (&json!(0), &json!(0)), "{name:?}");
        the_tags_are_the_authors(name, mail, harmless);
        let subject = seen(&format!("For {name} and {name}").replace('\0', " "));
        let written: String = seen(mail["subject"].as_str().unwrap());
        assert_eq!(squeezed(&written), squeezed(&subject), "the subject of {name:?}");
        let shown = mail["shown"].as_str().unwrap();
        for number in ["01", "02", "03", "05", "06", "07", "08"] {
            let around = seen(&format!("P{number} {name} E{number}"));
            assert!(seen(shown).contains(&around), "{around:?} of {name:?} in {shown}");
        }
    }
}

/// What is left of a text without blanks.
fn squeezed(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace() && !letter.is_control()).collect()
}

/// Every tag with its attributes is the author's; of a link that the author completes with
/// the value only what is before the value is.
fn the_tags_are_the_authors(name: &str, mail: &Value, harmless: &Value) {
    let tags = |mail: &Value| mail["tags"].as_array().unwrap().clone();
    let (found, wanted) = (tags(mail), tags(harmless));
    let names = |tags: &[Value]| tags.iter().map(|tag| tag[0].clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted), "the tags of {name:?}");
    for (found, wanted) in found.iter().zip(&wanted) {
        let attributes = |tag: &Value| tag[1].as_array().unwrap().clone();
        for (found, wanted) in attributes(found).iter().zip(&attributes(wanted)) {
            assert_eq!(found[0], wanted[0], "{name:?}");
            let (found, wanted) = (found[1].as_str().unwrap(), wanted[1].as_str().unwrap());
            match wanted.split_once(HARMLESS) {
                Some((before, _)) => assert!(found.starts_with(before), "{found} of {name:?}"),
                None => assert_eq!(found, wanted, "{name:?}"),
            }
        }
        assert_eq!(attributes(found).len(), attributes(wanted).len(), "{name:?}");
    }
}

fn read_by(python: &std::path::Path, mails: &[Email]) -> Vec<Value> {
    let coded = |mail: &Email| base64::engine::general_purpose::STANDARD.encode(&mail.message);
    let given: Vec<String> = mails.iter().map(coded).collect();
    let mut child = Command::new(python)
        .arg(script("read_mails.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(json!(given).to_string().as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Places in HTML in which a value may stand.
const HTML: &str = "<style>p { margin: 0 } @media print { p { color: black } }</style>
<h1>P01 {{x}} E01</h1>
<p>P02 {{x}} E02 and P03 {{who.x}} E03 and {{x}}{{x}}</p>
<p title=\"a {{x}} b\">{{x}}</p>
<a href=\"https://example.com/?who={{x}}\" title='{{x}}'>P08 {{x}} E08</a>
<img src='https://example.com/i.png' alt='P09 {{x}}'>
<table>{% for one in [x, x] %}<tr><td>{{one}}</td></tr>{% endfor %}</table>
<pre>P05 {{x}} E05</pre><!-- {{x}} --><!--[if mso]>{{x}}<![endif]-->
<ul><li>P06 {{x}} E06</li></ul><b>P07 {{x | upper}}</b>
";

/// The same in MJML.
const MJML: &str = "<mjml><mj-head><mj-title>{{x}}</mj-title></mj-head><mj-body><mj-section>
<mj-column><mj-text>P02 {{x}} E02 and P03 {{who.x}} E03</mj-text>
<mj-button href=\"https://example.com/?who={{x}}\">P08 {{x}} E08</mj-button>
<mj-image src=\"https://example.com/i.png\" alt=\"{{x}}\" title='{{x}}' />
<mj-raw>{% if x %}</mj-raw><mj-text>{{x}}</mj-text><mj-raw>{% endif %}</mj-raw>
<mj-table>{% for one in [x, x] %}<tr><td title=\"{{one}}\">{{one}}</td></tr>{% endfor %}</mj-table>
</mj-column></mj-section></mj-body></mjml>";

#[test]
fn in_html_and_mjml_a_value_is_text_wherever_it_stands() {
    use rulerun::{markup, model::Body};
    let Some(python) = python() else { return };
    let pages = [markup::compose(HTML, markup::BARE).unwrap(), markup::mjml(MJML).0.unwrap()];
    for page in pages {
        let template = Template::compile(&page, Format::Html).unwrap();
        let email = |x: &str| {
            let mut payload = Map::new();
            payload.insert("x".to_owned(), json!(x));
            let mut context = Context::new(&payload, Zone::UTC);
            context.set("who", json!({ "x": x }));
            let body = Body::Html(template.text(&context).unwrap());
            let content = Content { preheader: Some(x.to_owned()), ..Content::of(body) };
            written("ann@example.com", "Hello".to_owned(), content).unwrap()
        };
        let names: Vec<&str> = std::iter::once(HARMLESS).chain(PAYLOADS.iter().copied()).collect();
        let mails: Vec<Email> = names.iter().map(|name| email(name)).collect();
        let read = read_by(&python, &mails);
        for (name, mail) in names.iter().zip(&read) {
            for same in ["headers", "to", "parts", "defects"] {
                assert_eq!(mail[same], read[0][same], "{same} of {name:?}");
            }
            assert_eq!(mail["defects"], json!([]), "{name:?}");
            the_tags_are_the_authors(name, mail, &read[0]);
            let shown = seen(mail["shown"].as_str().unwrap());
            let around = seen(&format!("P02 {name} E02"));
            assert!(shown.contains(&around), "{around:?} in {shown}");
        }
        for (name, mail) in names.iter().zip(&mails) {
            let links = mail.text.matches("(https://example.com/?who=").count();
            // What somebody typed stands there as it was typed, and nothing else.
            let rest = seen(&mail.text).replace(&seen(name), "");
            assert!(links >= 1 && !rest.contains("(https://evil"), "{}", mail.text);
        }
    }
}

#[test]
fn a_link_of_html_that_is_the_value_itself_leads_to_a_web_page_or_nowhere() {
    use rulerun::{markup, model::Body};
    let source = "<a href=\"{{url}}\">report</a><img src='{{url}}' alt='chart' width='9'>";
    let page = markup::compose(source, markup::BARE).unwrap();
    let template = Template::compile(&page, Format::Html).unwrap();
    let drawn = |url: &str| {
        let mut payload = Map::new();
        payload.insert("url".to_owned(), json!(url));
        let body = Body::Html(template.text(&Context::new(&payload, Zone::UTC)).unwrap());
        let mail = written("ann@example.com", "Report".to_owned(), Content::of(body)).unwrap();
        String::from_utf8(mail.message).unwrap().replace("=\r\n", "").replace("=3D", "=")
    };
    assert!(drawn("https://example.com/a").contains("href=\"https://example.com/a\""));
    for evil in ["javascript:alert(1)", "JaVaScRiPt:x", "java\tscript:x", "data:text/html,x", "//x"]
    {
        let html = drawn(evil);
        assert!(html.contains("href=\"\"") && html.contains("src=\"\""), "{evil}: {html}");
    }
}

#[test]
fn the_header_and_the_plain_text_keep_their_shape_whatever_the_name_is() {
    let lines = |mail: &Email| {
        let message = String::from_utf8(mail.message.clone()).unwrap();
        let (head, _) = message.split_once("\r\n\r\n").unwrap();
        let names = head.split("\r\n").filter(|line| !line.starts_with(' '));
        names.map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let harmless = email(HARMLESS);
    for name in PAYLOADS {
        let mail = email(name);
        assert_eq!(lines(&mail), lines(&harmless), "{name:?}");
        assert_eq!((&*mail.to, &*mail.from), ("ann@example.com", "hello@example.com"));
        assert!(!mail.subject.chars().any(char::is_control), "{name:?}");
        assert!(mail.text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{name:?}");
        // Where the author's links lead is written behind them, and nothing else is.
        assert_eq!(mail.text.matches("(https://example.com/book)").count(), 1, "{name:?}");
        assert!(seen(&mail.text).contains(&seen(&format!("P02 {name} E02"))), "{name:?}");
    }
}

#[test]
fn a_link_that_is_the_value_itself_leads_to_a_web_page_or_nowhere() {
    let page = |url: &str| {
        let mut payload = Map::new();
        payload.insert("url".to_owned(), json!(url));
        let context = Context::new(&payload, Zone::UTC);
        let source = "[report]({{url}}) ![chart]({{url}}) <{{url}}>";
        Template::compile(source, Format::Markdown).unwrap().text(&context).unwrap()
    };
    // The characters of a value are references, so the address is whole and the text around
    // it cannot be left.
    let markdown = page("https://example.com/a?b=1&c=(2)");
    assert!(!markdown.contains("https://"), "{markdown}");
    for evil in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        "\u{1}javascript:x",
        "data:text/html,<script>x</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example.com",
        "x) [Pay](https://evil.example.com",
        "<https://evil.example.com>",
        "x \"title\" onclick=y",
    ] {
        let html = html_of(&page(evil));
        assert!(!html.contains("<a ") && !html.contains("<img"), "{evil:?}: {html}");
    }
}

#[test]
fn no_value_chooses_who_is_written_to() {
    let formats = [Format::Markdown, Format::Html];
    for (source, tag) in [
        ("[write](mailto:hello@acme.example{{x}})", "{{x}}"),
        ("[write](MAILTO:{{x}}@acme.example?subject=Hi)", "{{x}}"),
        ("<a href=\"mailto:{{x}},{{x | lower}}\">write</a>", "{{x}}"),
        ("<a href='mailto:a@acme.example,{% if x %}{{ x }}{% endif %}'>write</a>", "{{ x }}"),
    ] {
        for format in formats {
            let faults = Template::compile(source, format).expect_err(source);
            let [fault] = faults.as_slice() else { panic!("{source}: {faults:?}") };
            assert_eq!((fault.code, &source[fault.range.clone()]), ("template-forbidden", tag));
            assert!(fault.message.contains("who is written to"), "{}", fault.message);
        }
    }
    let filled = |source: &str, format, x: &str| {
        let payload = Map::from_iter([("x".to_owned(), json!(x))]);
        let template = Template::compile(source, format).unwrap_or_else(|why| panic!("{why:?}"));
        template.text(&Context::new(&payload, Zone::UTC))
    };
    let targets = |html: &str| -> Vec<String> {
        html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().into()).collect()
    };
    for format in formats {
        let whole = ["[write](mailto:{{x}})", "<a href=\"mailto:{{x}}\">write</a>"];
        for source in whole {
            for x in ["a@b.example,c@d.example", "a@b.example?bcc=c@d.example", "a b@c.example"] {
                let told = filled(source, format, x).expect_err(x);
                assert!(told.contains("not one e-mail address"), "{told}");
            }
            let plain = filled(source, format, "ann+1@acme.example").unwrap();
            assert_eq!(filled(source, format, " ann+1@acme.example ").unwrap(), plain);
        }
        // What stood apart in the template.
        let apart = "<a href=\"mailto:hello@acme.example {%- if x %}{{x}}{% endif %}\">a</a>";
        let faults = Template::compile(apart, format).expect_err(apart);
        assert!(faults[0].message.contains("who is written to"), "{faults:?}");
        // Behind the ? a value stays one part, whatever it holds, and is read as it was.
        let asked = "<a href=\"mailto:hello@acme.example?subject=Re: no {{x}}&body={{x}}\">a</a>";
        let html = filled(asked, format, "Ä & B?cc=c@d.example,\" 5%").unwrap();
        let spelt = "%C3%84%20%26%20B%3Fcc%3Dc%40d.example%2C%22%205%25";
        let wanted = format!("mailto:hello@acme.example?subject=Re: no {spelt}&body={spelt}");
        assert_eq!(targets(&html), [wanted]);
        // Elsewhere nothing changes.
        let prose =
            "mail to: {{x}}, see mailto:hello@acme.example\n{{x}} (mailto:a@b.example) {{x}}";
        assert!(!filled(prose, format, "A & B").unwrap().contains("%20"));
    }
}

#[test]
fn no_value_chooses_the_website_of_an_authors_link() {
    for (source, tag) in [
        ("[go](https://example.com{{x}})", "{{x}}"),
        ("[go](HTTPS://example.com:{{x}}/a)", "{{x}}"),
        ("[go](<http://{{x}}.example.com/>)", "{{x}}"),
        ("![i](https://{{ x }}@example.com/i.png)", "{{ x }}"),
        ("<https://example.com{% if x %}{{x}}{% endif %}>", "{{x}}"),
        ("see https://example.com{# a remark #}{{x}} now", "{{x}}"),
        ("[go][r]\n\n[r]: https:/{{x}}", "{{x}}"),
        ("<a href=\"https:{{x}}\">a</a>", "{{x}}"),
        ("<img src='https://example.com{{x | lower}}/i.png' alt='{{x}}'>", "{{x | lower}}"),
    ] {
        for format in [Format::Markdown, Format::Html] {
            let faults = Template::compile(source, format).expect_err(source);
            let [fault] = faults.as_slice() else { panic!("{source}: {faults:?}") };
            assert_eq!((fault.code, &source[fault.range.clone()]), ("template-forbidden", tag));
        }
    }
    // So is what blocks put together, or fails once they have been carried out.
    let filled = |source: &str, format, x: &str| {
        let payload = Map::from_iter([("x".to_owned(), json!(x))]);
        let template =
            Template::compile(source, format).map_err(|faults| faults[0].message.clone())?;
        template.text(&Context::new(&payload, Zone::UTC))
    };
    for source in [
        "[go](https://example.com {{- x }})",
        "<a href=\"https://example.com {%- if x %}{{x}}{% endif %}\">a</a>",
        "{% for one in [1, 2] %}{% if loop.last %}{{x}}{% else %}https://a.example{% endif %}{% endfor %}",
        "{% if x %}[go](https://example.com{% else %} {% endif %}{{x}})",
        "{% set site = 'https://example.com' %}[go]({{site}}{{x}})",
    ] {
        for format in [Format::Markdown, Format::Html] {
            for x in [".example.org/", "@example.org/", HARMLESS] {
                let told = filled(source, format, x).expect_err(source);
                assert!(told.contains("would choose the website"), "{source}: {told}");
            }
        }
    }
    for source in [
        "[go](https://example.com/{{x}}) [go](https://example.com?{{x}}#{{x}}) ",
        "[go](https://example.com/) {{x}} <https://example.com>{{x}} [{{x}}](https://example.com)",
        "[go]({{x}}) {{x}}{{x}} https: {{x}}",
        "<a href=\"https://example.com\" title=\"{{x}}\">{{x}}</a> {{x | default('https://')}} {{x}}",
    ] {
        for format in [Format::Markdown, Format::Html] {
            let text = filled(source, format, "https://example.org").expect(source);
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }
}

/// The HTML of an e-mail with this text, as it stands in the message.
fn html_of(markdown: &str) -> String {
    let mail = written("ann@example.com", "Report".to_owned(), Content::markdown(markdown));
    let message = String::from_utf8(mail.unwrap().message).unwrap();
    let (_, html) = message.split_once("Content-Type: text/html").unwrap();
    html.replace("=\r\n", "").replace("=3D", "=")
}

const RULES: &str = r#"
sender "Acme <hello@example.com>" { postal-address "1 Main Street" }
webhooks "t" {
    path "/t"
    endpoint "checked" { payload { email email }; start "s" }
    endpoint "loose" { payload { email text }; start "s" }
}
sequence "s" to="{{email}}" { email "hello" subject="Hello"; stop-on "t/none" for="{{email}}" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_typed_as_an_address_one_person_gets_mail_or_nobody() {
    let rules = RULES.replace("; stop-on \"t/none\" for=\"{{email}}\"", "");
    let make = Make::empty().file("rules/t.kdl", &rules).file("rules/emails/hello.md", "Hello.\n");
    let server = make.start().await;
    let mut expected = Vec::new();
    for (typed, mailed) in RECIPIENTS {
        let answer = server.post("/t/checked", &json!({ "email": typed })).await;
        let refused = if typed.contains('\0') { 400 } else { 422 };
        let status = if mailed.is_some() { 200 } else { refused };
        assert_eq!(answer.status, status, "{typed:?}: {}", answer.text);
        expected.extend(mailed.map(str::to_owned));
        if mailed.is_none() {
            // Where the rules do not ask for an address, mail without one fails.
            let answer = server.post("/t/loose", &json!({ "email": typed })).await;
            assert!(matches!(answer.status, 200 | 400 | 422), "{typed:?}: {}", answer.text);
        }
    }
    expected.sort();
    let captured = || async {
        let mails = results(&server.get("/api/v1/outbox?size=200").await);
        let mut to: Vec<String> =
            mails.iter().map(|mail| mail["to"].as_str().unwrap().to_owned()).collect();
        to.sort();
        to
    };
    eventually("nothing is left to do", || async {
        results(&server.get("/api/v1/queue?status=pending").await).is_empty()
    })
    .await;
    assert_eq!(captured().await, expected);
}

#[test]
fn a_foreign_program_sees_one_recipient_however_odd() {
    let mail = |to: &str| written(to, "Hello".to_owned(), Content::markdown("Hello."));
    let (good, bad): (Vec<_>, Vec<_>) =
        RECIPIENTS.into_iter().partition(|(_, mailed)| mailed.is_some());
    for (typed, _) in bad {
        assert_eq!(mail(typed), Err(MailError::Recipient(typed.to_owned())));
    }
    let Some(python) = python() else { return };
    let mails: Vec<Email> = good.iter().map(|(typed, _)| mail(typed).unwrap()).collect();
    for ((typed, mailed), read) in good.iter().zip(read_by(&python, &mails)) {
        assert_eq!(read["to"], json!([mailed]), "{typed:?}");
        assert_eq!(read["defects"], json!([]), "{typed:?}");
    }
}
