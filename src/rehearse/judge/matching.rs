//! Holding what has happened against what was expected. Each line takes one thing that fits;
//! lines that say more choose first.

use serde_json::{Map, Value};

use super::super::{Happened, What};
use super::words::{clock, gap, line, lines_for, short};
use super::{Awaited, Called, Fault, SAME, must_be_expected};
use crate::base::{Delay, Zone, time};
use crate::model::rules::ITSELF;
use crate::model::test::Expected;

/// Everything that is not as expected: first the lines of the test that nothing fits, then
/// what happened besides.
pub(super) fn faults(
    awaited: &[Awaited<'_>],
    calls: &[Called],
    happened: &[Happened],
    zone: &Zone,
) -> Vec<Fault> {
    let mut hall = Hall { happened, zone, taken: vec![false; happened.len()] };
    let mut order: Vec<&Awaited<'_>> = awaited.iter().collect();
    order.sort_by_key(|awaited| std::cmp::Reverse(detail(awaited)));
    let unmet: Vec<&Awaited<'_>> =
        order.into_iter().filter(|awaited| !hall.meets(awaited)).collect();
    let mut faults: Vec<Fault> = unmet.into_iter().map(|awaited| hall.unmet(awaited)).collect();
    faults.sort_by_key(|fault| fault.span);
    for (index, (span, from)) in calls.iter().enumerate() {
        let to = calls.get(index + 1).map_or(happened.len(), |(_, next)| *next);
        faults.extend(hall.unexpected(*span, *from, to));
    }
    faults
}

/// How much a line says: the more, the fewer things fit it.
fn detail(awaited: &Awaited<'_>) -> usize {
    let said = |given: bool| usize::from(given);
    said(awaited.expectation.after.is_some())
        + match &awaited.expectation.what {
            Expected::Reply { fields, .. } => fields.len(),
            Expected::Email { to, subject, variant, .. } => {
                said(to.is_some()) + said(subject.is_some()) + said(variant.is_some())
            }
            Expected::Event { to, fields, .. } => said(to.is_some()) + fields.len(),
            Expected::Save { id, fields, .. } => said(id.is_some()) + fields.len(),
            _ => 0,
        }
}

/// What has happened, and what of it a line has taken already.
struct Hall<'a> {
    happened: &'a [Happened],
    zone: &'a Zone,
    taken: Vec<bool>,
}

