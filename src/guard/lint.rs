//! The checks of a guard that parses: every name is known, every call is on the list and
//! gets what it needs, every comparison can come out either way, every value that may be
//! missing is asked about first, and the whole answers yes or no.

use std::ops::Range;

use rhai::{AST, Expr, FnCallExpr, Stmt};

use super::GuardFault;
use super::names::path_of;
use super::place::{offset, range};
use super::types::{Type, comparable, has_order};
use super::values::UsedPath;
use crate::base::time::parse_time;
use crate::model::{Kind, Scope};

/// What a guard that passes uses.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Every path, in the order of the text.
    pub(super) paths: Vec<UsedPath>,
    /// Where the calls begin that need the present.
    pub(super) clock_calls: Vec<usize>,
}

/// Checks a parsed guard.
pub(super) fn lint(source: &str, ast: &AST, scope: &Scope) -> Result<Found, Vec<GuardFault>> {
    let mut lint =
        Lint { source, scope, facts: Vec::new(), faults: Vec::new(), found: Found::default() };
    match ast.statements() {
        [Stmt::Expr(expr)] => {
            lint.condition(expr);
        }
        _ => lint.unsupported(0..source.len()),
    }
    if lint.faults.is_empty() { Ok(lint.found) } else { Err(lint.faults) }
}

/// What a guard uses that was checked before, whatever the names in it are now.
pub(super) fn names(source: &str, ast: &AST) -> Found {
    let scope = &Scope { open: true, ..Scope::default() };
    let mut lint =
        Lint { source, scope, facts: Vec::new(), faults: Vec::new(), found: Found::default() };
    if let [Stmt::Expr(expr)] = ast.statements() {
        lint.condition(expr);
    }
    lint.found
}

/// Paths that are surely there when a condition holds, and when it does not.
#[derive(Default)]
struct Facts {
    held: Vec<Vec<String>>,
    failed: Vec<Vec<String>>,
}

pub(super) struct Lint<'a> {
    pub(super) source: &'a str,
    pub(super) scope: &'a Scope,
    /// Paths that are surely there at this place.
    pub(super) facts: Vec<Vec<String>>,
    pub(super) faults: Vec<GuardFault>,
    pub(super) found: Found,
}

