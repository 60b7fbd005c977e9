//! What a template reads, found by walking its syntax tree once: every path with its
//! place, and what the template itself makes sure of around it (`default`, `{% if %}`).
//! Names that the template makes (`for`, `set`, `with`) are not reads.

use std::ops::Range;

use minijinja::Error;
use minijinja::machinery::{ast, parse};

use super::TemplateFault;
use super::names::{FILTERS, FUNCTIONS, NUMERIC_FILTERS, REMOVED_FILTERS, TESTS};
use super::render::syntax;
use crate::base::diagnostic::did_you_mean;
use crate::model::Context;

/// One place where a template reads a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// The path, part by part; never empty.
    pub(super) path: Vec<String>,
    /// Its bytes in the template.
    pub(super) range: Range<usize>,
    /// How much of the path is surely there, because of an `{% if %}` around it.
    pub(super) covered: usize,
    /// Whether it may be missing here: it has a `default`, or is only asked about.
    pub(super) lenient: bool,
    /// Whether it is multiplied, so that it must be a number.
    pub(super) multiplied: bool,
}

impl Read {
    /// Whether a value that is needed is not there.
    pub(super) fn lacks(&self, context: &Context<'_>) -> bool {
        !self.lenient && self.covered == 0 && context.path(&self.path).is_none()
    }

    /// The bytes of one part of the path, where it is written plainly.
    pub(super) fn part_range(&self, index: usize) -> Range<usize> {
        let plain = self.path.iter().map(String::len).sum::<usize>() + self.path.len() - 1;
        if plain != self.range.len() || index >= self.path.len() {
            return self.range.clone();
        }
        let before: usize = self.path[..index].iter().map(|part| part.len() + 1).sum();
        let start = self.range.start + before;
        start..start + self.path[index].len()
    }
}

/// What one walk found.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    /// Every read, in the order of the text.
    pub(super) reads: Vec<Read>,
    /// Whether there are no tags at all.
    pub(super) literal: bool,
    /// The path, when the template is exactly one `{{path}}`.
    pub(super) only_path: Option<Vec<String>>,
    /// The text of the expression, when the template is exactly one `{{expression}}`.
    pub(super) only_expression: Option<String>,
}

/// Reads a template.
pub(super) fn analyse(source: &str) -> Result<Analysis, Vec<TemplateFault>> {
    if !["{{", "{%", "{#"].iter().any(|opening| source.contains(opening)) {
        return Ok(Analysis { literal: true, ..Analysis::default() });
    }
    let tree = parse(source, "", syntax()).map_err(|error| vec![syntax_fault(source, &error)])?;
    let ast::Stmt::Template(template) = &tree else { return Ok(Analysis::default()) };
    let mut walker = Walker::default();
    walker.body(&template.children);
    if !walker.faults.is_empty() {
        return Err(walker.faults);
    }
    let mut found = Analysis { reads: walker.reads, ..Analysis::default() };
    if let [ast::Stmt::EmitExpr(only)] = template.children.as_slice() {
        let inner = source
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"))
            .map(|inner| inner.trim_matches(['-', '+']).trim());
        match (path_of(&only.expr), inner) {
            (Some((path, _)), Some(_)) => found.only_path = Some(path),
            (None, Some(inner)) => found.only_expression = Some(inner.to_owned()),
            _ => {}
        }
    }
    Ok(found)
}

/// A syntax error of minijinja with its place.
pub(super) fn syntax_fault(source: &str, error: &Error) -> TemplateFault {
    let detail = error.detail().unwrap_or("this tag cannot be read");
    let range = error
        .range()
        .filter(|range| source.get(range.clone()).is_some())
        .unwrap_or(0..source.len());
    TemplateFault {
        code: "template-syntax",
        message: format!("this tag cannot be read: {detail}"),
        range,
        help: Some(String::from(
            "a tag is written {{name}}, {{name | default('…')}} or {% if name %}…{% endif %}",
        )),
    }
}

/// The path that an expression is, with its bytes.
fn path_of(expr: &ast::Expr<'_>) -> Option<(Vec<String>, Range<usize>)> {
    let end = expr.span().end_offset as usize;
    match expr {
        ast::Expr::Var(var) => {
            let start = var.span().start_offset as usize;
            Some((vec![var.id.to_owned()], start..end))
        }
        ast::Expr::GetAttr(attr) => {
            let (mut path, range) = path_of(&attr.expr)?;
            path.push(attr.name.to_owned());
            Some((path, range.start..end.max(range.end)))
        }
        ast::Expr::GetItem(item) => {
            let ast::Expr::Const(key) = &item.subscript_expr else { return None };
            let (mut path, range) = path_of(&item.expr)?;
            path.push(key.value.as_str()?.to_owned());
            Some((path, range.start..end.max(range.end)))
        }
        _ => None,
    }
}

