//! What mail providers and people will hold against an e-mail, found before it leaves. Each
//! e-mail is filled in with the examples of whatever starts its sequence, and looked at as
//! it would arrive; each finding is told at the place of the rule or the text that causes it.

mod held;
mod html;
mod images;
mod links;
mod pace;
mod placeholder;
mod provider;
mod sender;
mod subject;

use std::borrow::Cow;
use std::ops::Range;

use super::letter::{Draft, Scene};
use super::starts::{Start, starts};
use crate::base::{Diagnostic, Id, Span, Timestamp, time};
use crate::engine::Pick;
use crate::language::codes;
use crate::mail;
use crate::markup;
use crate::model::Content;
use crate::model::rules::{EmailText, RuleSet, Said, Sequence, SequenceStep, TextKind};
use crate::model::scope::EXAMPLE_TIME;

/// E-mails are filled in so many times; what a larger rule set has beyond that is looked at
/// as it is written.
const MOST_DRAFTS: usize = 4_000;
/// So many things that start a sequence are tried.
const STARTS: usize = 4;
/// So many links and images of one e-mail are looked at.
const MOST_TARGETS: usize = 100;
/// A shorter text cannot make a large e-mail: nothing grows twentyfold.
const SHORT: usize = 4_000;
/// Gmail cuts an e-mail off after 102,400 bytes; tracking of relays adds some.
const LARGE: usize = 90_000;

/// Everything that speaks against the e-mails of a rule set.
pub(super) fn lint(rules: &RuleSet) -> Vec<Diagnostic> {
    let mut found = sender::check(rules);
    found.extend(pace::check(rules));
    found.extend(held::check(rules));
    found.extend(provider::check(rules));
    found.extend(placeholders(rules));
    let mut left = MOST_DRAFTS;
    for sequence in rules.sequences.values() {
        let starts: Vec<Start> = starts(rules, &sequence.name).into_iter().take(STARTS).collect();
        for step in &sequence.steps {
            for said in step.action.wordings() {
                let drafts = drafts(rules, sequence, step, said, &starts, &mut left);
                found.extend(Paper { rules, sequence, step, body: said.body }.look(drafts));
            }
        }
    }
    found
}

/// Stand-ins such as `[FIRST NAME]` in every text and subject.
pub(super) fn placeholders(rules: &RuleSet) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for sequence in rules.sequences.values() {
        let said = sequence.steps.iter().flat_map(|step| step.action.wordings());
        let known: Vec<String> = starts(rules, &sequence.name)
            .into_iter()
            .flat_map(|start| start.full.into_iter().map(|(name, _)| name))
            .collect();
        for Said { subject, body, .. } in said {
            let text = readable(body);
            found.extend(placeholder::find(placeholder::Part::Text, &text, &known, |range| {
                Span::new(body.file, range)
            }));
            // A subject is short: the whole of it is the place.
            let mut within =
                placeholder::find(placeholder::Part::Subject, subject.source(), &known, |_| {
                    body.subject
                });
            within.truncate(1);
            found.extend(within.into_iter().map(|one| Diagnostic { fix: None, ..one }));
        }
    }
    found.sort_by_key(|one| one.span);
    found.dedup_by_key(|one| one.span);
    found
}

/// What people read of a text, everything else blanked out.
fn readable(body: &EmailText) -> Cow<'_, str> {
    let text = body.template.source();
    match body.kind {
        TextKind::Markdown => Cow::Borrowed(text),
        TextKind::Html | TextKind::Mjml => Cow::Owned(markup::readable(text)),
    }
}

/// An e-mail as it turned out, and what it was filled in with.
struct Filled<'a> {
    start: &'a Start,
    /// Whether every optional field is missing.
    bare: bool,
    draft: Result<Draft, String>,
}

fn drafts<'a>(
    rules: &RuleSet,
    sequence: &Sequence,
    step: &SequenceStep,
    said: Said<'_>,
    starts: &'a [Start],
    left: &mut usize,
) -> Vec<Filled<'a>> {
    let at = time::parse_time(EXAMPLE_TIME).unwrap_or(Timestamp::UNIX_EPOCH);
    let scene = Scene { rules, public_url: "https://example.com", at, id: Id([0; 16]) };
    // No language is the plain text, whatever the example's person speaks.
    let locale = said.locale.unwrap_or_default().to_owned();
    let pick = Pick { variant: said.variant.map(str::to_owned), locale: Some(locale) };
    let mut filled = Vec::new();
    for start in starts {
        let mut fill = |payload, bare| {
            if *left > 0 {
                *left -= 1;
                let draft = scene.draft(sequence, step, payload, &pick);
                filled.push(Filled { start, bare, draft });
            }
        };
        fill(&start.full, false);
        if start.bare != start.full {
            fill(&start.bare, true);
        }
    }
    filled
}

/// One e-mail in the rules, with the places to which findings are tied.
struct Paper<'a> {
    rules: &'a RuleSet,
    sequence: &'a Sequence,
    step: &'a SequenceStep,
    body: &'a EmailText,
}

