//! Files of tests: what they name is completed, explained, found and renamed like the names in
//! rules, wherever below the project they stand.

use serde_json::{Value, json};

use crate::client::{Editor, RULES, SCHEMAS, SETTINGS, edited, project, under};

const SHOP: &str = "rules/shop.kdl";
const SHAPES: &str = "schemas/shop.kdl";
const TESTS: &str = "tests/shop.test.kdl";
const LETTER: &str = "rules/emails/welcome-1.md";

/// Tests of the project.
const TRIED: &str = r#"test "a sign-up is welcomed" {
    service "n8n" answers=503
    post "shop/signup" example="signup" {
        first_name "Ann"
    }
    expect event="lead_found" to="n8n" {
        email "sarah@example.com"
    }
    expect retry="lead_found"
    expect save="contact" id="sarah@example.com"
    expect email="welcome-1" after="5min" to="sarah@example.com"
    expect skipped="welcome"
}
"#;

/// The project with its tests on the disk.
fn tried() -> (tempfile::TempDir, Editor) {
    let folder = project();
    std::fs::create_dir(folder.path().join("tests")).unwrap();
    std::fs::write(folder.path().join(TESTS), TRIED).unwrap();
    let mut editor = Editor::new(folder.path());
    editor.open(SHOP, RULES);
    editor.open(SHAPES, SCHEMAS);
    (folder, editor)
}

fn with(part: &str, new: &str) -> String {
    assert!(TRIED.contains(part), "{part}");
    TRIED.replacen(part, new, 1)
}

#[test]
fn the_names_that_a_test_may_say_are_those_of_the_rules() {
    let (_folder, mut editor) = tried();
    editor.open(TESTS, TRIED);
    for (part, typed, offered) in [
        ("post \"shop/signup\"", "post \"‸\"", &["shop/signup"][..]),
        ("example=\"signup\"", "example=\"‸\"", &["lead_found", "signup"]),
        ("event=\"lead_found\"", "event=\"‸\"", &["lead_found"]),
        ("email=\"welcome-1\"", "email=\"‸\"", &["welcome-1"]),
        ("save=\"contact\"", "save=\"‸\"", &["contact"]),
        ("service \"n8n\"", "service \"‸\"", &["mail", "n8n"]),
        ("to=\"n8n\"", "to=\"‸\"", &["mail", "n8n"]),
        ("retry=\"lead_found\"", "retry=\"‸\"", &["welcome-1", "lead_found", "contact"]),
        (
            "skipped=\"welcome\"",
            "skipped=\"‸\"",
            &["welcome-1", "lead_found", "contact", "welcome"],
        ),
    ] {
        assert_eq!(editor.offers(TESTS, &with(part, typed)), offered, "{part}");
    }
    let words = editor.offers(TESTS, &with("    service", "    ‸\n    service"));
    assert!(words.contains(&"post".into()) && !words.contains(&"endpoint".into()), "{words:?}");
}

#[test]
fn a_block_offers_the_fields_that_it_may_fill_with_their_examples() {
    let (folder, _) = tried();
    let snippets =
        json!({"textDocument": {"completion": {"completionItem": {"snippetSupport": true}}}});
    let mut editor = Editor::with(folder.path(), snippets);
    editor.open(TESTS, TRIED);
    let post = editor.offers(TESTS, &with("first_name \"Ann\"", "first_name \"Ann\"\n    ‸"));
    assert_eq!(post, ["email \"${1:sarah@example.com}\"", "score ${1:7}"]);
    let event = editor.offers(TESTS, &with("        email \"sarah@example.com\"", "    ‸"));
    assert_eq!(event, ["email \"${1:sarah@example.com}\""]);
    let saved = editor
        .offers(TESTS, &with("id=\"sarah@example.com\"", "id=\"sarah@example.com\" {\n    ‸\n}"));
    assert_eq!(saved, ["email $1", "name $1"]);
    // A value of a test is no text with tags.
    assert_eq!(editor.offers(TESTS, &with("\"Ann\"", "\"{{‸}}\"")), [""; 0]);
}

#[test]
fn help_and_definition_lead_from_a_test_into_the_rules() {
    let (_folder, mut editor) = tried();
    editor.open(TESTS, TRIED);
    for (pointed, help, file, declared) in [
        ("shop/sig‸nup", "endpoint **signup**", SHOP, "\"signup\""),
        ("sh‸op/signup", "webhooks **shop**", SHOP, "\"shop\""),
        ("example=\"sig‸nup\"", "schema **signup**", SHAPES, "\"signup\""),
        ("event=\"lead‸_found\"", "event **lead_found**", SHOP, "\"lead_found\""),
        ("retry=\"lead‸_found\"", "event **lead_found**", SHOP, "\"lead_found\""),
        ("email=\"wel‸come-1\"", "email **welcome-1**", SHOP, "\"welcome-1\""),
        ("skipped=\"wel‸come\"", "sequence **welcome**", SHOP, "\"welcome\""),
        ("save=\"con‸tact\"", "record **contact**", SHOP, "\"contact\""),
    ] {
        let text = with(&pointed.replace('‸', ""), pointed);
        let told = editor.help(TESTS, &text);
        assert!(told.contains(help), "{pointed}: {told}");
        let answer = editor.at("definition", TESTS, &text, Value::Null);
        let place = &answer["result"][0];
        assert_eq!(place["uri"], editor.uri(file), "{pointed}");
        let own = if file == SHOP { RULES } else { SCHEMAS };
        assert_eq!(under(own, &place["range"]), declared, "{pointed}");
    }
    // The address of an e-mail is no service.
    let address = with("to=\"sarah@example.com\"", "to=\"sarah‸@example.com\"");
    assert_eq!(editor.help(TESTS, &address), "");
}