/// Paths that are surely there when a condition holds, and when it does not.
#[derive(Default)]
struct Facts {
    held: Vec<Vec<String>>,
    failed: Vec<Vec<String>>,
}

#[derive(Default)]
struct Walker {
    reads: Vec<Read>,
    faults: Vec<TemplateFault>,
    /// Names that the template made.
    locals: Vec<String>,
    /// Paths that are surely there at this place.
    facts: Vec<Vec<String>>,
}

impl Walker {
    fn body(&mut self, statements: &[ast::Stmt<'_>]) {
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
    fn given(&mut self, facts: Vec<Vec<String>>, walk: impl FnOnce(&mut Self)) {
        let mark = self.facts.len();
        self.facts.extend(facts);
        walk(self);
        self.facts.truncate(mark);
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) {
        match statement {
            ast::Stmt::EmitExpr(emit) => self.expr(&emit.expr),
            ast::Stmt::ForLoop(each) => {
                self.expr(&each.iter);
                let mark = self.locals.len();
                self.bind(&each.target);
                self.locals.push("loop".to_owned());
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
                    self.expr(value);
                    self.bind(target);
                }
                self.body(&with.body);
                self.locals.truncate(mark);
            }
            ast::Stmt::Set(set) => {
                self.expr(&set.expr);
                self.bind(&set.target);
            }
            ast::Stmt::EmitRaw(_) | ast::Stmt::Template(_) => {}
            ast::Stmt::SetBlock(block) => self.forbid("{% set %} with a body", block.span()),
            ast::Stmt::AutoEscape(block) => self.forbid("{% autoescape %}", block.span()),
            ast::Stmt::FilterBlock(block) => self.forbid("{% filter %}", block.span()),
            ast::Stmt::Do(block) => self.forbid("{% do %}", block.span()),
        }
    }

    fn forbid(&mut self, what: &str, span: minijinja::machinery::Span) {
        self.faults.push(TemplateFault {
            code: "template-forbidden",
            message: format!("{what} cannot be used in a template"),
            range: span.start_offset as usize..span.end_offset as usize,
            help: Some(String::from(
                "use {{…}}, {% if %}, {% for %}, {% set a = b %} or {% with %}",
            )),
        });
    }

    fn bind(&mut self, target: &ast::Expr<'_>) {
        match target {
            ast::Expr::Var(var) => self.locals.push(var.id.to_owned()),
            ast::Expr::List(list) => list.items.iter().for_each(|item| self.bind(item)),
            ast::Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.bind(item)),
            _ => {}
        }
    }

    /// Notes a read, unless the template made the name.
    fn read(&mut self, path: Vec<String>, range: Range<usize>, lenient: bool, multiplied: bool) {
        if self.locals.contains(&path[0]) {
            return;
        }
        let shared =
            |fact: &Vec<String>| fact.iter().zip(&path).take_while(|(a, b)| a == b).count();
        let covered = self.facts.iter().map(shared).max().unwrap_or(0);
        self.reads.push(Read { path, range, covered, lenient, multiplied });
    }

