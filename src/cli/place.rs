//! The store of verbs that work on the data folder itself, and how they say what is in a
//! backup.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::outcome::Failure;
use super::{Environment, Global, out, rules};
use crate::base::{Clock as _, time};
use crate::serve::clock::SystemClock;
use crate::store::{CareError, Contents, OpenError};

/// Which data folder.
#[derive(Args, Debug)]
pub(super) struct Place {
    /// The data folder [default: the one of the rules, else data].
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    pub(super) data: Option<PathBuf>,
}

impl Place {
    /// The folder of the store. Rules that are not here or not good are no reason not to take
    /// care of it.
    pub(super) fn store(&self, global: &Global) -> Result<PathBuf, Failure> {
        if let Some(data) = &self.data {
            return Ok(data.join("store"));
        }
        let environment = Environment::load()?;
        let rules = rules::quiet(global);
        let data = rules.and_then(|rules| rules.data.resolve(&environment).ok().flatten());
        Ok(PathBuf::from(data.unwrap_or_else(|| String::from("data"))).join("store"))
    }
}

/// Now, in milliseconds since 1970.
pub(super) fn now() -> i64 {
    time::millis(SystemClock.now())
}

/// A moment for people.
pub(super) fn moment(millis: i64) -> String {
    time::format_millis(millis / 1000 * 1000)
}

/// What a backup holds, as it follows on its name.
pub(super) fn holds(contents: &Contents) -> String {
    let count = |number: u64, one: &str| {
        let noun = if number == 1 { String::from(one) } else { format!("{one}s") };
        format!("{number} {noun}")
    };
    format!(
        "{}, {}, {} and {}",
        count(contents.executions, "execution"),
        count(contents.jobs, "job"),
        count(contents.enrolments, "enrolment"),
        count(contents.records, "record"),
    )
}

/// The same for programs.
pub(super) fn shape(contents: &Contents) -> Value {
    json!({
        "taken": moment(contents.taken),
        "executions": contents.executions,
        "jobs": contents.jobs,
        "enrolments": contents.enrolments,
        "records": contents.records,
        "bytes": contents.bytes,
    })
}

/// A number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_024 => return out::count(usize::try_from(bytes).unwrap_or(0), "byte"),
        1_024..1_048_576 => (1_024, "KiB"),
        1_048_576..1_073_741_824 => (1_048_576, "MiB"),
        _ => (1_073_741_824, "GiB"),
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

/// Trouble with a store or a backup, with what to do about it where that does not depend on
/// the verb.
pub(super) fn failure(error: &CareError) -> Failure {
    let help = match error {
        CareError::Missing(_) => Some("--data FOLDER says where it is"),
        CareError::InUse(_) | CareError::Open(OpenError::InUse(_)) => {
            Some("stop the server first; it finishes what it has begun")
        }
        CareError::Occupied(_) => {
            Some("with --replace it is moved aside before the backup takes its place")
        }
        CareError::Store(_) => Some("`rulerun restore FILE --replace` puts a backup in its place"),
        _ => None,
    };
    let failure = match error {
        CareError::Io(what, path, error) => {
            Failure::io(format!("cannot {what} {}", path.display()), error)
        }
        _ => Failure::new(error.to_string()),
    };
    failure.maybe_help(help.map(String::from))
}
