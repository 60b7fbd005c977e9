//! Help, jumps and renaming: everything that knows which thing a name means.

use serde_json::{Value, json};

use crate::client::{Editor, RULES, SCHEMAS, TEXT, edited, project, under};

const SHOP: &str = "rules/shop.kdl";
const SHAPES: &str = "schemas/shop.kdl";
const LETTER: &str = "rules/emails/welcome-1.md";

/// The rules with a cursor in the middle of a part of them.
fn at(part: &str) -> String {
    pointed(RULES, part)
}

fn pointed(text: &str, part: &str) -> String {
    let start = text.find(part).unwrap_or_else(|| panic!("{part}"));
    let middle = start + part.len() / 2;
    format!("{}‸{}", &text[..middle], &text[middle..])
}

fn editor(folder: &tempfile::TempDir) -> Editor {
    let mut editor = Editor::new(folder.path());
    editor.open(SHOP, RULES);
    editor.open(SHAPES, SCHEMAS);
    editor.open(LETTER, TEXT);
    editor
}

/// Where a definition leads: the file, and the text there.
fn leads(editor: &mut Editor, path: &str, text: &str) -> Vec<(String, String)> {
    let answer = editor.at("definition", path, text, Value::Null);
    places(editor, &answer)
}

fn places(editor: &Editor, answer: &Value) -> Vec<(String, String)> {
    let of = |path: &str| editor.uri(path);
    let files = [(SHOP, RULES), (SHAPES, SCHEMAS), (LETTER, TEXT)];
    let found = answer["result"].as_array().expect("places").iter();
    found
        .map(|place| {
            let (path, text) =
                files.iter().find(|(path, _)| place["uri"] == of(path)).expect("a known file");
            ((*path).to_owned(), under(text, &place["range"]))
        })
        .collect()
}

#[test]
fn help_tells_what_a_word_a_property_a_value_and_a_name_mean() {
    let folder = project();
    let mut editor = editor(&folder);
    for (part, says) in [
        ("require", &["Refuses the call unless this holds", "`else=`", "```kdl"][..]),
        ("after=", &["How long after the sequence's start", "\"5min\""]),
        ("5min", &["A wait"]),
        ("\"welcome\"", &["sequence **welcome**", "rules/shop.kdl", "named in 1 other place"]),
        ("first_name", &["text", "example=\"Sarah\""]),
        ("contact.name", &["record **contact**", "save \"contact\""]),
        ("score > 3", &["integer, may be missing"]),
    ] {
        let help = editor.help(SHOP, &at(part));
        for say in says {
            assert!(help.contains(say), "{part}: {say} is not in\n{help}");
        }
    }
    let name = RULES.replacen("contact.name", "contact.na‸me", 1);
    assert!(editor.help(SHOP, &name).contains("may be missing"));
    let line = editor.help(SHAPES, &pointed(SCHEMAS, "first_name"));
    assert!(line.contains("For example `\"Sarah\"`"), "{line}");
    let integer = editor.help(SHAPES, &pointed(SCHEMAS, "integer"));
    assert!(integer.contains("a whole number"), "{integer}");
    let contains = RULES.replace("score > 3", "cont‸ains(email, \"a\")");
    assert!(editor.help(SHOP, &contains).contains("contains(text_or_list, part)"));
    assert!(editor.help(LETTER, &pointed(TEXT, "first_name")).contains("example=\"Sarah\""));
    assert_eq!(editor.help(SHOP, &RULES.replacen("events to", "//‸ events to", 1)), "");
}

#[test]
fn a_name_leads_to_where_it_is_declared() {
    let folder = project();
    let mut editor = editor(&folder);
    let place = |path: &str, text: &str| vec![(path.to_owned(), text.to_owned())];
    for (part, leads_to) in [
        ("\"signup\"\n        require", place(SHAPES, "\"signup\"")),
        ("\"welcome\"", place(SHOP, "\"welcome\"")),
        ("send \"lead_found\"", place(SHOP, "\"lead_found\"")),
        ("first_name", place(SHAPES, "first_name")),
        ("score > 3", place(SHAPES, "score")),
        ("contact.name", place(SHOP, "name")),
        ("\"welcome-1\"", place(LETTER, "")),
    ] {
        // The cursor stands in the name itself.
        let text = match part {
            "\"signup\"\n        require" => {
                RULES.replace("payload \"signup\"", "payload \"sig‸nup\"")
            }
            "send \"lead_found\"" => RULES.replace("send \"lead_found\"", "send \"lead‸_found\""),
            "score > 3" => RULES.replace("score > 3", "sc‸ore > 3"),
            "contact.name" => RULES.replacen("contact.name", "contact.na‸me", 1),
            part => at(part),
        };
        assert_eq!(leads(&mut editor, SHOP, &text), leads_to, "{part}");
    }
    // An event leads on to the schema of its name, a tag of an e-mail to its field.
    let event = RULES.replace("event \"lead_found\"", "event \"lead‸_found\"");
    assert_eq!(leads(&mut editor, SHOP, &event), place(SHAPES, "\"lead_found\""));
    assert_eq!(
        leads(&mut editor, LETTER, &pointed(TEXT, "first_name")),
        place(SHAPES, "first_name")
    );
    assert_eq!(leads(&mut editor, SHOP, &at("endpoint")), []);
    // In a file that does not parse at this moment, too.
    let broken =
        format!("{}webhooks {{", RULES.replace("payload \"signup\"", "payload \"sig‸nup\""));
    assert_eq!(leads(&mut editor, SHOP, &broken), place(SHAPES, "\"signup\""));
}

