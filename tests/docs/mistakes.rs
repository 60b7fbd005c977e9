//! `docs/mistakes.md`, written from the table that `rulerun explain` reads. The examples on it
//! are tried out in `tests/mistakes.rs`, each with what is around it.

use std::fmt::Write as _;
use std::fs;

use rulerun::language::codes;
use rulerun::language::mistakes::{self, Mistake};

use super::pages;

const HEAD: &str = "\
<!-- Written by `UPDATE=1 cargo test --test docs`; edit src/language/mistakes. -->

# Mistakes

Every mistake has a code, which stays the same: it stands above what `rulerun validate` shows, and
`rulerun explain CODE` tells what stands here. How mistakes are shown, mended and watched for is in
[Operating](operating.md#before-an-edit-goes-live). The lines of an example stand where it says, with
everything else around them in order.

";

/// Compares the page with the table, or writes it anew.
pub(crate) fn check() {
    let path = pages::root().join("docs/mistakes.md");
    let fresh = page();
    #[expect(clippy::disallowed_methods, reason = "the person who runs the tests decides")]
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, fresh).expect("a writable page");
    } else {
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(written == fresh, "docs/mistakes.md is stale: UPDATE=1 cargo test --test docs");
    }
}

fn page() -> String {
    let mut text = String::from(HEAD);
    for (title, own) in mistakes::groups() {
        let codes: Vec<String> =
            own.iter().map(|mistake| format!("[`{0}`](#{0})", mistake.code)).collect();
        let _ = writeln!(text, "- {title}: {}", codes.join(", "));
    }
    for (title, own) in mistakes::groups() {
        let _ = write!(text, "\n## {title}\n");
        for mistake in own {
            describe(&mut text, mistake);
        }
    }
    text
}

fn describe(text: &mut String, mistake: &Mistake) {
    let Mistake { code, why, around, wrong, right } = mistake;
    let about = codes::about(code).expect("what it means");
    let _ = write!(text, "\n### {code}\n\n{about} {why}\n");
    let language = around.language();
    for (title, lines) in [("Wrong", wrong), ("Right", right)] {
        let mark = title.to_lowercase();
        let place = around.words();
        let _ = write!(text, "\n{title}, {place}:\n\n```{language} {mark}\n{lines}\n```\n");
    }
}
