//! What a reader of e-mails notices is shown by the folders of `tests/diagnostics`; here is
//! what it lets pass, what it asks before real mail leaves, and how e-mails are filled in.

use std::fmt::Write as _;

use serde_json::json;

use super::{Outside, Scene, leaving, read, starts};
use crate::base::{Clock as _, Diagnostic, Id, Severity, SourceMap, Timestamp};
use crate::engine::Pick;
use crate::language::codes;
use crate::model::RuleSet;
use crate::model::rules::{Sequence, SequenceAction, SequenceStep};
use crate::serve::clock::SystemClock;

/// A shop whose sign-up starts a sequence, with changes of one part each.
struct Shop {
    head: &'static str,
    fields: &'static str,
    start: &'static str,
    sequence: &'static str,
    text: String,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            head: "sender \"Acme <hello@acme.com>\"",
            fields: "",
            start: "start \"welcome\"",
            sequence: "sequence \"welcome\" to=\"{{email}}\" {\n\
                       email \"hello\" after=\"1h\" subject=\"Welcome\"\n}",
            text: String::from("Hi {{first_name}},\n\nthank you for signing up.\n"),
        }
    }
}

impl Shop {
    fn sources(&self) -> SourceMap {
        let Self { head, fields, start, sequence, text } = self;
        let mut sources = SourceMap::new();
        sources.add(
            "shop.kdl",
            format!(
                "{head}\nwebhooks \"shop\" {{\npath \"/shop\"\nendpoint \"signup\" {{\n\
                 payload {{\nemail email\nfirst_name text example=\"Sarah\"\n{fields}\n}}\n\
                 {start}\n}}\n}}\n{sequence}\n"
            ),
        );
        for name in ["hello", "again"] {
            sources.add(format!("emails/{name}.md"), text.clone());
        }
        sources
    }

    fn found(&self) -> Vec<Diagnostic> {
        read(&self.sources()).1
    }

    fn rules(&self) -> RuleSet {
        let (rules, found) = read(&self.sources());
        rules.unwrap_or_else(|| panic!("{found:?}"))
    }
}

fn of_text(text: &str) -> Vec<&'static str> {
    let found = Shop { text: text.to_owned(), ..plain() }.found();
    found.into_iter().map(|one| one.code).collect()
}

fn plain() -> Shop {
    Shop::default()
}

#[test]
fn a_plain_letter_is_let_pass() {
    assert!(plain().found().is_empty(), "{:?}", plain().found());
}

#[test]
fn texts_that_only_look_wrong_are_let_pass() {
    let words = "We write to you because you asked us to, and this is what we have found. ";
    let long = words.repeat(4);
    for text in [
        // Links: every safe kind, words that are no address, an address that is the same site.
        "[Book](https://acme.com/book), [write](mailto:hello@acme.com?subject=Hi), [call](tel:+1)",
        "[acme.com](https://www.acme.com/x), [https://acme.com](https://acme.com)",
        "[Read guide.pdf](https://acme.com/guide.pdf), [v1.2](https://acme.com/changes)",
        "[Look](https://acme.com:443/), [here](https://orbit.ly.acme.com/)",
        // Not ours to judge while nothing leaves.
        "[Try](http://localhost:8080/), [Try](http://127.0.0.1:9/)",
        // Twenty links are many, and no more than that.
        &"[offer](https://acme.com/offer) ".repeat(20),
        // Brackets, percent signs and braces of everyday life.
        "See [FAQ](https://acme.com/faq), [YOUR DATE](https://acme.com), 20% off, 5% or 10%",
        "[1] a footnote, [sic], {not one}, 3 << 4, $5 {{ first_name }}, ${{ first_name }}",
        "[your guide] or [Your Guide][], [add a friend](https://acme.com), [your], [address] [nameless]\n\n\
         [your guide]: https://acme.com/guide",
        "{% if first_name == 'A' %}[ok]{% endif %} {# [FIRST NAME] #} <!-- lorem ipsum -->",
        // Addresses in angle brackets are Markdown, comments vanish, code may hold anything.
        "<https://acme.com>, <hello@acme.com>\n\n<!-- to do -->\n\n`<b>`\n\n    <div>\n",
        // An image with words among enough text.
        &format!("{long}\n\n![our shop](https://acme.com/shop.png)"),
        // Long, and still below what is cut off.
        &format!("{words}\n\n").repeat(400),
    ] {
        assert_eq!(of_text(text), Vec::<&str>::new(), "{text}");
    }
}

