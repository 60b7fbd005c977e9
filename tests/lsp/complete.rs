//! What is offered where somebody is typing.

use serde_json::{Value, json};

use crate::client::{Editor, RULES, TEXT, project, under};

const SHOP: &str = "rules/shop.kdl";

/// The rules with something else in the place of a part of them.
fn with(part: &str, new: &str) -> String {
    assert!(RULES.contains(part), "{part}");
    RULES.replacen(part, new, 1)
}

fn editor(folder: &tempfile::TempDir) -> Editor {
    let mut editor = Editor::new(folder.path());
    editor.open(SHOP, RULES);
    editor
}

#[test]
fn words_are_those_that_may_stand_there() {
    let folder = project();
    let mut editor = editor(&folder);
    let top = editor.offers(SHOP, &format!("{RULES}‸"));
    assert!(top.contains(&"schema".into()) && !top.contains(&"endpoint".into()), "{top:?}");
    let steps = editor.offers(SHOP, &with("start \"welcome\"", "st‸"));
    assert!(steps.contains(&"start".into()) && steps.contains(&"reply".into()), "{steps:?}");
    assert!(!steps.contains(&"payload".into()), "it stands there once already: {steps:?}");
    assert!(!steps.contains(&"email".into()), "that belongs in a sequence: {steps:?}");
    let sequence = editor.offers(SHOP, &with("    once-per", "    ‸\n    once-per"));
    assert!(sequence.contains(&"stop-when".into()), "{sequence:?}");
    assert!(sequence.contains(&"window".into()), "{sequence:?}");
    assert!(!top.contains(&"source".into()), "it comes later: {top:?}");
}

#[test]
fn properties_are_those_that_are_missing() {
    let folder = project();
    let mut editor = editor(&folder);
    let line = with("subject=\"Welcome, {{first_name}}\"", "‸");
    let offered = editor.offers(SHOP, &line);
    assert!(offered.contains(&"subject=".into()) && offered.contains(&"when=".into()));
    assert!(!offered.contains(&"after=".into()), "it is there: {offered:?}");
    // Also before the others, and when the key is half written.
    let key = editor.offers(SHOP, &with("after=", "aft‸er="));
    assert!(key.contains(&"after".into()), "{key:?}");
}

#[test]
fn a_choice_offers_its_words_and_a_wait_offers_some() {
    let folder = project();
    let mut editor = editor(&folder);
    let kind = editor.offers(SHOP, &with("to=\"{{email}}\" {", "to=\"{{email}}\" kind=\"‸\" {"));
    assert_eq!(kind, ["marketing", "transactional"]);
    let bare = editor.offers(SHOP, &with("to=\"{{email}}\" {", "to=\"{{email}}\" kind=‸ {"));
    assert_eq!(bare, ["\"marketing\"", "\"transactional\""]);
    let wait = editor.offers(SHOP, &with("\"5min\"", "\"‸\""));
    assert!(wait.contains(&"1d".into()), "{wait:?}");
    let zone = editor.offers(
        "rules/settings.kdl",
        &with("events", "sender \"a\" {\n    time-zone \"‸\"\n}\nevents"),
    );
    assert!(zone.contains(&"Europe/Berlin".into()));
    let yes = editor.offers(SHOP, &with("payload \"signup\"", "payload \"signup\" closed=‸"));
    assert_eq!(yes, ["#true", "#false"]);
}

#[test]
fn names_are_those_of_the_rule_set() {
    let folder = project();
    let mut editor = editor(&folder);
    assert_eq!(
        editor.offers(SHOP, &with("payload \"signup\"", "payload \"‸\"")),
        ["lead_found", "signup"]
    );
    assert_eq!(editor.offers(SHOP, &with("start \"welcome\"", "start ‸"))[0], "\"welcome\"");
    assert_eq!(editor.offers(SHOP, &with("send \"lead_found\"", "send \"‸")), ["lead_found\""]);
    assert_eq!(editor.offers(SHOP, &with("start \"welcome\"", "save \"‸\"")), ["contact"]);
    assert_eq!(editor.offers(SHOP, &with("events to=\"n8n\"", "events to=\"‸\"")), ["mail", "n8n"]);
    assert_eq!(editor.offers(SHOP, &with("email \"welcome-1\"", "email \"‸\"")), ["welcome-1"]);
    assert_eq!(
        editor.offers(SHOP, &with("(env)\"SIGNUP_KEY\"", "(env)\"‸\"")),
        ["N8N_SECRET", "N8N_URL", "SMTP_URL"]
    );
    assert_eq!(editor.offers(SHOP, &with("(env)\"SIGNUP_KEY\"", "(‸")), ["env", "file"]);
    // An event is given the schema of its name.
    let schema = "    event \"‸\"\n}\nwebhooks";
    assert_eq!(editor.offers(SHOP, &with("}\nwebhooks", schema)), ["signup"]);
}

