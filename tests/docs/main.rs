//! The documentation, tried out: what stands in `README.md` and `docs/` is run and read here,
//! so that a page that no longer tells the truth fails a test.
//!
//! - A `kdl` block is a whole rule file that must be free of errors; `kdl must-fail` must
//!   have one; `kdl fragment` is a part of a file, which must only be readable;
//!   `kdl file=NAME` is a file that later commands of the page read;
//!   `kdl wrong` and `kdl right` are lines of the page of mistakes, see `tests/mistakes.rs`.
//! - A `console` block is a terminal: lines after `$ ` are run, in one shell for the whole
//!   page, in a copy of `rules/`, `schemas/` and `examples/`; the other lines are what must
//!   come out. `rulerun serve` runs beside it, and `text terminal` is what it must say.
//!   `[..]` stands for any text of a line, a line of `...` for any lines; ids, keys, dates
//!   and times may differ. JSON may be broken into lines as it reads best.
//! - A `python file=NAME` block is a script that later commands of the page call.
//! - `json` and `toml` blocks are read by a parser of each.
//! - Links within the project must lead somewhere, headings included.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where something is wrong"
)]
#![allow(clippy::print_stderr, reason = "a skipped test must not look like a passed one")]

mod compare;
mod mistakes;
mod pages;
mod reference;
mod terminal;

use std::process::Command;
use std::thread;

use rulerun::base::report::{Style, human};
use rulerun::base::{Severity, SourceMap};

use pages::{Block, Page};
use terminal::Terminal;

/// What is wrong with a rule file, drawn as the user sees it; none when it has no error.
fn mistakes(page: &Page, block: &Block) -> Option<String> {
    let mut sources = SourceMap::new();
    sources.add("rules/page.kdl", block.text.clone());
    // The e-mails that it names have texts.
    for name in block.text.split("email \"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let path = format!("rules/emails/{name}.md");
        if sources.find(&path).is_none() {
            sources.add(path, "Hello.\n");
        }
    }
    let (_, found) = rulerun::language::analyze(&sources);
    found.iter().any(|found| found.severity == Severity::Error).then(|| {
        let drawn = human(&sources, &found, Style { colour: false, width: 100 });
        format!("{}:{}\n{drawn}", page.name, block.line)
    })
}

#[test]
fn every_rule_file_on_a_page_is_as_it_says() {
    let mut wrong = Vec::new();
    for page in pages::all() {
        for block in page.blocks.iter().filter(|block| block.is("kdl")) {
            match block.info.as_str() {
                "kdl" => wrong.extend(mistakes(&page, block)),
                "kdl must-fail" if mistakes(&page, block).is_none() => {
                    wrong.push(format!("{}:{} must fail", page.name, block.line));
                }
                // Lines of `docs/mistakes.md`: tests/mistakes.rs reads them in their places.
                "kdl must-fail" | "kdl wrong" | "kdl right" => {}
                file if file.starts_with("kdl file=") => {}
                "kdl fragment" => {
                    if let Err(error) = block.text.parse::<kdl::KdlDocument>() {
                        wrong.push(format!("{}:{}: {error:?}", page.name, block.line));
                    }
                }
                other => wrong.push(format!("{}:{}: what is `{other}`?", page.name, block.line)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_first_file_of_the_readme_is_the_example() {
    let pages = pages::all();
    let readme = pages.iter().find(|page| page.name == "README.md").unwrap();
    let shown = readme.blocks.iter().find(|block| block.is("kdl")).unwrap();
    let example = std::fs::read_to_string(pages::root().join("examples/hello.kdl")).unwrap();
    assert!(example.ends_with(&shown.text), "README.md and examples/hello.kdl differ");
}

#[test]
fn the_readme_names_every_verb_and_leads_to_every_page() {
    let pages = pages::all();
    let readme = std::fs::read_to_string(pages::root().join("README.md")).unwrap();
    let help = Command::new(env!("CARGO_BIN_EXE_rulerun")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let verbs: Vec<&str> = help
        .lines()
        .take_while(|line| *line != "Options:")
        .filter_map(|line| line.strip_prefix("  ")?.split_once(' ').map(|(verb, _)| verb))
        .filter(|verb| !verb.is_empty() && *verb != "help")
        .collect();
    assert!(verbs.contains(&"validate"), "{help}");
    let verbs = verbs.into_iter().map(|verb| format!("`{verb}`"));
    let links =
        pages.iter().map(|page| format!("({})", page.name)).filter(|link| *link != "(README.md)");
    let missing: Vec<String> = verbs.chain(links).filter(|what| !readme.contains(what)).collect();
    assert!(missing.is_empty(), "README.md lacks {}", missing.join(", "));
}

/// Plays one page; tells what came out otherwise.
fn play(page: &Page) -> Vec<String> {
    let mut terminal = Terminal::open();
    let mut wrong = Vec::new();
    for block in &page.blocks {
        let place = |found: String| format!("{}:{}\n{found}", page.name, block.line);
        match block.info.split_once(' ').unwrap_or((&block.info, "")) {
            ("python" | "kdl", rest) => {
                if let Some(name) = rest.strip_prefix("file=") {
                    terminal.write(name, &block.text);
                }
            }
            ("text", "terminal") => wrong.extend(terminal.must_say(&block.text).map(place)),
            ("console", "") => {
                let runs = pages::runs(&block.text);
                wrong.extend(runs.iter().filter_map(|run| terminal.play(run)).map(place));
            }
            _ => {}
        }
    }
    wrong
}

#[test]
fn every_command_on_a_page_answers_as_shown() {
    let pages: Vec<Page> = pages::all()
        .into_iter()
        .filter(|page| page.blocks.iter().any(|block| block.is("console")))
        .collect();
    let wrong: Vec<String> = thread::scope(|scope| {
        let plays: Vec<_> = pages.iter().map(|page| scope.spawn(move || play(page))).collect();
        plays.into_iter().flat_map(|play| play.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_configuration_on_a_page_is_readable() {
    let mut wrong = Vec::new();
    for page in pages::all() {
        // What is `wrong` on the page of mistakes is read by tests/mistakes.rs.
        let settings = |block: &&pages::Block| {
            (block.is("json") || block.is("toml")) && !block.info.ends_with(" wrong")
        };
        for block in page.blocks.iter().filter(settings) {
            let fault = if block.is("json") {
                serde_json::from_str::<serde_json::Value>(&block.text)
                    .err()
                    .map(|why| why.to_string())
            } else {
                terminal::toml_fault(&block.text)
            };
            wrong.extend(fault.map(|why| format!("{}:{}: {why}", page.name, block.line)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages::all();
    let wrong: Vec<String> =
        pages.iter().flat_map(|page| pages::broken_links(page, &pages)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `UPDATE=1 cargo test --test docs` writes the page anew.
#[test]
fn the_reference_knows_every_word() {
    reference::check();
}

/// So does this.
#[test]
fn the_page_of_mistakes_knows_every_code() {
    mistakes::check();
}