impl Paper<'_> {
    fn look(&self, filled: Vec<Filled<'_>>) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut complete = false;
        for Filled { start, bare, draft } in filled {
            match draft {
                Ok(draft) => {
                    complete |= !bare;
                    found.extend(self.subject(&draft.subject, bare, start));
                    self.contents(&draft.content, &mut found);
                    found.extend(self.thin(&draft.content));
                    found.extend(self.size(draft));
                }
                // That it fails with every field there was told before, by the language.
                Err(why) if bare && complete && !start.open => found.push(self.fails(&why, start)),
                Err(_) => {}
            }
        }
        found.extend(self.hidden());
        if !complete {
            self.contents(&self.as_written(), &mut found);
        }
        // The drafts of one e-mail have most findings in common.
        found.sort_by_key(|one| (one.span, one.code));
        found.dedup_by_key(|one| (one.span, one.code));
        found
    }

    fn contents(&self, content: &Content, found: &mut Vec<Diagnostic>) {
        if self.body.template.source().trim().is_empty() {
            found.push(
                Diagnostic::error(
                    codes::EMAIL_FAILS,
                    format!(
                        "the e-mail `{}` says nothing: {} is empty",
                        self.step.name, self.body.path
                    ),
                    self.step.span,
                )
                .label("an e-mail without a text")
                .help("write its text into the file, or take the e-mail out of the sequence"),
            );
        }
        let contents = mail::contents(content);
        links::check(self, &contents, found);
        images::check(self, &contents, found);
        let text = self.body.template.source();
        // In `<<name>>` it is a stand-in that looks like HTML, and told as that.
        let is_html = |html: &&String| !text.contains(&format!("<{html}>"));
        if let Some(html) = contents.html.iter().find(is_html) {
            found.push(
                Diagnostic::warning(
                    codes::HTML_AS_TEXT,
                    "HTML in an e-mail is not carried out: readers see it as it is written",
                    self.place(html),
                )
                .label("shown as text")
                .help(
                    "write Markdown: **bold**, [words](https://…), ![words](https://…), \
                     an empty line between paragraphs",
                ),
            );
        }
    }

    /// Too large: the end is cut off, and with it the link to unsubscribe.
    fn size(&self, draft: Draft) -> Option<Diagnostic> {
        if draft.content.text().len() < SHORT {
            return None;
        }
        let scene = Scene {
            rules: self.rules,
            public_url: "https://example.com",
            at: Timestamp::UNIX_EPOCH,
            id: Id([0; 16]),
        };
        let html = scene.letter(self.sequence, self.step, draft).ok()?.html;
        (html.len() > LARGE).then(|| {
            Diagnostic::warning(
                codes::LARGE_EMAIL,
                format!("this e-mail is too large: {} KB as HTML", html.len() / 1_000),
                self.beginning(),
            )
            .label("the e-mail")
            .help(
                "Gmail cuts off what lies behind 102 KB, the link to unsubscribe included; \
                 put the long part on a page and link to it",
            )
        })
    }

    /// It can be made with every field and not without the optional ones.
    fn fails(&self, why: &str, start: &Start) -> Diagnostic {
        let (place, why) = match why.strip_prefix(&format!("{}: ", self.body.path)) {
            Some(why) => (self.beginning(), why),
            None => (self.body.subject, why),
        };
        let message = format!(
            "this e-mail cannot be made when optional fields are missing: {why} (when `{}` starts \
             it)",
            start.by
        );
        Diagnostic::error(codes::EMAIL_FAILS, message, place)
            .label("fails without them")
            .also(self.step.span, "this e-mail")
            .help(
                "whoever leaves such a field out would get no e-mail; put the part that needs it \
                 between {% if field %} and {% endif %}",
            )
    }

    /// The first line of the text.
    fn beginning(&self) -> Span {
        let text = self.body.template.source();
        self.span(0..text.find('\n').unwrap_or(text.len()))
    }

    /// Whether the text says exactly this at that place.
    fn says(&self, span: Span, words: &str) -> bool {
        self.body.template.source().get(span.range()) == Some(words)
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.body.file, range)
    }

    /// Where the text says what was found in the finished e-mail. Part of it may come from a
    /// tag, so the longest beginning that is written there counts.
    fn place(&self, found: &str) -> Span {
        const FEWEST: usize = 4;
        const MOST: usize = 500;
        let text = self.body.template.source();
        let ends: Vec<usize> =
            found.char_indices().map(|(at, letter)| at + letter.len_utf8()).take(MOST).collect();
        // Where a longer beginning stands, every shorter one stands too.
        let known = ends.partition_point(|end| text.contains(&found[..*end]));
        let end = known.checked_sub(1).map_or(0, |last| ends[last]);
        if end >= FEWEST
            && let Some(start) = text.find(&found[..end])
        {
            return self.span(start..start + end);
        }
        self.beginning()
    }
}
