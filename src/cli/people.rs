//! Where the verbs about people look: at a running server, or at the data folder of one that
//! does not run. And how they write times: in the sender's zone, with the weekday.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::client::{self, Answer, Client, Remote};
use super::outcome::Failure;
use super::{Format, Global, place};
use crate::base::{Timestamp, Zone, address, time};
use crate::model::RuleSet;
use crate::serve::curl::escape;
use crate::serve::people::{
    Cursor, Folder, Midway, Recording, Remembered, Version, Wanted, nobody,
};
use crate::store::{CareError, StoreError};

/// People of a sequence that are asked for at a time.
const PART: usize = 500;
/// Recorded calls that are asked for at a time.
const CALLS: usize = 1000;
/// Records that are asked for at a time.
const RECORDS: usize = 200;

/// Where to look.
#[derive(Args, Clone, Debug)]
pub(super) struct Where {
    /// The server's address [default: `RULERUN_URL`, else where the rules listen].
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The data folder of a server that does not run.
    #[arg(long, value_name = "FOLDER", conflicts_with = "server")]
    pub(super) data: Option<PathBuf>,
}

/// Who answers.
#[derive(Debug)]
pub(super) enum Source {
    /// A running server.
    Server(Box<Client>),
    /// A data folder.
    Folder(Box<Folder>),
}

/// What to do when nobody answers: these verbs can do without a server.
const HERE_OR_THERE: &str = "say where it runs (--server URL, or RULERUN_URL in the environment), or read the folder of one that is stopped: --data data";

impl Where {
    /// Finds the server or opens the folder. `rules` are those that the verb has read anyway.
    pub(super) fn open(&self, global: &Global, rules: Option<&RuleSet>) -> Result<Source, Failure> {
        if let Some(data) = &self.data {
            let folder = Folder::open(&data.join("store")).map_err(|error| shut(&error))?;
            return Ok(Source::Folder(Box::new(folder)));
        }
        let remote = Remote::at(self.server.clone(), Format::Human);
        let client = match rules {
            Some(rules) => Client::beside(rules, &remote, &super::Environment::load()?)?,
            None => Client::open(global, &remote)?,
        };
        Ok(Source::Server(Box::new(client.advising(HERE_OR_THERE))))
    }
}

fn shut(error: &CareError) -> Failure {
    match error {
        CareError::InUse(_) => Failure::new(error.to_string())
            .help("leave --data out: the running server tells it, at RULERUN_URL or --server URL"),
        _ => place::failure(error),
    }
}

fn unread(error: &StoreError) -> Failure {
    Failure::new(error.to_string())
}

impl Source {
    /// A person's timeline.
    pub(super) fn timeline(&self, person: &str) -> Result<Answer, Failure> {
        match self {
            Self::Server(client) => client.get(&format!("/contacts/{}/timeline", escape(person))),
            Self::Folder(folder) => {
                let found = folder.timeline(person).map_err(|error| unread(&error))?;
                Ok(if let Some(body) = found {
                    Answer { status: 200, body }
                } else {
                    let message = nobody(&address::person(person));
                    Answer { status: 404, body: json!({ "message": message, "detail": message }) }
                })
            }
        }
    }

    /// What will be sent when.
    pub(super) fn schedule(&self, wanted: &Wanted) -> Result<Answer, Failure> {
        match self {
            Self::Server(client) => {
                let moment =
                    |millis: i64, open: i64| (millis != open).then(|| time::format_millis(millis));
                let query = client::query([
                    ("from", moment(wanted.from, i64::MIN)),
                    ("to", moment(wanted.to, i64::MAX)),
                    ("sequence", wanted.sequence.clone()),
                    ("person", wanted.person.clone()),
                    ("size", Some(wanted.size.to_string())),
                ]);
                client.get(&format!("/schedule{query}"))
            }
            Self::Folder(folder) => {
                let body = folder.schedule(wanted).map_err(|error| unread(&error))?;
                Ok(Answer { status: 200, body })
            }
        }
    }

    /// The rules that run, or ran last; none when a folder does not know them.
    pub(super) fn version(&self) -> Result<Option<Version>, Failure> {
        match self {
            Self::Server(client) => {
                let answer = client.get("/rules")?;
                let version = Version::read(&answer.body).filter(|_| answer.is_good());
                version.map(Some).ok_or_else(|| {
                    Failure::new(format!("{} does not tell its rules", client.base))
                        .help("it may be an older version of rulerun, or want its api-token")
                })
            }
            Self::Folder(folder) => Ok(folder.version().cloned()),
        }
    }

