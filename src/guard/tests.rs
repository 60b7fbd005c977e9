//! What guards may say, what they answer, and what is refused at load.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Guard, GuardFault};
use crate::base::Zone;
use crate::model::{Context, Kind, Scope, Shape};

fn scope() -> Scope {
    let lead = Kind::Object(
        [
            ("lead_id".to_owned(), Shape::required(Kind::Integer)),
            ("score".to_owned(), Shape::optional(Kind::Number)),
            ("seen_at".to_owned(), Shape::optional(Kind::Time)),
        ]
        .into(),
    );
    Scope::default()
        .with("email_1_status", Shape::required(Kind::Text))
        .with("first_name", Shape::required(Kind::Text))
        .with("red_systems", Shape::required(Kind::Integer))
        .with("leak", Shape::required(Kind::Number))
        .with("approved", Shape::required(Kind::Boolean))
        .with("maybe", Shape::optional(Kind::Boolean))
        .with("nickname", Shape::optional(Kind::Text))
        .with("sent_at", Shape::required(Kind::Time))
        .with("day", Shape::required(Kind::Date))
        .with("tags", Shape::required(Kind::List(Box::new(Kind::Text))))
        .with("extra", Shape::required(Kind::Any))
        .with("lead", Shape::required(lead.clone()))
        .with("before", Shape::required(lead.clone()))
        .with("contact", Shape::optional(lead))
}

fn payload() -> Value {
    json!({
        "email_1_status": "sent", "first_name": "Sarah", "red_systems": 2, "leak": 14700.5,
        "approved": true, "sent_at": "2025-12-01T12:30:00+02:00", "day": "2025-12-10",
        "tags": ["hot", "new"], "extra": {"deep": 3}, "nickname": null,
        "lead": {"lead_id": 1, "score": 0.8, "seen_at": "2025-12-01T10:30:00Z"},
        "before": {"lead_id": 1},
    })
}

fn answer_for(source: &str, payload: &Value) -> Result<bool, String> {
    let guard =
        Guard::compile(source, &scope()).unwrap_or_else(|faults| panic!("{source}: {faults:?}"));
    let payload = payload.as_object().expect("an object").clone();
    let mut context = Context::new(&payload, Zone::UTC);
    context.set("now", json!("2025-12-03T10:30:00Z"));
    guard.holds(&context)
}

