//! Mistakes of the wordings of an e-mail: variants and languages.

use super::Around::{File, Sequence};
use super::Mistake;
use crate::language::codes;

/// Variants and languages.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        code: codes::BAD_VARIANT,
        why: "The weights are people of 100, and whoever gets no variant gets the e-mail itself, \
              which is variant `a`. With nobody left for it there is nothing to compare with.",
        around: Sequence,
        wrong: r#"email "welcome-1" after="1d" subject="Welcome" {
    variant "b" weight=60 subject="Good to see you"
    variant "c" weight=40 subject="Hello"
}"#,
        right: r#"email "welcome-1" after="1d" subject="Welcome" {
    variant "b" weight=30 subject="Good to see you"
    variant "c" weight=30 subject="Hello"
}"#,
    },
    Mistake {
        code: codes::UNKNOWN_LOCALE,
        why: "Nobody speaks a language of this name, or there is no text in it, so nobody would \
              ever get these words.",
        around: File,
        wrong: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload {
            email email
            language text
        }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" locale="{{language}}" {
    email "welcome-1" after="1d" subject="Welcome" {
        locale "german" subject="Willkommen"
    }
}"#,
        right: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload {
            email email
            language text
        }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" locale="{{language}}" {
    email "greeting" after="1d" subject="Welcome" {
        locale "de" subject="Willkommen"
    }
}"#,
    },
    Mistake {
        code: codes::HALF_TRANSLATED,
        why: "One part is there in a language and another is not: the text without its subject, \
              or one e-mail of a sequence without the next. These readers would get both \
              languages mixed.",
        around: File,
        wrong: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload {
            email email
            language text
        }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" locale="{{language}}" {
    email "greeting" after="1d" subject="Welcome"
}"#,
        right: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload {
            email email
            language text
        }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" locale="{{language}}" {
    email "greeting" after="1d" subject="Welcome" {
        locale "de" subject="Willkommen"
    }
}"#,
    },
    Mistake {
        code: codes::UNUSED_TEXT,
        why: "Somebody has translated this text (here `emails/greeting.de.md`), and nobody will \
              ever read it.",
        around: File,
        wrong: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload {
            email email
            language text
        }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" {
    email "greeting" after="1d" subject="Welcome"
}"#,
        right: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload {
            email email
            language text
        }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" locale="{{language}}" {
    email "greeting" after="1d" subject="Welcome" {
        locale "de" subject="Willkommen"
    }
}"#,
    },
];
