//! `rulerun plan`: what an edit changes, and whom it meets mid-way, before it goes live.

mod difference;
mod facts;
mod midway;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use self::difference::{Difference, Fate};
use self::midway::{Edit, Midway};
use super::out::{self, Ink};
use super::outcome::{Exit, Outcome};
use super::people::{Local, Where};
use super::rules::Loaded;
use super::{Format, Global};

const EXAMPLES: &str = "\
Examples:
  rulerun plan                         ./rules and ./schemas against the running server
  rulerun plan ../draft/rules --server https://rules.example.com
  rulerun plan --data data             against the folder of a server that does not run";

/// What `plan` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlanArgs {
    /// The edited rule files or folders [default: --rules, else rules and schemas].
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    place: Where,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(global: &Global, args: &PlanArgs) -> Outcome {
    let paths = if args.paths.is_empty() { &global.rules } else { &args.paths };
    let (_, new) = Loaded::read(paths)?.sound()?;
    let source = args.place.open(global, Some(&new))?;
    let version = source.version()?;
    let old = version.as_ref().and_then(crate::serve::people::Version::rules);
    let speed = version.as_ref().map_or(1, |version| version.speed);
    let edit = Edit { old: old.as_ref(), new: &new, speed };
    let differences = old.as_ref().map(|old| difference::between(old, &new));
    let mut people = Vec::new();
    for name in sequences(&edit) {
        let found = midway::look(&source, &edit, name)?;
        people.extend((found.people > 0).then_some(found));
    }
    match args.format {
        Format::Json => out::json(&shape(&edit, differences.as_deref(), &people))?,
        Format::Human => out::data(&human(&edit, differences.as_deref(), &people))?,
    }
    Ok(Exit::Fine)
}

/// The sequences of either side.
fn sequences<'a>(edit: &Edit<'a>) -> BTreeSet<&'a String> {
    let old = edit.old.iter().flat_map(|old| old.sequences.keys());
    old.chain(edit.new.sequences.keys()).collect()
}

fn shape(edit: &Edit<'_>, differences: Option<&[Difference]>, people: &[Midway]) -> Value {
    json!({
        "running": edit.old.map(|old| &old.hash),
        "edited": edit.new.hash,
        "changes": differences.map(|found| found.iter().map(Difference::shape).collect::<Value>()),
        "sequences": people.iter().map(|found| found.shape(edit)).collect::<Value>(),
    })
}

fn human(edit: &Edit<'_>, differences: Option<&[Difference]>, people: &[Midway]) -> String {
    let ink = Ink::for_data();
    let mut lines = Vec::new();
    match differences {
        None => lines.push(String::from(
            "What ran last is not known here, so only the people who are mid-way are compared.",
        )),
        Some([]) => lines.push(String::from("The files say what runs: nothing changes.")),
        Some(found) => {
            lines.push(ink.bold(&format!("The edit changes {}", out::count(found.len(), "thing"))));
            for one in found {
                lines.extend(drawn(one, ink));
            }
        }
    }
    let zone = edit.new.sender.as_ref().and_then(|sender| sender.zone.iana_name());
    let local = Local::named(zone.unwrap_or("UTC"));
    let (met, rest): (Vec<_>, Vec<_>) = people.iter().partition(|found| found.is_met(edit));
    for found in met {
        lines.push(String::new());
        lines.push(format!(
            "{} {}",
            ink.bold(&format!("In {}", found.name)),
            ink.dim(&format!("(times in {})", local.name))
        ));
        for line in found.lines(edit, &local) {
            lines.extend(line.lines().map(|line| format!("  {}", out::clean(line))));
        }
    }
    lines.push(String::new());
    lines.push(untouched(&rest, people));
    lines.join("\n") + "\n"
}

/// What is said of those for whom nothing changes.
fn untouched(rest: &[&Midway], all: &[Midway]) -> String {
    let names: Vec<&str> = rest.iter().map(|found| found.name.as_str()).collect();
    let people = rest.iter().map(|found| found.people).sum();
    match (all.is_empty(), rest.is_empty()) {
        (true, _) => String::from("Nobody is in the middle of a sequence."),
        (false, true) => String::from("Nobody else is in the middle of a sequence."),
        (false, false) => format!(
            "Nothing changes for {} in the middle of {}.",
            out::count_people(people),
            names.join(", ")
        ),
    }
}

fn drawn(one: &Difference, ink: Ink) -> Vec<String> {
    let paint = |fate: Fate, text: &str| match fate {
        Fate::Added => ink.green(text),
        Fate::Removed => ink.red(text),
        Fate::Changed => text.to_owned(),
    };
    let name = if one.name.is_empty() { String::new() } else { format!(" {}", one.name) };
    let title = format!("{} {}{name}", one.fate.sign(), one.what);
    let mut lines = vec![format!("  {}", paint(one.fate, &title))];
    for (fate, text) in &one.lines {
        lines.push(format!(
            "      {}",
            paint(*fate, &format!("{} {}", fate.sign(), out::clean(text)))
        ));
    }
    lines
}