    /// Shows whoever is mid-way in a sequence, part by part.
    pub(super) fn each_active(
        &self,
        sequence: &str,
        mut see: impl FnMut(Midway),
    ) -> Result<(), Failure> {
        let mut after: Option<String> = None;
        loop {
            let part = match self {
                Self::Server(client) => {
                    let query =
                        client::query([("size", Some(PART.to_string())), ("after", after.take())]);
                    let path = format!("/sequences/{}/active{query}", escape(sequence));
                    Midway::read(&client.get(&path)?.body).ok_or_else(|| {
                        Failure::new(format!("{} does not tell who is mid-way", client.base))
                    })?
                }
                Self::Folder(folder) => {
                    folder.active(sequence, after.take(), PART).map_err(|error| unread(&error))?
                }
            };
            after.clone_from(&part.next);
            see(part);
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Recorded calls from there on, a part of all of them.
    pub(super) fn calls(&self, from: Cursor) -> Result<Recording, Failure> {
        match self {
            Self::Server(client) => {
                let moment = |millis: i64| time::format_time(time::from_millis(millis));
                let query = client::query([
                    ("since", Some(moment(from.since))),
                    ("until", (from.until < i64::MAX).then(|| moment(from.until))),
                    ("skip", Some(from.skip.to_string())),
                    ("size", Some(CALLS.to_string())),
                ]);
                let answer = client.get(&format!("/calls{query}"))?;
                let told = Recording::read(&answer.body).filter(|_| answer.is_good());
                told.ok_or_else(|| {
                    Failure::new(format!("{} does not tell its calls", client.base))
                        .help("it may be an older version of rulerun, or want its api-token")
                })
            }
            Self::Folder(folder) => folder.calls(from, CALLS).map_err(|error| unread(&error)),
        }
    }

    /// The records of a name, the given number of parts behind the first; none behind the last.
    pub(super) fn records(&self, name: &str, part: usize) -> Result<Vec<Remembered>, Failure> {
        match self {
            Self::Server(client) => {
                let page = part.saturating_add(1);
                let path = format!("/records/{}?page={page}&size={RECORDS}", escape(name));
                let answer = client.get(&path)?;
                // A name that the rules do not have is one without records.
                let rows = if answer.is_good() { client::results(&answer.body) } else { &[] };
                Ok(rows.iter().filter_map(Remembered::read).collect())
            }
            Self::Folder(folder) => folder
                .records(name, part.saturating_mul(RECORDS), RECORDS)
                .map_err(|error| unread(&error)),
        }
    }
}

/// Writes times as the people see them who read the rules.
#[derive(Clone, Debug)]
pub(super) struct Local {
    zone: Zone,
    /// The name of the zone.
    pub(super) name: String,
}

impl Local {
    /// The zone that an answer names.
    pub(super) fn of(body: &Value) -> Self {
        Self::named(body["zone"].as_str().unwrap_or("UTC"))
    }

    /// The zone of that name.
    pub(super) fn named(name: &str) -> Self {
        Self { zone: Zone::get(name).unwrap_or(Zone::UTC), name: name.to_owned() }
    }

    /// The zone.
    pub(super) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// "Mon 1 Dec 2025".
    pub(super) fn day(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%a %-d %b %Y").to_string()
    }

    /// "11:30".
    pub(super) fn hour(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%H:%M").to_string()
    }

    /// "Mon 1 Dec 2025 11:30".
    pub(super) fn moment(&self, at: Timestamp) -> String {
        format!("{} {}", self.day(at), self.hour(at))
    }

    /// The first moment of a day such as `2025-12-01`, or a time with an offset.
    pub(super) fn parse(&self, text: &str) -> Option<Timestamp> {
        text.parse::<Timestamp>().ok().or_else(|| {
            let day: jiff::civil::Date = text.parse().ok()?;
            Some(day.to_zoned(self.zone.clone()).ok()?.timestamp())
        })
    }

    /// A sentence with every time in it (as rulerun writes them) put into the zone.
    pub(super) fn within(&self, sentence: &str) -> String {
        let word = |word: &str| {
            let bare = word.trim_matches(['(', ')', ',', ';', '.', ':']);
            match bare.parse::<Timestamp>() {
                Ok(at) if bare.ends_with('Z') => word.replacen(bare, &self.moment(at), 1),
                _ => word.to_owned(),
            }
        };
        sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::Local;

    #[test]
    fn times_are_written_with_the_weekday_where_the_sender_lives() {
        let local = Local::named("Europe/Berlin");
        assert_eq!(
            local.within("it was due 2025-12-01T23:30:00Z, and may be 1d late"),
            "it was due Tue 2 Dec 2025 00:30, and may be 1d late"
        );
        assert_eq!(local.within("(since 2025-07-01T10:00:00Z)"), "(since Tue 1 Jul 2025 12:00)");
        let day = local.parse("2025-12-02").expect("a day");
        assert_eq!(day.to_string(), "2025-12-01T23:00:00Z");
        assert_eq!(local.parse("tomorrow"), None);
    }
}
