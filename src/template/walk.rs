//! The walk over a template's syntax tree that notes what it reads, and refuses what it
//! must not use.

use std::ops::Range;

use minijinja::machinery::{Span, ast};

use super::TemplateFault;
use super::growth::{MAX_PARTS, parts};
use super::names::{FILTERS, FUNCTIONS, NUMERIC_FILTERS, REMOVED_FILTERS};
use super::reads::{Read, Used, path_of};
use crate::base::diagnostic::{did_you_mean, only_close};

/// What is known while walking, and what was found.
#[derive(Default)]
pub(super) struct Walker {
    pub(super) reads: Vec<Read>,
    pub(super) faults: Vec<TemplateFault>,
    /// Names that the template made, each with the number of values it is put together from.
    locals: Vec<(String, usize)>,
    /// Paths that are surely there at this place.
    facts: Vec<Vec<String>>,
}

impl Walker {
    pub(super) fn body(&mut self, statements: &[ast::Stmt<'_>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    /// A body whose names end with it.
    fn scoped(&mut self, statements: &[ast::Stmt<'_>]) {
        let mark = self.locals.len();
        self.body(statements);
        self.locals.truncate(mark);
    }

    /// Walks something while some paths are surely there.
    pub(super) fn given(&mut self, facts: Vec<Vec<String>>, walk: impl FnOnce(&mut Self)) {
        let mark = self.facts.len();
        self.facts.extend(facts);
        walk(self);
        self.facts.truncate(mark);
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) {
        match statement {
            ast::Stmt::EmitExpr(emit) => self.expr(&emit.expr),
            ast::Stmt::ForLoop(each) => {
                let mark = self.locals.len();
                self.make(&each.target, &each.iter);
                self.locals.push(("loop".to_owned(), 1));
                let facts = each.filter_expr.as_ref().map(|filter| self.condition(filter));
                self.given(facts.unwrap_or_default().held, |walker| walker.body(&each.body));
                self.locals.truncate(mark);
                self.scoped(&each.else_body);
            }
            ast::Stmt::IfCond(choice) => {
                let facts = self.condition(&choice.expr);
                self.given(facts.held, |walker| walker.body(&choice.true_body));
                self.given(facts.failed, |walker| walker.body(&choice.false_body));
            }
            ast::Stmt::WithBlock(with) => {
                let mark = self.locals.len();
                for (target, value) in &with.assignments {
                    self.make(target, value);
                }
                self.body(&with.body);
                self.locals.truncate(mark);
            }
            ast::Stmt::Set(set) => self.make(&set.target, &set.expr),
            ast::Stmt::EmitRaw(_) | ast::Stmt::Template(_) => {}
            ast::Stmt::SetBlock(block) => self.forbid("{% set %} with a body", block.span()),
            ast::Stmt::AutoEscape(block) => self.forbid("{% autoescape %}", block.span()),
            ast::Stmt::FilterBlock(block) => self.forbid("{% filter %}", block.span()),
            ast::Stmt::Do(block) => self.forbid("{% do %}", block.span()),
        }
    }

    fn forbid(&mut self, what: &str, span: Span) {
        self.faults.push(TemplateFault {
            code: "template-forbidden",
            message: format!("{what} cannot be used in a template"),
            range: span.start_offset as usize..span.end_offset as usize,
            help: Some(String::from(
                "use {{…}}, {% if %}, {% for %}, {% set a = b %} or {% with %}",
            )),
            fix: None,
        });
    }

    /// A name that stands for an expression from here on.
    fn make(&mut self, target: &ast::Expr<'_>, value: &ast::Expr<'_>) {
        self.expr(value);
        let parts = self.parts(value);
        if parts > MAX_PARTS {
            self.faults.push(TemplateFault {
                code: "template-forbidden",
                message: format!("this is put together from more than {MAX_PARTS} values"),
                range: span_range(value.span()),
                help: Some(String::from(
                    "a text that is made of itself again and again grows without end; print its \
                     parts one after the other",
                )),
                fix: None,
            });
        }
        self.bind(target, parts);
    }

    fn parts(&self, expr: &ast::Expr<'_>) -> usize {
        parts(expr, &|name| self.local(name).unwrap_or(1))
    }

    /// How many values a name of the template's own is put together from.
    fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rev().find(|(known, _)| known == name).map(|(_, parts)| *parts)
    }

    fn bind(&mut self, target: &ast::Expr<'_>, parts: usize) {
        match target {
            ast::Expr::Var(var) => self.locals.push((var.id.to_owned(), parts)),
            ast::Expr::List(list) => list.items.iter().for_each(|item| self.bind(item, parts)),
            ast::Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.bind(item, parts)),
            _ => {}
        }
    }

    /// Notes a read, unless the template made the name.
    pub(super) fn read(
        &mut self,
        path: Vec<String>,
        range: Range<usize>,
        lenient: bool,
        used: Used,
    ) {
        if self.local(&path[0]).is_some() {
            return;
        }
        let shared =
            |fact: &Vec<String>| fact.iter().zip(&path).take_while(|(a, b)| a == b).count();
        let covered = self.facts.iter().map(shared).max().unwrap_or(0);
        self.reads.push(Read { path, range, covered, lenient, used });
    }

    /// An expression whose value is needed.
    pub(super) fn expr(&mut self, expr: &ast::Expr<'_>) {
        if let Some((path, range)) = path_of(expr) {
            self.read(path, range, false, Used::Freely);
            return;
        }
        match expr {
            ast::Expr::Var(_) | ast::Expr::Const(_) => {}
            ast::Expr::GetAttr(attr) => self.expr(&attr.expr),
            ast::Expr::GetItem(item) => {
                self.expr(&item.expr);
                self.expr(&item.subscript_expr);
            }
            ast::Expr::Slice(slice) => {
                self.expr(&slice.expr);
                for bound in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.expr(bound);
                }
            }
            ast::Expr::UnaryOp(_) | ast::Expr::Test(_) | ast::Expr::Compare(_) => {
                self.condition(expr);
            }
            ast::Expr::BinOp(op) => self.operation(op),
            ast::Expr::IfExpr(choice) => {
                let facts = self.condition(&choice.test_expr);
                self.given(facts.held, |walker| walker.expr(&choice.true_expr));
                if let Some(other) = &choice.false_expr {
                    self.given(facts.failed, |walker| walker.expr(other));
                } else {
                    self.faults.push(TemplateFault {
                        code: "template-syntax",
                        message: String::from("this `if` does not say what stands there otherwise"),
                        range: span_range(choice.span()),
                        help: Some(String::from("write `a if b else ''`")),
                        fix: None,
                    });
                }
            }
            ast::Expr::Filter(filter) => self.filter(filter),
            ast::Expr::Call(call) => self.call(call),
            ast::Expr::List(list) => list.items.iter().for_each(|item| self.expr(item)),
            ast::Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expr(item)),
            ast::Expr::Map(map) => {
                map.keys.iter().chain(&map.values).for_each(|item| self.expr(item));
            }
        }
    }

    fn operation(&mut self, op: &ast::BinOp<'_>) {
        match op.op {
            ast::BinOpKind::ScAnd | ast::BinOpKind::ScOr => {
                // The right side is the value: `a or b` prints `b` when `a` is missing.
                let facts = self.condition(&op.left);
                let facts = match op.op {
                    ast::BinOpKind::ScAnd => facts.held,
                    _ => facts.failed,
                };
                self.given(facts, |walker| walker.expr(&op.right));
            }
            ast::BinOpKind::Mul => {
                self.factor(&op.left);
                self.factor(&op.right);
            }
            _ => {
                self.expr(&op.left);
                self.expr(&op.right);
            }
        }
    }

    /// One side of `*`. A text or list times a number would be repeated, up to any size,
    /// so only what is surely a number may stand here.
    fn factor(&mut self, expr: &ast::Expr<'_>) {
        let numeric = match expr {
            ast::Expr::Const(constant) => constant.value.is_number(),
            ast::Expr::Filter(filter) => NUMERIC_FILTERS.contains(&filter.name),
            ast::Expr::BinOp(op) => {
                use ast::BinOpKind::{Add, Div, FloorDiv, Mul, Pow, Rem, Sub};
                if matches!(op.op, Add) {
                    self.factor(&op.left);
                    self.factor(&op.right);
                    return;
                }
                matches!(op.op, Sub | Mul | Div | FloorDiv | Rem | Pow)
            }
            ast::Expr::UnaryOp(op) => matches!(op.op, ast::UnaryOpKind::Neg),
            _ => match path_of(expr) {
                Some((path, range)) if self.local(&path[0]).is_none() => {
                    self.read(path, range, false, Used::AsFactor);
                    return;
                }
                _ => false,
            },
        };
        if !numeric {
            self.faults.push(TemplateFault {
                code: "template-type",
                message: String::from("only numbers can be multiplied"),
                range: span_range(expr.span()),
                help: Some(String::from("turn it into a number first: `(… | float) * 2`")),
                fix: None,
            });
        }
        self.expr(expr);
    }

    fn filter(&mut self, filter: &ast::Spanned<ast::Filter<'_>>) {
        let start = filter.span().start_offset as usize;
        self.known("filter", filter.name, FILTERS, start..start + filter.name.len());
        let defaults = matches!(filter.name, "default" | "d");
        if let Some(inner) = filter.expr.as_ref() {
            match path_of(inner) {
                Some((path, range)) => self.read(path, range, defaults, Used::by(filter.name)),
                None => self.expr(inner),
            }
        }
        self.arguments(&filter.args);
    }

    pub(super) fn arguments(&mut self, arguments: &[ast::CallArg<'_>]) {
        for argument in arguments {
            match argument {
                ast::CallArg::Pos(value)
                | ast::CallArg::Kwarg(_, value)
                | ast::CallArg::PosSplat(value)
                | ast::CallArg::KwargSplat(value) => self.expr(value),
            }
        }
    }

    fn call(&mut self, call: &ast::Spanned<ast::Call<'_>>) {
        match call.identify_call() {
            ast::CallType::Function(name) => {
                let start = call.expr.span().start_offset as usize;
                self.known("function", name, FUNCTIONS, start..start + name.len());
            }
            ast::CallType::Method(ast::Expr::Var(var), _) if var.id == "loop" => {}
            ast::CallType::Method(..) | ast::CallType::Object(_) => {
                self.faults.push(TemplateFault {
                    code: "template-forbidden",
                    message: String::from("brackets that call something cannot stand here"),
                    range: span_range(call.span()),
                    help: Some(String::from("use a filter: {{name | upper}}")),
                    fix: None,
                });
            }
        }
        self.arguments(&call.args);
    }

    /// Faults a name that is not on its list.
    pub(super) fn known(&mut self, kind: &str, name: &str, list: &[&str], range: Range<usize>) {
        if list.contains(&name) {
            return;
        }
        let (code, message, help) = if kind == "filter" && REMOVED_FILTERS.contains(&name) {
            let help = "values are always escaped for where they land; take it away";
            ("template-forbidden", format!("the filter `{name}` cannot be used"), help.to_owned())
        } else {
            let help = did_you_mean(name, list.iter().copied())
                .unwrap_or_else(|| format!("available: {}", some_of(list)));
            ("unknown-filter", format!("there is no {kind} `{name}`"), help)
        };
        let fix = only_close(name, list.iter().copied()).map(str::to_owned);
        let fix = fix.filter(|_| code == "unknown-filter");
        self.faults.push(TemplateFault { code, message, range, help: Some(help), fix });
    }
}

/// The names that people look for, when there are too many to read.
fn some_of(list: &[&str]) -> String {
    const USUAL: &[&str] = &[
        "number",
        "date",
        "time",
        "default",
        "upper",
        "lower",
        "title",
        "round",
        "join",
        "length",
        "replace",
        "defined",
        "none",
        "startingwith",
        "endingwith",
        "even",
        "odd",
    ];
    if list.len() <= USUAL.len() {
        return list.join(", ");
    }
    let usual: Vec<&str> = USUAL.iter().copied().filter(|name| list.contains(name)).collect();
    format!("{} and others", usual.join(", "))
}

fn span_range(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}
