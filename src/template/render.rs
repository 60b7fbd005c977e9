//! Running a template: the environment it runs in, the values it sees, and the bounds on
//! work and output.

use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value as Shown};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value};

use super::filters::{self, HABITS, HabitsValue, ZONE, ZoneValue};
use super::growth::{self, BUDGET, Budget};
use super::hosts::MARK;
use super::languages::habits;
use super::names::{REMOVED_FILTERS, REMOVED_FUNCTIONS};
use super::reads::{Analysis, Read, Used, syntax_fault};
use super::{Format, TemplateFault, escape};
use crate::model::Context;
use crate::payload::without_nulls;

/// Steps that one rendering may take.
const FUEL: u64 = 50_000;
/// Longest output in bytes.
pub(super) const MAX_OUTPUT: usize = 256 * 1024;
/// What an environment calls its only template.
const NAME: &str = "template";

/// How a template is answered.
#[derive(Debug)]
pub(super) enum Form {
    /// Text without tags.
    Literal,
    /// Exactly one tag that names a path.
    Path(Vec<String>),
    /// Exactly one tag with more in it than a path: its expression.
    Tag { environment: Box<Environment<'static>>, expression: String },
    /// Everything else.
    Mixed(Box<Environment<'static>>),
}

impl Form {
    pub(super) fn new(
        source: &str,
        format: Format,
        found: &Analysis,
    ) -> Result<Self, Vec<TemplateFault>> {
        if found.literal {
            return Ok(Self::Literal);
        }
        if let Some(path) = &found.only_path {
            return Ok(Self::Path(path.clone()));
        }
        let mut environment = environment(format);
        environment
            .add_template_owned(NAME, source.replace(MARK, " "))
            .map_err(|error| vec![syntax_fault(source, &error)])?;
        let environment = Box::new(environment);
        Ok(match &found.only_expression {
            Some(expression) => Self::Tag { environment, expression: expression.clone() },
            None => Self::Mixed(environment),
        })
    }

    /// Whether the template is exactly one `{{tag}}`.
    pub(super) fn is_one_tag(&self) -> bool {
        matches!(self, Self::Path(_) | Self::Tag { .. })
    }
}

/// How the source is cut into tags: as minijinja does, but a last line break stays.
pub(super) fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder().keep_trailing_newline(true).build().unwrap_or_default()
}

fn environment(format: Format) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_syntax(syntax());
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(32);
    environment.set_debug(true);
    for name in REMOVED_FILTERS {
        environment.remove_filter(name);
    }
    for name in REMOVED_FUNCTIONS {
        environment.remove_global(name);
    }
    environment.add_filter("number", filters::number);
    environment.add_filter("date", filters::date);
    environment.add_filter("time", filters::time);
    environment.add_filter("replace", growth::replace);
    environment.add_filter("join", growth::join);
    environment.add_filter("batch", growth::batch);
    environment.add_filter("slice", growth::slice);
    environment.set_formatter(move |out, _, value| {
        if value.is_undefined() || value.is_none() {
            return Err(Error::new(ErrorKind::UndefinedError, "a value is missing"));
        }
        let text = match value.as_str() {
            Some(text) => text.to_owned(),
            None if value.is_number() => escape::plain(&json(value)?).into_owned(),
            None => growth::json_text(value)?,
        };
        let text = escape::printed(&text, format);
        let printed = match format {
            Format::Text => out.write_str(&text),
            Format::Markdown | Format::Html => write!(out, "{MARK}{text}{MARK}"),
        };
        printed.map_err(Error::from)
    });
    environment
}

/// The whole template as text; every value stands between marks where it was escaped.
pub(super) fn text(
    environment: &Environment<'static>,
    reads: &[Read],
    context: &Context<'_>,
) -> Result<String, String> {
    let root = values(reads, context)?;
    let mut out = Bounded::default();
    let result = environment
        .get_template(NAME)
        .and_then(|template| template.render_captured_to(root, &mut out).map(|_| ()));
    if out.full {
        return Err(too_long());
    }
    result.map_err(|error| plain_error(&error, reads, context))?;
    String::from_utf8(out.bytes).map_err(|_| "the text is not UTF-8".to_owned())
}

