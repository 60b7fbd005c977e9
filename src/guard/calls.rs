//! The checks of a call: the function is on the list, and its arguments are what it needs.

use rhai::{Expr, FnCallExpr};

use super::functions::{FUNCTIONS, MAX_CHOICES, OF_TIME};
use super::lint::Lint;
use super::place::{range, token};
use super::types::{Type, comparable};
use crate::base::diagnostic::{did_you_mean, only_close};
use crate::model::Kind;

impl Lint<'_> {
    /// A call that begins at `start`; answers with its type.
    pub(super) fn call(&mut self, call: &FnCallExpr, start: usize, whole: &Expr) -> Type {
        let name = call.name.as_str();
        let place = token(self.source, start);
        if self.source.get(place.clone()) != Some(name) {
            // `a in b` becomes a call of `contains` with its sides turned around.
            for argument in &call.args {
                self.value(argument);
            }
            let help = "write `one_of(value, \"a\", \"b\")` or `contains(list, value)`".to_owned();
            self.fault("guard-syntax", "`in` is not known here", place, Some(help));
            return Type::BOOLEAN;
        }
        let Some((_, usage)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else {
            for argument in &call.args {
                self.value(argument);
            }
            let names: Vec<&str> = FUNCTIONS.iter().map(|(known, _)| *known).collect();
            let help = did_you_mean(name, names.iter().copied())
                .unwrap_or_else(|| format!("available: {}", names.join(", ")));
            let message = format!("there is no function `{name}`");
            self.fault("guard-unknown-function", message, place, Some(help));
            self.mend(only_close(name, names.iter().copied()).map(str::to_owned));
            return Type::ANY;
        };
        if OF_TIME.contains(&name) {
            self.found.clock_calls.push(start);
        }
        let kinds: Vec<Type> = call.args.iter().map(|argument| self.value(argument)).collect();
        let count = match name {
            "contains" | "starts_with" | "ends_with" => kinds.len() == 2,
            "one_of" => (2..=MAX_CHOICES + 1).contains(&kinds.len()),
            _ => kinds.len() == 1,
        };
        if !count {
            let values = if kinds.len() == 1 { "value" } else { "values" };
            let message = format!("`{name}` cannot do with {} {values}", kinds.len());
            let place = range(self.source, whole);
            self.fault("guard-arguments", message, place, Some(format!("write `{usage}`")));
            return answer(name);
        }
        for (index, (kind, argument)) in kinds.iter().zip(&call.args).enumerate() {
            if let Some(needed) = needs(name, index, kind, &kinds[0]) {
                let place = range(self.source, argument);
                let message = format!(
                    "`{}` is {}, and `{name}` needs {needed} here",
                    self.text_of(&place),
                    kind.words()
                );
                self.fault("guard-arguments", message, place, Some(format!("write `{usage}`")));
            }
        }
        if OF_TIME.contains(&name) {
            self.literal(&Type::Of(Kind::Time), &call.args[0], "never");
        }
        answer(name)
    }
}

/// What an argument should be, when it is not.
fn needs(name: &str, index: usize, kind: &Type, first: &Type) -> Option<&'static str> {
    let is_list = matches!(kind, Type::Of(Kind::List(_)));
    let entry = |kind: &Type| match kind {
        Type::Of(Kind::List(entry)) => Type::Of((**entry).clone()),
        other => other.clone(),
    };
    match (name, index) {
        ("contains" | "len", 0) => (!kind.is_text() && !is_list).then_some("a text or a list"),
        ("contains", _) => match first {
            Type::Of(Kind::List(_)) => {
                (!comparable(&entry(first), kind)).then_some("what the list holds")
            }
            _ => (!kind.is_text()).then_some("a text"),
        },
        ("one_of", 0) => None,
        ("one_of", _) => {
            (!comparable(&entry(first), &entry(kind))).then_some("the type of the first value")
        }
        ("days_since" | "hours_since", _) => (!kind.is_time()).then_some("a time"),
        _ => (!kind.is_text()).then_some("a text"),
    }
}

/// What a function answers with.
fn answer(name: &str) -> Type {
    match name {
        "len" => Type::Of(Kind::Integer),
        "lower" => Type::TEXT,
        "days_since" | "hours_since" => Type::Of(Kind::Number),
        _ => Type::BOOLEAN,
    }
}
