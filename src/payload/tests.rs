//! What payload checks accept, refuse and say, with the sentences that callers read.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Checker, parse};

fn refusal(body: &[u8]) -> String {
    parse(body).expect_err("a refusal").message
}

fn messages(schema: &Value, payload: &Value) -> Vec<String> {
    let checker = Checker::compile(schema).expect("a schema");
    checker.check(payload).into_iter().map(|problem| problem.message).collect()
}

fn assessment() -> Value {
    json!({
        "type": "object",
        "properties": {
            "email": {"type": "string", "format": "email"},
            "first_name": {"type": "string", "minLength": 1},
            "red_systems": {"type": "integer", "minimum": 0},
            "score": {"type": "number", "maximum": 1},
            "approval": {"enum": ["demo", "video"]},
            "sent_at": {"type": "string", "format": "date-time"},
            "born": {"type": "string", "format": "date"},
            "site": {"type": "string", "format": "uri"},
            "approved": {"type": "boolean"},
            "items": {"type": "array", "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": ["name"],
            }},
        },
        "required": ["email", "first_name"],
    })
}

fn fits_but(field: &str, value: Value) -> Vec<String> {
    let mut payload = json!({"email": "sarah@example.com", "first_name": "Sarah"});
    payload[field] = value;
    messages(&assessment(), &payload)
}

#[test]
fn json_is_read_as_it_stands() {
    let body = br#"{"a": [1, -2, 2.5, true, null, "\u00fc"], "b": {"c": 18446744073709551615}}"#;
    let value = parse(body).expect("JSON");
    assert_eq!(value, serde_json::from_slice::<Value>(body).expect("JSON"));
    assert_eq!(value["b"]["c"], json!(u64::MAX));
}

#[test]
fn what_is_not_json_is_told_with_its_place() {
    for (body, expected) in [
        (&b""[..], "the body is empty; JSON was expected (line 1, column 1)"),
        (b"  \n", "the body is empty"),
        (b"{\"a\": 1,\n \"b\" 2}", "(line 2, column 6)"),
        (b"{\"a\": 1,}", "a comma stands after the last entry"),
        (b"{\"a\": \"x", "the JSON ends in the middle of a text"),
        (b"{'a': 1}", "a name must stand in double quotes"),
        (b"{\"a\": 1} x", "something follows after the JSON value"),
        (b"email=a@b.c", "a JSON value is expected here"),
        (b"{\"a\": \"\xff\"}", "not UTF-8 text (line 1, column 8)"),
        (b"\xEF\xBB\xBF{}", "byte order mark"),
        (b"{\"a\": 1e999}", "a number is too large to be kept"),
        (b"{\"a\": 1, \"b\": 2, \"a\": 3}", "the name `a` stands twice"),
        (b"{\"x\": {\"a\": 1, \"a\": 3}}", "the name `a` stands twice"),
        (b"{\"a\": \"x\\u0000y\"}", "NUL"),
        (b"{\"x\\u0000y\": 1}", "NUL"),
    ] {
        let told = refusal(body);
        assert!(told.contains(expected), "{told}");
        assert!(told.contains("line "), "{told}");
    }
}

#[test]
fn whole_numbers_never_lose_digits_silently() {
    let told = refusal(b"{\"a\": 1,\n\"id\": 18446744073709551616}");
    assert!(told.contains("more than 64 bits") && told.contains("(line 2, column 7)"), "{told}");
    assert!(refusal(b"[-9223372036854775809]").contains("send it as text"));
    assert!(parse(b"[1e30, \"18446744073709551616\", -9223372036854775808]").is_ok());
}

