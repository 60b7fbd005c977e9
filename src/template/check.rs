//! One read of a template against the names in scope.

use super::TemplateFault;
use super::reads::{Read, Used};
use crate::base::diagnostic::{did_you_mean, only_close};
use crate::model::{Kind, Scope};

/// What is wrong with one read, if anything.
pub(super) fn read(read: &Read, scope: &Scope, may_miss: bool) -> Option<TemplateFault> {
    let path: Vec<&str> = read.path.iter().map(String::as_str).collect();
    let shape = match scope.resolve(&path) {
        Ok(shape) => shape,
        Err((index, known)) => return Some(unknown(read, scope, index, &known)),
    };
    let written = path.join(".");
    if let Some((why, help)) = unfit(read.used, &shape.kind, &written) {
        return Some(TemplateFault {
            code: "template-type",
            message: format!("`{written}` is of type {}, and {why}", shape.kind.word()),
            range: read.range.clone(),
            help: Some(help),
            fix: None,
        });
    }
    let unguarded = !read.lenient
        && !may_miss
        && scope.optional_prefixes(&path).iter().any(|length| *length > read.covered);
    unguarded.then(|| TemplateFault {
        code: "optional-without-default",
        message: format!("`{written}` is optional and may be missing"),
        range: read.range.clone(),
        help: Some(format!(
            "say what stands there then: {{{{{written} | default('…')}}}}, or put {{% if {written} %}} around"
        )), fix: None })
}

/// Why a value of this kind is not fit for what becomes of it, and what to do.
fn unfit(used: Used, kind: &Kind, written: &str) -> Option<(&'static str, String)> {
    use Kind::{Boolean, Date, Integer, List, Number, Object, Text, Time};
    let shown = || match kind {
        Time => format!("write {{{{{written} | date}}}} or {{{{{written} | time}}}}"),
        Date => format!("write {{{{{written} | date}}}}"),
        Integer | Number => format!("write {{{{{written} | number}}}}"),
        _ => String::from("take the filter away"),
    };
    match (used, kind) {
        (Used::AsFactor, Text | Time | Date | Boolean | List(_) | Object(_)) => Some((
            "only numbers can be multiplied",
            format!("a text that holds a number: `{written} | float`"),
        )),
        (Used::AsNumber, Time | Date | Boolean | List(_) | Object(_)) => {
            Some(("`number` shows numbers", shown()))
        }
        (Used::AsDate, Integer | Number | Boolean | List(_) | Object(_)) => {
            Some(("`date` shows the day of a time", shown()))
        }
        (Used::AsTime, Integer | Number | Boolean | Date | List(_) | Object(_)) => {
            Some(("`time` shows the hour of a time", shown()))
        }
        _ => None,
    }
}

/// Fields that are written with `-` where their names have `_`: a tag would subtract.
pub(super) fn with_minus(source: &str, reads: &[Read], scope: &Scope) -> Vec<TemplateFault> {
    let mut faults: Vec<TemplateFault> = Vec::new();
    for read in reads {
        let start = read.range.start;
        let Some(rest) = source.get(start..) else { continue };
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
            .unwrap_or(rest.len());
        let written = rest[..length].trim_end_matches('-');
        let meant = written.replace('-', "_");
        let known = |name: &str| scope.resolve(&[name]).is_ok();
        if scope.open || meant == written || !known(&meant) || known(&read.path[0]) {
            continue;
        }
        faults.push(TemplateFault {
            code: "unknown-field",
            message: format!("`{written}` is not a field here"),
            range: start..start + written.len(),
            help: Some(format!("did you mean `{meant}`?")),
            fix: Some(meant),
        });
    }
    faults
}

fn unknown(read: &Read, scope: &Scope, index: usize, known: &[String]) -> TemplateFault {
    let part = read.path.get(index).map_or("", String::as_str);
    let before = read.path[..index].join(".");
    let message = if index == 0 {
        format!("`{part}` is not a field here")
    } else if known.is_empty() {
        format!("`{before}` has no fields, so `{}` leads nowhere", read.path.join("."))
    } else {
        format!("`{before}` has no field `{part}`")
    };
    TemplateFault {
        code: "unknown-field",
        message,
        range: read.part_range(index),
        help: suggestion(part, index, known, scope),
        fix: meant(part, index, known, scope),
    }
}

/// The one name that a part of a path can mean.
fn meant(part: &str, index: usize, known: &[String], scope: &Scope) -> Option<String> {
    let near = only_close(part, known.iter().map(String::as_str)).map(str::to_owned);
    near.or_else(|| scope.only_record_with(part).filter(|_| index == 0))
}

/// "did you mean", else what there is.
fn suggestion(part: &str, index: usize, known: &[String], scope: &Scope) -> Option<String> {
    const LISTED: usize = 12;
    let near = did_you_mean(part, known.iter().map(String::as_str));
    if near.is_some() {
        return near;
    }
    // The field may lie one level deeper, in a record that was found.
    if index == 0 {
        for (name, shape) in &scope.names {
            if let Kind::Object(fields) = &shape.kind
                && fields.contains_key(part)
            {
                return Some(format!("did you mean `{name}.{part}`?"));
            }
        }
    }
    if known.is_empty() {
        return None;
    }
    let mut names = known.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if known.len() > LISTED {
        names.push_str(", …");
    }
    Some(format!("available: {names}"))
}
