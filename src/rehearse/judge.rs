//! One test on its stage: its lines are done from top to bottom, then time runs out, and what
//! has happened is held against what was expected. The world is closed: an e-mail, an event
//! or a failure that no line expects is a fault as well.

mod matching;
mod words;

use std::sync::Arc;

use super::{Happened, Rehearsal, RehearsalError, What};
use crate::base::{Diagnostic, Span, Timestamp, Zone, time};
use crate::engine::Watch;
use crate::language::codes;
use crate::model::test::{Expectation, Test, TestAction};
use crate::serve::settings::Live;

pub use words::{clock, gap, line};

/// Deliveries of one test: many times what a campaign sends to a few people, and done in
/// seconds.
const DELIVERIES: usize = 10_000;

/// What a test came to.
#[derive(Debug)]
pub struct Verdict {
    /// Where it did not do as expected; none when it passed.
    pub faults: Vec<Fault>,
    /// Everything that happened, oldest first.
    pub happened: Vec<Happened>,
    /// The zone in which the rules count days.
    pub zone: Zone,
}

/// Where a test did not do as expected.
#[derive(Debug)]
pub struct Fault {
    /// The line of the test that it is about.
    pub span: Span,
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// A few words under the place.
    pub label: &'static str,
    /// What should have happened; empty where nothing should.
    pub expected: String,
    /// What happened instead.
    pub got: String,
    /// Lines that would expect it, ready to be pasted; empty where a line is there already.
    pub would_expect: Vec<String>,
}

impl Fault {
    /// The fault as a mistake in the file of tests.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let code = if self.expected.is_empty() { codes::UNEXPECTED } else { codes::NOT_MET };
        let found = Diagnostic::error(code, self.message.clone(), self.span).label(self.label);
        match self.would_expect.as_slice() {
            [] => found,
            lines => found.help(format!("this would expect it:\n{}", lines.join("\n"))),
        }
    }
}

/// A line that expects something, with what was so when its turn came.
#[derive(Debug)]
struct Awaited<'a> {
    expectation: &'a Expectation,
    span: Span,
    /// When the last call above it was, in milliseconds.
    called: i64,
    /// The place in `happened` of that call's answer.
    from: usize,
    /// How much had happened when its turn came.
    seen: usize,
}

/// A call of a test: its line, and the place in `happened` of its answer.
type Called = (Span, usize);

/// Does a test. `watch` is told which way decisions go.
///
/// # Errors
/// The rehearsal cannot begin or go on.
pub fn judge(
    live: &Arc<Live>,
    test: &Test,
    watch: Option<Arc<dyn Watch>>,
) -> Result<Verdict, RehearsalError> {
    let mut stage = Rehearsal::new(live, test.at, watch)?.at_most(DELIVERIES);
    let mut awaited = Vec::new();
    let mut calls: Vec<Called> = Vec::new();
    let mut called = stage.now();
    for step in &test.steps {
        let from = stage.happened().len();
        match &step.action {
            TestAction::Post { endpoint, body } => {
                stage.post(&endpoint.full_name(), body.clone()).map(drop)?;
            }
            TestAction::Report { feedback, body } => {
                stage.report(&feedback.full_name(), body).map(drop)?;
            }
            TestAction::Send { event, body } => {
                stage.send(&event.name, body.clone()).map(drop)?;
            }
            TestAction::Save { record, id, fields } => {
                stage.save(record, id, fields.clone()).map(drop)?;
            }
            TestAction::Advance(by) => stage.advance(*by)?,
            TestAction::Service { name, answers } => stage.answers(name, *answers),
            TestAction::Expect(expectation) => {
                let from = calls.last().map_or(0, |(_, from)| *from);
                awaited.push(Awaited {
                    expectation,
                    span: step.span,
                    called,
                    from,
                    seen: stage.happened().len(),
                });
            }
        }
        if matches!(
            step.action,
            TestAction::Post { .. }
                | TestAction::Report { .. }
                | TestAction::Send { .. }
                | TestAction::Save { .. }
        ) {
            called = stage.now();
            calls.push((step.span, from));
        }
    }
    stage.run_out()?;
    let zone = stage.zone();
    let happened = stage.happened().to_vec();
    let faults = matching::faults(&awaited, &calls, &happened, &zone);
    Ok(Verdict { faults, happened, zone })
}

/// How far apart two moments may be and count as the same: a rate may put one off.
const SAME: i64 = 1_000;

impl Awaited<'_> {
    /// The moment at which it must happen, in milliseconds, if it says one.
    fn due(&self, zone: &Zone) -> Option<i64> {
        let called: Timestamp = time::from_millis(self.called);
        self.expectation.after.map(|after| time::millis(after.after(called, zone)))
    }
}

/// Whether nobody may do this unexpected.
fn must_be_expected(what: &What) -> bool {
    matches!(what, What::Email { .. } | What::Event { .. } | What::Failed { .. })
}