    /// An expression whose value is needed.
    fn expr(&mut self, expr: &ast::Expr<'_>) {
        if let Some((path, range)) = path_of(expr) {
            self.read(path, range, false, false);
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
            ast::Expr::BinOp(op) => self.operation(op, expr),
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

    fn operation(&mut self, op: &ast::BinOp<'_>, whole: &ast::Expr<'_>) {
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
            ast::BinOpKind::Eq | ast::BinOpKind::Ne | ast::BinOpKind::In => {
                self.condition(whole);
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
                Some((path, range)) if !self.locals.contains(&path[0]) => {
                    self.read(path, range, false, true);
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
            });
        }
        self.expr(expr);
    }

    fn filter(&mut self, filter: &ast::Spanned<ast::Filter<'_>>) {
        let start = filter.span().start_offset as usize;
        self.known("filter", filter.name, FILTERS, start..start + filter.name.len());
        let defaults = matches!(filter.name, "default" | "d");
        match filter.expr.as_ref() {
            Some(inner) if defaults => match path_of(inner) {
                Some((path, range)) => self.read(path, range, true, false),
                None => self.expr(inner),
            },
            Some(inner) => self.expr(inner),
            None => {}
        }
        self.arguments(&filter.args);
    }

    fn arguments(&mut self, arguments: &[ast::CallArg<'_>]) {
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
                    message: String::from("a value cannot be called"),
                    range: span_range(call.span()),
                    help: Some(String::from("use a filter: {{name | upper}}")),
                });
            }
        }
        self.arguments(&call.args);
    }

    /// Faults a name that is not on its list.
    fn known(&mut self, kind: &str, name: &str, list: &[&str], range: Range<usize>) {
        if list.contains(&name) {
            return;
        }
        let (code, message, help) = if kind == "filter" && REMOVED_FILTERS.contains(&name) {
            let help = "values are always escaped for where they land; take it away";
            ("template-forbidden", format!("the filter `{name}` cannot be used"), help.to_owned())
        } else {
            let help = did_you_mean(name, list.iter().copied())
                .unwrap_or_else(|| format!("available: {}", list.join(", ")));
            ("unknown-filter", format!("there is no {kind} `{name}`"), help)
        };
        self.faults.push(TemplateFault { code, message, range, help: Some(help) });
    }

    /// A path that is only asked about, or else an expression.
    fn asked(&mut self, expr: &ast::Expr<'_>) -> Option<Vec<String>> {
        let Some((path, range)) = path_of(expr) else {
            self.expr(expr);
            return None;
        };
        self.read(path.clone(), range, true, false);
        Some(path)
    }

    /// An expression that is asked for yes or no; missing counts as no.
    fn condition(&mut self, expr: &ast::Expr<'_>) -> Facts {
        match expr {
            ast::Expr::UnaryOp(op) if matches!(op.op, ast::UnaryOpKind::Not) => {
                let inner = self.condition(&op.expr);
                Facts { held: inner.failed, failed: inner.held }
            }
            ast::Expr::UnaryOp(op) => {
                self.expr(&op.expr);
                Facts::default()
            }
            ast::Expr::BinOp(op) => match op.op {
                ast::BinOpKind::ScAnd | ast::BinOpKind::ScOr => self.both(op),
                ast::BinOpKind::Eq => self.equality(&op.left, &op.right, true),
                ast::BinOpKind::Ne => self.equality(&op.left, &op.right, false),
                ast::BinOpKind::In => {
                    self.expr(&op.right);
                    let held = self.asked(&op.left).into_iter().collect();
                    Facts { held, failed: Vec::new() }
                }
                _ => {
                    self.expr(expr);
                    Facts::default()
                }
            },
            ast::Expr::Compare(compare) => {
                use ast::CompareOpKind::{Eq, In, Ne, NotIn};
                if let [only] = compare.ops.as_slice() {
                    match only.op {
                        Eq => return self.equality(&compare.expr, &only.expr, true),
                        Ne => return self.equality(&compare.expr, &only.expr, false),
                        In | NotIn => {
                            self.expr(&only.expr);
                            self.asked(&compare.expr);
                            return Facts::default();
                        }
                        _ => {}
                    }
                }
                self.expr(&compare.expr);
                compare.ops.iter().for_each(|op| self.expr(&op.expr));
                Facts::default()
            }
            ast::Expr::Test(test) => self.test(test),
            _ => match self.asked(expr) {
                Some(path) => Facts { held: vec![path], failed: Vec::new() },
                None => Facts::default(),
            },
        }
    }

    fn both(&mut self, op: &ast::BinOp<'_>) -> Facts {
        let and = matches!(op.op, ast::BinOpKind::ScAnd);
        let left = self.condition(&op.left);
        let mut right = Facts::default();
        let known = if and { left.held.clone() } else { left.failed.clone() };
        self.given(known, |walker| right = walker.condition(&op.right));
        if and {
            Facts { held: [left.held, right.held].concat(), failed: Vec::new() }
        } else {
            Facts { held: Vec::new(), failed: [left.failed, right.failed].concat() }
        }
    }

    fn equality(&mut self, left: &ast::Expr<'_>, right: &ast::Expr<'_>, equal: bool) -> Facts {
        let asked = self.asked(left);
        let other = self.asked(right);
        // Equal to a constant means that it is there.
        let there: Vec<Vec<String>> = match (asked, other) {
            (Some(path), None) | (None, Some(path)) => vec![path],
            _ => Vec::new(),
        };
        if equal {
            Facts { held: there, failed: Vec::new() }
        } else {
            Facts { held: Vec::new(), failed: there }
        }
    }

    fn test(&mut self, test: &ast::Spanned<ast::Test<'_>>) -> Facts {
        let start = test.span().start_offset as usize;
        self.known("test", test.name, TESTS, start..start + test.name.len());
        self.arguments(&test.args);
        let asks = matches!(test.name, "defined" | "undefined" | "none");
        if !asks {
            self.expr(&test.expr);
            return Facts::default();
        }
        let there = self.asked(&test.expr).into_iter().collect();
        if test.name == "defined" {
            Facts { held: there, failed: Vec::new() }
        } else if test.name == "undefined" {
            Facts { held: Vec::new(), failed: there }
        } else {
            Facts::default()
        }
    }
}

fn span_range(span: minijinja::machinery::Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}