#[test]
fn what_a_schema_holds_as_data_stays_data() {
    let schema = json!({
        "properties": {
            "kind": {"const": {"type": "integer"}},
            "one": {"enum": [{"type": "integer"}], "default": {"type": "integer"}},
            // Fields that are called as keywords are.
            "const": {"type": "integer"},
            "enum": {"properties": {"default": {"type": "integer"}}},
        },
        "dependentRequired": {"type": ["integer"]},
        "dependentSchemas": {"required": {"properties": {"required": {"type": "integer"}}}},
    });
    let fits = json!({"kind": {"type": "integer"}, "one": {"type": "integer"}, "const": 1});
    assert_eq!(messages(&schema, &fits), Vec::<String>::new());
    let long: Value = serde_json::from_str("9223372036854775808").expect("a number");
    for lossy in
        [json!({"const": long}), json!({"enum": {"default": long}}), json!({"required": long})]
    {
        let told = messages(&schema, &lossy);
        assert!(told.len() == 1 && told[0].contains("must be a whole number from"), "{told:?}");
    }
    assert_eq!(messages(&schema, &json!({"type": 1})).len(), 1, "`integer` is missing");
}

#[test]
fn an_integer_has_kept_its_digits() {
    let schema = json!({"type": "object", "properties": {
        "id": {"type": ["integer", "null"]},
        "ids": {"type": "array", "items": {"type": "integer"}, "default": [{"type": "integer"}]},
        "enum": {"type": "object", "properties": {"of": {"$ref": "#/$defs/whole"}}},
        "score": {"type": "number"},
        "either": {"type": ["integer", "number"]},
    }, "$defs": {"whole": {"type": "integer"}}});
    let told = |body: &str| messages(&schema, &parse(body.as_bytes()).expect("JSON"));
    for whole in ["9223372036854775807", "-9223372036854775808", "9007199254740993", "1e15", "2.0"]
    {
        for body in [format!("{{\"id\": {whole}}}"), format!("{{\"ids\": [{whole}]}}")] {
            assert_eq!(told(&body), Vec::<String>::new(), "{body}");
        }
    }
    for lost in
        ["9223372036854775808", "18446744073709551615", "1e30", "-1e16", "9007199254740993.0"]
    {
        for (body, place) in [
            (format!("{{\"id\": {lost}}}"), "`id`"),
            (format!("{{\"ids\": [1, {lost}]}}"), "`ids[1]`"),
            (format!("{{\"enum\": {{\"of\": {lost}}}}}"), "`enum.of`"),
        ] {
            let told = told(&body);
            let begins = format!("{place} must be a whole number from -9223372036854775808 to ");
            assert!(told.len() == 1 && told[0].starts_with(&begins), "{body}: {told:?}");
        }
        for body in [format!("{{\"score\": {lost}}}"), format!("{{\"either\": {lost}}}")] {
            assert_eq!(told(&body), Vec::<String>::new(), "{body}");
        }
    }
}

#[test]
fn depth_number_and_length_are_bounded() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(nested(32).as_bytes()).is_ok());
    assert!(refusal(nested(34).as_bytes()).contains("more than 32 levels"));
    assert!(refusal("[".repeat(100_000).as_bytes()).contains("more than 32 levels"));
    let many = |count: usize| format!("[{}1]", "1,".repeat(count - 2));
    assert!(parse(many(10_000).as_bytes()).is_ok());
    assert!(refusal(many(10_001).as_bytes()).contains("more than 10000 values"));
    let key = format!("{{\"{}\": 1}}", "k".repeat(4097));
    assert!(refusal(key.as_bytes()).contains("longer than 4096 bytes"));
}