impl Lint<'_> {
    pub(super) fn fault(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        range: Range<usize>,
        help: impl Into<Option<String>>,
    ) {
        let help = help.into();
        self.faults.push(GuardFault { code, message: message.into(), range, help, fix: None });
    }

    /// What to write at the place of the mistake that was noted last, if that is certain.
    pub(super) fn mend(&mut self, text: Option<String>) {
        if let Some(last) = self.faults.last_mut() {
            last.fix = text;
        }
    }

    fn unsupported(&mut self, range: Range<usize>) {
        self.fault(
            "guard-syntax",
            "this cannot be used in a guard",
            range,
            Some("a guard is made of fields, texts, numbers, comparisons, `&&`, `||`, `!` and functions".to_owned()),
        );
    }

    pub(super) fn text_of(&self, range: &Range<usize>) -> String {
        self.source.get(range.clone()).unwrap_or_default().trim().to_owned()
    }

    /// An expression that must answer yes or no.
    fn condition(&mut self, expr: &Expr) -> Facts {
        match expr {
            Expr::And(all, _) => {
                let mark = self.facts.len();
                for part in all.iter() {
                    let facts = self.condition(part);
                    self.facts.extend(facts.held);
                }
                Facts { held: self.facts.split_off(mark), failed: Vec::new() }
            }
            Expr::Or(all, _) => {
                let mark = self.facts.len();
                for part in all.iter() {
                    let facts = self.condition(part);
                    self.facts.extend(facts.failed);
                }
                Facts { held: Vec::new(), failed: self.facts.split_off(mark) }
            }
            Expr::FnCall(call, _) if call.is_operator_call() && call.name == "!" => {
                let facts = call.args.first().map(|inner| self.condition(inner));
                let facts = facts.unwrap_or_default();
                Facts { held: facts.failed, failed: facts.held }
            }
            Expr::FnCall(call, _) if matches!(call.name.as_str(), "==" | "!=") => {
                self.equality(call, expr)
            }
            _ => {
                let no_answer = |kind: &Type| !matches!(kind, Type::Of(Kind::Boolean | Kind::Any));
                let found = match expr {
                    // Whichever of them is there must be an answer.
                    Expr::Coalesce(all, _) => self.alternatives(all),
                    _ => vec![self.value(expr)],
                };
                if let Some(found) = found.into_iter().find(no_answer) {
                    let place = range(self.source, expr);
                    let written = self.text_of(&place);
                    let help = match path_of(self.source, expr) {
                        Some(_) => format!("compare it, as in `{written} == …`"),
                        None => "a guard must answer yes or no".to_owned(),
                    };
                    let message = format!("`{written}` is {}, not yes or no", found.words());
                    self.fault("guard-not-yes-no", message, place, Some(help));
                }
                Facts::default()
            }
        }
    }

    /// `==` and `!=`; with `()` they ask whether something is there.
    fn equality(&mut self, call: &FnCallExpr, whole: &Expr) -> Facts {
        let equal = call.name == "==";
        let [left, right] = call.args.as_slice() else { return Facts::default() };
        let asked = match (left, right) {
            (_, Expr::Unit(_)) => left,
            (Expr::Unit(_), _) => right,
            _ => {
                self.comparison(call, whole);
                return Facts::default();
            }
        };
        let Some(path) = path_of(self.source, asked) else {
            let place = range(self.source, whole);
            self.value(asked);
            let help = "only a field can be compared with ()".to_owned();
            self.fault("guard-types", "this is never missing", place, Some(help));
            return Facts::default();
        };
        self.read(&path, true);
        let there = vec![path.into_iter().map(|(part, _)| part).collect()];
        if equal {
            Facts { held: Vec::new(), failed: there }
        } else {
            Facts { held: there, failed: Vec::new() }
        }
    }

    /// An expression whose value is needed.
    pub(super) fn value(&mut self, expr: &Expr) -> Type {
        if let Some(path) = path_of(self.source, expr) {
            return self.read(&path, false);
        }
        match expr {
            Expr::BoolConstant(..) => Type::BOOLEAN,
            Expr::IntegerConstant(..) => Type::Of(Kind::Integer),
            Expr::FloatConstant(..) => Type::Of(Kind::Number),
            Expr::StringConstant(..) => Type::TEXT,
            Expr::Unit(_) => Type::Missing,
            Expr::Array(entries, _) => {
                let kinds: Vec<Type> = entries.iter().map(|entry| self.value(entry)).collect();
                let kind = match kinds.first() {
                    Some(Type::Of(first)) if kinds.iter().all(|kind| kind == &kinds[0]) => {
                        first.clone()
                    }
                    _ => Kind::Any,
                };
                Type::Of(Kind::List(Box::new(kind)))
            }
            Expr::And(..) | Expr::Or(..) => {
                self.condition(expr);
                Type::BOOLEAN
            }
            Expr::Coalesce(all, _) => self.coalesce(all),
            Expr::FnCall(call, _) if call.is_operator_call() => self.operator(call, expr),
            Expr::FnCall(call, position) => {
                let start = offset(self.source, *position);
                self.call(call, start, expr)
            }
            Expr::Dot(both, ..) => {
                let place = range(self.source, expr);
                if let Expr::MethodCall(call, _) = &both.rhs {
                    let written = self.text_of(&range(self.source, &both.lhs));
                    let help = format!("write `{}({written}, …)`", call.name);
                    self.fault("guard-syntax", "a field cannot be called", place, Some(help));
                } else {
                    self.unsupported(place);
                }
                Type::ANY
            }
            Expr::Index(..) => {
                let place = range(self.source, expr);
                let help = "ask with `contains(list, value)` or `len(list)`".to_owned();
                let message = "entries of a list cannot be picked by number";
                self.fault("guard-syntax", message, place, Some(help));
                Type::ANY
            }
            other => {
                let place = range(self.source, other);
                self.unsupported(place);
                Type::ANY
            }
        }
    }

    /// `a ?? b`: the first that is there.
    fn coalesce(&mut self, all: &[Expr]) -> Type {
        let kinds = self.alternatives(all);
        let both = |found: Type, kind: Type| match (found.is_number(), kind.is_number()) {
            _ if found == kind => found,
            (true, true) => Type::Of(Kind::Number),
            _ => Type::ANY,
        };
        kinds.into_iter().reduce(both).unwrap_or(Type::ANY)
    }

    /// What each of the values in `a ?? b` is.
    fn alternatives(&mut self, all: &[Expr]) -> Vec<Type> {
        let mut kinds = Vec::with_capacity(all.len());
        for (index, part) in all.iter().enumerate() {
            let last = index + 1 == all.len();
            kinds.push(match path_of(self.source, part) {
                Some(path) => self.read(&path, !last),
                None => self.value(part),
            });
        }
        kinds
    }

    fn operator(&mut self, call: &FnCallExpr, whole: &Expr) -> Type {
        match call.name.as_str() {
            "!" | "==" | "!=" => {
                self.condition(whole);
                Type::BOOLEAN
            }
            "<" | "<=" | ">" | ">=" => {
                self.comparison(call, whole);
                Type::BOOLEAN
            }
            "+" | "-" | "*" | "/" | "%" | "**" => self.arithmetic(call),
            _ => {
                let place = range(self.source, whole);
                for argument in &call.args {
                    self.value(argument);
                }
                self.unsupported(place);
                Type::ANY
            }
        }
    }

    fn arithmetic(&mut self, call: &FnCallExpr) -> Type {
        let kinds: Vec<Type> = call.args.iter().map(|argument| self.value(argument)).collect();
        if call.name == "+" && kinds.iter().all(|kind| *kind == Type::TEXT) {
            return Type::TEXT;
        }
        for (kind, argument) in kinds.iter().zip(&call.args) {
            if !kind.is_number() {
                let place = range(self.source, argument);
                let message = format!(
                    "`{}` is {}, and `{}` needs numbers",
                    self.text_of(&place),
                    kind.words(),
                    call.name
                );
                self.fault("guard-types", message, place, None);
            }
        }
        if kinds.iter().all(|kind| *kind == Type::Of(Kind::Integer)) {
            Type::Of(Kind::Integer)
        } else {
            Type::Of(Kind::Number)
        }
    }

    fn comparison(&mut self, call: &FnCallExpr, whole: &Expr) {
        let [left, right] = call.args.as_slice() else { return };
        let (a, b) = (self.value(left), self.value(right));
        let place = range(self.source, whole);
        let written = [left, right].map(|side| self.text_of(&range(self.source, side)));
        let outcome = if call.name == "!=" { "always" } else { "never" };
        if !comparable(&a, &b) {
            let message = format!(
                "`{}` is {} and `{}` is {}: this comparison is {outcome} true",
                written[0],
                a.words(),
                written[1],
                b.words()
            );
            let help = hint(&a, right, &written[1])
                .or_else(|| hint(&b, left, &written[0]))
                .or_else(|| entry_hint(&a, [&written[0], &written[1]]))
                .or_else(|| entry_hint(&b, [&written[1], &written[0]]));
            self.fault("guard-types", message, place, help);
            let mended = unquoted(&a, right)
                .map(|constant| format!("{} {} {constant}", written[0], call.name))
                .or_else(|| {
                    let constant = unquoted(&b, left)?;
                    Some(format!("{constant} {} {}", call.name, written[1]))
                });
            self.mend(mended);
            return;
        }
        for (side, kind) in [(0, &a), (1, &b)] {
            let listed = matches!(kind, Type::Of(Kind::List(_) | Kind::Object(_)));
            let ordered = matches!(call.name.as_str(), "==" | "!=") || has_order(kind);
            if listed || !ordered {
                let message = format!(
                    "`{}` is {}, which `{}` cannot compare",
                    written[side],
                    kind.words(),
                    call.name
                );
                let help = listed.then(|| "ask with `contains(list, value)`".to_owned());
                self.fault("guard-types", message, place, help);
                return;
            }
        }
        for (kind, other) in [(&a, right), (&b, left)] {
            self.literal(kind, other, outcome);
        }
    }

    /// A text that is compared with a time or a date must be written as one.
    pub(super) fn literal(&mut self, kind: &Type, other: &Expr, outcome: &str) {
        let Expr::StringConstant(text, _) = other else { return };
        let help = match kind {
            Type::Of(Kind::Time) if parse_time(text).is_err() => "2025-12-01T10:30:00Z",
            Type::Of(Kind::Date) if text.parse::<jiff::civil::Date>().is_err() => "2025-12-01",
            _ => return,
        };
        let place = range(self.source, other);
        let message = format!("\"{text}\" is not {}: this is {outcome} true", kind.words());
        self.fault("guard-types", message, place, Some(format!("write it as \"{help}\"")));
    }
}

