//! The help of `rulerun` itself: its many verbs in groups, by what somebody is about to do.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

use super::{Cli, out, table};

/// The verbs by what they are for, in the order in which somebody meets them.
const GROUPS: [(&str, &[&str]); 9] = [
    ("Write rules", &["init", "validate", "explain", "fmt"]),
    ("Try an edit before it is live", &["test", "preview", "plan", "backtest"]),
    ("Run them", &["serve", "call", "send"]),
    (
        "See what happens",
        &["why", "schedule", "executions", "queue", "outbox", "records", "stats", "tail"],
    ),
    ("Look after people", &["pause", "resume", "suppressions", "forget"]),
    ("Tell others", &["list", "urls", "graph", "docs", "openapi", "schema", "n8n"]),
    ("Keep the data safe", &["backup", "restore", "doctor"]),
    ("Sign calls", &["secret", "sign", "verify"]),
    ("Set up a shell or an editor", &["completions", "man", "lsp", "help"]),
];

/// Verbs that read no rules: `--rules` would only be noise in their help.
const WITHOUT_RULES: [&str; 7] =
    ["init", "explain", "secret", "sign", "verify", "completions", "man"];

/// The whole command line as clap knows it, with its help.
pub(super) fn command() -> Command {
    let plain = Cli::command();
    let rules = plain.get_arguments().find(|arg| arg.get_id() == "rules");
    let rules = rules.map(|rules| rules.clone().hide(true));
    let command = plain.mut_subcommands(|verb| {
        let hides = WITHOUT_RULES.contains(&verb.get_name());
        verb.args(rules.clone().filter(|_| hides))
    });
    // clap adds its own verb `help` only now.
    let mut built = command.clone();
    built.build();
    let verbs = verbs(&built);
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{verbs}\
         Options:\n{{options}}{{after-help}}"
    ))
}

/// Every group with its verbs and what they do.
fn verbs(command: &Command) -> String {
    let style = command.get_styles().get_literal();
    let width = command.get_subcommands().map(|verb| verb.get_name().len()).max().unwrap_or(0);
    let columns = out::page_width();
    let mut text = String::new();
    for (title, names) in GROUPS {
        let _ = writeln!(text, "{title}:");
        for name in names {
            let Some(about) = command
                .find_subcommand(name)
                .filter(|verb| !verb.is_hide_set())
                .and_then(Command::get_about)
            else {
                continue;
            };
            let lines = table::paragraph(&about.to_string(), columns.saturating_sub(width + 4));
            let about = lines.join(&format!("\n{:indent$}", "", indent = width + 4));
            let _ = writeln!(text, "  {style}{name:width$}{style:#}  {about}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{GROUPS, command};

    #[test]
    fn every_verb_stands_in_one_group() {
        let known: BTreeSet<String> = command()
            .get_subcommands()
            .filter(|verb| !verb.is_hide_set())
            .map(|verb| verb.get_name().to_owned())
            .collect();
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let once: BTreeSet<&str> = grouped.iter().copied().collect();
        assert_eq!(once.len(), grouped.len(), "a verb stands twice");
        for verb in known {
            assert!(once.contains(verb.as_str()), "`{verb}` stands in no group of the help");
        }
    }
}
