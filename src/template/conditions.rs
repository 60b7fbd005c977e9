//! Conditions of a template: what is only asked about may be missing, and what was asked
//! about is surely there in the branch that follows.

use minijinja::machinery::ast;

use super::names::TESTS;
use super::reads::{Used, path_of};
use super::walk::Walker;

/// Paths that are surely there when a condition holds, and when it does not.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) held: Vec<Vec<String>>,
    pub(super) failed: Vec<Vec<String>>,
}

impl Walker {
    /// A path that is only asked about, or else an expression.
    fn asked(&mut self, expr: &ast::Expr<'_>) -> Option<Vec<String>> {
        let Some((path, range)) = path_of(expr) else {
            self.expr(expr);
            return None;
        };
        self.read(path.clone(), range, true, Used::Freely);
        Some(path)
    }

    /// An expression that is asked for yes or no; missing counts as no.
    pub(super) fn condition(&mut self, expr: &ast::Expr<'_>) -> Facts {
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
                _ => {
                    self.expr(expr);
                    Facts::default()
                }
            },
            ast::Expr::Compare(compare) => {
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
