//! The checks of a name: it is known, and where its value is needed it must be there.

use std::ops::Range;

use rhai::Expr;

use super::functions::FUNCTIONS;
use super::lint::Lint;
use super::place::offset;
use super::types::Type;
use super::values::UsedPath;
use crate::base::diagnostic::{did_you_mean, only_close};
use crate::model::Kind;

/// A dotted path as parts, with the bytes of each part.
pub(super) type Path = Vec<(String, Range<usize>)>;

impl Lint<'_> {
    /// A field and its type. `asked` says that it is only asked whether it is there.
    pub(super) fn read(&mut self, path: &Path, asked: bool) -> Type {
        let parts: Vec<&str> = path.iter().map(|(part, _)| part.as_str()).collect();
        let whole = path[0].1.start..path[path.len() - 1].1.end;
        let shape = if parts == ["now"] && !self.scope.names.contains_key("now") {
            Kind::Time
        } else {
            match self.scope.resolve(&parts) {
                Ok(shape) => shape.kind,
                Err((index, known)) => {
                    self.unknown(path, index, &known);
                    return Type::ANY;
                }
            }
        };
        let owned: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        let covered = self
            .facts
            .iter()
            .map(|fact| fact.iter().zip(&owned).take_while(|(a, b)| a == b).count())
            .max()
            .unwrap_or(0);
        let missing = if parts == ["now"] {
            None
        } else {
            self.scope.optional_prefixes(&parts).into_iter().find(|length| *length > covered)
        };
        if let (Some(length), false) = (missing, asked) {
            let optional = parts[..length].join(".");
            let help = format!("ask first: `{optional} != () && …`");
            let message = format!("`{optional}` is optional and may be missing");
            self.fault("guard-optional", message, whole, Some(help));
        }
        self.found.paths.push(UsedPath { path: owned, is_time: shape == Kind::Time });
        Type::Of(shape)
    }

    fn unknown(&mut self, path: &Path, index: usize, known: &[String]) {
        let index = index.min(path.len() - 1);
        let (part, place) = path[index].clone();
        let before: Vec<&str> = path[..index].iter().map(|(part, _)| part.as_str()).collect();
        let before = before.join(".");
        let message = match (index, known.is_empty()) {
            (0, _) => format!("`{part}` is not a field here"),
            (_, true) => format!("`{before}` has no fields"),
            _ => format!("`{before}` has no field `{part}`"),
        };
        let help = self.suggestion(&part, index, known);
        self.fault("guard-unknown-name", message, place, help);
        self.mend(self.meant(&part, index, known));
    }

    /// The one name that a part of a path can mean.
    fn meant(&self, part: &str, index: usize, known: &[String]) -> Option<String> {
        match part {
            "True" | "yes" | "TRUE" | "Yes" => return Some(String::from("true")),
            "False" | "no" | "FALSE" | "No" => return Some(String::from("false")),
            _ => {}
        }
        let now = (index == 0).then_some("now");
        let near = only_close(part, known.iter().map(String::as_str).chain(now));
        near.map(str::to_owned).or_else(|| self.scope.only_record_with(part).filter(|_| index == 0))
    }

    fn suggestion(&self, part: &str, index: usize, known: &[String]) -> Option<String> {
        const LISTED: usize = 12;
        if matches!(part, "True" | "yes" | "TRUE" | "Yes") {
            return Some("write `true`".to_owned());
        }
        if matches!(part, "False" | "no" | "FALSE" | "No") {
            return Some("write `false`".to_owned());
        }
        let now = if index == 0 { Some("now") } else { None };
        let near = did_you_mean(part, known.iter().map(String::as_str).chain(now));
        if near.is_some() {
            return near;
        }
        if index == 0 {
            for (name, shape) in &self.scope.names {
                if let Kind::Object(fields) = &shape.kind
                    && fields.contains_key(part)
                {
                    return Some(format!("did you mean `{name}.{part}`?"));
                }
            }
            if FUNCTIONS.iter().any(|(name, _)| *name == part) {
                return Some(format!("`{part}` is a function: write `{part}(…)`"));
            }
        }
        if known.is_empty() {
            return None;
        }
        let names: Vec<&str> = known.iter().take(LISTED).map(String::as_str).collect();
        let more = if known.len() > LISTED { ", …" } else { "" };
        Some(format!("available: {}{more}; a text stands in quotes: \"{part}\"", names.join(", ")))
    }
}

/// The dotted path that an expression is.
pub(super) fn path_of(source: &str, expr: &Expr) -> Option<Path> {
    match expr {
        Expr::Variable(name, _, position) => {
            let start = offset(source, *position);
            Some(vec![(name.1.to_string(), start..start + name.1.len())])
        }
        Expr::Dot(both, ..) => {
            let mut path = path_of(source, &both.lhs)?;
            tail(source, &both.rhs, &mut path).then_some(path)
        }
        _ => None,
    }
}

fn tail(source: &str, expr: &Expr, path: &mut Path) -> bool {
    match expr {
        Expr::Property(name, position) => {
            let start = offset(source, *position);
            path.push((name.2.to_string(), start..start + name.2.len()));
            true
        }
        Expr::Dot(both, ..) => tail(source, &both.lhs, path) && tail(source, &both.rhs, path),
        _ => false,
    }
}
