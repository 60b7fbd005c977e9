//! Mistakes of words: unknown, misplaced, missing, doubled.

use super::Around::{File, Schema, Sequence, Webhooks};
use super::Mistake;
use crate::language::codes;

/// Words and their places.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        code: codes::UNKNOWN_WORD,
        why: "rulerun does nothing with a word that it does not know, so what you asked for \
              would not happen. It refuses the file instead.",
        around: Webhooks,
        wrong: r#"path "/shop"
endpiont "order""#,
        right: r#"path "/shop"
endpoint "order""#,
    },
    Mistake {
        code: codes::MISPLACED,
        why: "Every word has its place. Elsewhere it would be read and have no effect, which \
              nobody would notice.",
        around: Webhooks,
        wrong: r#"path "/shop"
payload {
    email email
}
endpoint "order""#,
        right: r#"path "/shop"
endpoint "order" {
    payload {
        email email
    }
}"#,
    },
    Mistake {
        code: codes::UNKNOWN_PROPERTY,
        why: "A misspelt `after=` would send the e-mail at once, and a misspelt `when=` would \
              send it to everybody.",
        around: Sequence,
        wrong: r#"email "welcome-1" afer="1d" subject="Welcome""#,
        right: r#"email "welcome-1" after="1d" subject="Welcome""#,
    },
    Mistake {
        code: codes::COMES_LATER,
        why: "The word is part of the language and this version cannot do it yet. It says so \
              instead of leaving it out silently.",
        around: File,
        wrong: r#"store "postgres" url=(env)"DATABASE_URL""#,
        right: r#"store "sled" path="./data""#,
    },
    Mistake {
        code: codes::MISSING,
        why: "Something is left out that has no sensible default, such as the subject of an \
              e-mail.",
        around: Sequence,
        wrong: r#"email "welcome-1" after="1d""#,
        right: r#"email "welcome-1" after="1d" subject="Welcome""#,
    },
    Mistake {
        code: codes::TOO_MANY,
        why: "A value that is one too many would be passed over. Often quotation marks are \
              missing around a text of several words, or two things are on one line.",
        around: File,
        wrong: r#"schema "order" "signup" {
    email email
}"#,
        right: r#"schema "order" {
    email email
}
schema "signup" {
    email email
}"#,
    },
    Mistake {
        code: codes::DUPLICATE,
        why: "Two things of one name contradict each other, and nobody could tell which one \
              counts.",
        around: Schema,
        wrong: "email email
email text",
        right: "email email",
    },
    Mistake {
        code: codes::WRONG_TYPE,
        why: "A number in quotation marks is a text. rulerun does not guess which of the two \
              you mean, because 007 and 7 differ as texts.",
        around: File,
        wrong: r#"queue batch="10""#,
        right: "queue batch=10",
    },
    Mistake {
        code: codes::UNKNOWN_CHOICE,
        why: "Only a few words can stand here, and this is none of them.",
        around: Schema,
        wrong: "total numbr",
        right: "total number",
    },
    Mistake {
        code: codes::BAD_NAME,
        why: "Names become parts of addresses, guards and tags, where blanks and many signs \
              mean something else.",
        around: Webhooks,
        wrong: r#"path "/shop"
endpoint "new order""#,
        right: r#"path "/shop"
endpoint "new-order""#,
    },
];
