//! Editions of sequences: what stays as it is for whoever has begun one. A sequence is written
//! down in one form, without comments and without what is read live, so that an edit of a
//! subject makes no new edition; and an edition is read back as the sequence that it was.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::reading::{Kept, Reading};
use super::tree::{Data, Node, Value};
use super::{sequence, syntax};
use crate::base::{Sink, SourceMap};
use crate::guard::Guard;
use crate::model::Scope;
use crate::model::rules::{Edition, Sequence, SequenceStep};

/// Words within a sequence that count as they are now, or only at the start of somebody.
const LIVE: [&str; 9] =
    ["subject", "via", "template", "kind", "apply", "locale", "once-per", "variant", "track"];
/// The node in which the names of points in time stand.
const TIMES: &str = "times";

/// The edition that a sequence is now.
pub(super) fn edition(node: &Node, stop_when: Option<&Guard>, steps: &[SequenceStep]) -> Edition {
    let mut text = String::new();
    write_node(&mut text, node);
    let guards = stop_when.into_iter().chain(steps.iter().filter_map(|step| step.when.as_ref()));
    let mut times: Vec<String> = guards.flat_map(Guard::times).collect();
    times.sort_unstable();
    times.dedup();
    if !times.is_empty() {
        text.push_str(TIMES);
        for time in &times {
            text.push(' ');
            write_text(&mut text, time);
        }
        text.push('\n');
    }
    Edition { hash: hex::encode(&Sha256::digest(&text)[..8]), text }
}

/// The sequence that an edition was, with its guards, waits and limits; what its steps do is
/// not in it. None when this program does not understand it any more.
#[must_use]
pub fn sequence_of(edition: &Edition) -> Option<Sequence> {
    let mut sources = SourceMap::new();
    let file = sources.add("edition.kdl", edition.text.as_str());
    let nodes = syntax::parse(file, &edition.text, &mut Sink::new())?;
    let mut reading = Reading::new(&sources);
    let times = nodes.iter().filter(|node| node.name == TIMES).flat_map(|node| &node.args);
    let times = times.filter_map(Value::text).map(str::to_owned).collect();
    reading.kept = Some(Kept { times, lost: false });
    reading.records.insert(String::from("contact"), Scope { open: true, ..Scope::default() });
    let node = nodes.iter().find(|node| node.name == "sequence")?;
    let found = std::sync::Arc::into_inner(sequence::sequence(&mut reading, node)?)?;
    let lost = reading.kept.is_some_and(|kept| kept.lost);
    (!lost).then(|| Sequence { edition: std::sync::Arc::new(edition.clone()), ..found })
}

fn write_node(text: &mut String, node: &Node) {
    text.push_str(&node.name);
    for value in &node.args {
        text.push(' ');
        write_value(text, value);
    }
    // The order in which somebody wrote them means nothing.
    let mut props: Vec<_> = node.props.iter().filter(|prop| is_kept(&prop.name)).collect();
    props.sort_by_key(|prop| &prop.name);
    for prop in props {
        let _ = write!(text, " {}=", prop.name);
        write_value(text, &prop.value);
    }
    // The block of a `send` fills in the event, and that is read live.
    let inner = node.nodes().iter().filter(|inner| is_kept(&inner.name) && node.name != "send");
    let mut inner = inner.peekable();
    if inner.peek().is_some() {
        text.push_str(" {\n");
        for node in inner {
            write_node(text, node);
        }
        text.push('}');
    }
    text.push('\n');
}

fn is_kept(word: &str) -> bool {
    !LIVE.contains(&word)
}

fn write_value(text: &mut String, value: &Value) {
    if let Some(annotation) = &value.annotation {
        let _ = write!(text, "({annotation})");
    }
    let _ = match &value.data {
        Data::Text(words) => {
            write_text(text, words);
            Ok(())
        }
        Data::Integer(number) => write!(text, "{number}"),
        Data::Float(number) => write!(text, "{number:?}"),
        Data::Boolean(answer) => write!(text, "#{answer}"),
        Data::Null => write!(text, "#null"),
    };
}

