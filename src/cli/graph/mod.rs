//! `rulerun graph`: a picture of what leads to what, for mermaid, for Graphviz or as JSON.
//! `model` finds the things and the arrows between them, `mermaid` and `dot` write them down.

mod dot;
mod mermaid;
mod model;

use clap::{Args, ValueEnum};

pub(super) use self::mermaid::draw as mermaid;
pub(super) use self::model::Graph;

use super::outcome::{Exit, Outcome};
use super::{Global, out, rules};

const EXAMPLES: &str = "\
Examples:
  rulerun graph                                 paste it between ```mermaid and ``` in a README
  rulerun graph christmas/onboarding-handler    only what leads there and what follows
  rulerun graph --format dot | dot -Tsvg > rules.svg";

/// What `graph` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct GraphArgs {
    /// An endpoint, group, sequence, event, record or service [default: everything].
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Shape,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Shape {
    /// For GitHub, GitLab, Notion and other readers of Markdown.
    #[default]
    Mermaid,
    /// For Graphviz.
    Dot,
    /// For programs.
    Json,
}

pub(super) fn run(global: &Global, args: &GraphArgs) -> Outcome {
    let rules = rules::sound(global)?;
    let whole = Graph::of(&rules);
    let graph = match &args.name {
        None => whole,
        Some(name) => whole.around(name).ok_or_else(|| {
            let kinds = "endpoint, group, sequence, event, record or service";
            rules::unknown(kinds, name, &whole.names())
        })?,
    };
    if graph.nodes.is_empty() {
        out::note("the rules declare nothing yet");
    }
    match args.format {
        Shape::Mermaid => out::data(&mermaid::draw(&graph))?,
        Shape::Dot => out::data(&dot::draw(&graph))?,
        Shape::Json => out::json(&graph.json())?,
    }
    Ok(Exit::Fine)
}
