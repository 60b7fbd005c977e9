//! The versions of one e-mail: one for each thing that starts its sequence, as far as they
//! differ.

use serde_json::{Map, Value};

use crate::base::Clock as _;
use crate::cli::outcome::Failure;
use crate::engine::Pick;
use crate::model::rules::{self, RuleSet, Sequence, SequenceAction, SequenceStep};
use crate::review::{Letter, Scene, Start, starts};
use crate::serve::clock::{self, SystemClock};

/// What an e-mail is filled in with.
#[derive(Clone, Debug)]
pub(super) enum Fields {
    /// The schema's example, every field.
    All,
    /// The same without those that may be missing.
    Required,
    /// A payload that somebody wrote.
    Given(Map<String, Value>),
}

impl Fields {
    /// What it is, in words.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::All => "with every field of the example",
            Self::Required => "without the fields that may be missing",
            Self::Given(_) => "with the payload that was given",
        }
    }
}

/// One way in which the e-mail turns out.
#[derive(Debug)]
pub(super) struct Version {
    /// What starts the sequence so.
    pub(super) by: Vec<String>,
    /// What it was filled in with.
    pub(super) with: &'static str,
    /// The e-mail.
    pub(super) letter: Letter,
    /// The service that sends it.
    pub(super) via: Option<String>,
    /// Why these values would keep it from being sent, if they would.
    pub(super) withheld: Option<String>,
}

/// The variant and the language that somebody asks for, if the e-mail has them.
///
/// # Errors
/// A variant that the e-mail does not have, or something that is no language.
pub(super) fn pick(
    step: &SequenceStep,
    variant: Option<&str>,
    locale: Option<&str>,
) -> Result<Pick, Failure> {
    let SequenceAction::Email { choice, .. } = &step.action else { return Ok(Pick::default()) };
    if let Some(name) = variant.filter(|name| !choice.has(name)) {
        let names: Vec<String> =
            choice.shares().into_iter().map(|(name, _)| name.to_owned()).collect();
        if names.is_empty() {
            return Err(Failure::new(format!("{} has no variants", step.name))
                .help("a variant is written like this: variant \"b\" weight=50 subject=\"…\""));
        }
        return Err(crate::cli::rules::unknown("variant", name, &names));
    }
    if let Some(text) = locale.filter(|text| rules::locale(text).is_none()) {
        return Err(Failure::new(format!("`{text}` does not name a language"))
            .help("write it like de, or de-AT for the German of Austria"));
    }
    Ok(Pick { variant: variant.map(str::to_owned), locale: locale.map(str::to_owned) })
}

/// Every version of an e-mail. With a `person`, it is a test for them: it goes to their
/// address, and its subject says so.
///
/// # Errors
/// Nothing to fill it in with, a payload that every schema refuses, an e-mail that cannot be
/// made.
pub(super) fn of(
    rules: &RuleSet,
    sequence: &Sequence,
    step: &SequenceStep,
    fields: &Fields,
    public_url: &str,
    pick: &Pick,
    person: Option<&str>,
) -> Result<Vec<Version>, Failure> {
    let at = SystemClock.now();
    let scene = Scene { rules, public_url, at, id: clock::new_id(at) };
    let mut versions: Vec<Version> = Vec::new();
    for (by, payload) in payloads(rules, sequence, fields)? {
        let made = scene.draft(sequence, step, &payload, pick).and_then(|mut draft| {
            if let Some(person) = person {
                person.clone_into(&mut draft.to);
                draft.subject = format!("[Test] {}", draft.subject);
            }
            let (via, withheld) = (draft.via.clone(), draft.withheld.clone());
            Ok((scene.letter(sequence, step, draft)?, via, withheld))
        });
        let (letter, via, withheld) = made.map_err(|why| {
            let by = by.as_ref().map(|by| format!(" when {by} starts it")).unwrap_or_default();
            Failure::new(format!("{} cannot be made{by}: {why}", step.name))
        })?;
        let same = versions.iter_mut().find(|version| {
            version.letter.html == letter.html && version.letter.email.to == letter.email.to
        });
        if let Some(version) = same {
            version.by.extend(by);
        } else {
            let by = by.into_iter().collect();
            versions.push(Version { by, with: fields.words(), letter, via, withheld });
        }
    }
    Ok(versions)
}

/// A payload, and what brings it.
type Brought = (Option<String>, Map<String, Value>);

fn payloads(
    rules: &RuleSet,
    sequence: &Sequence,
    fields: &Fields,
) -> Result<Vec<Brought>, Failure> {
    let starts = starts(rules, &sequence.name);
    let each = |take: fn(Start) -> Map<String, Value>| {
        starts.iter().map(|start| (Some(start.by.clone()), take(start.clone()))).collect()
    };
    let brought: Vec<Brought> = match fields {
        Fields::All => each(|start| start.full),
        Fields::Required => each(|start| start.bare),
        Fields::Given(payload) => return given(&starts, payload),
    };
    if brought.is_empty() {
        return Err(Failure::new(format!(
            "nothing starts the sequence `{}`, so no example is known for its e-mails",
            sequence.name
        ))
        .help("give a payload with --payload FILE"));
    }
    Ok(brought)
}

/// The payload that was given, as the first thing that would take it brings it.
fn given(starts: &[Start], payload: &Map<String, Value>) -> Result<Vec<Brought>, Failure> {
    let mut refused = None;
    for start in starts {
        let whole = Value::Object(payload.clone());
        let problems = start.schema.as_ref().map(|schema| schema.checker.check(&whole));
        let problems = problems.unwrap_or_default();
        if problems.is_empty() {
            return Ok(vec![(Some(start.by.clone()), payload.clone())]);
        }
        let told: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
        refused.get_or_insert_with(|| {
            Failure::new(format!("{} would refuse this payload: {}", start.by, told.join("; ")))
                .help("`rulerun call ENDPOINT --example` shows one that it takes")
        });
    }
    match refused {
        Some(refused) => Err(refused),
        None => Ok(vec![(None, payload.clone())]),
    }
}
