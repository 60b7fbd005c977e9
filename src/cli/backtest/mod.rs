//! `rulerun backtest`: the calls of the last weeks once more, under the rules that run and
//! under the edited ones, and what is different. Nothing is sent and nothing is changed.

mod compare;
mod recording;
mod report;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use self::compare::Difference;
use self::recording::Tape;
use super::outcome::{Exit, Failure, Outcome};
use super::people::{Local, Source, Where};
use super::rules::{self, Loaded};
use super::{Format, Global, out, place};
use crate::base::{Clock as _, Delay, Zone, time};
use crate::rehearse::{self, Came, Outcome as Became, RehearsalError};
use crate::serve::clock::SystemClock;
use crate::serve::people::Recorded;
use crate::serve::settings::Live;

const EXAMPLES: &str = "\
Examples:
  rulerun backtest                                   ./rules and ./schemas against the running server
  rulerun backtest ../draft/rules --since 7d
  rulerun backtest --data data --against ../yesterday  no server: two folders of rules

Both rule sets get the recorded calls at the moments at which they came, on one clock; every
service answers 200. Ends with 0 when nothing is different and 1 when something is.";

/// With more calls than this somebody at a terminal is told that it takes a moment.
const LONG: usize = 1_000;

/// What `backtest` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct BacktestArgs {
    /// The edited rule files or folders [default: --rules, else rules and schemas].
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The calls of so long, or from this day on.
    #[arg(long, value_name = "TIME", default_value = "30d")]
    since: String,
    /// At most so many calls, the newest ones.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Compare with the rules in this folder instead of those that run.
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// Show so many calls of each difference.
    #[arg(long, value_name = "N", default_value_t = 3)]
    examples: usize,
    #[command(flatten)]
    place: Where,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What a backtest came to.
struct Tested {
    tape: Tape,
    /// Each with the place of its call.
    differences: Vec<(usize, Difference)>,
    local: Local,
    /// Calls that got another answer from the old rules than they got when they came.
    otherwise: usize,
    /// Whether there are old rules; otherwise only what was written down is compared.
    rehearsed: bool,
    /// How long it took, reading the calls included, in milliseconds.
    took: i64,
}

pub(super) fn run(global: &Global, args: &BacktestArgs) -> Outcome {
    let began = SystemClock.passing();
    let paths = if args.paths.is_empty() { &global.rules } else { &args.paths };
    let loaded = Loaded::read(paths)?;
    let (Some(new), 0) = (&loaded.rules, loaded.counts().0) else {
        loaded.show();
        return Err(Failure::Rules);
    };
    let source = args.place.open(global, Some(new))?;
    let zone = new.sender.as_ref().and_then(|sender| sender.zone.iana_name());
    let local = Local::named(zone.unwrap_or("UTC"));
    let since = since(&args.since, &local)?;
    let old = old(args, &source)?;
    let new = rules::prepare(loaded.rules.ok_or(Failure::Rules)?, loaded.sources)?;
    let names = recording::records_of(old.as_deref(), &new);
    let tape = Tape::read(&source, &new, since, args.limit as usize, &names)?;
    drop(source);
    if tape.calls.len() > LONG && std::io::stderr().is_terminal() {
        out::note(&format!("trying {} on both rule sets …", out::count(tape.calls.len(), "call")));
    }
    let (before, after) = both(old.as_ref(), &new, &tape)?;
    let zone = local.zone();
    let upto = if old.is_some() { i64::MAX } else { place::now() };
    let differences = compared(&tape.calls, &before, &after, upto, zone);
    let otherwise = before.iter().zip(&tape.calls).filter(|(one, call)| match &one.came {
        Came::Answered(reply) => reply.status != call.status,
        Came::Nowhere => true,
    });
    let tested = Tested {
        otherwise: otherwise.count(),
        rehearsed: old.is_some(),
        differences,
        tape,
        took: SystemClock.passing() - began,
        local,
    };
    match args.format {
        Format::Human => {
            out::data(&report::human(&tested, args.examples))?;
            for note in report::notes(&tested) {
                out::note(&note);
            }
        }
        Format::Json => out::json(&report::json(&tested))?,
    }
    Ok(Exit::problems_if(!tested.differences.is_empty()))
}

/// From when on, in milliseconds since 1970.
fn since(text: &str, local: &Local) -> Result<i64, Failure> {
    if let Ok(back) = Delay::parse(text) {
        let back = i64::try_from(back.to_duration().as_millis()).unwrap_or(i64::MAX);
        return Ok(place::now().saturating_sub(back).max(0));
    }
    local.parse(text).map(time::millis).ok_or_else(|| {
        Failure::new(format!("--since `{text}` is neither a length of time nor a day"))
            .help("write how far back, such as 30d, or a day such as 2025-12-01")
    })
}

/// The rules to compare with, if they are known.
fn old(args: &BacktestArgs, source: &Source) -> Result<Option<Arc<Live>>, Failure> {
    if let Some(path) = &args.against {
        return rules::prepared(&folders(path)).map(Some);
    }
    let Some(version) = source.version()? else { return Ok(None) };
    let Some(old) = version.rules() else { return Ok(None) };
    rules::prepare(old, version.sources).map(Some)
}

/// The rules of a project, when the path is that of its folder; otherwise the path.
fn folders(path: &Path) -> Vec<PathBuf> {
    let within = ["rules", "schemas"].map(|name| path.join(name));
    let found: Vec<PathBuf> = within.into_iter().filter(|path| path.is_dir()).collect();
    if found.is_empty() { vec![path.to_owned()] } else { found }
}

/// What becomes of every call under both rule sets, at the same time. Without old rules it is
/// what was written down.
fn both(
    old: Option<&Arc<Live>>,
    new: &Arc<Live>,
    tape: &Tape,
) -> Result<(Vec<Became>, Vec<Became>), Failure> {
    let trouble = |which: &str, error: &RehearsalError| {
        Failure::new(format!("the calls cannot be tried on the {which} rules: {error}"))
    };
    let broken = |_| Failure::new("a rehearsal broke off; this is a fault of rulerun");
    std::thread::scope(|scope| {
        let before = old.map(|old| scope.spawn(|| rehearse::replay(old, &tape.calls, &tape.known)));
        let after = rehearse::replay(new, &tape.calls, &tape.known);
        let before = match before {
            Some(running) => {
                running.join().map_err(broken)?.map_err(|error| trouble("old", &error))?
            }
            None => tape.calls.iter().map(Became::recorded).collect(),
        };
        Ok((before, after.map_err(|error| trouble("edited", &error))?))
    })
}

/// Every difference of every call. `upto`: what comes later is not compared.
fn compared(
    calls: &[Recorded],
    before: &[Became],
    after: &[Became],
    upto: i64,
    zone: &Zone,
) -> Vec<(usize, Difference)> {
    let mut all = Vec::new();
    for (place, ((call, before), after)) in calls.iter().zip(before).zip(after).enumerate() {
        let found = compare::differences(call, before, after, upto, zone);
        all.extend(found.into_iter().map(|difference| (place, difference)));
    }
    all
}