impl Hall<'_> {
    /// Takes what fits, if there is something; `nothing` is met by silence.
    fn meets(&mut self, awaited: &Awaited<'_>) -> bool {
        if let Expected::Nothing(before) = &awaited.expectation.what {
            return self.disturbances(awaited, *before).is_empty();
        }
        let fits = (0..self.happened.len()).find(|index| {
            self.is_about(*index, awaited)
                && self.in_time(*index, awaited)
                && differs(&awaited.expectation.what, &self.happened[*index].what).is_none()
        });
        if let Some(index) = fits {
            self.taken[index] = true;
        }
        fits.is_some()
    }

    /// Whether something is free and of the name that a line is about.
    fn is_about(&self, index: usize, awaited: &Awaited<'_>) -> bool {
        let what = &self.happened[index].what;
        let same = match (&awaited.expectation.what, what) {
            (Expected::Reply { .. }, What::Reply { .. }) => index < awaited.seen,
            (Expected::Email { name, .. }, What::Email { name: given, .. })
            | (Expected::Event { name, .. }, What::Event { name: given, .. })
            | (Expected::Save { record: name, .. }, What::Saved { record: given, .. })
            | (Expected::Retry(name), What::Retry { name: given, .. })
            | (Expected::Failed(name), What::Failed { name: given, .. })
            | (Expected::Skipped(name), What::Skipped { name: given, .. }) => name == given,
            _ => false,
        };
        same && !self.taken[index]
    }

    fn in_time(&self, index: usize, awaited: &Awaited<'_>) -> bool {
        let due = awaited.due(self.zone);
        due.is_none_or(|due| (self.happened[index].at - due).abs() < SAME)
    }

    /// What breaks a silence.
    fn disturbances(&self, awaited: &Awaited<'_>, before: Option<Delay>) -> Vec<usize> {
        let called = time::from_millis(awaited.called);
        let until = before.map(|before| time::millis(before.after(called, self.zone)));
        let disturbs = |index: &usize| {
            let happened = &self.happened[*index];
            must_be_expected(&happened.what) && until.is_none_or(|until| happened.at < until)
        };
        (awaited.from..self.happened.len()).filter(disturbs).collect()
    }

    /// What is wrong with a line that nothing fits. The nearest thing counts as told.
    fn unmet(&mut self, awaited: &Awaited<'_>) -> Fault {
        let what = &awaited.expectation.what;
        let fault = |message: String, got: String| Fault {
            span: awaited.span,
            message,
            label: "expected here",
            expected: self.wish(awaited),
            got,
            would_expect: Vec::new(),
        };
        if let Expected::Nothing(before) = what {
            let broken = self.disturbances(awaited, *before);
            let first = broken.first().map(|index| self.told(&self.happened[*index], awaited));
            let more = match broken.len() {
                0 | 1 => String::new(),
                all => format!(" (and {} more)", all - 1),
            };
            let got = format!("{}{more}", first.unwrap_or_default());
            let fault = fault(String::from("something happens, and nothing was to happen"), got);
            for index in broken {
                self.taken[index] = true;
            }
            return fault;
        }
        let near = (0..self.happened.len())
            .filter(|index| self.is_about(*index, awaited))
            .min_by_key(|index| self.distance(*index, awaited));
        let Some(index) = near else {
            let got = self.instead(awaited);
            return fault(never(what), got);
        };
        let happened = &self.happened[index];
        let got = self.told(happened, awaited);
        let message = differs(what, &happened.what).unwrap_or_else(|| {
            let after = gap(awaited.called, happened.at, self.zone);
            let wanted = awaited.expectation.after.unwrap_or_default();
            let there = if after == "0s" { " after the call" } else { "" };
            format!("{} comes {}, not {wanted}{there}", what.noun(), late(&after))
        });
        let fault = fault(message, got);
        self.taken[index] = true;
        fault
    }

    /// How far a thing is from what a line says: another content first, then time.
    fn distance(
        &self,
        index: usize,
        awaited: &Awaited<'_>,
    ) -> (bool, u64, std::cmp::Reverse<usize>) {
        let happened = &self.happened[index];
        let other = differs(&awaited.expectation.what, &happened.what).is_some();
        let apart = awaited.due(self.zone).map_or(0, |due| happened.at.abs_diff(due));
        // Of two answers the later one is meant.
        (other, apart, std::cmp::Reverse(index))
    }

    /// What is expected, in words.
    fn wish(&self, awaited: &Awaited<'_>) -> String {
        let detail = match &awaited.expectation.what {
            Expected::Reply { fields, .. }
            | Expected::Event { fields, .. }
            | Expected::Save { fields, .. }
                if !fields.is_empty() =>
            {
                format!(" with {}", short(&Value::Object(fields.clone())))
            }
            Expected::Email { to: Some(to), .. } => format!(" to {to}"),
            Expected::Nothing(Some(before)) => format!(" for {before} after the call"),
            Expected::Nothing(None) => String::from(" after the call"),
            _ => String::new(),
        };
        let when = match (awaited.expectation.after, awaited.due(self.zone)) {
            (Some(after), Some(due)) => {
                format!("{}, {after} after the call: ", clock(due, self.zone))
            }
            _ => String::new(),
        };
        format!("{when}{}{detail}", awaited.expectation.what.noun())
    }

    /// What has happened, in words, with its time.
    fn told(&self, happened: &Happened, awaited: &Awaited<'_>) -> String {
        match happened.what {
            What::Reply { .. } | What::Saved { .. } => line(&happened.what),
            _ => self.timed(happened, awaited.called),
        }
    }

    fn timed(&self, happened: &Happened, called: i64) -> String {
        let when = clock(happened.at, self.zone);
        let after = late(&gap(called, happened.at, self.zone));
        format!("{when}, {after}: {}", line(&happened.what))
    }

    /// What happened instead of something that never did.
    fn instead(&self, awaited: &Awaited<'_>) -> String {
        let nothing = || String::from("nothing of the kind");
        let (Expected::Email { name: about, .. } | Expected::Event { name: about, .. }) =
            &awaited.expectation.what
        else {
            return nothing();
        };
        let skipped = self.happened.iter().find_map(|happened| match &happened.what {
            What::Skipped { name, why, .. } if name == about => {
                Some(format!("it was skipped: {why}"))
            }
            What::Failed { name, why } if name == about => Some(format!("it failed: {why}")),
            _ => None,
        });
        let refused = self.happened.iter().find_map(|happened| match &happened.what {
            What::Reply { call, reply } if reply.status >= 300 => {
                Some(format!("{call} was refused with {}: {}", reply.status, short(&reply.body)))
            }
            _ => None,
        });
        skipped.or(refused).unwrap_or_else(nothing)
    }

    /// What followed a call and no line expects.
    fn unexpected(&self, span: crate::base::Span, from: usize, to: usize) -> Option<Fault> {
        let free =
            |index: &usize| !self.taken[*index] && must_be_expected(&self.happened[*index].what);
        let found: Vec<&Happened> =
            (from..to).filter(free).map(|index| &self.happened[index]).collect();
        let first = found.first()?;
        let called = self.happened[from].at;
        let message = match found.as_slice() {
            [one] => format!("{}, and no line expects it", comes(&one.what)),
            several => format!("{} things happen that no line expects", several.len()),
        };
        Some(Fault {
            span,
            message,
            label: "after this call",
            expected: String::new(),
            got: self.timed(first, called),
            would_expect: lines_for(&found, called, self.zone),
        })
    }
}

