//! Other programs' opinion of the e-mails that we ship: `SpamAssassin`'s, without network, and
//! that of a mail program, which must read what was written.

use std::io::Write as _;
use std::process::{Command, Stdio};

use mail_parser::MessageParser;
use serde_json::Value;

/// From here on we would mend an e-mail; `SpamAssassin` itself objects from 5.
const MOST: f64 = 1.0;

fn rulerun(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_rulerun"))
        .env_clear()
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An e-mail as it would leave.
struct Shown {
    name: String,
    /// What the preview says about it.
    preview: Value,
    message: String,
}

/// Every e-mail of these rules as a message.
fn messages(rules: &[&str]) -> Vec<Shown> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let listed = rulerun(&[rules, &["preview", "--format", "json"]].concat());
    let mut messages = Vec::new();
    for email in listed.as_array().unwrap() {
        let name = email["email"].as_str().unwrap().to_owned();
        let preview = ["preview", &name, "--out", out, "--format", "json"];
        let preview = rulerun(&[rules, &preview].concat());
        let message = std::fs::read_to_string(folder.path().join(format!("{name}.eml"))).unwrap();
        messages.push(Shown { name, preview, message });
    }
    messages
}

/// Rules with an e-mail of every kind, and all that may go with one.
fn of_every_kind() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let emails: Vec<String> = ["html", "mjml", "framed", "own-text"]
        .iter()
        .map(|name| {
            format!(
                "    email \"{name}\" after=\"1d\" counts-from=\"previous\" subject=\"Your order {name}\" \
                 preheader=\"It left our shop this morning\" {{\n        attach \"guide.pdf\"\n    }}\n"
            )
        })
        .collect();
    let emails = emails.concat();
    write(
        "t.kdl",
        &format!(
            "sender \"Acme <hello@example.com>\" {{ postal-address \"1 Main Street, Springfield\"; }}\n\
             webhooks \"t\" {{ path \"/t\"; endpoint \"order\" {{ payload {{ email email; name text \
             example=\"Zoë\"; }}; start \"s\"; }}; }}\n\
             sequence \"s\" to=\"{{{{email}}}}\" layout=\"frame\" {{\n{emails}    stop-when \"contact.bounced\"\n}}\n"
        ),
    );
    let words = "Hi {{name}}, your parcel left our shop this morning. It should be with you on \
                 Monday or Tuesday, and the driver rings you half an hour before he arrives. If nobody is at \
                 home, your neighbours may take it, or you tell us another day: the page of your \
                 order has a calendar for that. Keep the box for a while, because it is made for \
                 the way back as well. You may return everything within thirty days, and we pay \
                 the postage. Thank you for buying from a small shop; there are four of us, and we \
                 read every letter.";
    let html =
        format!("<p>{words}</p><p><a href=\"https://www.example.com/orders\">Your order</a></p>");
    write("emails/html.html", &html);
    write("emails/own-text.html", &html);
    write("emails/own-text.txt", &format!("{words}\n\nhttps://www.example.com/orders\n"));
    // Below 3,200 bytes of words it objects to any image at all, whoever sends it.
    let letter = [words; 8].join("\n\n");
    write("emails/framed.md", &format!("{letter}\n\n![Our logo](logo.png)\n"));
    write(
        "emails/mjml.mjml",
        &format!(
            "<mjml><mj-body><mj-section><mj-column><mj-text>{words}</mj-text><mj-button \
             href=\"https://www.example.com/orders\">Your order</mj-button></mj-column></mj-section>\
             </mj-body></mjml>"
        ),
    );
    write(
        "emails/frame.html",
        "<html><head><title></title></head><body><h1>Acme</h1>\n{{content}}\n\
         <p>{{postal_address}}, <a href=\"{{unsubscribe_url}}\">Unsubscribe</a></p></body></html>\n",
    );
    write("emails/guide.pdf", "%PDF-1.4 the guide\n");
    write("emails/logo.png", "\u{89}PNG a logo\n");
    folder
}

#[test]
fn no_shipped_email_looks_like_spam() {
    // Its first line of help is enough to know that it is there.
    if Command::new("spamassassin").arg("--version").output().is_err() {
        eprintln!("skipped: spamassassin is not installed (Debian: apt-get install spamassassin)");
        return;
    }
    let mut emails = messages(&[]);
    emails.extend(messages(&["--rules", "examples/hello.kdl"]));
    let kinds = of_every_kind();
    emails.extend(messages(&["--rules", kinds.path().to_str().unwrap()]));
    let mut mailbox = String::new();
    for Shown { message, .. } in &emails {
        let message = message.replace("\r\n", "\n").replace("\nFrom ", "\n>From ");
        mailbox.extend(["From x@example.com Mon Dec  1 10:30:00 2025\n", &message, "\n"]);
    }
    // One run for all of them: it takes longer to start than to judge.
    let mut judge = Command::new("spamassassin")
        .args(["-L", "--mbox"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    judge.stdin.take().unwrap().write_all(mailbox.as_bytes()).unwrap();
    let judged = judge.wait_with_output().unwrap();
    let judged = String::from_utf8_lossy(&judged.stdout);
    let scores: Vec<f64> = judged
        .lines()
        .filter(|line| line.starts_with("X-Spam-Status:"))
        .filter_map(|line| line.split("score=").nth(1)?.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(scores.len(), emails.len(), "each is judged: {judged}");
    for (Shown { name, .. }, score) in emails.iter().zip(scores) {
        assert!(score < MOST, "{name} scores {score}; `spamassassin -L -t` says why");
    }
}

#[test]
fn every_shipped_email_reads_back_as_its_preview_shows_it() {
    let mut emails = messages(&[]);
    emails.extend(messages(&["--rules", "examples/hello.kdl"]));
    assert!(emails.len() > 10, "{} e-mails", emails.len());
    for Shown { name, preview, message } in &emails {
        let mail = MessageParser::default().parse(message.as_bytes()).unwrap();
        let [shown] = &preview["versions"].as_array().unwrap()[..] else {
            panic!("{name} has several versions");
        };
        let text = |field: &str| shown[field].as_str().unwrap();
        let lines = |body: Option<std::borrow::Cow<'_, str>>| body.unwrap().replace("\r\n", "\n");
        assert_eq!(mail.subject(), Some(text("subject")), "{name}");
        assert_eq!(lines(mail.body_text(0)), text("text"), "{name}");
        assert_eq!(lines(mail.body_html(0)), text("html"), "{name}");
        let to = mail.to().unwrap().first().unwrap();
        assert_eq!(to.address(), Some(text("to")), "{name}");
        let header = |name: &str| shown["headers"][name].as_str().unwrap_or_default();
        let id = mail.message_id().unwrap();
        assert_eq!(format!("<{id}>"), header("Message-ID"), "{name}");
        assert_eq!(mail.date().unwrap().to_rfc822(), header("Date"), "{name}");
        let from = mail.from().unwrap().first().unwrap();
        let address = from.address().unwrap();
        let whole = from.name().map(|name| format!("{name} <{address}>"));
        assert_eq!(whole.unwrap_or_else(|| address.to_owned()), header("From"), "{name}");
        assert_eq!(mail.attachment_count(), 0, "{name}");
        if !header("List-Unsubscribe").is_empty() {
            assert!(mail.header("List-Unsubscribe-Post").is_some(), "{name} has no one click");
        }
    }
}