#[test]
fn each_problem_is_told_in_plain_words() {
    for (field, value, expected) in [
        ("red_systems", json!("two"), "`red_systems` must be a whole number, got text \"two\""),
        ("red_systems", json!(1.5), "`red_systems` must be a whole number, got the number 1.5"),
        ("red_systems", json!(-1), "`red_systems` must be at least 0, got the number -1"),
        ("score", json!(2), "`score` must be at most 1, got the number 2"),
        ("approved", json!("yes"), "`approved` must be true or false, got text \"yes\""),
        ("first_name", json!(""), "`first_name` must have at least 1 character"),
        (
            "approval",
            json!("vidoe"),
            "`approval` must be one of \"demo\", \"video\", got text \"vidoe\"; did you mean \"video\"?",
        ),
        ("email", json!("Sarah <s@x.org>"), "`email` must be an e-mail address, such as"),
        ("sent_at", json!("2025-12-01T10:30:00"), "`sent_at` must be a time with an offset"),
        ("born", json!("1.2.2025"), "`born` must be a date, such as \"2025-12-01\""),
        ("site", json!("javascript:alert(1)"), "`site` must be a web address"),
        ("items", json!([{"name": "a"}, {"name": 1}]), "`items[1].name` must be text"),
        ("items", json!([{}]), "`items[0].name` is missing"),
    ] {
        let told = fits_but(field, value);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{told:?}");
    }
}

#[test]
fn every_problem_is_told_at_once_and_misspelt_names_are_noticed() {
    let told =
        messages(&assessment(), &json!({"frist_name": "Sarah", "email": "no", "score": "x"}));
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.contains(&String::from(
        "`first_name` is missing; `frist_name` looks like it: did you mean `first_name`?"
    )));
    let closed = json!({"type": "object", "properties": {"email": {}},
        "additionalProperties": false});
    assert_eq!(
        messages(&closed, &json!({"emial": 1, "zzz": 2})),
        [
            "`emial` is not a field of this payload; did you mean `email`?",
            "`zzz` is not a field of this payload"
        ]
    );
    assert_eq!(
        messages(&assessment(), &json!([])),
        ["the payload must be an object, got a list of 0"]
    );
}

#[test]
fn null_counts_as_missing() {
    assert_eq!(fits_but("score", Value::Null), Vec::<String>::new());
    assert_eq!(fits_but("items", json!([{"name": "a", "other": null}])), Vec::<String>::new());
    assert_eq!(fits_but("email", Value::Null), ["`email` is missing (null counts as missing)"]);
    let takes_null = json!({"type": "object", "required": ["a"],
        "properties": {"a": {"type": ["string", "null"]}, "b": {"type": "string"}}});
    assert!(messages(&takes_null, &json!({"a": null})).is_empty());
    assert_eq!(messages(&takes_null, &json!({"a": null, "b": 1})).len(), 1);
}

#[test]
fn addresses_that_mail_cannot_reach_are_refused() {
    for address in [
        "a@b",
        "a@localhost",
        "a@[127.0.0.1]",
        "a@b.org\r\nBcc: c@d.org",
        "Sarah <a@b.org>",
        "john@gmail,com",
        " a@b.org",
        "a b@c.org",
        "",
        "@b.org",
        "\"a@b.org\"@c.org",
        "\"a\"@b.org",
    ] {
        assert_eq!(fits_but("email", json!(address)).len(), 1, "{address:?}");
    }
    for address in ["a@b.org", "sarah.o'neil+tag@mail.example.com", "ü@bücher.example"] {
        assert!(fits_but("email", json!(address)).is_empty(), "{address:?}");
    }
}

#[test]
fn schemas_stay_at_home_and_patterns_run_in_linear_time() {
    assert!(Checker::compile(&json!({"$ref": "https://example.com/schema.json"})).is_err());
    assert!(Checker::compile(&json!({"$ref": "file:///etc/passwd"})).is_err());
    assert!(Checker::compile(&json!({"type": "strnig"})).is_err());
    assert!(Checker::compile(&json!({"pattern": "(?=.*b)^(a+)+$"})).is_err());
    let slow = json!({"pattern": "^(a+)+$"});
    assert_eq!(messages(&slow, &json!("a".repeat(20_000) + "!")).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn reading_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&body);
    }

    #[test]
    fn reading_agrees_with_serde_on_json_like_text(body in r#"[\[\]{}",:0-9a-c.eE\\ -]{0,40}"#) {
        if let Ok(value) = parse(body.as_bytes()) {
            prop_assert_eq!(Some(value), serde_json::from_str(&body).ok());
        }
    }
}
