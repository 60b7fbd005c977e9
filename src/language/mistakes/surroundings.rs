//! What is around the lines of an example, so that they are a whole rule set.

use crate::base::Asset;

/// Where the lines of the example go: a line of its own, at its depth.
pub(super) const PLACE: &str = "@";

pub(super) const SCHEMA: &str = r#"schema "order" {
    @
}
"#;

pub(super) const WEBHOOKS: &str = r#"webhooks "shop" {
    @
}
"#;

pub(super) const ACCESS: &str = r#"webhooks "shop" {
    path "/shop"
    access {
        @
    }
    endpoint "order"
}
"#;

pub(super) const SERVICE: &str = r#"service "n8n" {
    @
}
"#;

pub(super) const ENDPOINT: &str = r#"webhooks "shop" {
    path "/shop"
    endpoint "order" {
        payload "order"
        @
    }
}
"#;

pub(super) const SEQUENCE: &str = r#"sequence "welcome" to="{{email}}" zone="Europe/Berlin" {
    @
}
webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload "signup"
        start "welcome"
    }
}
"#;

/// The one step of a sequence whose e-mail is the example.
pub(super) const STEP: &str = r#"email "welcome-1" after="1d" subject="Welcome""#;

/// What a plain text is held against.
pub(super) const LONG_TEXT: &str = "Your parcel left our shop this morning. It should be with you \
    on Monday or Tuesday, and the driver rings you half an hour before he arrives.\n";

/// A large file that an e-mail may bring along.
pub(super) fn film() -> Asset {
    let path = String::from("rules/emails/film.mp4");
    Asset { path, size: 3 * 1024 * 1024, hash: "0".repeat(64), bytes: None }
}

pub(super) const TEST: &str = r#"test "an example" {
    @
}
"#;

pub(super) const JSON_SCHEMA: &str = "schema \"order\" file=\"order.json\"\n";

/// The rules with the schemas of orders and sign-ups.
pub(super) fn with_schemas(rules: &str) -> String {
    format!("{rules}{SCHEMAS}")
}

const SCHEMAS: &str = r#"schema "order" {
    email email
    order_id integer
    total number
    paid boolean
    state text
    coupon text optional
    birthday date optional
    tags list { of text; }
}
schema "signup" {
    email email
    first_name text
    nickname text optional
    visits integer
}
"#;
