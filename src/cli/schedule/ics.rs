//! The schedule as a calendar (iCalendar, RFC 5545): one event for each thing that will be
//! sent, with an id that stays the same however often the calendar is written.

use serde_json::Value;

use crate::base::{Timestamp, time};
use crate::cli::{table, why};

/// A line is folded after so many bytes.
const LINE: usize = 75;

/// The calendar, written at `now` (milliseconds since 1970).
pub(super) fn calendar(entries: &[Value], now: i64) -> String {
    let mut text = Text::default();
    text.line("BEGIN", "VCALENDAR");
    text.line("VERSION", "2.0");
    text.line("PRODID", "-//rulerun//schedule//EN");
    text.line("CALSCALE", "GREGORIAN");
    for entry in entries {
        text.event(entry, time::from_millis(now));
    }
    text.line("END", "VCALENDAR");
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn event(&mut self, entry: &Value, now: Timestamp) {
        let text = |name: &str| table::cell(&entry[name]);
        let Ok(due) = time::parse_time(&text("due")) else { return };
        self.line("BEGIN", "VEVENT");
        self.line("UID", &format!("{}@rulerun", text("id")));
        self.line("DTSTAMP", &stamp(now));
        self.line("DTSTART", &stamp(due));
        self.line("SUMMARY", &escaped(&format!("{} to {}", text("event_type"), text("to"))));
        let mut about = vec![text("subject")];
        about.extend(why::changes(entry));
        about.retain(|part| !part.is_empty());
        if !about.is_empty() {
            self.line("DESCRIPTION", &escaped(&about.join("\n")));
        }
        let sequence = text("sequence");
        if !sequence.is_empty() {
            self.line("CATEGORIES", &escaped(&sequence));
        }
        self.line("TRANSP", "TRANSPARENT");
        self.line("END", "VEVENT");
    }

    /// A content line, folded where it is longer than 75 bytes, never within a letter.
    fn line(&mut self, name: &str, value: &str) {
        let mut width = 0;
        for letter in format!("{name}:{value}").chars() {
            if width + letter.len_utf8() > LINE {
                self.0.push_str("\r\n ");
                width = 1;
            }
            self.0.push(letter);
            width += letter.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

fn stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ';' | ',' => safe.extend(['\\', letter]),
            '\n' => safe.push_str("\\n"),
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn long_lines_are_folded_between_letters_and_signs_are_escaped() {
        let subject = format!("Grüße; {}", "ä, ".repeat(60));
        let text = calendar(
            &[json!({
                "id": "x", "due": "2025-12-01T10:30:00Z", "event_type": "one",
                "to": "a@example.com", "subject": subject,
            })],
            0,
        );
        assert!(text.split("\r\n").all(|line| line.len() <= LINE), "{text}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        let whole = text.replace("\r\n ", "");
        assert!(whole.contains(&format!("DESCRIPTION:{}\r\n", escaped(&subject))), "{whole}");
        assert!(whole.contains("\r\nDTSTART:20251201T103000Z\r\n"), "{whole}");
    }
}