#[test]
fn tests_that_are_not_open_count_as_places_that_name_a_thing() {
    let (_folder, mut editor) = tried();
    let more = json!({"context": {"includeDeclaration": true}});
    let text = RULES.replace("endpoint \"signup\"", "endpoint \"sig‸nup\"");
    let answer = editor.at("references", SHOP, &text, more);
    let places: Vec<(&Value, String)> = answer["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| {
            let own = if place["uri"] == editor.uri(TESTS) { TRIED } else { RULES };
            (&place["uri"], under(own, &place["range"]))
        })
        .collect();
    let (shop, tests) = (json!(editor.uri(SHOP)), json!(editor.uri(TESTS)));
    assert_eq!(places, [(&shop, "\"signup\"".into()), (&tests, "signup".into())]);
}

#[test]
fn a_rename_changes_the_tests_too() {
    let (folder, mut editor) = tried();
    // What is called n8n by chance need not say what it is.
    let settings = SETTINGS.replace("service \"n8n\"", "service \"n8n\" type=\"n8n\"");
    std::fs::write(folder.path().join("rules/settings.kdl"), settings).unwrap();
    editor.tell("workspace/didChangeWatchedFiles", json!({"changes": []}));
    for (cursor, new, tests) in [
        ("endpoint \"sig‸nup\"", "join", TRIED.replace("shop/signup", "shop/join")),
        ("webhooks \"sh‸op\"", "a store", TRIED.replace("shop/", "a store/")),
        ("payload \"sig‸nup\"", "new \"one\"", TRIED.replace("=\"signup\"", r#"="new \"one\"""#)),
        ("send \"lead_‸found\"", "lead_seen", TRIED.replace("lead_found", "lead_seen")),
        ("start \"wel‸come\"", "hello", TRIED.replace("skipped=\"welcome\"", "skipped=\"hello\"")),
        ("events to=\"n‸8n\"", "flows", TRIED.replace("\"n8n\"", "\"flows\"")),
    ] {
        let text = RULES.replacen(&cursor.replace('‸', ""), cursor, 1);
        let answer = editor.at("rename", SHOP, &text, json!({"newName": new}));
        let edits = &answer["result"]["changes"][editor.uri(TESTS)];
        assert!(edits.is_array(), "{cursor}: {answer}");
        assert_eq!(edited(TRIED, edits), tests, "{cursor}");
    }
    // From within a test it is the same rename.
    editor.open(TESTS, TRIED);
    let text = with("shop/signup", "shop/sig‸nup");
    let answer = editor.at("rename", TESTS, &text, json!({"newName": "join"}));
    let changes = answer["result"]["changes"].as_object().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(changes.len(), 2);
    let rules = edited(RULES, &changes[&editor.uri(SHOP)]);
    assert_eq!(rules, RULES.replace("endpoint \"signup\"", "endpoint \"join\""));
}

#[test]
fn a_test_that_cannot_be_read_stops_a_rename_and_keeps_its_names_for_the_rest() {
    let (_folder, mut editor) = tried();
    editor.open(TESTS, TRIED);
    assert_eq!(editor.codes(TESTS), [""; 0]);
    editor.change(TESTS, &format!("{TRIED}/* a remark that never ends"));
    let text = RULES.replace("endpoint \"signup\"", "endpoint \"sig‸nup\"");
    let answer = editor.at("rename", SHOP, &text, json!({"newName": "join"}));
    let why = answer["error"]["message"].as_str().unwrap();
    assert!(why.contains("cannot be read at this moment"), "{why}");
    let answer = editor.at("references", SHOP, &text, Value::Null);
    assert_eq!(answer["result"].as_array().map(Vec::len), Some(2), "{answer}");
}

#[test]
fn the_mistakes_of_a_test_are_shown_wherever_it_stands() {
    let (folder, mut editor) = tried();
    editor.change(SHOP, &RULES.replace("endpoint \"signup\"", "endpoint \"join\""));
    assert_eq!(editor.codes(TESTS), ["unknown-endpoint"], "it is not open");
    editor.change(SHOP, RULES);
    assert_eq!(editor.codes(TESTS), [""; 0]);
    // One that is new and not saved yet.
    let new = "new.test.kdl";
    editor.open(new, "test \"x\" {\n    post \"shop/signup\" example=\"signup\"\n}\n");
    assert_eq!(editor.codes(new), ["no-expectation"]);
    // One that belongs to other rules below.
    let other = folder.path().join("other/rules");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("a.kdl"), "schema \"a\" {\n    a text\n}\n").unwrap();
    let nested = "other/a.test.kdl";
    editor.open(nested, TRIED);
    let codes = editor.codes(nested);
    assert!(codes.contains(&"unknown-endpoint".into()), "{codes:?}");
    editor.open(nested, "");
    assert_eq!(editor.codes(nested), [""; 0]);
}

#[test]
fn a_test_beside_a_single_rule_file_belongs_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "schema \"a\" {\n    a text\n}\nwebhooks \"w\" {\n    path \"/w\"\n    \
                 endpoint \"e\" key=(env)\"KEY\" {\n        payload \"a\"\n    }\n}\n";
    std::fs::write(folder.path().join("one.kdl"), rules).unwrap();
    let mut editor = Editor::new(folder.path());
    let test = "test \"x\" {\n    post \"w/e\" example=\"a\"\n    expect reply=200\n}\n";
    editor.open("one.test.kdl", test);
    assert_eq!(editor.codes("one.test.kdl"), [""; 0]);
    assert_eq!(editor.offers("one.test.kdl", &test.replace("w/e", "‸")), ["w/e"]);
}

