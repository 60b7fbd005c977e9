//! `rulerun schedule`: what will be sent when, to whom, as a table or a calendar; or what one
//! call would set off.

mod call;
mod ics;

use clap::{Args, ValueEnum};
use serde_json::Value;

use self::call::CallArgs;
use super::data::whole;
use super::outcome::{Exit, Failure, Outcome};
use super::people::{Local, Source, Where};
use super::{Format, Global, client, out, place, rules, table, why};
use crate::base::{Timestamp, address, time};
use crate::serve::people::Wanted;

/// Most entries of one answer.
const MOST: u64 = 1000;
const DAY: i64 = 86_400_000;

const EXAMPLES: &str = "\
Examples:
  rulerun schedule                                  the next seven days
  rulerun schedule --days 30 --sequence welcome
  rulerun schedule --person sarah@example.com
  rulerun schedule --from 2025-12-01 --to 2025-12-08
  rulerun schedule --format ics > mails.ics         for a calendar
  rulerun schedule --call signup --example          what one call would set off
  rulerun schedule --call signup --data @payload.json --at 2025-12-24T18:00:00Z";

/// What `schedule` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ScheduleArgs {
    /// From this day or moment on, such as 2025-12-01 [default: whatever is due].
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Until this day or moment.
    #[arg(long, value_name = "DAY", conflicts_with = "days")]
    to: Option<String>,
    /// So many days on [default: 7].
    #[arg(long, value_name = "N", value_parser = whole::<u16>(1..=3660))]
    days: Option<u16>,
    /// Only this sequence.
    #[arg(long, value_name = "NAME")]
    sequence: Option<String>,
    /// Only this person.
    #[arg(long, value_name = "EMAIL")]
    person: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole::<u64>(1..=MOST))]
    limit: u64,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    call: CallArgs,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Shape,
}

/// How the schedule is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Shape {
    #[default]
    Table,
    /// A calendar (iCalendar, RFC 5545).
    Ics,
    Json,
}

pub(super) fn run(global: &Global, args: &ScheduleArgs) -> Outcome {
    if args.call.is_given() {
        return call::run(global, args);
    }
    let source = args.place.open(global, None)?;
    let wanted = args.wanted(&source)?;
    let answer = source.schedule(&wanted)?;
    if !answer.is_good() {
        return answer.print(Format::Human, |_| String::new());
    }
    let body = &answer.body;
    if client::results(body).is_empty() {
        args.known(global)?;
    }
    match args.format {
        Shape::Json => out::json(body)?,
        Shape::Ics => out::data(&ics::calendar(client::results(body), place::now()))?,
        Shape::Table => out::data(&draw(body))?,
    }
    if client::results(body).is_empty() {
        out::note(&args.nothing());
    }
    if args.format != Shape::Json {
        tell_the_rest(body);
    }
    Ok(Exit::Fine)
}

/// Says how much is not shown.
fn tell_the_rest(body: &Value) {
    let more = body["more"].as_u64().unwrap_or_default();
    if more > 0 {
        out::note(&format!("{more} more are due in this time; --limit N shows more, up to {MOST}"));
    } else if body["complete"] == false {
        out::note("there is more in this time than can be looked through; ask for fewer days");
    }
}

impl ScheduleArgs {
    fn wanted(&self, source: &Source) -> Result<Wanted, Failure> {
        // A day begins when it begins where the sender lives, which the answer tells.
        let given = self.from.is_some() || self.to.is_some();
        let local = if given {
            Local::of(&source.schedule(&Wanted::all(1))?.body)
        } else {
            Local::named("UTC")
        };
        let moment = |name: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => {
                let found: Option<Timestamp> = local.parse(text);
                found.map(time::millis).map(Some).ok_or_else(|| {
                    Failure::new(format!("--{name} `{text}` is neither a day nor a moment")).help(
                        "write a day such as 2025-12-01 or a time such as 2025-12-01T10:30:00Z",
                    )
                })
            }
        };
        let (from, to) = (moment("from", &self.from)?, moment("to", &self.to)?);
        let begin = from.unwrap_or_else(place::now);
        let span = i64::from(self.days.unwrap_or(7)) * DAY;
        let to = to.unwrap_or_else(|| begin.saturating_add(span));
        let from = from.unwrap_or(i64::MIN);
        if from > to {
            return Err(Failure::new("--from lies behind --to"));
        }
        Ok(Wanted {
            from,
            to,
            sequence: self.sequence.clone(),
            person: self.person.as_deref().map(address::person),
            size: usize::try_from(self.limit).unwrap_or(1),
        })
    }

    /// Refuses a sequence that the rules do not have, as far as they are here.
    fn known(&self, global: &Global) -> Result<(), Failure> {
        let (Some(name), Some(rules)) = (&self.sequence, rules::quiet(global)) else {
            return Ok(());
        };
        let known: Vec<String> = rules.sequences.keys().cloned().collect();
        if known.contains(name) {
            return Ok(());
        }
        Err(rules::unknown("sequence", name, &known))
    }

    fn nothing(&self) -> String {
        let what = match (&self.sequence, &self.person) {
            (Some(sequence), None) => format!("of the sequence {sequence}"),
            (None, Some(person)) => format!("for {person}"),
            (Some(sequence), Some(person)) => format!("of the sequence {sequence} for {person}"),
            (None, None) => String::from("to anybody"),
        };
        let when = if self.from.is_none() && self.to.is_none() {
            format!("in the next {}", out::count(self.days.unwrap_or(7).into(), "day"))
        } else {
            String::from("in this time")
        };
        format!("nothing will be sent {what} {when}")
    }
}

fn draw(body: &Value) -> String {
    let results = client::results(body);
    if results.is_empty() {
        return String::new();
    }
    let local = Local::of(body);
    let row = |entry: &Value| {
        let text = |name: &str| table::cell(&entry[name]);
        let due = time::parse_time(&text("due")).map(|due| local.moment(due)).unwrap_or_default();
        let note = local.within(&why::changes(entry).join("; "));
        vec![due, text("after"), text("to"), text("event_type"), text("subject"), note]
    };
    let mut rows: Vec<Vec<String>> = results.iter().map(row).collect();
    let when = format!("WHEN ({})", local.name);
    let mut headings = vec![when.as_str(), "AFTER", "TO", "STEP", "SUBJECT", "NOTE"];
    // Nobody wants to look at a column in which nothing stands.
    for column in ["AFTER", "NOTE"] {
        let place = headings.iter().position(|heading| *heading == column).unwrap_or_default();
        if rows.iter().all(|row| row[place].is_empty()) {
            headings.remove(place);
            for row in &mut rows {
                row.remove(place);
            }
        }
    }
    table::draw(&headings, &rows)
}
