//! Mistakes appear while somebody types, and go away when they are mended.

use serde_json::{Value, json};

use crate::client::{Editor, RULES, SCHEMAS, TEXT, edited, project, under};

const SHOP: &str = "rules/shop.kdl";

#[test]
fn a_mistake_is_shown_while_it_is_typed_and_gone_when_it_is_mended() {
    let folder = project();
    let mut editor = Editor::new(folder.path());
    editor.open(SHOP, RULES);
    assert_eq!(editor.codes(SHOP), [""; 0]);
    let typo = RULES.replace("payload \"signup\"", "payload \"sigup\"");
    let version = editor.change(SHOP, &typo);
    let found = editor.mistakes(SHOP);
    assert_eq!(found["version"], version);
    let one = &found["diagnostics"][0];
    assert_eq!(
        (one["code"].as_str(), one["severity"].as_i64(), one["source"].as_str()),
        (Some("unknown-schema"), Some(1), Some("rulerun"))
    );
    assert_eq!(under(&typo, &one["range"]), "\"sigup\"");
    assert!(one["message"].as_str().unwrap().ends_with("did you mean `signup`?"), "{one}");
    editor.change(SHOP, RULES);
    assert_eq!(editor.codes(SHOP), [""; 0]);
    assert!(editor.leave().success());
}

#[test]
fn the_other_place_of_a_mistake_is_shown_too_in_its_own_file() {
    let folder = project();
    let mut editor = Editor::new(folder.path());
    let twice = format!("{RULES}schema \"signup\" {{\n    a text\n}}\n");
    editor.open(SHOP, &twice);
    let files = [SHOP, "schemas/shop.kdl"];
    let uri = editor.uri(files[0]);
    let other = editor.uri(files[1]);
    // Whichever is read second is the doubled one.
    let found = loop {
        let heard = editor.hear();
        let first = heard["params"]["diagnostics"][0].clone();
        if first["code"] == "duplicate" {
            break (heard["params"]["uri"].clone(), first);
        }
    };
    let related = &found.1["relatedInformation"][0];
    assert_eq!(related["message"], "first declared here");
    let places = [&found.0, &related["location"]["uri"]];
    assert!(places.contains(&&json!(uri)) && places.contains(&&json!(other)), "{places:?}");
}

#[test]
fn the_text_of_an_email_is_checked_and_so_is_a_file_that_others_refer_to() {
    let folder = project();
    let mut editor = Editor::new(folder.path());
    let text = "rules/emails/welcome-1.md";
    editor.open(text, &TEXT.replace("first_name", "frist_name"));
    assert_eq!(editor.codes(text), ["unknown-field"]);
    editor.change(text, TEXT);
    assert_eq!(editor.codes(text), [""; 0]);
    // A field that goes away in one file is missed in two others, which are not open.
    editor.open("schemas/shop.kdl", &SCHEMAS.replace("first_name", "given_name"));
    assert_eq!(editor.codes(text), ["unknown-field"]);
    assert!(editor.leave().success());
}

#[test]
fn a_file_that_is_closed_counts_as_it_is_saved() {
    let folder = project();
    let mut editor = Editor::new(folder.path());
    editor.open(SHOP, "webhooks {");
    assert_ne!(editor.codes(SHOP), [""; 0]);
    let document = json!({"textDocument": {"uri": editor.uri(SHOP)}});
    editor.tell("textDocument/didClose", document);
    assert_eq!(editor.codes(SHOP), [""; 0]);
    // One that belongs to no project is forgotten.
    let alone = "alone.kdl";
    editor.open(alone, "nonsense\n");
    assert_eq!(editor.codes(alone), ["unknown-word"]);
    let document = json!({"textDocument": {"uri": editor.uri(alone)}});
    editor.tell("textDocument/didClose", document);
    assert_eq!(editor.codes(alone), [""; 0]);
}

#[test]
fn what_others_change_on_the_disk_is_seen() {
    let folder = project();
    let mut editor = Editor::with(
        folder.path(),
        json!({"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": true}}}),
    );
    assert_eq!(editor.hear()["method"], "client/registerCapability");
    std::fs::write(folder.path().join(SHOP), "nonsense\n").unwrap();
    editor.tell("workspace/didChangeWatchedFiles", json!({"changes": []}));
    assert_eq!(editor.codes(SHOP), ["unknown-word"]);
    std::fs::write(folder.path().join(SHOP), b"caf\xe9").unwrap();
    editor.tell("workspace/didChangeWatchedFiles", json!({"changes": []}));
    let told = loop {
        let heard = editor.hear();
        if heard["method"] == "window/showMessage" {
            break heard["params"]["message"].as_str().unwrap().to_owned();
        }
    };
    assert!(told.contains("rules/shop.kdl") && told.contains("UTF-8"), "{told}");
}

#[test]
fn only_the_newest_of_many_versions_is_certain_to_be_told_and_none_is_told_late() {
    let folder = project();
    let mut editor = Editor::new(folder.path());
    editor.open(SHOP, RULES);
    let mut last = 0;
    for round in 0..30 {
        last = editor.change(SHOP, &format!("{RULES}// {}\n", "x".repeat(round)));
    }
    let mut seen = 0;
    while seen < last {
        let version = editor.mistakes(SHOP)["version"].as_i64().unwrap();
        assert!(version > seen, "version {version} after {seen}");
        seen = version;
    }
}