/// How to ask for an entry of a list.
fn entry_hint(list: &Type, [written, entry]: [&str; 2]) -> Option<String> {
    matches!(list, Type::Of(Kind::List(_)))
        .then(|| format!("ask with `contains({written}, {entry})`"))
}

/// A constant in quotation marks as it is written without them, where that is what is wanted.
fn unquoted(wanted: &Type, constant: &Expr) -> Option<String> {
    let Expr::StringConstant(text, _) = constant else { return None };
    match (wanted, text.to_lowercase().as_str()) {
        (Type::Of(Kind::Integer | Kind::Number), text) => {
            let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
            let plain = text.parse::<f64>().is_ok() && text.chars().all(digits);
            plain.then(|| text.to_owned())
        }
        (Type::Of(Kind::Boolean), "true" | "yes" | "on") => Some("true".to_owned()),
        (Type::Of(Kind::Boolean), "false" | "no" | "off") => Some("false".to_owned()),
        _ => None,
    }
}

/// How a constant of the wrong type should have been written.
fn hint(wanted: &Type, constant: &Expr, written: &str) -> Option<String> {
    match (wanted, constant) {
        (Type::Of(Kind::Integer | Kind::Number), Expr::StringConstant(text, _)) => {
            text.parse::<f64>().ok().map(|_| format!("write {text} without quotes"))
        }
        (Type::Of(Kind::Boolean), Expr::StringConstant(text, _)) => {
            Some(match text.to_lowercase().as_str() {
                word @ ("true" | "false") => format!("write {word} without quotes"),
                "yes" | "1" | "on" => "yes is written true, without quotes".to_owned(),
                "no" | "0" | "off" => "no is written false, without quotes".to_owned(),
                _ => "yes is written true, no is written false".to_owned(),
            })
        }
        (Type::Of(Kind::Boolean), Expr::IntegerConstant(..)) => {
            Some("yes is written true, no is written false".to_owned())
        }
        (
            Type::Of(Kind::Text),
            Expr::IntegerConstant(..) | Expr::FloatConstant(..) | Expr::BoolConstant(..),
        ) => Some(format!("a text stands in quotes: \"{written}\"")),
        _ => None,
    }
}