/// What an editor says that renames files.
fn renaming() -> Value {
    json!({"workspace": {"workspaceEdit": {
        "documentChanges": true, "resourceOperations": ["create", "rename"],
    }}})
}

#[test]
fn an_email_is_renamed_with_its_text_where_the_editor_renames_files() {
    let (folder, _) = tried();
    let mut editor = Editor::with(folder.path(), renaming());
    editor.open(SHOP, RULES);
    editor.open(TESTS, TRIED);
    for (path, own, cursor) in
        [(SHOP, RULES, "email \"wel‸come-1\""), (TESTS, TRIED, "email=\"wel‸come-1\"")]
    {
        let text = own.replacen(&cursor.replace('‸', ""), cursor, 1);
        let answer = editor.at("prepareRename", path, &text, Value::Null);
        assert_eq!(answer["result"]["placeholder"], "welcome-1", "{answer}");
        let answer = editor.at("rename", path, &text, json!({"newName": "hello-1"}));
        let changes = answer["result"]["documentChanges"].as_array();
        let changes = changes.unwrap_or_else(|| panic!("{answer}"));
        for (path, own) in [(SHOP, RULES), (TESTS, TRIED)] {
            let same = |change: &&Value| change["textDocument"]["uri"] == editor.uri(path);
            let change = changes.iter().find(same).unwrap_or_else(|| panic!("{answer}"));
            assert!(change["textDocument"]["version"].is_i64());
            assert_eq!(edited(own, &change["edits"]), own.replace("welcome-1", "hello-1"));
        }
        let file = json!({
            "kind": "rename", "oldUri": editor.uri(LETTER),
            "newUri": editor.uri("rules/emails/hello-1.md"),
        });
        assert_eq!((changes.len(), changes.last()), (3, Some(&file)));
    }
    for (new, why) in [
        ("../up", "cannot be the name of an e-mail"),
        ("other", "there is a text rules/emails/other.md already"),
    ] {
        std::fs::write(folder.path().join("rules/emails/other.md"), "Hi.\n").unwrap();
        editor.tell("workspace/didChangeWatchedFiles", json!({"changes": []}));
        let text = RULES.replacen("\"welcome-1\"", "\"wel‸come-1\"", 1);
        let answer = editor.at("rename", SHOP, &text, json!({"newName": new}));
        let told = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn an_email_whose_text_has_another_name_is_renamed_without_a_file() {
    let (folder, mut editor) = tried();
    std::fs::write(folder.path().join("rules/emails/text.md"), "Hi.\n").unwrap();
    let rules = RULES.replace("email \"welcome-1\"", "email \"welcome-1\" template=\"text\"");
    let text = rules.replacen("\"welcome-1\"", "\"wel‸come-1\"", 1);
    let answer = editor.at("rename", SHOP, &text, json!({"newName": "hello-1"}));
    let edits = &answer["result"]["changes"][editor.uri(SHOP)];
    assert_eq!(edited(&rules, edits), rules.replace("welcome-1", "hello-1"), "{answer}");
    // Its text is a file, which this editor cannot rename.
    let text = rules.replacen("\"text\"", "\"te‸xt\"", 1);
    let answer = editor.at("rename", SHOP, &text, json!({"newName": "hello-1"}));
    assert!(answer["error"]["message"].as_str().unwrap().contains("emails/text.md"), "{answer}");
}
