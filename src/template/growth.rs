//! Keeping templates from making much text out of little. Fuel bounds how many steps a
//! template takes, but one step can make any amount: a `replace` that puts a long text into
//! every gap of another, a name that is joined to itself again and again. So the filters that
//! can do that are ours, and what a name was put together from is counted.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::machinery::ast;
use minijinja::value::{Kwargs, Object, Value};
use minijinja::{Error, ErrorKind, State, filters};

use super::render::MAX_OUTPUT;

/// The name under which a template finds its budget; no tag can spell it.
pub(super) const BUDGET: &str = " budget";
/// So many bytes may the filters of one rendering make in all.
const MAX_MADE: usize = 16 * MAX_OUTPUT;
/// Of so many values may one name be put together.
pub(super) const MAX_PARTS: usize = 64;
/// A list is cut into rows of so many, or into so many columns, at most.
const MAX_COLUMNS: usize = 100;

/// What is left for the filters of one rendering, in bytes.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Budget {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(MAX_MADE))
    }
}

impl Object for Budget {}

/// Takes from the budget, before the text is made.
fn spend(state: &State, bytes: usize) -> Result<(), Error> {
    let taken = |left: usize| left.checked_sub(bytes);
    let paid = state.lookup(BUDGET).is_some_and(|value| {
        value.downcast_object_ref::<Budget>().is_some_and(|budget| {
            budget.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
        })
    });
    if paid && bytes <= MAX_OUTPUT { Ok(()) } else { Err(too_much()) }
}

fn too_much() -> Error {
    let message = format!("the text is longer than {} KiB", MAX_OUTPUT / 1024);
    Error::new(ErrorKind::InvalidOperation, message)
}

/// `replace(from, to)`, as minijinja has it.
#[expect(clippy::needless_pass_by_value, reason = "minijinja hands over nothing else")]
pub(super) fn replace(
    state: &State,
    value: Cow<'_, str>,
    from: Cow<'_, str>,
    to: Cow<'_, str>,
) -> Result<String, Error> {
    let places = value.matches(from.as_ref()).count();
    spend(state, value.len().saturating_add(places.saturating_mul(to.len())))?;
    Ok(value.replace(from.as_ref(), &to))
}

/// `join(between, attribute)`, as minijinja has it.
#[expect(clippy::needless_pass_by_value, reason = "minijinja hands over nothing else")]
pub(super) fn join(
    state: &State,
    value: &Value,
    between: Option<&str>,
    attribute: Option<&str>,
    options: Kwargs,
) -> Result<String, Error> {
    let between = between.or(options.get("d")?).unwrap_or_default();
    let attribute = attribute.or(options.get("attribute")?);
    options.assert_all_used()?;
    let mut out = Short::default();
    for (index, item) in value.try_iter()?.enumerate() {
        let item = match attribute {
            Some(path) => path.split('.').try_fold(item, |item, name| item.get_attr(name))?,
            None => item,
        };
        if item.is_undefined() {
            return Err(Error::new(ErrorKind::UndefinedError, "a value for `join` is missing"));
        }
        let before = if index > 0 { between } else { "" };
        let whole = out.write_str(before).and_then(|()| match item.as_str() {
            Some(text) => out.write_str(text),
            None => write!(out, "{item}"),
        });
        whole.map_err(|_| too_much())?;
    }
    spend(state, out.text.len())?;
    Ok(out.text)
}

/// `batch(count, fill)`, as minijinja has it.
pub(super) fn batch(
    state: &State,
    value: Value,
    count: usize,
    fill: Option<Value>,
) -> Result<Value, Error> {
    few("batch", count)?;
    filters::batch(state, value, count, fill)
}

/// `slice(count, fill)`, as minijinja has it.
pub(super) fn slice(
    state: &State,
    value: Value,
    count: usize,
    fill: Option<Value>,
) -> Result<Value, Error> {
    few("slice", count)?;
    filters::slice(state, value, count, fill)
}

fn few(filter: &str, count: usize) -> Result<(), Error> {
    if count <= MAX_COLUMNS {
        return Ok(());
    }
    let message = format!("`{filter}` takes a number of at most {MAX_COLUMNS}, got {count}");
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// The JSON of a value, unless it is too long.
pub(super) fn json_text(value: &Value) -> Result<String, Error> {
    let mut out = Short::default();
    serde_json::to_writer(&mut out, value).map_err(|error| {
        if error.is_io() {
            return too_much();
        }
        Error::new(ErrorKind::BadSerialization, "this cannot be printed")
    })?;
    Ok(out.text)
}

/// A text of at most as many bytes as a template may become.
#[derive(Default)]
struct Short {
    text: String,
}

impl fmt::Write for Short {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.text.len() + part.len() > MAX_OUTPUT {
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

impl std::io::Write for Short {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        // JSON is written in whole characters.
        let text = std::str::from_utf8(part).map_err(std::io::Error::other)?;
        self.write_str(text).map_err(std::io::Error::other)?;
        Ok(part.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Of how many values an expression is put together at most, given the same for the names
/// that the template made. What is only compared or asked about does not count.
pub(super) fn parts(expr: &ast::Expr<'_>, known: &dyn Fn(&str) -> usize) -> usize {
    let of = |expr: &ast::Expr<'_>| parts(expr, known);
    let sum = |list: &[ast::Expr<'_>]| {
        list.iter().map(|item| parts(item, known)).fold(0, usize::saturating_add).max(1)
    };
    match expr {
        ast::Expr::Var(var) => known(var.id),
        ast::Expr::Const(_)
        | ast::Expr::UnaryOp(_)
        | ast::Expr::Test(_)
        | ast::Expr::Compare(_) => 1,
        ast::Expr::GetAttr(attr) => of(&attr.expr),
        ast::Expr::GetItem(item) => of(&item.expr),
        ast::Expr::Slice(slice) => of(&slice.expr),
        ast::Expr::IfExpr(choice) => {
            of(&choice.true_expr).max(choice.false_expr.as_ref().map_or(0, of))
        }
        ast::Expr::BinOp(op) => of(&op.left).saturating_add(of(&op.right)),
        ast::Expr::List(list) => sum(&list.items),
        ast::Expr::Tuple(tuple) => sum(&tuple.items),
        ast::Expr::Map(map) => sum(&map.keys).saturating_add(sum(&map.values)),
        ast::Expr::Filter(filter) => {
            filter.expr.as_ref().map_or(0, of).saturating_add(of_arguments(&filter.args, known))
        }
        ast::Expr::Call(call) => of_arguments(&call.args, known).max(1),
    }
}

fn of_arguments(arguments: &[ast::CallArg<'_>], known: &dyn Fn(&str) -> usize) -> usize {
    let of = |argument: &ast::CallArg<'_>| match argument {
        ast::CallArg::Pos(value)
        | ast::CallArg::Kwarg(_, value)
        | ast::CallArg::PosSplat(value)
        | ast::CallArg::KwargSplat(value) => parts(value, known),
    };
    arguments.iter().map(of).fold(0, usize::saturating_add)
}