fn answer(source: &str) -> bool {
    answer_for(source, &payload()).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn faults(source: &str) -> Vec<GuardFault> {
    Guard::compile(source, &scope()).expect_err(source)
}

/// The code, the underlined text and the help of the only mistake.
fn fault(source: &str) -> (&'static str, String, String) {
    let found = faults(source);
    assert_eq!(found.len(), 1, "{source}: {found:?}");
    let fault = found[0].clone();
    (fault.code, source[fault.range].to_owned(), fault.help.unwrap_or_default())
}

#[test]
fn guards_answer_yes_or_no() {
    for (source, expected) in [
        (r#"email_1_status == "sent""#, true),
        ("email_1_status == `sent`", true),
        (r#"email_1_status != "sent""#, false),
        ("approved", true),
        ("!approved", false),
        ("approved && red_systems >= 2", true),
        ("red_systems == 2.0 && leak > 14700", true),
        ("red_systems + 1 == 3 && red_systems * 2 > leak - 14700", true),
        ("-red_systems < 0", true),
        ("maybe == () && nickname == ()", true),
        ("maybe != () && maybe", false),
        (r#"nickname == () || nickname == "x""#, true),
        (r#"(nickname ?? first_name) == "Sarah""#, true),
        ("lead.score ?? 0 > 0.5", true),
        ("contact == ()", true),
        ("contact.score == ()", true),
        ("extra.deep != () && extra.deep == 3", true),
        ("// a remark\napproved", true),
    ] {
        assert_eq!(answer(source), expected, "{source}");
    }
}

#[test]
fn functions_work_for_texts_and_lists() {
    for (source, expected) in [
        (r#"contains(first_name, "ara")"#, true),
        (r#"contains(tags, "hot")"#, true),
        (r#"contains(tags, "cold")"#, false),
        (r#"starts_with(first_name, "Sa") && ends_with(first_name, "ah")"#, true),
        (r#"one_of(first_name, "Tom", "Sarah")"#, true),
        (r#"one_of(first_name, ["Tom", "Sarah"])"#, true),
        (r#"one_of(tags, "cold", "new")"#, true),
        ("one_of(red_systems, 1, 2.0)", true),
        ("len(first_name) == 5 && len(tags) == 2", true),
        (r#"lower(first_name) == "sarah""#, true),
        ("days_since(sent_at) == 2", true),
        ("hours_since(sent_at) >= 48 && hours_since(sent_at) < 48.1", true),
        (r#"days_since("2025-12-04T10:30:00Z") == -1"#, true),
        ("days_since(now) == 0", true),
    ] {
        assert_eq!(answer(source), expected, "{source}");
    }
}

#[test]
fn times_compare_as_moments() {
    for (source, expected) in [
        ("sent_at < now", true),
        (r#"sent_at == "2025-12-01T10:30:00Z""#, true),
        (r#"now > "2025-12-01T00:00:00Z""#, true),
        ("lead.seen_at != () && lead.seen_at == sent_at", true),
        (r#"day >= "2025-12-01""#, true),
    ] {
        assert_eq!(answer(source), expected, "{source}");
    }
}

#[test]
fn the_pattern_for_optional_fields_holds() {
    let source =
        "lead.score != () && lead.score >= 0.7 && (before.score == () || before.score < 0.7)";
    assert!(answer(source));
    let mut other = payload();
    other["before"]["score"] = json!(0.9);
    assert_eq!(answer_for(source, &other), Ok(false));
    other["before"] = Value::Null;
    assert_eq!(answer_for(source, &other), Ok(true));
    other["lead"]["score"] = json!(0.7);
    assert_eq!(answer_for(source, &other), Ok(true));
    other["lead"]["score"] = json!(1);
    assert_eq!(answer_for(source, &other), Ok(true));
    other["lead"]["score"] = Value::Null;
    assert_eq!(answer_for(source, &other), Ok(false));
}

#[test]
fn unknown_names_are_underlined_exactly() {
    for (source, place, help) in [
        (r#"emial_1_status == "sent""#, "emial_1_status", "did you mean `email_1_status`?"),
        ("lead.scor != ()", "scor", "did you mean `score`?"),
        ("lead_id == 3", "lead_id", "did you mean `before.lead_id`?"),
        (r#"first_name == "ü" && frist_name == "x""#, "frist_name", "did you mean `first_name`?"),
        ("approved\n  && aproved", "aproved", "did you mean `approved`?"),
        ("approved == True", "True", "write `true`"),
        ("first_name.x == 1", "x", ""),
    ] {
        let found = fault(source);
        assert_eq!(
            (found.0, found.1.as_str(), found.2.as_str()),
            ("guard-unknown-name", place, help),
            "{source}"
        );
    }
    let help = fault("email_1_status == sent").2;
    assert!(help.contains("did you mean `sent_at`?") || help.contains("\"sent\""), "{help}");
    assert_eq!(faults("aproved && lead.scor == 1 && foo(3)").len(), 3, "all at once");
}

#[test]
fn unknown_functions_and_wrong_arguments_are_told() {
    assert_eq!(
        fault(r#"contians(first_name, "a")"#),
        ("guard-unknown-function", "contians".into(), "did you mean `contains`?".into())
    );
    for (source, code, place) in [
        ("eval(\"1 == 1\")", "guard-syntax", ""),
        ("sleep(3) == 1", "guard-unknown-function", "sleep"),
        ("abs(red_systems) == 2", "guard-unknown-function", "abs"),
        ("contains(first_name)", "guard-arguments", "contains(first_name)"),
        ("contains(first_name, 3)", "guard-arguments", "3"),
        ("contains(tags, 3)", "guard-arguments", "3"),
        ("len(red_systems) > 2", "guard-arguments", "red_systems"),
        ("days_since(first_name, now) > 2", "guard-arguments", "days_since(first_name, now)"),
        ("days_since(red_systems) > 2", "guard-arguments", "red_systems"),
        ("one_of(first_name, 1, \"a\")", "guard-arguments", "1"),
        ("first_name.contains(\"a\")", "guard-syntax", "first_name.contains(\"a\")"),
        ("\"a\" in tags", "guard-syntax", ""),
        ("tags[0] == \"a\"", "guard-syntax", ""),
    ] {
        let found = fault(source);
        assert_eq!(found.0, code, "{source}: {found:?}");
        assert!(place.is_empty() || found.1 == place, "{source}: {found:?}");
    }
}

#[test]
fn comparisons_that_never_hold_are_refused() {
    for (source, place, help) in [
        (r#"red_systems == "2""#, r#"red_systems == "2""#, "write 2 without quotes"),
        ("email_1_status == 2", "email_1_status == 2", "a text stands in quotes: \"2\""),
        (r#"approved == "true""#, r#"approved == "true""#, "write true without quotes"),
        ("approved == first_name", "approved == first_name", ""),
        ("red_systems > ()", "red_systems > ()", ""),
        ("approved > true", "approved > true", ""),
        ("tags == tags", "tags == tags", "ask with `contains(list, value)`"),
        (r#"sent_at > "yesterday""#, "\"yesterday\"", "write it as \"2025-12-01T10:30:00Z\""),
        ("first_name * 2 == 3", "first_name", ""),
    ] {
        assert_eq!(fault(source), ("guard-types", place.into(), help.into()), "{source}");
    }
    assert!(faults(r#"red_systems == "2""#)[0].message.contains("never true"));
    assert!(faults(r#"red_systems != "2""#)[0].message.contains("always true"));
}

#[test]
fn optional_fields_are_asked_about_first() {
    for (source, help) in [
        (r#"nickname == "x""#, "ask first: `nickname != () && …`"),
        ("maybe", "ask first: `maybe != () && …`"),
        ("lead.score >= 0.7", "ask first: `lead.score != () && …`"),
        ("lead.score != () || lead.score >= 0.7", "ask first: `lead.score != () && …`"),
        ("lead.score >= 0.7 && lead.score != ()", "ask first: `lead.score != () && …`"),
        ("before.score != () && lead.score >= 0.7", "ask first: `lead.score != () && …`"),
        (r#"contains(nickname, "x")"#, "ask first: `nickname != () && …`"),
        ("contact.lead_id == 3", "ask first: `contact != () && …`"),
        ("contact != () && contact.score > 3", "ask first: `contact.score != () && …`"),
        ("extra.deep == 3", "ask first: `extra.deep != () && …`"),
    ] {
        let found = fault(source);
        assert_eq!((found.0, found.2.as_str()), ("guard-optional", help), "{source}");
    }
    for source in [
        "!(nickname == ()) && nickname == \"x\"",
        "() != nickname && nickname == \"x\"",
        "nickname == () || len(nickname) > 3",
        "contact != () && contact.lead_id == 3",
        "contact.score != () && contact.lead_id == 3",
        "approved && (nickname != () && approved) && nickname == \"x\"",
    ] {
        assert!(Guard::compile(source, &scope()).is_ok(), "{source}");
    }
}

#[test]
fn a_guard_answers_yes_or_no() {
    for source in [
        "first_name",
        "nickname ?? \"x\"",
        "maybe ?? \"x\"",
        "red_systems + 1",
        "\"yes\"",
        "lower(first_name)",
        "lead",
        "1",
    ] {
        let found = fault(source);
        assert_eq!((found.0, found.1.as_str()), ("guard-not-yes-no", source), "{source}");
    }
    assert_eq!(fault("approved && first_name").1, "first_name");
}

#[test]
fn words_of_other_languages_are_translated() {
    for (source, place, help) in [
        ("approved and maybe != ()", "and", "write `&&`"),
        ("approved or approved", "or", "write `||`"),
        ("not approved", "not", "write `!`"),
        ("red_systems = 2", "=", "write `==`"),
        ("red_systems === 2", "===", "write `==`"),
        ("red_systems <> 2", "<>", "write `!=`"),
        ("approved & approved", "&", "write `&&`"),
        ("nickname != null", "null", "a missing value is written (), as in `score != ()`"),
    ] {
        assert_eq!(fault(source), ("guard-syntax", place.into(), help.into()), "{source}");
    }
    let (_, place, help) = fault("email_1_status == 'sent'");
    assert_eq!(place, "'sent'");
    assert!(help.starts_with("write \"sent\""), "{help}");
    assert_eq!(fault("first_name == 's'").1, "'s'");
    assert_eq!(faults("email_1_status = 'sent' and not approved").len(), 4);
}

#[test]
fn broken_guards_are_told_in_plain_words() {
    for (source, expected) in [
        ("", "the guard is empty"),
        ("  \n", "the guard is empty"),
        ("approved &&", "the guard ends too early"),
        ("(approved", "missing"),
        ("approved approved", "`approved` cannot stand here"),
        ("first_name == \"x", "this text is not closed"),
        ("let x = 1", "a single `=` does not compare"),
        ("let x", "cannot stand here"),
        ("if approved { true } else { false }", "cannot stand here"),
        ("fn x() { 1 }", "cannot stand here"),
        ("#{a: 1} == 2", "cannot be used"),
        ("1 == 1 @", "cannot stand here"),
    ] {
        let found = faults(source);
        assert!(found[0].message.contains(expected), "{source}: {found:?}");
        for word in ["Expecting", "Rhai", "i64", "Dynamic", "token"] {
            assert!(!found[0].message.contains(word), "{source}: {found:?}");
        }
    }
}

#[test]
fn deep_and_long_guards_are_to_be_split() {
    for source in [
        format!("{}approved{}", "(".repeat(500), ")".repeat(500)),
        format!("{}approved", "!".repeat(500)),
        "approved && ".repeat(1000) + "approved",
    ] {
        let found = faults(&source);
        assert_eq!(found[0].code, "guard-too-deep");
        assert!(found[0].help.as_deref().is_some_and(|help| help.starts_with("split the guard")));
    }
}

#[test]
fn values_of_another_type_than_declared_are_an_error_or_no() {
    let mut other = payload();
    other["approved"] = json!("yes");
    assert!(answer_for("approved", &other).is_err());
    other["first_name"] = json!(3);
    assert!(answer_for("len(first_name) > 2", &other).is_err());
    other["sent_at"] = json!("soon");
    assert!(
        answer_for("days_since(sent_at) > 2", &other).is_err_and(|told| told.contains("offset"))
    );
    other["red_systems"] = json!(u64::MAX);
    assert_eq!(answer_for("red_systems > 3", &other), Ok(true));
    assert!(answer_for("1 / (red_systems * 0) == 1", &json!({"red_systems": 0})).is_err());
}

#[test]
fn what_a_guard_saw_can_be_told() {
    let guard = Guard::compile(
        r#"email_1_status == "sent" && (nickname == () || nickname == "x") && lead.lead_id > 0"#,
        &scope(),
    )
    .expect("a guard");
    let payload = payload().as_object().expect("an object").clone();
    assert_eq!(
        guard.seen(&Context::new(&payload, Zone::UTC)),
        [
            ("email_1_status".to_owned(), json!("sent")),
            ("nickname".to_owned(), Value::Null),
            ("lead.lead_id".to_owned(), json!(1)),
        ]
    );
}

#[test]
fn an_open_scope_takes_any_name() {
    let open = Scope { open: true, ..Scope::default() };
    assert!(Guard::compile("foo != () && foo == 3", &open).is_ok());
    assert!(Guard::compile("foo.bar != () && foo.bar == 3", &open).is_ok());
    assert!(Guard::compile("days_since(now) > 1", &open).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn compiling_never_panics_and_ranges_lie_in_the_text(
        source in r#"(approved|lead\.score|nickname|first_name|now|contains|days_since|in|and| |\(|\)|\[|\]|==|!=|&&|\|\||\?\?|"|'|`|\.|,|#|\{|\}|\$|[0-9a-zü]|\n|//|/\*|-|\+|!|<|=|@|\\){0,24}"#
    ) {
        match Guard::compile(&source, &scope()) {
            Ok(guard) => {
                let payload = payload().as_object().expect("an object").clone();
                let _ = guard.holds(&Context::new(&payload, Zone::UTC));
            }
            Err(found) => {
                prop_assert!(!found.is_empty());
                for fault in found {
                    prop_assert!(source.get(fault.range.clone()).is_some(), "{:?}", fault);
                }
            }
        }
    }
}

#[test]
fn a_mistake_lies_within_its_guard_whatever_ends_its_lines() {
    for source in ["\r\n // a\n // b &&  \r red_  ", "\rüred_", "\r\r\r\rred_", "red_\r\n\r &&"] {
        for fault in faults(source) {
            assert!(source.get(fault.range.clone()).is_some(), "{source:?}: {fault:?}");
        }
    }
}
