//! What a tag may print, as far as its author says it: `"https://example.com" ~ path` is that
//! address and a value, `site | default("https://example.com")` is one or the other.

use minijinja::machinery::ast;

use super::LONGEST;
use super::address::{VALUE, addresses};

/// So many shapes are told apart.
const MOST: usize = 8;

/// Names that the template made, with what they may stand for.
type Names<'a> = [(&'a str, Vec<String>)];

/// The shapes of a tag that is printed. Beside a value only those matter that say an address.
pub(super) fn printed(expr: &ast::Expr<'_>, names: &Names<'_>) -> Vec<String> {
    let value = String::from(VALUE);
    let mut shapes = of(expr, names);
    for shape in &mut shapes {
        if shape.contains(VALUE) && addresses(shape).next().is_none() {
            shape.clone_from(&value);
        }
    }
    if shapes.contains(&value) {
        shapes.retain(|shape| addresses(shape).next().is_some());
        shapes.push(value);
    }
    shapes
}

/// The shapes of an expression: its text with [`VALUE`] for what a value says of it.
pub(super) fn of(expr: &ast::Expr<'_>, names: &Names<'_>) -> Vec<String> {
    let shapes = match expr {
        ast::Expr::Const(constant) => vec![constant.value.to_string()],
        ast::Expr::Var(var) => {
            let known = names.iter().rev().find(|(name, _)| *name == var.id);
            known.map_or_else(value, |(_, shapes)| shapes.clone())
        }
        ast::Expr::IfExpr(choice) => {
            let other = choice.false_expr.as_ref().map(|other| of(other, names));
            [of(&choice.true_expr, names), other.unwrap_or_default()].concat()
        }
        ast::Expr::BinOp(op) => {
            let (left, right) = (of(&op.left, names), of(&op.right, names));
            match op.op {
                ast::BinOpKind::ScAnd | ast::BinOpKind::ScOr => [left, right].concat(),
                ast::BinOpKind::Concat | ast::BinOpKind::Add => joined(&left, &right),
                _ => value(),
            }
        }
        ast::Expr::Filter(filter) => filtered(filter, names),
        ast::Expr::List(list) => items(&list.items, names),
        ast::Expr::Tuple(tuple) => items(&tuple.items, names),
        ast::Expr::Map(map) => items(&map.values, names),
        ast::Expr::GetAttr(attr) => of(&attr.expr, names),
        ast::Expr::GetItem(item) => of(&item.expr, names),
        ast::Expr::Slice(slice) => of(&slice.expr, names),
        ast::Expr::Call(call) => call.args.iter().flat_map(|arg| of(given(arg), names)).collect(),
        ast::Expr::UnaryOp(_) | ast::Expr::Compare(_) | ast::Expr::Test(_) => value(),
    };
    bounded(shapes)
}

/// What a filter makes: of `default` one or the other, of the rest what goes in, and behind
/// it the values that it is given beside that.
fn filtered(filter: &ast::Filter<'_>, names: &Names<'_>) -> Vec<String> {
    let input = filter.expr.as_ref().map_or_else(value, |input| of(input, names));
    let given = filter.args.iter().flat_map(|arg| of(given(arg), names));
    if matches!(filter.name, "default" | "d") {
        return input.into_iter().chain(given).collect();
    }
    let values: Vec<String> = given.filter(|shape| shape.contains(VALUE)).collect();
    if values.is_empty() { input } else { joined(&input, &values) }
}

fn given<'a, 'b>(argument: &'b ast::CallArg<'a>) -> &'b ast::Expr<'a> {
    match argument {
        ast::CallArg::Pos(value)
        | ast::CallArg::Kwarg(_, value)
        | ast::CallArg::PosSplat(value)
        | ast::CallArg::KwargSplat(value) => value,
    }
}

/// One of the items, or all of them one behind the other.
fn items(items: &[ast::Expr<'_>], names: &Names<'_>) -> Vec<String> {
    let each: Vec<Vec<String>> = items.iter().map(|item| of(item, names)).collect();
    let all = each.iter().fold(vec![String::new()], |all, item| joined(&all, item));
    all.into_iter().chain(each.concat()).collect()
}

/// Each of the first before each of the second.
fn joined(first: &[String], second: &[String]) -> Vec<String> {
    bounded(first.iter().flat_map(|one| second.iter().map(move |two| format!("{one}{two}"))))
}

/// Few and short ones: what is left out is a value.
fn bounded(shapes: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for shape in shapes {
        let shape = if shape.len() > LONGEST { String::from(VALUE) } else { shape };
        if !kept.contains(&shape) {
            kept.push(shape);
        }
    }
    kept.truncate(MOST);
    if kept.is_empty() { value() } else { kept }
}

fn value() -> Vec<String> {
    vec![String::from(VALUE)]
}
