//! `window`: the days, hours and holidays of a sequence, and what is wrong with them.

use super::codes;
use super::reading::Reading;
use super::settings::delay;
use super::tree::{Node, Value};
use crate::base::{Delay, Diagnostic, Timestamp, Zone};
use crate::model::rules::{Days, Holiday, Hours, Opening, Window};

/// What is later than that is skipped, when a step does not say it. The time for which the
/// window is closed comes on top.
const MAX_LATE: Delay = Delay { days: 1, millis: 0 };

/// What the `window`s of a sequence say together; none where there is none. What cannot be
/// read is reported with the other values and counts as not said.
pub(super) fn window(reading: &mut Reading<'_>, sequence: &Node) -> Option<Window> {
    let (mut openings, mut holidays, mut found) = (Vec::new(), Vec::new(), false);
    for node in sequence.all("window") {
        found = true;
        let dates = node.all("holidays").flat_map(|child| &child.args).filter_map(Value::text);
        holidays.extend(dates.filter_map(|date| Holiday::parse(date).ok()));
        openings.extend(opening(reading, node));
    }
    if !found {
        return None;
    }
    if openings.is_empty() {
        openings.push(Opening { days: Days::ALL, hours: Hours::ALL, spread: Delay::default() });
    }
    let window = Window { openings, holidays };
    if window.next(Timestamp::UNIX_EPOCH, &Zone::UTC).is_none() {
        let at = sequence.child("window").map_or(sequence.head(), |node| node.name_span);
        reading.push(
            Diagnostic::error(codes::NEVER_OPENS, "this window never opens", at)
                .label("all its days are holidays")
                .help("leave some days open, or take the window away"),
        );
        return None;
    }
    Some(window)
}

/// What one `window` opens: nothing where it only lists holidays.
fn opening(reading: &mut Reading<'_>, node: &Node) -> Vec<Opening> {
    let (days, hours) = (node.prop_text("days"), node.prop_text("hours"));
    let spread = delay(node, "spread").unwrap_or_default();
    if days.is_none() && hours.is_none() && (node.child("holidays").is_none() || !spread.is_zero())
    {
        reading.push(
            Diagnostic::error(
                codes::MISSING,
                "this window does not say when it is open",
                node.head(),
            )
            .label("neither `days=` nor `hours=`")
            .help("write it like window days=\"mon-fri\" hours=\"09:00-17:00\""),
        );
    }
    if days.is_none() && hours.is_none() {
        return Vec::new();
    }
    let days = days.and_then(|days| Days::parse(days).ok()).unwrap_or(Days::ALL);
    let hours = hours.and_then(|hours| Hours::parse(hours).ok());
    let hours = hours.unwrap_or_else(|| vec![Hours::ALL]);
    spread_fits(reading, node, &hours, spread);
    hours.into_iter().map(|hours| Opening { days, hours, spread }).collect()
}

fn spread_fits(reading: &mut Reading<'_>, node: &Node, hours: &[Hours], spread: Delay) {
    let Some(shortest) = hours.iter().map(|hours| hours.minutes().len()).min() else { return };
    let seconds = u64::try_from(shortest).unwrap_or_default() * 60;
    if spread.to_duration().as_secs() <= seconds {
        return;
    }
    let (Some(value), Ok(open)) = (node.prop("spread"), Delay::from_seconds(seconds)) else {
        return;
    };
    reading.push(
        Diagnostic::error(
            codes::BAD_WINDOW,
            format!("nobody can be spread over {spread}: the window is open for {open}"),
            value.span,
        )
        .label("longer than it is open")
        .help("write a shorter spread, such as \"15min\""),
    );
}

/// Whether a step happens at any time, whatever the window says.
pub(super) fn is_any(step: &Node) -> bool {
    step.prop_text("window") == Some("any")
}

/// How late a step may be that does not say it: a day, and as long as the window is closed.
pub(super) fn max_late(window: Option<&Window>, step: &Node) -> Delay {
    let closed = window.filter(|_| !is_any(step)).map(Window::longest_closed).unwrap_or_default();
    Delay { days: MAX_LATE.days + closed.days, millis: MAX_LATE.millis + closed.millis }
}

/// What is legal and probably wrong. `has_zone` says that people have a zone of their own.
pub(super) fn lints(reading: &mut Reading<'_>, sequence: &Node, window: &Window, has_zone: bool) {
    let closed = window.longest_closed();
    let steps = sequence.nodes().iter().filter(|node| matches!(&*node.name, "email" | "send"));
    for step in steps.filter(|step| !is_any(step)) {
        let (Some(value), Some(late)) = (step.prop("max-late"), delay(step, "max-late")) else {
            continue;
        };
        if late.to_duration() >= closed.to_duration() {
            continue;
        }
        reading.push(
            Diagnostic::warning(
                codes::WINDOW_SKIPS,
                format!("what misses the window is skipped: it is closed for up to {closed}"),
                value.span,
            )
            .label(format!("too late after {late}"))
            .help(
                "write a longer max-late, leave it out (then it waits for the window), or add \
                 window=\"any\" for a step that cannot wait",
            ),
        );
    }
    if has_zone || reading.zone_said || reading.unread.is_some() {
        return;
    }
    let Some(node) = sequence.child("window") else { return };
    reading.push(
        Diagnostic::warning(
            codes::WINDOW_IN_UTC,
            "the hours of this window are hours of UTC: nothing names a time zone",
            node.name_span,
        )
        .label("whose clock?")
        .help(
            "write time-zone \"Europe/Berlin\" in the block of `sender`, or add \
             zone=\"{{time_zone}}\" to the sequence, with a field of the payload",
        ),
    );
}