#[test]
fn subjects_senders_and_waits_that_only_look_wrong_are_let_pass() {
    let two = |first: &'static str, second: &'static str| -> &'static str {
        let text = format!(
            "sequence \"welcome\" to=\"{{{{email}}}}\" {{\nemail \"hello\" {first}\n\
             email \"again\" {second}\n}}"
        );
        Box::leak(text.into_boxed_str())
    };
    for shop in [
        // Sixty letters, two pictures.
        Shop {
            sequence: "sequence \"welcome\" to=\"{{email}}\" {\nemail \"hello\" after=\"1h\" \
                       subject=\"🎁 Sixty letters are what a phone has room for, no one more 🎄\"\n}",
            ..plain()
        },
        // Twelve hours apart; one of two ways; transactional.
        Shop {
            sequence: two("after=\"1h\" subject=\"A\"", "after=\"13h\" subject=\"B\""),
            ..plain()
        },
        Shop {
            sequence: two(
                "after=\"1h\" subject=\"A\" when=#\"first_name == \"A\"\"#",
                "after=\"1h\" subject=\"A\" when=#\"first_name != \"A\"\"#",
            ),
            ..plain()
        },
        Shop {
            sequence: "sequence \"welcome\" to=\"{{email}}\" kind=\"transactional\" {\n\
                       email \"hello\" after=\"1h\" subject=\"A\"\n\
                       email \"again\" after=\"2h\" subject=\"B\"\n}",
            ..plain()
        },
        // A cap that holds back and lets leave in time; one that another e-mail may not use up.
        Shop {
            sequence: "sequence \"welcome\" to=\"{{email}}\" {\ncap 1 per=\"36h\"\n\
                       email \"hello\" after=\"0s\" subject=\"A\"\n\
                       email \"again\" after=\"1d\" subject=\"B\"\n}",
            ..plain()
        },
        Shop {
            sequence: "sequence \"welcome\" to=\"{{email}}\" {\ncap 1 per=\"7d\"\n\
                       email \"hello\" after=\"0s\" subject=\"A\" when=#\"first_name == \"A\"\"#\n\
                       email \"again\" after=\"1d\" subject=\"B\"\n}",
            ..plain()
        },
        // A call that ends what it began before, and begins anew.
        Shop {
            sequence: "sequence \"welcome\" to=\"{{email}}\" {\n\
                       stop-on \"shop/signup\" for=\"{{email}}\"\n\
                       email \"hello\" after=\"1h\" subject=\"A\"\n}",
            ..plain()
        },
        Shop {
            sequence: "sequence \"welcome\" to=\"{{email}}\" {\nonce-per \"{{first_name}}\"\n\
                       stop-on \"shop/signup\" for=\"{{email}}\"\n\
                       email \"hello\" after=\"1h\" subject=\"A\"\n}",
            ..plain()
        },
        // An address that nobody reads, with one for answers; a name with an odd sign.
        Shop {
            head: "sender \"Acme & Co. <no-reply@acme.com>\" {\nreply-to \"hello@acme.com\"\n}",
            ..plain()
        },
        Shop { head: "sender \"Acme <hello@notgmail.com>\"", ..plain() },
        // An optional field that the text asks about first.
        Shop {
            fields: "day time optional",
            text: String::from("Hi,{% if day %} see you on {{day | date}}{% endif %}."),
            ..plain()
        },
        // One mail service alone may carry both kinds.
        Shop {
            head: "service \"post\" type=\"smtp\" {\nurl (env)\"SMTP_URL\" optional=#true\n}",
            start: "start \"welcome\"\nstart \"receipt\"",
            sequence: "sequence \"welcome\" to=\"{{email}}\" {\n\
                       email \"hello\" after=\"1h\" subject=\"A\"\n}\n\
                       sequence \"receipt\" to=\"{{email}}\" kind=\"transactional\" {\n\
                       email \"again\" after=\"1h\" subject=\"B\"\n}",
            ..plain()
        },
    ] {
        let found = shop.found();
        assert!(found.is_empty(), "{}\n{found:?}", shop.sequence);
    }
}

