//! Mistakes of single values.

use super::Around::{Access, Endpoint, File, Sequence, Service, Webhooks};
use super::Mistake;
use crate::language::codes;

/// Single values.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        code: codes::OUT_OF_RANGE,
        why: "The number is one that cannot work, such as an answer that no browser \
              understands.",
        around: Endpoint,
        wrong: "reply 99",
        right: "reply 200",
    },
    Mistake {
        code: codes::BAD_DURATION,
        why: "A wait needs a number and a unit. Months are refused because they differ in \
              length: the e-mail would come on another day than you expect.",
        around: Sequence,
        wrong: r#"email "welcome-1" after="1 month" subject="Welcome""#,
        right: r#"email "welcome-1" after="30d" subject="Welcome""#,
    },
    Mistake {
        code: codes::BAD_ZONE,
        why: "A wait of days keeps the time of day in this zone, also when clocks change. \
              Abbreviations such as PST do not say when they change.",
        around: File,
        wrong: r#"sender "Acme <hello@example.com>" {
    time-zone "PST"
}"#,
        right: r#"sender "Acme <hello@example.com>" {
    time-zone "America/Los_Angeles"
}"#,
    },
    Mistake {
        code: codes::BAD_NETWORK,
        why: "Who may call is decided by this list. A network that cannot be read would let \
              nobody in, or everybody.",
        around: Access,
        wrong: r#"ip "10.0.0.0/40""#,
        right: r#"ip "10.0.0.0/8""#,
    },
    Mistake {
        code: codes::BAD_ORIGIN,
        why: "Browsers name the page that calls by scheme and host only. Anything else never \
              matches, and the form on your website would fail.",
        around: Access,
        wrong: r#"cors "https://www.example.com/shop""#,
        right: r#"cors "https://www.example.com""#,
    },
    Mistake {
        code: codes::BAD_EMAIL,
        why: "Mail from or to this address would never arrive.",
        around: File,
        wrong: r#"sender "Acme""#,
        right: r#"sender "Acme <hello@example.com>""#,
    },
    Mistake {
        code: codes::BAD_URL,
        why: "Nothing can be called under this address, so every delivery would fail.",
        around: Service,
        wrong: r#"url "n8n.example.com""#,
        right: r#"url "https://n8n.example.com""#,
    },
    Mistake {
        code: codes::BAD_ADDRESS,
        why: "The path is part of the address that others call. With a blank or without its \
              slash nobody could reach it.",
        around: Webhooks,
        wrong: r#"path "shop"
endpoint "order""#,
        right: r#"path "/shop"
endpoint "order""#,
    },
    Mistake {
        code: codes::BAD_RATE,
        why: "A rate says how many calls fit in a time. Without it a flood would not be held \
              back.",
        around: Access,
        wrong: r#"rate "60 per minute""#,
        right: r#"rate "60/min""#,
    },
];