#[test]
fn a_rule_file_alone_is_a_rule_set_with_the_texts_beside_it_and_other_texts_are_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("emails")).unwrap();
    let alone = "sequence \"hello\" to=\"{{email}}\" {\n    email \"hi\" subject=\"Hi\"\n}\n";
    let rules = format!(
        "{}schema \"s\" {{\n    email email\n}}\nwebhooks \"w\" {{\n    path \"/w\"\n    endpoint \"e\" \
         key=(env)\"KEY\" {{\n        payload \"s\"\n        start \"hello\"\n    }}\n}}\n{alone}",
        crate::client::SETTINGS
    );
    std::fs::write(folder.path().join("shop.kdl"), rules).unwrap();
    std::fs::write(folder.path().join("emails/hi.md"), "Hi.\n").unwrap();
    std::fs::write(folder.path().join("README.md"), "{{nonsense\n").unwrap();
    let mut editor = Editor::new(folder.path());
    editor.open("emails/hi.md", "Hi {{nobody}}.\n");
    assert_eq!(editor.codes("emails/hi.md"), ["unknown-field"]);
    editor.open("README.md", "{{nonsense\n");
    assert_eq!(editor.codes("README.md"), [""; 0]);
    assert_eq!(
        editor.offers("emails/hi.md", "Hi {{‸"),
        ["email}}", "now}}", "postal_address}}", "preferences_url}}", "unsubscribe_url}}"]
    );
}

#[test]
fn rules_elsewhere_are_those_of_the_flag() {
    let folder = project();
    std::fs::rename(folder.path().join("rules"), folder.path().join("one")).unwrap();
    std::fs::rename(folder.path().join("schemas"), folder.path().join("two")).unwrap();
    let mut editor = Editor::start(folder.path(), &["--rules", "one", "--rules", "two"]);
    editor.ask("initialize", json!({"capabilities": {}}));
    editor.tell("initialized", json!({}));
    editor.open("one/shop.kdl", RULES);
    assert_eq!(editor.codes("one/shop.kdl"), [""; 0]);
    let offers =
        editor.offers("one/shop.kdl", &RULES.replace("payload \"signup\"", "payload \"‸\""));
    assert_eq!(offers, ["lead_found", "signup"]);
}

#[test]
fn a_quick_fix_mends_the_mistake_that_it_belongs_to() {
    let folder = project();
    let mut editor = Editor::new(folder.path());
    let slip = RULES.replace("after=\"5min\"", "after=5min");
    editor.open(SHOP, &slip);
    let found = editor.mistakes(SHOP);
    let mistake = &found["diagnostics"][0];
    assert_eq!(mistake["code"], "unquoted-duration");
    let answer = editor.ask(
        "textDocument/codeAction",
        json!({
            "textDocument": {"uri": editor.uri(SHOP)},
            "range": mistake["range"], "context": {"diagnostics": [mistake]},
        }),
    );
    let action = &answer["result"][0];
    assert_eq!((&action["title"], &action["kind"]), (&json!("Write \"5min\""), &json!("quickfix")));
    let mended = edited(&slip, &action["edit"]["changes"][editor.uri(SHOP)]);
    assert_eq!(mended, RULES);
    editor.change(SHOP, &mended);
    assert_eq!(editor.codes(SHOP), [""; 0]);
}

#[test]
fn formatting_is_that_of_fmt_and_leaves_alone_what_it_cannot_read() {
    let folder = project();
    let mut editor = Editor::new(folder.path());
    editor.open(SHOP, &RULES.replace("        payload", "  payload"));
    let format = |editor: &mut Editor| {
        let options = json!({"tabSize": 4, "insertSpaces": true});
        let file = json!({"uri": editor.uri(SHOP)});
        editor.ask("textDocument/formatting", json!({"textDocument": file, "options": options}))
    };
    assert_eq!(format(&mut editor)["result"][0]["newText"], RULES);
    editor.change(SHOP, RULES);
    assert_eq!(format(&mut editor)["result"], json!([]));
    editor.change(SHOP, "webhooks {");
    assert_eq!(format(&mut editor)["result"], json!([]));
}

#[test]
fn the_outline_of_a_file_has_its_blocks_by_name() {
    let folder = project();
    let mut editor = Editor::new(folder.path());
    editor.open(SHOP, RULES);
    let file = json!({"textDocument": {"uri": editor.uri(SHOP)}});
    let answer = editor.ask("textDocument/documentSymbol", file);
    let names = |all: &Value| -> Vec<String> {
        let all = all.as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&answer["result"]), ["events", "shop", "welcome"]);
    let endpoint = &answer["result"][1]["children"][1];
    assert_eq!((&endpoint["name"], &endpoint["detail"]), (&json!("signup"), &json!("endpoint")));
    assert_eq!(endpoint["children"].as_array().unwrap().len(), 6);
}