#[test]
fn a_stand_in_for_a_known_field_is_mended_by_its_tag() {
    let shop = Shop { text: String::from("Dear [FIRST NAME], dear *|FNAME|*"), ..plain() };
    let found = shop.found();
    let mends: Vec<Option<&str>> =
        found.iter().map(|one| one.fix.as_ref().map(|fix| fix.text.as_str())).collect();
    assert_eq!(mends, [Some("{{first_name}}"), None]);
    let sources = shop.sources();
    assert_eq!(sources.text(found[0].span), "[FIRST NAME]");
}

#[test]
fn findings_of_a_finished_text_are_told_where_the_template_causes_them() {
    let text = "Hi,\n\n[look](http://acme.com/?for={{first_name}}&x=1)\n";
    let shop = Shop { text: text.to_owned(), ..plain() };
    let found = shop.found();
    let sources = shop.sources();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(sources.text(found[0].span), "http://acme.com/?for=");
}

#[test]
fn real_mail_is_asked_for_what_captured_mail_is_not() {
    let shop = Shop {
        text: String::from("[Book](https://www.example.com/book) [NAME] <https://shop.test>"),
        head: "sender \"Acme <hello@example.com>\"",
        ..plain()
    };
    let rules = shop.rules();
    let asked = |rules: &RuleSet, server, public_url| -> Vec<String> {
        let service = rules.sequences["welcome"].span;
        let found = leaving(&Outside { rules, service, server, public_url });
        found.into_iter().map(|one| format!("{}: {}", one.severity.word(), one.message)).collect()
    };
    assert_eq!(
        asked(&rules, "smtp://mail.acme.com?tls=none", "http://acme.com"),
        [
            "error: unsubscribe links need an https address",
            "warning: e-mail leaves this machine unencrypted",
            "error: the sender is still an example address",
            "error: emails/hello.md still links to www.example.com",
            "error: emails/hello.md still links to shop.test",
            "error: `[NAME]` is not replaced: readers would see it",
        ]
    );
    let mended = Shop {
        head: "sender \"Acme <hello@acme.com>\" {\npostal-address \"1 Main St\"\n}",
        ..plain()
    };
    let none: Vec<String> = asked(&mended.rules(), "smtp://mail.acme.com", "https://acme.com");
    assert!(none.is_empty(), "{none:?}");
}

#[test]
fn a_warning_that_became_an_error_is_told_once() {
    let shop = Shop { text: String::from("Dear [FIRST NAME]"), ..plain() };
    let (rules, mut found) = read(&shop.sources());
    let rules = rules.expect("a warning refuses nothing");
    let outside = Outside {
        rules: &rules,
        service: rules.sequences["welcome"].span,
        server: "smtp://mail.acme.com",
        public_url: "https://acme.com",
    };
    super::add(&mut found, leaving(&outside));
    let stand_ins: Vec<Severity> =
        found.iter().filter(|one| one.code == codes::PLACEHOLDER).map(|one| one.severity).collect();
    assert_eq!(stand_ins, [Severity::Error]);
}

#[test]
fn an_example_has_every_field_or_only_those_that_must_be_there() {
    let shop = Shop {
        fields: "size integer optional\nplace object {\ncity text\nzip text optional\n}",
        ..plain()
    };
    let rules = shop.rules();
    let [start] = &starts(&rules, "welcome")[..] else { panic!("one endpoint starts it") };
    assert_eq!(start.by, "shop/signup");
    assert_eq!(json!(start.full)["size"], 1);
    assert_eq!(json!(start.full)["place"], json!({"city": "text", "zip": "text"}));
    assert_eq!(
        json!(start.bare),
        json!({"email": "sarah@example.com", "first_name": "Sarah", "place": {"city": "text"}})
    );
}

fn first(rules: &RuleSet) -> (&Sequence, &SequenceStep) {
    let sequence = &rules.sequences["welcome"];
    (sequence, &sequence.steps[0])
}