/// "5min after the call", "at once".
fn late(gap: &str) -> String {
    if gap == "0s" { String::from("at once") } else { format!("{gap} after the call") }
}

/// "the e-mail `welcome-1` comes".
fn comes(what: &What) -> String {
    match what {
        What::Email { name, .. } => format!("the e-mail `{name}` comes"),
        What::Event { name, .. } => format!("the event `{name}` is sent"),
        What::Failed { name, .. } => format!("`{name}` fails"),
        other => line(other),
    }
}

/// What is said of something that did not happen at all.
fn never(what: &Expected) -> String {
    match what {
        Expected::Reply { .. } => String::from("there is no further answer"),
        Expected::Save { .. } => format!("{} is not written", what.noun()),
        Expected::Retry(name) => format!("`{name}` is not tried again"),
        Expected::Failed(name) => format!("`{name}` does not fail"),
        Expected::Skipped(name) => format!("`{name}` is not skipped"),
        _ => format!("{} does not come", what.noun()),
    }
}

/// What is other than expected about a thing of the right name, as a sentence.
fn differs(expected: &Expected, what: &What) -> Option<String> {
    match (expected, what) {
        (Expected::Reply { status, fields }, What::Reply { reply, .. }) => {
            if *status == reply.status {
                field(fields, &reply.body).map(|field| format!("the answer's {field}"))
            } else {
                Some(format!("the call is answered with {}, not {status}", reply.status))
            }
        }
        (
            Expected::Email { to, subject, variant, .. },
            What::Email { to: given, subject: about, variant: got, .. },
        ) => {
            let got = got.clone().unwrap_or_else(|| ITSELF.to_owned());
            let other = |noun: &str, wanted: &Option<String>, given: &String| {
                let wanted = wanted.as_ref().filter(|wanted| *wanted != given)?;
                Some(format!("{} {noun} \"{given}\", not \"{wanted}\"", expected.noun()))
            };
            other("goes to", to, given)
                .or_else(|| other("is variant", variant, &got))
                .or_else(|| other("has the subject", subject, about))
        }
        (Expected::Event { to, fields, .. }, What::Event { to: given, body, .. }) => {
            match to.as_ref().filter(|to| *to != given) {
                Some(to) => Some(format!("{} goes to \"{given}\", not \"{to}\"", expected.noun())),
                None => field(fields, body).map(|field| format!("the event's {field}")),
            }
        }
        (Expected::Save { id, fields, .. }, What::Saved { id: given, fields: saved, .. }) => {
            match id.as_ref().filter(|id| *id != given) {
                Some(id) => Some(format!("the record is \"{given}\", not \"{id}\"")),
                None => field(fields, &Value::Object(saved.clone()))
                    .map(|field| format!("the record's {field}")),
            }
        }
        _ => None,
    }
}

/// The first field that is not as wanted, as a sentence that goes on.
fn field(wanted: &Map<String, Value>, given: &Value) -> Option<String> {
    wanted.iter().find_map(|(name, wanted)| match given.get(name) {
        // A field without a value and one that is not there are the same to rules.
        None if wanted.is_null() => None,
        None => Some(format!("field `{name}` is missing")),
        Some(given) if is_same(wanted, given) => None,
        Some(given) => Some(format!("`{name}` is {}, not {}", short(given), short(wanted))),
    })
}

/// Whether a value is the wanted one. Objects may have more fields, and 123 is 123.0.
fn is_same(wanted: &Value, given: &Value) -> bool {
    match (wanted, given) {
        (Value::Object(wanted), _) => given.is_object() && field(wanted, given).is_none(),
        (Value::Number(wanted), Value::Number(given)) => {
            wanted == given || wanted.as_f64() == given.as_f64()
        }
        _ => wanted == given,
    }
}