fn write_text(text: &mut String, words: &str) {
    text.push('"');
    for letter in words.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '\n' => text.push_str("\\n"),
            _ if letter.is_control() => {
                let _ = write!(text, "\\u{{{:x}}}", u32::from(letter));
            }
            _ => text.push(letter),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language;
    use crate::model::RuleSet;

    const TEXTS: [&str; 2] = ["hello", "later"];

    fn rules(sequence: &str) -> RuleSet {
        let mut sources = SourceMap::new();
        let start = "webhooks \"shop\" {\n    path \"/shop\"\n    endpoint \"in\" {\n        \
            payload {\n            email email\n            seen time\n            plan text\n            \
            calls integer optional\n        }\n        start \"w\"\n    }\n}\n";
        sources.add("rules/a.kdl", format!("{start}{sequence}"));
        for name in TEXTS {
            sources.add(format!("rules/emails/{name}.md"), "Hello.\n");
        }
        let (rules, found) = language::analyze(&sources);
        rules.unwrap_or_else(|| panic!("{found:?}"))
    }

    fn edition_of(sequence: &str) -> Edition {
        Edition::clone(&rules(sequence).sequences["w"].edition)
    }

    const SEQUENCE: &str = r##"
sequence "w" to="{{email}}" {
    stop-when #"seen > "2025-12-01T10:30:00Z" && days_since(seen) > 30"#
    email "hello" after="5min" subject="Hello" when=#"plan == "it is \\ \"free\"" "# max-late="2h"
    email "later" after="3d" subject="Later" when="calls != () && calls > 3" counts-from="{{seen}}"
}
"##;

    #[test]
    fn an_edition_reads_back_as_the_sequence_that_it_was() {
        let rules = rules(SEQUENCE);
        let now = &rules.sequences["w"];
        let then = sequence_of(&now.edition).expect("it is understood");
        let source = |guard: &Option<Guard>| guard.as_ref().map(|guard| guard.source().to_owned());
        assert_eq!(source(&then.stop_when), source(&now.stop_when));
        let facts = |sequence: &Sequence| -> Vec<_> {
            let step = |step: &SequenceStep| {
                (step.name.clone(), step.after, step.max_late, source(&step.when))
            };
            sequence.steps.iter().map(step).collect()
        };
        assert_eq!(facts(&then), facts(now));
        let times = |sequence: &Sequence| -> Vec<_> {
            sequence.stop_when.iter().flat_map(Guard::times).collect()
        };
        assert_eq!(times(&then), ["seen"]);
        assert_eq!(times(&then), times(now));
    }

    #[test]
    fn how_it_is_written_and_what_is_read_live_makes_no_new_edition() {
        let written = edition_of(SEQUENCE);
        let other = SEQUENCE
            .replace("subject=\"Hello\"", "subject=\"Good morning\" template=\"later\"")
            .replace("after=\"3d\" subject=\"Later\"", "subject=\"Later\" /* soon */ after=\"3d\"")
            .replace(
                "to=\"{{email}}\" {",
                "to=\"{{email}}\" kind=\"transactional\" {\n    // mended\n",
            )
            .replace("    email", "        email");
        assert_ne!(other, SEQUENCE);
        assert_eq!(edition_of(&other), written);
    }

    #[test]
    fn whatever_judges_somebody_mid_way_makes_a_new_edition() {
        let written = edition_of(SEQUENCE);
        for (was, is) in [
            ("calls > 3", "calls > 4"),
            ("> 30", "> 31"),
            ("2h", "3h"),
            ("5min", "6min"),
            ("counts-from=\"{{seen}}\"", ""),
            ("email \"hello\"", "email \"hallo\" template=\"hello\""),
        ] {
            let other = edition_of(&SEQUENCE.replace(was, is));
            assert_ne!(other.hash, written.hash, "{was} → {is}");
        }
    }

    #[test]
    fn what_this_program_does_not_understand_is_not_taken_for_less() {
        let Edition { hash, text } = edition_of(SEQUENCE);
        for text in [text.replace("calls > 3", "calls >"), text.replace('}', ""), String::new()] {
            assert!(sequence_of(&Edition { hash: hash.clone(), text }).is_none());
        }
    }
}