/// The value of one expression, with its type; `None` when it is missing.
pub(super) fn evaluate(
    environment: &Environment<'static>,
    expression: &str,
    reads: &[Read],
    context: &Context<'_>,
) -> Result<Option<Value>, String> {
    let root = values(reads, context)?;
    let value = environment
        .compile_expression_owned(expression.to_owned())
        .and_then(|compiled| compiled.eval(root))
        .map_err(|error| plain_error(&error, reads, context))?;
    if value.is_undefined() || value.is_none() {
        return Ok(None);
    }
    if value.as_str().is_some_and(|text| text.len() > MAX_OUTPUT) {
        return Err(too_long());
    }
    growth::json_text(&value)
        .and_then(|_| json(&value))
        .map(Some)
        .map_err(|error| plain_error(&error, reads, context))
}

/// The text, unless it is too long.
pub(super) fn bounded(text: String) -> Result<String, String> {
    if text.len() > MAX_OUTPUT { Err(too_long()) } else { Ok(text) }
}

/// The values of the names that are read, without nulls. Where a path leads through
/// something that is missing, an empty object stands in, so that `lead.score | default(0)`
/// works when there is no `lead` at all.
fn values(reads: &[Read], context: &Context<'_>) -> Result<Shown, String> {
    let mut root = Map::new();
    for read in reads {
        let name = &read.path[0];
        if !root.contains_key(name)
            && let Some(value) = context.get(name)
        {
            root.insert(name.clone(), without_nulls(value));
        }
        if read.used == Used::AsFactor
            && context.path(&read.path).is_some_and(|value| !value.is_number())
        {
            return Err(format!("`{}` is multiplied but is not a number", read.path.join(".")));
        }
    }
    for read in reads {
        let mut level = &mut root;
        for part in &read.path[..read.path.len() - 1] {
            let inner = level.entry(part.clone()).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(fields) = inner else { break };
            level = fields;
        }
    }
    let zone = Shown::from_object(ZoneValue(context.zone.clone()));
    let habits = Shown::from_object(HabitsValue(habits(context.language.as_deref())));
    let budget = Shown::from_object(Budget::new());
    Ok(Shown::from_pairs(
        root.iter()
            .map(|(name, value)| (name.clone(), Shown::from(Serde(value))))
            .chain([(ZONE.to_owned(), zone), (HABITS.to_owned(), habits)])
            .chain([(BUDGET.to_owned(), budget)]),
    ))
}

fn json(value: &Shown) -> Result<Value, Error> {
    serde_json::to_value(value)
        .map_err(|_| Error::new(ErrorKind::BadSerialization, "this cannot be printed"))
}

fn too_long() -> String {
    format!("the text is longer than {} KiB", MAX_OUTPUT / 1024)
}

/// What went wrong, with the words of the template that it is about.
fn plain_error(error: &Error, reads: &[Read], context: &Context<'_>) -> String {
    if error.kind() == ErrorKind::UndefinedError
        && let Some(read) = reads.iter().find(|read| read.lacks(context))
    {
        return format!("`{}` is missing", read.path.join("."));
    }
    let about = error
        .range()
        .and_then(|range| error.template_source()?.get(range).map(str::to_owned))
        .map_or(String::new(), |text| format!(" (in `{}`)", text.trim()));
    match error.kind() {
        ErrorKind::OutOfFuel => "the template takes too much work".to_owned(),
        ErrorKind::UndefinedError => format!("a value is missing{about}"),
        // What a filter says names the filter and the value already.
        ErrorKind::InvalidOperation if error.detail().is_some() => {
            error.detail().unwrap_or_default().to_owned()
        }
        _ => format!("{}{about}", error.detail().unwrap_or("the template cannot be filled")),
    }
}

/// Takes output up to a limit.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + part.len() > MAX_OUTPUT {
            self.full = true;
            return Err(io::Error::other("too long"));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
