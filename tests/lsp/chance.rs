//! An editor that types whatever chance says, wherever it says, in letters of one to four
//! bytes, and asks about any place meanwhile: every question is answered, what is published
//! lies within the text, and the server is still there at the end. `SEED=7` tries others.

#![allow(clippy::disallowed_methods, reason = "how long an answer takes is measured in real time")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Editor, RULES, TEXT, project};

/// How often something is typed.
const EDITS: usize = 250;
/// The longest that an answer may take, in a build for tests on a busy machine.
const ANSWERED: Duration = Duration::from_secs(10);

/// What is typed: marks of the language, letters of many bytes, half a surrogate's worth.
const TYPED: [&str; 22] = [
    "{", "}", "\"", "{{", "}}", "é", "東", "🎄", "\u{301}", "\n", "\r\n", "\t", "#\"", "\"\"\"",
    "/*", "//", "\\", " | ", "welcome", "=", "\u{feff}", "\u{202e}",
];

const ASKED: [&str; 9] = [
    "completion",
    "hover",
    "definition",
    "references",
    "prepareRename",
    "rename",
    "formatting",
    "codeAction",
    "documentSymbol",
];

/// Chance that can be repeated (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    /// A place between two letters.
    fn place(&mut self, text: &str) -> usize {
        let places: Vec<usize> =
            text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        places[self.below(places.len())]
    }

    /// The text with something typed, deleted or doubled.
    fn edited(&mut self, text: &str) -> String {
        let (one, other) = (self.place(text), self.place(text));
        let (from, to) = (one.min(other), one.max(other).min(one.min(other) + 40));
        let to = (to..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap();
        match self.below(8) {
            0..5 => format!("{}{}{}", &text[..from], TYPED[self.below(TYPED.len())], &text[from..]),
            5 | 6 => format!("{}{}", &text[..from], &text[to..]),
            _ => format!("{}{}", &text[..to], &text[from..]),
        }
    }
}

fn seed() -> u64 {
    std::env::var("SEED").map_or(1, |text| text.parse().unwrap())
}

/// Whether a range lies in a text, by UTF-16 columns.
fn lies_within(text: &str, range: &Value) -> bool {
    let number = |pointer: &str| usize::try_from(range.pointer(pointer)?.as_u64()?).ok();
    let lines: Vec<usize> = text.split('\n').map(|line| line.encode_utf16().count()).collect();
    ["/start", "/end"].into_iter().all(|end| {
        let line = number(&format!("{end}/line"));
        let column = number(&format!("{end}/character"));
        line.zip(column).is_some_and(|(line, column)| {
            lines.get(line).is_some_and(|length| column <= *length)
                || (line == lines.len() && column == 0)
        })
    })
}

#[test]
fn whatever_is_typed_wherever_every_question_is_answered() {
    let seed = seed();
    let mut dice = Dice(seed);
    let folder = project();
    let mut editor = Editor::new(folder.path());
    let files = [("rules/shop.kdl", RULES), ("rules/emails/welcome-1.md", TEXT)];
    let mut texts = files.map(|(_, text)| text.to_owned());
    for ((path, _), text) in files.iter().zip(&texts) {
        editor.open(path, text);
    }
    for number in 0..EDITS {
        let which = usize::from(dice.below(4) == 0);
        let path = files[which].0;
        // Now and then somebody presses undo until it is good again.
        texts[which] = if dice.below(30) == 0 {
            files[which].1.to_owned()
        } else {
            dice.edited(&texts[which])
        };
        editor.change(path, &texts[which]);
        if dice.below(3) > 0 {
            continue;
        }
        let method = ASKED[dice.below(ASKED.len())];
        let (line, column) = (dice.below(60), dice.below(90));
        let params = json!({
            "textDocument": {"uri": editor.uri(path)},
            "position": {"line": line, "character": column},
            "newName": TYPED[dice.below(TYPED.len())],
            "context": {"diagnostics": [], "includeDeclaration": true},
            "range": {
                "start": {"line": line, "character": column},
                "end": {"line": dice.below(60), "character": dice.below(90)},
            },
            "options": {"tabSize": 4, "insertSpaces": true},
        });
        let began = Instant::now();
        let answer = editor.ask(&format!("textDocument/{method}"), params);
        let what = format!("SEED={seed}, edit {number}, {method}");
        assert!(began.elapsed() < ANSWERED, "{what}: {:?}", began.elapsed());
        let refused = answer["error"]["code"].as_i64().is_some_and(|code| code != -32603);
        assert!(answer.get("result").is_some() || refused, "{what}: {answer}");
        if method == "formatting" {
            for edit in answer["result"].as_array().into_iter().flatten() {
                assert!(lies_within(&texts[which], &edit["range"]), "{what}: {answer}");
            }
        }
    }
    // What is published for the text as it stands lies within it.
    let last = dice.edited(&format!("東🎄 \"{RULES}"));
    let version = editor.change(files[0].0, &last);
    let found = loop {
        let found = editor.mistakes(files[0].0);
        if found["version"] == version {
            break found;
        }
    };
    for one in found["diagnostics"].as_array().unwrap() {
        assert!(lies_within(&last, &one["range"]), "SEED={seed}: {one}");
    }
    assert!(editor.leave().success(), "SEED={seed}");
}

#[test]
fn a_message_cut_off_anywhere_ends_the_server_and_nothing_else() {
    let folder = project();
    let mut dice = Dice(seed());
    let hello =
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"capabilities": {}}});
    let body = hello.to_string();
    let whole = format!("Content-Length: {}\r\n\r\n{body}", body.len());
    for _ in 0..12 {
        let mut editor = Editor::start(folder.path(), &[]);
        let mut bytes = whole.clone().into_bytes();
        bytes.truncate(dice.below(whole.len()));
        editor.raw(&bytes);
        // It never said good-bye, and no signal ended it.
        assert_eq!(editor.end().code(), Some(1), "cut off after {} bytes", bytes.len());
    }
    // A letter that is no longer one is told, and the next message is heard.
    let mut editor = Editor::start(folder.path(), &[]);
    for _ in 0..60 {
        let mut bytes = body.clone().into_bytes();
        let at = dice.below(bytes.len());
        bytes[at] = 0x80 | u8::try_from(dice.below(128)).unwrap();
        editor.raw(format!("Content-Length: {}\r\n\r\n", bytes.len()).as_bytes());
        editor.raw(&bytes);
        assert!(editor.hear()["error"]["code"].is_i64());
    }
    assert!(editor.ask("initialize", json!({"capabilities": {}}))["result"].is_object());
    assert!(editor.leave().success());
}
