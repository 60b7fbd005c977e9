//! The command line: `rulerun [--rules PATH]… VERB`, one file per verb. Data goes to
//! standard output and everything else to standard error, so that output can be piped.
//! A command ends with 0 when all is fine, 1 when it found problems, and 2 when it was
//! used wrongly or could not read or write.

mod backtest;
mod backup;
mod call;
mod client;
mod completions;
mod data;
mod docs;
mod doctor;
mod environment;
mod executions;
mod explain;
mod files;
mod fix;
mod fmt;
mod forget;
mod graph;
mod help;
mod init;
mod list;
mod lsp;
mod man;
mod n8n;
mod openapi;
mod out;
mod outbox;
mod outcome;
mod pause;
mod people;
mod place;
mod plan;
mod preview;
mod progress;
mod queue;
mod records;
mod restore;
mod rules;
mod schedule;
mod schema;
mod secret;
mod send;
mod serve;
mod sign;
mod stats;
mod summary;
mod suppressions;
mod surroundings;
mod table;
mod tail;
mod test;
mod urls;
mod validate;
mod variants;
mod verify;
mod watch;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub use environment::Environment;
pub use outcome::{Exit, Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  rulerun init shop                  a small working project in the folder shop
  rulerun validate                   every mistake in ./rules and ./schemas
  rulerun serve --dev                run, with made-up secrets and captured e-mail
  rulerun urls --format env          the addresses that the website needs
  rulerun call signup --example      try an endpoint of the running server";

/// Runs webhooks, e-mail sequences and n8n events from rule files.
#[derive(Debug, Parser)]
#[command(name = "rulerun", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb understands.
#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// Rule files or folders; may be given several times [default: rules and schemas].
    #[arg(long = "rules", value_name = "PATH", global = true, display_order = 900)]
    pub rules: Vec<PathBuf>,
}

/// How a verb prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Human,
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a small working project.
    Init(init::InitArgs),
    /// Report every mistake in the rules, and what they declare and need.
    Validate(validate::ValidateArgs),
    /// Explain a mistake, with a wrong and a right example.
    Explain(explain::ExplainArgs),
    /// Put the lines of rule files in order.
    Fmt(fmt::FmtArgs),
    /// Try the rules out on a simulated clock, as *.test.kdl files say.
    Test(test::TestArgs),
    /// Run the rules.
    Serve(serve::ServeArgs),
    /// Show what is declared, and where it is reached.
    List(list::ListArgs),
    /// Print the addresses of the endpoints.
    Urls(urls::UrlsArgs),
    /// Draw what leads to what.
    Graph(graph::GraphArgs),
    /// Write a reference of the endpoints, sequences and events.
    Docs(docs::DocsArgs),
    /// Print the OpenAPI document of the endpoints and the API.
    Openapi(openapi::OpenapiArgs),
    /// Print the JSON Schema of a payload, event or record.
    Schema(schema::SchemaArgs),
    /// Call an endpoint of a running server.
    Call(call::CallArgs),
    /// Hand an event to a running server, which delivers it.
    Send(send::SendArgs),
    /// Show the calls that a running server has accepted and refused.
    Executions(executions::ExecutionsArgs),
    /// Show and steer what a running server is delivering.
    Queue(queue::QueueArgs),
    /// Hold what comes due in a sequence, for everybody or for one person.
    Pause(pause::PauseArgs),
    /// Let a paused sequence go on.
    Resume(pause::ResumeArgs),
    /// Show an e-mail of the rules as its readers will get it.
    Preview(preview::PreviewArgs),
    /// Show the e-mails that were captured instead of sent.
    Outbox(outbox::OutboxArgs),
    /// Tell what happened to one person, why, and what is still to come.
    Why(why::WhyArgs),
    /// Show what will be sent when, to whom.
    Schedule(schedule::ScheduleArgs),
    /// Show what an edit changes, and whom it meets mid-way.
    Plan(plan::PlanArgs),
    /// Try an edit on the calls of the last weeks, and show what would have been different.
    Backtest(backtest::BacktestArgs),
    /// Show and change what the rules remember.
    Records(records::RecordsArgs),
    /// Show and change who gets no more e-mail.
    Suppressions(suppressions::SuppressionsArgs),
    /// Forget a person who asks for it.
    Forget(forget::ForgetArgs),
    /// Count calls, deliveries and people.
    Stats(stats::StatsArgs),
    /// Follow what a running server does.
    Tail(tail::TailArgs),
    /// Make workflows for n8n.
    N8n(n8n::N8nArgs),
    /// Copy everything into one file, also while the server runs.
    Backup(backup::BackupArgs),
    /// Put a backup in the place of the store.
    Restore(restore::RestoreArgs),
    /// Look whether the store or a backup is sound, and mend what is safe.
    Doctor(doctor::DoctorArgs),
    /// Make a secret.
    Secret(secret::SecretArgs),
    /// Sign a body as a webhook sender does.
    Sign(sign::SignArgs),
    /// Check a signature, and say why it does not match.
    Verify(verify::VerifyArgs),
    /// Help an editor: mistakes while you type, completion, jumps, renaming.
    Lsp(lsp::LspArgs),
    /// Print the completions of a shell.
    Completions(completions::CompletionsArgs),
    /// Print the manual pages.
    Man(man::ManArgs),
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let matches = match help::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => run(&cli).map_or_else(|failure| failure.report(), Exit::code),
        Err(error) => usage(&error),
    }
}

