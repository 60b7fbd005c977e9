//! The ways in which a template may come out, as far as they matter for where its links lead:
//! what the author wrote, also inside tags, with a sign for every value. Each branch of a
//! block makes another draft. Of a draft only its end is kept, once it has been looked at.

use std::ops::Range;

use minijinja::machinery::{ast, parse};

use super::address::{VALUE, addresses, chosen};
use super::shapes;
use crate::template::reads::path_of;
use crate::template::render::syntax;

/// So many drafts are followed; the text that is filled in is looked at again.
const MOST: usize = 16;
/// So much of a text may say that an address follows, in bytes.
const OPENING: usize = 32;
/// So much of it is kept: no name of a website is longer.
const LONGEST: usize = 400;

/// A tag that would complete an address.
pub(super) struct Found {
    /// What is written of the address before the tag.
    pub(super) address: String,
    /// The bytes of the tag.
    pub(super) tag: Range<usize>,
    /// Whether it is a link to write to somebody.
    pub(super) writes: bool,
}

/// The first tag of a template that would complete an address.
pub(super) fn first(source: &str) -> Option<Found> {
    // As the template is compiled.
    let source = source.replace(VALUE, " ");
    let tree = parse(&source, "", syntax()).ok()?;
    let ast::Stmt::Template(template) = &tree else { return None };
    let mut writer =
        Writer { source: &source, drafts: vec![Draft::default()], names: Vec::new(), found: None };
    writer.body(&template.children);
    writer.settle();
    writer.found
}

/// One way in which the text may come out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Draft {
    text: String,
    /// For each value in the text the bytes of its tag.
    tags: Vec<Range<usize>>,
    /// What was asked since the last address began, and how it was answered.
    answers: Vec<(Vec<String>, bool)>,
    /// Whether the text ends in an address.
    is_open: bool,
}

impl Draft {
    fn push(&mut self, shape: &str, tag: &Range<usize>) {
        self.text.push_str(shape);
        self.tags.extend(shape.matches(VALUE).map(|_| tag.clone()));
    }

    /// Keeps what an address may still go on from.
    fn cut(&mut self) {
        let open = addresses(&self.text).last().filter(|last| last.end == self.text.len());
        self.is_open = open.is_some();
        let start = if let Some(open) = open {
            open.start.saturating_sub(OPENING)
        } else {
            self.answers.clear();
            self.text.trim_end().rfind(char::is_whitespace).unwrap_or_default()
        };
        let start = start.max(self.text.len().saturating_sub(LONGEST));
        let start = self.text.floor_char_boundary(start);
        self.tags.drain(..self.text[..start].matches(VALUE).count());
        self.text.drain(..start);
    }
}

/// Walks over a template and writes its drafts.
struct Writer<'a> {
    source: &'a str,
    drafts: Vec<Draft>,
    /// Names that the template made, with what they may stand for.
    names: Vec<(&'a str, Vec<String>)>,
    found: Option<Found>,
}

impl<'a> Writer<'a> {
    fn body(&mut self, statements: &[ast::Stmt<'a>]) {
        for statement in statements {
            if self.found.is_some() {
                return;
            }
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &ast::Stmt<'a>) {
        match statement {
            ast::Stmt::EmitRaw(raw) => {
                self.drafts.iter_mut().for_each(|draft| draft.text.push_str(raw.raw));
            }
            ast::Stmt::EmitExpr(emit) => self.print(emit),
            ast::Stmt::IfCond(choice) => self.choice(choice),
            ast::Stmt::ForLoop(each) => {
                self.settle();
                let before = self.drafts.clone();
                let mark = self.names.len();
                self.name(&each.target, &each.iter);
                self.body(&each.body);
                self.names.truncate(mark);
                let after = std::mem::replace(&mut self.drafts, before);
                self.body(&each.else_body);
                self.names.truncate(mark);
                self.drafts.extend(after);
                self.settle();
            }
            ast::Stmt::WithBlock(with) => {
                let mark = self.names.len();
                for (target, value) in &with.assignments {
                    self.name(target, value);
                }
                self.body(&with.body);
                self.names.truncate(mark);
            }
            ast::Stmt::Set(set) => self.name(&set.target, &set.expr),
            // Nothing else may stand in a template.
            _ => {}
        }
    }

    fn print(&mut self, emit: &ast::Spanned<ast::EmitExpr<'a>>) {
        let span = emit.span();
        let end = span.end_offset as usize;
        let close = self.source[end..].find("}}").map_or(end, |close| end + close + 2);
        let tag = span.start_offset as usize..close;
        let shapes = shapes::printed(&emit.expr, &self.names);
        if let [shape] = shapes.as_slice() {
            self.drafts.iter_mut().for_each(|draft| draft.push(shape, &tag));
            return;
        }
        let before = std::mem::take(&mut self.drafts);
        for shape in shapes {
            self.drafts.extend(before.iter().cloned().map(|mut draft| {
                draft.push(&shape, &tag);
                draft
            }));
        }
        self.settle();
    }

    /// Both branches; who was asked the same before in one address gives the same answer.
    fn choice(&mut self, choice: &ast::IfCond<'a>) {
        self.settle();
        let (asked, held) = match &choice.expr {
            ast::Expr::UnaryOp(op) if matches!(op.op, ast::UnaryOpKind::Not) => (&op.expr, false),
            asked => (asked, true),
        };
        let asked = path_of(asked).map(|(path, _)| path);
        let before = std::mem::take(&mut self.drafts);
        let mut after = Vec::new();
        for (body, holds) in [(&choice.true_body, held), (&choice.false_body, !held)] {
            let told = |draft: &&Draft| match &asked {
                Some(path) => !draft.answers.contains(&(path.clone(), !holds)),
                None => true,
            };
            self.drafts = before.iter().filter(told).cloned().collect();
            for draft in &mut self.drafts {
                let answer = asked.clone().map(|path| (path, holds));
                draft.answers.extend(answer.filter(|answer| !draft.answers.contains(answer)));
            }
            self.body(body);
            after.append(&mut self.drafts);
        }
        self.drafts = after;
        self.settle();
    }

    fn name(&mut self, target: &ast::Expr<'a>, value: &ast::Expr<'a>) {
        match target {
            ast::Expr::Var(var) => {
                let shapes = shapes::of(value, &self.names);
                self.names.push((var.id, shapes));
            }
            ast::Expr::List(list) => list.items.iter().for_each(|item| self.name(item, value)),
            ast::Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.name(item, value)),
            _ => {}
        }
    }

    /// Looks at the drafts, and keeps the ends of those that differ.
    fn settle(&mut self) {
        let mut kept: Vec<Draft> = Vec::new();
        for mut draft in std::mem::take(&mut self.drafts) {
            if self.found.is_none()
                && let Some(chosen) = chosen(&draft.text)
            {
                let index = draft.text[..chosen.value].matches(VALUE).count();
                self.found = Some(Found {
                    address: draft.text[chosen.address.start..chosen.value].to_owned(),
                    tag: draft.tags[index].clone(),
                    writes: chosen.writes,
                });
            }
            draft.cut();
            if !kept.contains(&draft) {
                kept.push(draft);
            }
        }
        kept.sort_by_key(|draft| !draft.is_open);
        kept.truncate(MOST);
        self.drafts = kept;
    }
}
