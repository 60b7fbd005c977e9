//! The functions that a guard may call, and how times compare. The list is closed. A time
//! is a value of its own inside a guard, so that two writings of one moment are equal.

use std::any::TypeId;
use std::cmp::Ordering;

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext};

use crate::base::Timestamp;
use crate::base::time::parse_time;

/// Every function: its name and how it is called.
pub(super) const FUNCTIONS: &[(&str, &str)] = &[
    ("contains", "contains(text_or_list, part)"),
    ("starts_with", "starts_with(text, beginning)"),
    ("ends_with", "ends_with(text, ending)"),
    ("one_of", "one_of(value, \"a\", \"b\")"),
    ("len", "len(text_or_list)"),
    ("lower", "lower(text)"),
    ("days_since", "days_since(time)"),
    ("hours_since", "hours_since(time)"),
];

/// Functions that need the present; in the compiled guard it is their first argument.
pub(super) const OF_TIME: [&str; 2] = ["days_since", "hours_since"];

/// Most values that `one_of` takes after the first.
pub(super) const MAX_CHOICES: usize = 16;

/// A point in time inside a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(pub(super) Timestamp);

type Answer<T> = Result<T, Box<EvalAltResult>>;

/// Registers everything.
pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Moment>("time");
    engine.register_fn("contains", contains);
    engine.register_fn("starts_with", |text: ImmutableString, part: ImmutableString| {
        text.starts_with(part.as_str())
    });
    engine.register_fn("ends_with", |text: ImmutableString, part: ImmutableString| {
        text.ends_with(part.as_str())
    });
    engine.register_fn("lower", |text: ImmutableString| text.to_lowercase());
    engine.register_fn("len", |value: Dynamic| len(&value));
    engine.register_fn("days_since", |now: Dynamic, time: Dynamic| since(&now, &time, 86_400.0));
    engine.register_fn("hours_since", |now: Dynamic, time: Dynamic| since(&now, &time, 3_600.0));
    for choices in 1..=MAX_CHOICES {
        let arguments = vec![TypeId::of::<Dynamic>(); choices + 1];
        engine.register_raw_fn(
            "one_of",
            arguments,
            |_: NativeCallContext<'_>, arguments: &mut [&mut Dynamic]| Ok(one_of(arguments)),
        );
    }
    // A field of something that is missing is missing, not an error.
    engine.register_indexer_get(|(): &mut (), _: ImmutableString| Dynamic::UNIT);
    register_comparisons(engine);
}

fn register_comparisons(engine: &mut Engine) {
    macro_rules! compare {
        ($($name:literal => $test:expr;)*) => {$(
            engine.register_fn($name, |a: Moment, b: Moment| $test(Some(a.0.cmp(&b.0))));
            engine.register_fn($name, |a: Moment, b: ImmutableString| {
                $test(parse_time(&b).ok().map(|b| a.0.cmp(&b)))
            });
            engine.register_fn($name, |a: ImmutableString, b: Moment| {
                $test(parse_time(&a).ok().map(|a| a.cmp(&b.0)))
            });
        )*};
    }
    compare! {
        "==" => |order: Option<Ordering>| order == Some(Ordering::Equal);
        "!=" => |order: Option<Ordering>| order != Some(Ordering::Equal);
        "<" => |order: Option<Ordering>| order.is_some_and(Ordering::is_lt);
        "<=" => |order: Option<Ordering>| order.is_some_and(Ordering::is_le);
        ">" => |order: Option<Ordering>| order.is_some_and(Ordering::is_gt);
        ">=" => |order: Option<Ordering>| order.is_some_and(Ordering::is_ge);
    }
    engine.register_fn("==", |_: Moment, (): ()| false);
    engine.register_fn("==", |(): (), _: Moment| false);
    engine.register_fn("!=", |_: Moment, (): ()| true);
    engine.register_fn("!=", |(): (), _: Moment| true);
}

fn contains(whole: Dynamic, part: Dynamic) -> Answer<bool> {
    if let Ok(list) = whole.as_array_ref() {
        return Ok(list.iter().any(|entry| same(entry, &part)));
    }
    match (whole.into_immutable_string(), part.into_immutable_string()) {
        (Ok(whole), Ok(part)) => Ok(whole.contains(part.as_str())),
        _ => Err("`contains` looks for a text in a text, or for a value in a list".into()),
    }
}

fn len(value: &Dynamic) -> Answer<i64> {
    let count = if let Ok(list) = value.as_array_ref() {
        Some(list.len())
    } else {
        value.as_immutable_string_ref().ok().map(|text| text.chars().count())
    };
    count
        .and_then(|count| i64::try_from(count).ok())
        .ok_or_else(|| "`len` needs a text or a list".into())
}

/// Whether the first is among the others; a list (on either side) stands for its entries.
fn one_of(arguments: &mut [&mut Dynamic]) -> bool {
    let entries = |value: &Dynamic| -> Array {
        value.as_array_ref().map_or_else(|_| vec![value.clone()], |list| list.clone())
    };
    let Some((value, choices)) = arguments.split_first() else { return false };
    let values = entries(value);
    choices
        .iter()
        .flat_map(|choice| entries(choice))
        .any(|choice| values.iter().any(|value| same(value, &choice)))
}

/// Whether two values are the same; an integer and a number may be.
fn same(a: &Dynamic, b: &Dynamic) -> bool {
    if let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        return *a == *b;
    }
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return a == b;
    }
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return a.total_cmp(&b).is_eq();
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        return a == b;
    }
    match (moment(a), moment(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

fn number(value: &Dynamic) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "comparing a whole number with a fraction")]
    value.as_float().ok().or_else(|| value.as_int().ok().map(|whole| whole as f64))
}

/// A time, or a text that is one.
fn moment(value: &Dynamic) -> Option<Timestamp> {
    if let Some(moment) = value.clone().try_cast::<Moment>() {
        return Some(moment.0);
    }
    value.as_immutable_string_ref().ok().and_then(|text| parse_time(&text).ok())
}

/// How many units of so many seconds lie between a time and now; negative before it.
fn since(now: &Dynamic, time: &Dynamic, unit: f64) -> Answer<f64> {
    let now = moment(now).ok_or("`now` is not known here")?;
    let time =
        moment(time).ok_or("this needs a time with an offset, such as \"2025-12-01T10:30:00Z\"")?;
    Ok(now.duration_since(time).as_secs_f64() / unit)
}
