//! `rulerun explain [CODE]`: what a mistake means, why it matters, and how it looks right.

use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::out::{self, Ink};
use super::outcome::{Exit, Failure, Outcome};
use super::{Format, table};
use crate::base::diagnostic::did_you_mean;
use crate::base::{Diagnostic, SourceMap};
use crate::language::mistakes::{self, Mistake};
use crate::language::{self, codes};
use crate::model::RuleSet;
use crate::rehearse::{self, Fault};
use crate::review;

const EXAMPLES: &str = "\
Examples:
  rulerun explain                  every mistake that rulerun knows, in groups
  rulerun explain unquoted-url     one of them, with a wrong and a right example

The code stands above each mistake that `rulerun validate` and `rulerun test` show.";

/// What `explain` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExplainArgs {
    /// The code of a mistake, such as unquoted-url; without it all of them are listed.
    #[arg(value_name = "CODE")]
    code: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: &ExplainArgs) -> Outcome {
    match (&args.code, args.format) {
        (None, Format::Human) => out::data(&list())?,
        (None, Format::Json) => {
            let groups = mistakes::groups();
            let all = groups.flat_map(|(title, own)| own.iter().map(move |one| json(title, one)));
            out::json(&Value::Array(all.collect()))?;
        }
        (Some(code), format) => {
            let (title, mistake) = find(code)?;
            match format {
                Format::Human => out::data(&page(mistake))?,
                Format::Json => out::json(&json(title, mistake))?,
            }
        }
    }
    Ok(Exit::Fine)
}

fn find(code: &str) -> Result<(&'static str, &'static Mistake), Failure> {
    let plain = code.trim().trim_start_matches("error[").trim_start_matches("warning[");
    let plain = plain.trim_end_matches(']').to_lowercase().replace(['_', ' '], "-");
    let known = || mistakes::groups().flat_map(|(title, own)| own.iter().map(move |m| (title, m)));
    known().find(|(_, mistake)| mistake.code == plain).ok_or_else(|| {
        let near = did_you_mean(&plain, known().map(|(_, mistake)| mistake.code));
        let near = near.map(|near| near + " ").unwrap_or_default();
        Failure::new(format!("there is no code `{}`", out::clean(code)))
            .help(format!("{near}`rulerun explain` lists every code"))
    })
}

/// Every code with its meaning, in groups.
fn list() -> String {
    let ink = Ink::for_data();
    let width = mistakes::groups().flat_map(|(_, own)| own).map(|one| one.code.len()).max();
    let width = width.unwrap_or_default() + 2;
    let mut lines = Vec::new();
    for (title, own) in mistakes::groups() {
        lines.extend([ink.bold(title), String::new()]);
        for mistake in own {
            let about = codes::about(mistake.code).unwrap_or_default();
            let room = out::page_width().saturating_sub(width + 2);
            if room < 30 {
                // A narrow terminal: the meaning stands below.
                lines.push(format!("  {}", mistake.code));
                let about = table::paragraph(about, out::page_width() - 6);
                lines.extend(about.into_iter().map(|line| format!("      {line}")));
                continue;
            }
            let lead = format!("  {:width$}", mistake.code);
            lines
                .extend(table::hanging(&lead, about, out::page_width()).lines().map(str::to_owned));
        }
        lines.push(String::new());
    }
    let more = "`rulerun explain CODE` shows one with a wrong and a right example.";
    lines.extend(table::paragraph(more, out::page_width()));
    lines.join("\n") + "\n"
}

/// One mistake in full.
fn page(mistake: &Mistake) -> String {
    let ink = Ink::for_data();
    let width = out::page_width();
    let mut lines = vec![ink.bold(mistake.code), String::new()];
    lines.extend(table::paragraph(codes::about(mistake.code).unwrap_or_default(), width));
    lines.push(String::new());
    lines.extend(table::paragraph(mistake.why, width));
    let example = |lines: &mut Vec<String>, title: &str, text: &str| {
        lines.extend([String::new(), title.to_owned(), String::new()]);
        lines.extend(text.lines().map(|line| format!("    {line}").trim_end().to_owned()));
    };
    let place = mistake.around.words();
    example(&mut lines, &format!("{}, {place}:", ink.red("Wrong")), mistake.wrong);
    let said = said(mistake);
    if !said.is_empty() {
        lines.push(String::new());
        let said = table::paragraph(&format!("rulerun says: {said}"), width.saturating_sub(4));
        lines.extend(said.into_iter().map(|line| format!("    {}", ink.dim(&line))));
    }
    example(&mut lines, &format!("{}:", ink.green("Right")), mistake.right);
    lines.join("\n") + "\n"
}

/// What rulerun says about the wrong example: the message and how to mend it.
fn said(mistake: &Mistake) -> String {
    let Some(sources) = mistake.around.sources(mistake.wrong) else { return String::new() };
    let study = review::study(&sources);
    let failing = || failing(&sources, study.rules);
    let found = study.found.into_iter().find(|found| found.code == mistake.code);
    let Some(found) = found.or_else(failing) else {
        return String::new();
    };
    found.help.map_or(found.message.clone(), |help| format!("{} — {help}", found.message))
}

/// What is wrong with the one test among these files when it is run.
fn failing(sources: &SourceMap, rules: RuleSet) -> Option<Diagnostic> {
    let test = language::tests(sources, &rules).0.pop()?;
    let live = rehearse::prepare(Arc::new(rules)).ok()?;
    let verdict = rehearse::judge(&live, &test, None).ok()?;
    verdict.faults.first().map(Fault::diagnostic)
}

fn json(group: &str, mistake: &Mistake) -> Value {
    json!({
        "code": mistake.code,
        "group": group,
        "about": codes::about(mistake.code),
        "why": mistake.why,
        "where": mistake.around.words(),
        "wrong": mistake.wrong,
        "right": mistake.right,
    })
}