fn run(cli: &Cli) -> Outcome {
    let global = &cli.global;
    match &cli.verb {
        Verb::Init(args) => init::run(args),
        Verb::Validate(args) => validate::run(global, args),
        Verb::Explain(args) => explain::run(args),
        Verb::Fmt(args) => fmt::run(global, args),
        Verb::Test(args) => test::run(global, args),
        Verb::Serve(args) => serve::run(global, args),
        Verb::List(args) => list::run(global, args),
        Verb::Urls(args) => urls::run(global, args),
        Verb::Graph(args) => graph::run(global, args),
        Verb::Docs(args) => docs::run(global, args),
        Verb::Openapi(args) => openapi::run(global, args),
        Verb::Schema(args) => schema::run(global, args),
        Verb::Call(args) => call::run(global, args),
        Verb::Send(args) => send::run(global, args),
        Verb::Executions(args) => executions::run(global, args),
        Verb::Queue(args) => queue::run(global, args),
        Verb::Pause(args) => pause::pause(global, args),
        Verb::Resume(args) => pause::resume(global, args),
        Verb::Preview(args) => preview::run(global, args),
        Verb::Outbox(args) => outbox::run(global, args),
        Verb::Why(args) => why::run(global, args),
        Verb::Schedule(args) => schedule::run(global, args),
        Verb::Plan(args) => plan::run(global, args),
        Verb::Backtest(args) => backtest::run(global, args),
        Verb::Records(args) => records::run(global, args),
        Verb::Suppressions(args) => suppressions::run(global, args),
        Verb::Forget(args) => forget::run(global, args),
        Verb::Stats(args) => stats::run(global, args),
        Verb::Tail(args) => tail::run(global, args),
        Verb::N8n(args) => n8n::run(global, args),
        Verb::Backup(args) => backup::run(global, args),
        Verb::Restore(args) => restore::run(global, args),
        Verb::Doctor(args) => doctor::run(global, args),
        Verb::Secret(args) => secret::run(args),
        Verb::Sign(args) => sign::run(args),
        Verb::Verify(args) => verify::run(args),
        Verb::Lsp(args) => lsp::run(global, args),
        Verb::Completions(args) => completions::run(args),
        Verb::Man(args) => man::run(args),
    }
}

/// Shows what clap has to say: help and version as data, everything else as a mistake.
fn usage(error: &clap::Error) -> ExitCode {
    // Whoever closed the pipe does not want to read the rest.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}
