//! Our own filters: `number`, `date` and `time`, for people who read e-mails in their language.

use jiff::civil;
use minijinja::value::{Object, Value};
use minijinja::{Error, ErrorKind, State};

use super::languages::{Habits, habits};
use crate::base::Zone;
use crate::base::time::parse_time;

/// The name under which a template finds its time zone; no tag can spell it.
pub(super) const ZONE: &str = " zone";

/// The name under which it finds the habits of those who read its text, likewise.
pub(super) const HABITS: &str = " habits";

/// A time zone as a value of a template.
#[derive(Debug)]
pub(super) struct ZoneValue(pub(super) Zone);

impl Object for ZoneValue {}

/// Habits as a value of a template.
#[derive(Debug)]
pub(super) struct HabitsValue(pub(super) Habits);

impl Object for HabitsValue {}

/// The habits of those who read the text that is filled in.
fn habits_of(state: &State) -> Habits {
    let found = state.lookup(HABITS);
    let found = found.as_ref().and_then(|value| value.downcast_object_ref::<HabitsValue>());
    found.map_or_else(|| habits(None), |found| found.0)
}

/// `14700` becomes `14,700`, `14700.5` becomes `14,700.50`; `number(0)` rounds to whole
/// numbers. At most 9 decimals.
pub(super) fn number(state: &State, value: &Value, decimals: Option<u32>) -> Result<String, Error> {
    let text = match value.as_str() {
        Some(text) => text.trim().to_owned(),
        None if value.is_number() => value.to_string(),
        None => return Err(unfit(value, "number", "a number")),
    };
    let digits = match decimals {
        Some(decimals) => decimals.min(9) as usize,
        None if is_whole(&text) => 0,
        None => 2,
    };
    let rounded = if digits == 0 && text.parse::<i128>().is_ok() {
        text.trim_start_matches('+').to_owned()
    } else {
        let number: f64 = text.parse().map_err(|_| unfit(value, "number", "a number"))?;
        if !number.is_finite() {
            return Err(unfit(value, "number", "a number"));
        }
        format!("{number:.digits$}")
    };
    Ok(habits_of(state).number(&rounded))
}

fn is_whole(text: &str) -> bool {
    text.parse::<i128>().is_ok() || text.parse::<f64>().is_ok_and(|number| number.fract() == 0.0)
}

/// A time or date as `10 December 2025` in the person's time zone, or as the pattern says.
pub(super) fn date(state: &State, value: &Value, pattern: Option<&str>) -> Result<String, Error> {
    let pattern = pattern.unwrap_or(habits_of(state).day());
    let text = value.as_str().unwrap_or_default().trim();
    if text.len() == 10
        && let Ok(day) = text.parse::<civil::Date>()
    {
        return shown(state, pattern, day, day);
    }
    at(state, value, "date", pattern)
}

/// A time as `14:00` in the person's time zone, or as the pattern says.
pub(super) fn time(state: &State, value: &Value, pattern: Option<&str>) -> Result<String, Error> {
    at(state, value, "time", pattern.unwrap_or("%H:%M"))
}

fn at(state: &State, value: &Value, filter: &str, pattern: &str) -> Result<String, Error> {
    const WANTED: &str = "a time with an offset, such as 2025-12-01T10:30:00Z";
    let moment = value
        .as_str()
        .and_then(|text| parse_time(text).ok())
        .ok_or_else(|| unfit(value, filter, WANTED))?;
    let zone = state
        .lookup(ZONE)
        .and_then(|value| value.downcast_object_ref::<ZoneValue>().map(|zone| zone.0.clone()))
        .unwrap_or(Zone::UTC);
    let moment = moment.to_zoned(zone);
    shown(state, pattern, moment.date(), &moment)
}

fn shown(
    state: &State,
    pattern: &str,
    day: civil::Date,
    moment: impl Into<jiff::fmt::strtime::BrokenDownTime>,
) -> Result<String, Error> {
    let spelled = habits_of(state).spelled(pattern, day);
    moment.into().to_string(spelled).map_err(|error| {
        let message = format!("the pattern `{pattern}` cannot be used here: {error}");
        Error::new(ErrorKind::InvalidOperation, message)
    })
}

fn unfit(value: &Value, filter: &str, wanted: &str) -> Error {
    if value.is_undefined() || value.is_none() {
        return Error::new(ErrorKind::UndefinedError, format!("a value for `{filter}` is missing"));
    }
    let shown: String = value.to_string().chars().take(40).collect();
    let message = format!("`{filter}` needs {wanted}, got `{shown}`");
    Error::new(ErrorKind::InvalidOperation, message)
}