#[test]
fn tags_and_guards_offer_the_fields_in_scope() {
    let folder = project();
    let mut editor = editor(&folder);
    let tag = editor.offers(SHOP, &with("id=\"{{email}}\"", "id=\"{{‸}}\""));
    assert_eq!(tag, ["email", "first_name", "now", "score"]);
    // In the middle of a line that does not parse, with the rest still to be typed.
    let open = editor.offers(SHOP, &with("id=\"{{email}}\" {", "id=\"{{em‸"));
    assert!(open.contains(&"email}}".into()), "{open:?}");
    let filter = editor.offers(SHOP, &with("{{first_name}}", "{{first_name | ‸}}"));
    assert_eq!(filter[..3], ["number", "date", "time"]);
    let guard = editor.offers(SHOP, &with("score == ()", "sc‸ == ()"));
    assert!(guard.contains(&"score".into()) && guard.contains(&"contains(".into()), "{guard:?}");
    assert!(!guard.contains(&"contact".into()), "nothing has looked it up there: {guard:?}");
    // A record that a step above has brought into scope, and its fields.
    let below = editor.offers(SHOP, &with("contact.name !=", "‸ !="));
    assert!(below.contains(&"contact".into()), "{below:?}");
    assert_eq!(editor.offers(SHOP, &with("contact.name !=", "contact.‸ !=")), ["email", "name"]);
    let contact = editor.offers(SHOP, &with("contact.unsubscribed", "contact.‸"));
    assert_eq!(contact, ["bounced", "email", "name", "unsubscribed"]);
    let subject = editor.offers(SHOP, &with("Welcome, {{first_name}}", "Welcome, {{‸"));
    assert!(subject.contains(&"first_name}}".into()), "{subject:?}");
    let path = editor.offers(SHOP, &with("{{event.slug}}", "{{event.‸}}"));
    assert_eq!(path, ["name", "slug"]);
    assert_eq!(editor.offers(SHOP, &with("\"score", "\"\\\"‸")), [""; 0], "within a text");
}

#[test]
fn the_text_of_an_email_offers_the_fields_of_its_sequence_and_nothing_elsewhere() {
    let folder = project();
    let mut editor = editor(&folder);
    let text = "rules/emails/welcome-1.md";
    editor.open(text, TEXT);
    let offered = editor.offers(text, &format!("{TEXT}{{{{ ‸"));
    assert_eq!(
        offered,
        [
            "email}}",
            "first_name}}",
            "now}}",
            "postal_address}}",
            "preferences_url}}",
            "score}}",
            "unsubscribe_url}}"
        ]
    );
    assert_eq!(editor.offers(text, &format!("{TEXT} ‸")), [""; 0]);
}

#[test]
fn fields_offer_their_types_and_options() {
    let folder = project();
    let mut editor = editor(&folder);
    let schema = |line: &str| format!("schema \"x\" {{\n    {line}\n}}\n");
    let types = editor.offers(SHOP, &schema("a ‸"));
    assert_eq!(types[..3], ["text", "email", "integer"]);
    let more = editor.offers(SHOP, &schema("a text ‸"));
    assert!(more.contains(&"optional".into()) && more.contains(&"example=".into()), "{more:?}");
    assert_eq!(editor.offers(SHOP, &schema("a text {\n        ‸\n    }")), ["one-of"]);
    assert_eq!(editor.offers(SHOP, &schema("a list {\n        ‸\n    }")), ["of"]);
}

#[test]
fn a_block_of_values_offers_the_fields_that_are_missing() {
    let folder = project();
    let mut editor = editor(&folder);
    let fields =
        editor.offers(SHOP, &with("send \"lead_found\"", "send \"lead_found\" {\n    ‸\n}"));
    assert_eq!(fields, ["email"]);
}

#[test]
fn snippets_are_for_editors_that_can_fill_them_in() {
    let folder = project();
    let snippets =
        json!({"textDocument": {"completion": {"completionItem": {"snippetSupport": true}}}});
    let mut editor = Editor::with(folder.path(), snippets);
    editor.open(SHOP, RULES);
    let offered = editor.offers(SHOP, &format!("{RULES}‸"));
    let sequence = "sequence \"$1\" to=\"$2\" {\n    $0\n}";
    assert!(offered.contains(&sequence.into()), "{offered:?}");
}

#[test]
fn nothing_is_offered_in_a_comment_and_what_is_replaced_is_what_was_typed() {
    let folder = project();
    let mut editor = editor(&folder);
    assert_eq!(editor.offers(SHOP, &with("    path", "    // sch‸\n    path")), [""; 0]);
    let text = with("payload \"signup\"", "payload \"si‸gn\"");
    let answer = editor.at("completion", SHOP, &text, Value::Null);
    let range = &answer["result"]["items"][0]["textEdit"]["range"];
    let own = text.replace('‸', "");
    assert_eq!(under(&own, range), "sign");
    // Columns count UTF-16 units: an emoji is two.
    let emoji = with("id=\"{{email}}\"", "also=\"😀é\" id=\"{{em‸}}\"");
    let answer = editor.at("completion", SHOP, &emoji, Value::Null);
    let range = &answer["result"]["items"][0]["textEdit"]["range"];
    assert_eq!(under(&emoji.replace('‸', ""), range), "em");
}