#[test]
fn a_thing_is_found_wherever_it_is_named() {
    let folder = project();
    let mut editor = editor(&folder);
    let all = |editor: &mut Editor, text: &str, declared: bool| {
        let more = json!({"context": {"includeDeclaration": declared}});
        let answer = editor.at("references", SHOP, text, more);
        places(editor, &answer)
    };
    let signup = RULES.replace("payload \"signup\"", "payload \"sig‸nup\"");
    assert_eq!(all(&mut editor, &signup, true).len(), 2);
    assert_eq!(all(&mut editor, &signup, false).len(), 1);
    // A record is named in guards and tags as well.
    let contact = all(&mut editor, &at("\"contact\""), true);
    let texts: Vec<&str> = contact.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["\"contact\"", "contact", "contact", "contact", "contact"]);
}

fn rename(editor: &mut Editor, text: &str, new: &str) -> Value {
    editor.at("rename", SHOP, text, json!({"newName": new}))
}

#[test]
fn a_rename_changes_every_file_and_leaves_no_mistake() {
    let folder = project();
    let mut editor = editor(&folder);
    for (text, new, files) in [
        (RULES.replace("payload \"signup\"", "payload \"sig‸nup\""), "new signup", 2),
        // An event and the schema that has its name go together.
        (RULES.replace("send \"lead_found\"", "send \"lead‸_found\""), "lead_seen", 2),
        (RULES.replace("\"contact\"", "\"con‸tact\""), "person", 0),
        (RULES.replace("start \"welcome\"", "start \"wel‸come\""), "hello \"you\"", 1),
    ] {
        let answer = rename(&mut editor, &text, new);
        if files == 0 {
            // A guard of a sequence knows `contact` and no other record.
            let why = answer["error"]["message"].as_str().unwrap();
            assert!(why.starts_with("that would break the rules: "), "{why}");
            continue;
        }
        let changes = answer["result"]["changes"].as_object().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(changes.len(), files, "{new}");
        for (path, own) in [(SHOP, RULES), (SHAPES, SCHEMAS)] {
            if let Some(edits) = changes.get(&editor.uri(path)) {
                let edited = edited(own, edits);
                assert_ne!(edited, own);
                editor.change(path, &edited);
            }
        }
        assert_eq!(editor.codes(SHOP), [""; 0], "{new}");
        editor.change(SHOP, RULES);
        editor.change(SHAPES, SCHEMAS);
    }
    assert!(editor.leave().success());
}

#[test]
fn a_record_is_renamed_in_guards_and_tags_too() {
    let folder = project();
    let mut editor = editor(&folder);
    let rules =
        RULES.replace("contact", "member").replace("    stop-when \"member.unsubscribed\"\n", "");
    let answer = rename(&mut editor, &rules.replace("\"member\"", "\"mem‸ber\""), "guest");
    let edits = &answer["result"]["changes"][editor.uri(SHOP)];
    assert_eq!(edited(&rules, edits), rules.replace("member", "guest"));
}

#[test]
fn a_rename_to_what_is_no_name_or_taken_is_refused_with_a_reason() {
    let folder = project();
    let mut editor = editor(&folder);
    let refused = |editor: &mut Editor, text: &str, new: &str| {
        let answer = rename(editor, text, new);
        assert_eq!(answer["error"]["code"], -32803, "{new}: {answer}");
        answer["error"]["message"].as_str().unwrap().to_owned()
    };
    let signup = RULES.replace("payload \"signup\"", "payload \"sig‸nup\"");
    assert_eq!(
        refused(&mut editor, &signup, "lead_found"),
        "there is a schema `lead_found` already"
    );
    assert!(refused(&mut editor, &signup, " ").starts_with("this text is empty"));
    let contact = RULES.replace("\"contact\"", "\"con‸tact\"");
    assert!(refused(&mut editor, &contact, "the contact").contains("cannot be used as a name"));
    let endpoint = RULES.replace("endpoint \"signup\"", "endpoint \"sig‸nup\"");
    assert!(refused(&mut editor, &endpoint, "a/b").contains("cannot be part of an address"));
    assert!(refused(&mut editor, &at("first_name"), "x").contains("named by whoever sends it"));
    assert!(refused(&mut editor, &at("\"welcome-1\""), "x").contains("emails/welcome-1.md"));
    assert!(refused(&mut editor, &at("endpoint"), "x").contains("no name"));
    // While a file cannot be read, names in it would be missed.
    let broken = format!("{signup}/* a remark that never ends");
    assert!(refused(&mut editor, &broken, "x").contains("cannot be read at this moment"));
    let answer = editor.at("prepareRename", SHOP, &signup, Value::Null);
    assert_eq!(answer["result"]["placeholder"], "signup");
}

#[test]
fn columns_are_utf_16_units_unless_the_editor_counts_bytes() {
    let folder = project();
    let line = "service \"😀é\" type=\"htp\"\n";
    for (encodings, column) in [(Value::Null, 19), (json!(["utf-16", "utf-8"]), 22)] {
        let mut editor =
            Editor::with(folder.path(), json!({"general": {"positionEncodings": encodings}}));
        editor.open("rules/more.kdl", line);
        let found = editor.mistakes("rules/more.kdl");
        let place = found["diagnostics"].as_array().unwrap().iter();
        let mut choice = place.filter(|one| one["code"] == "unknown-choice");
        let start = &choice.next().expect("the misspelt type")["range"]["start"];
        assert_eq!(start, &json!({"line": 0, "character": column}));
        assert!(editor.leave().success());
    }
}
