//! `rulerun docs`: a reference in Markdown, made of the rules alone, for whoever calls the
//! endpoints, receives the events or wants to know which e-mail goes out when. Keys and
//! secrets are named in it, never shown.

mod endpoints;
mod events;
mod markdown;
mod payload;
mod sequences;

use std::path::{Path, PathBuf};

use clap::Args;

use self::markdown::{Links, code, table, text};
use super::environment::Environment;
use super::graph::{Graph, mermaid};
use super::outcome::{Exit, Failure, Outcome};
use super::{Global, out, rules};
use crate::model::rules::RuleSet;

/// The first line of every file, by which it is known as one that may be written anew.
const MARK: &str = "<!-- Written by `rulerun docs`; edit the rules instead. -->";

const EXAMPLES: &str = "\
Examples:
  rulerun docs > rules.md          one page
  rulerun docs --out docs/rules    index.md, endpoints.md, sequences.md and events.md

Files that something else has written are never overwritten.";

/// What `docs` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct DocsArgs {
    /// The folder to write several pages to [default: one page, to standard output].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// What every page needs.
struct Book<'a> {
    rules: &'a RuleSet,
    /// The address that the outside uses, without a trailing slash.
    base: String,
    links: Links,
}

pub(super) fn run(global: &Global, args: &DocsArgs) -> Outcome {
    let rules = rules::sound(global)?;
    let base = rules::public_url(&rules, &Environment::load()?)?;
    let links = if args.out.is_some() { Links::Pages } else { Links::Page };
    let book = Book { rules: &rules, base, links };
    let pages = [
        ("index.md", Some(book.index())),
        ("endpoints.md", endpoints::page(&book)),
        ("sequences.md", sequences::page(&book)),
        ("events.md", events::page(&book)),
    ];
    let pages = pages.into_iter().filter_map(|(name, page)| Some((name, page?)));
    match &args.out {
        None => {
            let whole: Vec<String> = pages.map(|(_, page)| page).collect();
            out::data(&whole.join("\n"))?;
        }
        Some(folder) => write(folder, &pages.collect::<Vec<_>>())?,
    }
    Ok(Exit::Fine)
}

fn write(folder: &Path, pages: &[(&str, String)]) -> Result<(), Failure> {
    let trouble = |path: &Path, error: std::io::Error| {
        Failure::io(format!("cannot write {}", path.display()), &error)
    };
    std::fs::create_dir_all(folder).map_err(|error| trouble(folder, error))?;
    for (name, _) in pages {
        let path = folder.join(name);
        if path.exists() && !is_ours(&path) {
            return Err(Failure::new(format!("{} was not written by rulerun", path.display()))
                .help("it is left as it is; choose another folder, or move the file away"));
        }
    }
    for (name, page) in pages {
        let path = folder.join(name);
        std::fs::write(&path, format!("{MARK}\n\n{page}"))
            .map_err(|error| trouble(&path, error))?;
        out::data(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

fn is_ours(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(MARK.as_bytes()))
}

impl Book<'_> {
    /// What there is at all, the picture, and what must be set.
    fn index(&self) -> String {
        let mut parts = vec![String::from("# Rules")];
        let graph = Graph::of(self.rules);
        if graph.nodes.is_empty() {
            parts.push(String::from("Nothing is declared yet."));
        } else {
            parts.push(String::from(
                "What leads to what: calls come in on the left and leave for other systems on the right. \
                 Dashed arrows with a cross end a sequence.",
            ));
            parts.push(format!("```mermaid\n{}```", mermaid(&graph)));
        }
        let rows: Vec<Vec<String>> = self
            .rules
            .endpoints
            .iter()
            .map(|endpoint| {
                let name = endpoint.full_name();
                let about = text(endpoint.about.as_deref().unwrap_or_default());
                vec![self.links.to("endpoints.md", &name), about]
            })
            .collect();
        if !rows.is_empty() {
            parts.push(table(&["Endpoint", "What it does"], &rows));
        }
        parts.extend(self.environment());
        parts.join("\n\n") + "\n"
    }

    /// The variables that the rules read.
    fn environment(&self) -> Option<String> {
        let mut names: Vec<&str> =
            self.rules.environment.iter().map(|found| found.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let rows: Vec<Vec<String>> = names
            .into_iter()
            .map(|name| {
                let mut places = self.rules.environment.iter().filter(|found| found.name == name);
                let required = places.clone().any(|found| found.required);
                let secret = places.any(|found| found.secret);
                let yes = |is: bool| String::from(if is { "yes" } else { "" });
                vec![code(name), yes(required), yes(secret)]
            })
            .collect();
        (!rows.is_empty()).then(|| {
            format!("## Environment\n\n{}", table(&["Variable", "Must be set", "Secret"], &rows))
        })
    }
}

/// The heading of a name, to which links lead.
fn heading(name: &str) -> String {
    format!("### {name}")
}