#[test]
fn a_letter_carries_a_link_that_unsubscribes_nobody() {
    let rules = plain().rules();
    let (sequence, step) = first(&rules);
    assert!(matches!(step.action, SequenceAction::Email { .. }));
    let scene = Scene {
        rules: &rules,
        public_url: "https://acme.com",
        at: Timestamp::UNIX_EPOCH,
        id: Id([0; 16]),
    };
    let payload = starts(&rules, "welcome")[0].full.clone();
    let draft =
        scene.draft(sequence, step, &payload, &Pick::default()).expect("it can be filled in");
    assert_eq!((draft.to.as_str(), draft.withheld.as_deref()), ("sarah@example.com", None));
    let letter = scene.letter(sequence, step, draft).expect("it can be made");
    let header = |name: &str| {
        letter.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(header("From"), Some("Acme <hello@acme.com>"));
    assert_eq!(header("Subject"), Some("Welcome"));
    let inert = "<https://acme.com/unsubscribe/preview>";
    assert_eq!(header("List-Unsubscribe"), Some(inert));
    assert!(letter.html.contains("Hi Sarah,") && letter.email.text.starts_with("Hi Sarah,"));
}

#[test]
fn a_letter_that_a_guard_withholds_is_made_and_says_so() {
    let shop = Shop {
        sequence: "sequence \"welcome\" to=\"{{email}}\" {\nemail \"hello\" after=\"1h\" \
                   subject=\"A\" when=#\"first_name == \"Bob\"\"#\n}",
        ..plain()
    };
    let rules = shop.rules();
    let (sequence, step) = first(&rules);
    let scene = Scene { rules: &rules, public_url: "", at: Timestamp::UNIX_EPOCH, id: Id([0; 16]) };
    let draft = scene.draft(sequence, step, &starts(&rules, "welcome")[0].full, &Pick::default());
    let why = draft.expect("it can be filled in").withheld.expect("it would be withheld");
    assert!(why.contains("first_name = \"Sarah\""), "{why}");
}

#[test]
fn reading_every_email_costs_no_more_than_reading_the_rules() {
    let mut sources = SourceMap::new();
    let mut text = String::from("sender \"Acme <hello@acme.com>\"\n");
    for number in 0..100 {
        let _ = writeln!(
            text,
            "webhooks \"shop{number}\" {{\npath \"/shop{number}\"\nendpoint \"signup\" {{\n\
             payload {{\nemail email\nfirst_name text\nday time optional\n}}\n\
             start \"welcome{number}\"\n}}\n}}\n\
             sequence \"welcome{number}\" to=\"{{{{email}}}}\" {{\nonce-per \"{{{{email}}}}\"\n\
             stop-when \"contact.bounced\"\n\
             email \"one-{number}\" after=\"1d\" subject=\"Hi {{{{first_name}}}}\"\n\
             email \"two-{number}\" after=\"3d\" subject=\"Once more\"\n}}"
        );
        for name in ["one", "two"] {
            let words = "Some words for {{first_name}} that say nothing much, and a \
                         [link](https://acme.com/x).\n\n";
            sources.add(format!("emails/{name}-{number}.md"), words.repeat(12));
        }
    }
    sources.add("shop.kdl", text);
    let begun = SystemClock.passing();
    let (rules, found) = crate::language::analyze(&sources);
    let alone = SystemClock.passing() - begun;
    assert!(found.is_empty(), "{found:?}");
    let rules = rules.expect("good rules");
    let begun = SystemClock.passing();
    let found = super::lint::lint(&rules);
    let lint = SystemClock.passing() - begun;
    assert!(found.is_empty(), "{found:?}");
    assert!(lint <= alone, "rules {alone} ms, e-mails {lint} ms");
}

#[test]
fn the_oddest_texts_are_read_soon() {
    let begun = SystemClock.passing();
    for text in [
        "[".repeat(40_000),
        "{a}".repeat(12_000),
        "{a ".repeat(12_000),
        "<<é".repeat(12_000),
        "[a](http://é.example.com/{{first_name}})".repeat(1_000),
        "![](x{{first_name}})".repeat(1_600),
        "*|".repeat(20_000),
        "lorem ipsum ".repeat(4_000),
        "{#".repeat(3) + "#}",
    ] {
        let found = Shop { text, ..plain() }.found();
        assert!(found.len() < 300, "{}", found.len());
    }
    let taken = SystemClock.passing() - begun;
    assert!(taken < 20_000, "{taken} ms");
}
