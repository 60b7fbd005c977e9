//! Mistakes of signs, quotation marks and brackets.

use super::Around::{Access, Endpoint, File, OneOfTwo, Schema, Sequence, Service, Webhooks};
use super::Mistake;
use crate::language::codes;

/// Signs, quotation marks and brackets.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        code: codes::SYNTAX,
        why: "Signs hold a file together: one that is missing or surplus is enough, and the \
              whole file has no effect. A running server keeps the rules from before.",
        around: Schema,
        wrong: "total = number",
        right: "total number",
    },
    Mistake {
        code: codes::LIMIT,
        why: "Rule files need a handful of levels. Where many more are found, a `}` or `*/` is \
              missing far above, and everything below would land in the wrong block.",
        around: File,
        wrong: r#"/-webhooks "shop" {
    /-endpoint "order" {
        /-payload {
            email email
        }
    }
}"#,
        right: r#"/-webhooks "shop" {
    endpoint "order" {
        payload {
            email email
        }
    }
}"#,
    },
    Mistake {
        code: codes::BARE_KEYWORD,
        why: "Yes, no and nothing are written with a `#`, so that a field may hold the word \
              true as a text.",
        around: Service,
        wrong: "enabled true",
        right: "enabled #true",
    },
    Mistake {
        code: codes::UNQUOTED_URL,
        why: "Without quotation marks everything behind `//` is a remark: the address would \
              end at its scheme, and your calls would go nowhere.",
        around: Service,
        wrong: "url https://n8n.example.com",
        right: r#"url "https://n8n.example.com""#,
    },
    Mistake {
        code: codes::UNQUOTED_DURATION,
        why: "A number with letters behind it is neither a number nor a text. In quotation \
              marks it is a wait, and the e-mail leaves when you mean it to.",
        around: Sequence,
        wrong: r#"email "welcome-1" after=5min subject="Welcome""#,
        right: r#"email "welcome-1" after="5min" subject="Welcome""#,
    },
    Mistake {
        code: codes::UNQUOTED_ADDRESS,
        why: "An address with several points is no number. The check of who may call depends \
              on it, so it is not guessed at.",
        around: Access,
        wrong: "ip 10.0.0.0/8",
        right: r#"ip "10.0.0.0/8""#,
    },
    Mistake {
        code: codes::UNQUOTED_TEXT,
        why: "A text with a slash, a tag or several words would be cut at the first sign that \
              means something else.",
        around: Webhooks,
        wrong: r#"path /shop
endpoint "order""#,
        right: r#"path "/shop"
endpoint "order""#,
    },
    Mistake {
        code: codes::UNQUOTED_GUARD,
        why: "A guard is one text. Without quotation marks its signs are read as parts of the \
              rule file, and the condition would be lost.",
        around: Endpoint,
        wrong: r#"require state == "new" && paid"#,
        right: r##"require #"state == "new" && paid"#"##,
    },
    Mistake {
        code: codes::SINGLE_QUOTES,
        why: "Only double quotation marks hold a text, so that apostrophes can stand in it: \
              \"Sarah's Salon\".",
        around: Sequence,
        wrong: r#"email "welcome-1" after="1d" subject='Welcome'"#,
        right: r#"email "welcome-1" after="1d" subject="Welcome""#,
    },
    Mistake {
        code: codes::PRINTED_QUOTES,
        why: "Word processors and chat programs put curly quotation marks in. They look right, \
              and to rulerun they are letters like any other.",
        around: Sequence,
        wrong: r#"email "welcome-1" after="1d" subject=“Welcome”"#,
        right: r#"email "welcome-1" after="1d" subject="Welcome""#,
    },
    Mistake {
        code: codes::NOT_ALL_CHECKED,
        why: "A name that seems to be missing may be declared in the file that cannot be read, \
              so it is not reported. Mend that file first, then check once more.",
        around: OneOfTwo,
        wrong: r#"/* our orders
schema "order" {
    state text
}"#,
        right: r#"/* our orders */
schema "order" {
    state text
}"#,
    },
];
