//! The suppression list as a CSV file: written so that another server can read it, and read as
//! other tools write it, with commas, semicolons or tabs, in any order of columns. A file is
//! read record by record, never as a whole.

use std::io::{self, BufRead, Read as _};

use crate::base::time;
use crate::model::queue::suppression::{MANUAL, REASONS};
use crate::model::queue::{Fingerprint, Suppression};

/// The heading of a list.
pub const HEADING: &str = "sha256,reason,sequence,note,since\n";
/// The longest record, in bytes.
const LONGEST: usize = 8 * 1024;
/// The longest text of a sequence or a note, in bytes.
const TEXT: usize = 1024;
/// The longest address, in bytes.
const ADDRESS: usize = 320;

/// An entry as a line of a list.
#[must_use]
pub fn line(entry: &Suppression) -> String {
    let sequence = entry.sequence.as_deref().unwrap_or_default();
    let since = time::format_millis(entry.at);
    let fields = [&entry.who.to_string(), &entry.reason, sequence, &entry.note, &since];
    fields.map(field).join(",") + "\n"
}

/// A text as a field. What a table program would take for a formula begins with a blank.
fn field(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let formula = text.starts_with(['=', '+', '-', '@']);
    let text = if formula { format!(" {text}") } else { text };
    if text.contains([',', '"', ';']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

/// The records of a file, each with the number of its first line.
#[derive(Debug)]
pub struct Records<R> {
    source: R,
    line: usize,
}

/// One record: its first line's number, and its text or why it is none.
pub type Numbered = (usize, Result<String, String>);

impl<R: BufRead> Records<R> {
    /// A file whose first line has this number.
    pub fn new(source: R, first: usize) -> Self {
        Self { source, line: first }
    }

    /// The next record that is not empty; none at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&mut self) -> io::Result<Option<Numbered>> {
        loop {
            let first = self.line;
            let mut record = Vec::new();
            loop {
                let before = record.len();
                let rest = u64::try_from(LONGEST + 1 - before).unwrap_or(0);
                (&mut self.source).take(rest).read_until(b'\n', &mut record)?;
                let ended = record.last() == Some(&b'\n');
                self.line += usize::from(ended);
                if record.len() > LONGEST {
                    if !ended {
                        self.skip_line()?;
                    }
                    let kib = LONGEST / 1024;
                    let why = format!("it is longer than {kib} KiB; is a quotation mark missing?");
                    return Ok(Some((first, Err(why))));
                }
                let open = record.iter().fold(false, |open, byte| open != (*byte == b'"'));
                if record.len() == before || !open {
                    break;
                }
            }
            if record.is_empty() {
                return Ok(None);
            }
            if record.trim_ascii().is_empty() {
                continue;
            }
            let text = String::from_utf8(record)
                .map_err(|_| String::from("it is no UTF-8 text; save the file as UTF-8"));
            return Ok(Some((first, text.map(|text| text.trim_end_matches(['\r', '\n']).into()))));
        }
    }

    /// Passes over what is left of a line.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let mut piece = Vec::new();
            let limit = u64::try_from(LONGEST).unwrap_or(0);
            (&mut self.source).take(limit).read_until(b'\n', &mut piece)?;
            if piece.is_empty() || piece.ends_with(b"\n") {
                self.line += 1;
                return Ok(());
            }
        }
    }
}

/// Which column holds what.
#[derive(Clone, Debug)]
pub struct Columns {
    sign: char,
    names: Vec<String>,
}

impl Columns {
    /// Reads a heading.
    ///
    /// # Errors
    /// Why it is none, and how to mend it.
    pub fn read(heading: &str) -> Result<Self, String> {
        let heading = heading.trim_start_matches('\u{feff}');
        let count = |sign: char| heading.matches(sign).count();
        let sign = [';', '\t'].into_iter().find(|sign| count(*sign) > count(','));
        let sign = sign.unwrap_or(',');
        let names: Vec<String> =
            fields(heading, sign)?.iter().map(|name| name.trim().to_lowercase()).collect();
        if !names.iter().any(|name| matches!(&**name, "email" | "sha256")) {
            return Err(String::from(
                "the first line must name the columns, and one of them `email` or `sha256`",
            ));
        }
        Ok(Self { sign, names })
    }

    /// Reads a record; `now` stands for a moment that is not told.
    ///
    /// # Errors
    /// What is wrong with it, and how to mend it.
    pub fn entry(&self, record: &str, now: i64) -> Result<Suppression, String> {
        let fields = fields(record, self.sign)?;
        if fields.len() > self.names.len() {
            let (is, are) = (fields.len(), self.names.len());
            return Err(format!("it has {is} fields, and the heading names {are}"));
        }
        let get = |name: &str| {
            let at = self.names.iter().position(|known| known == name)?;
            fields.get(at).map(|text| text.trim()).filter(|text| !text.is_empty())
        };
        let since = get("since").map(|text| {
            let wrong = || format!("`{text}` is no time; write it like 2026-01-31T09:00:00Z");
            time::parse_time(text).map(time::millis).map_err(|_| wrong())
        });
        Ok(Suppression {
            who: who(get("sha256"), get("email"))?,
            reason: reason(get("reason"))?,
            sequence: get("sequence").map(short).transpose()?,
            note: get("note").map(short).transpose()?.unwrap_or_default(),
            at: since.transpose()?.unwrap_or(now),
        })
    }
}

/// Whom an entry is about: the address, or the hash of one.
///
/// # Errors
/// What is wrong with them, and how to mend it.
pub fn who(hash: Option<&str>, email: Option<&str>) -> Result<Fingerprint, String> {
    match (email, hash) {
        (Some(email), _) if is_address(email) => Ok(Fingerprint::of(email)),
        (Some(email), _) => Err(format!("`{email}` is no e-mail address")),
        (None, Some(hash)) => Fingerprint::parse(hash).ok_or_else(|| {
            format!("`{hash}` is no SHA-256: 64 digits from 0 to 9 and letters from a to f")
        }),
        (None, None) => Err(String::from("the address is missing; write `email` or `sha256`")),
    }
}

/// A reason by its word; `manual` where none is given.
///
/// # Errors
/// What is wrong with it, and how to mend it.
pub fn reason(text: Option<&str>) -> Result<String, String> {
    let given = text.unwrap_or(MANUAL).to_lowercase();
    if REASONS.contains(&&*given) {
        return Ok(given);
    }
    Err(format!("the reason `{given}` is not known; write {}", REASONS.join(", ")))
}

/// A text that is kept with an entry.
///
/// # Errors
/// It is too long.
pub fn short(text: &str) -> Result<String, String> {
    if text.len() > TEXT {
        return Err(format!("a text in it is longer than {TEXT} bytes"));
    }
    Ok(text.to_owned())
}

/// Whether this may be an address: whatever a mail server may take is worth suppressing.
fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    text.len() <= ADDRESS
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        && parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
}

/// The fields of a record.
fn fields(record: &str, sign: char) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let (mut quoted, mut letters) = (false, record.chars().peekable());
    while let Some(letter) = letters.next() {
        let field = fields.last_mut().ok_or_else(String::new)?;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            _ if letter == sign && !quoted => fields.push(String::new()),
            _ => field.push(letter),
        }
    }
    if quoted {
        return Err(String::from("a quotation mark is not closed"));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Result<Suppression, String>)> {
        let mut records = Records::new(text.as_bytes(), 1);
        let heading = records.read().unwrap().expect("a heading").1.unwrap();
        let columns = Columns::read(&heading).unwrap();
        let mut found = Vec::new();
        while let Some((line, record)) = records.read().unwrap() {
            found.push((line, record.and_then(|record| columns.entry(&record, 7))));
        }
        found
    }

    #[test]
    fn what_is_written_reads_back_whatever_stands_in_it() {
        for note in ["", "plain", "a, \"b\"; c", "=1+1", "two\nlines", "é"] {
            let entry = Suppression {
                who: Fingerprint::of("sarah@example.com"),
                reason: "bounced".into(),
                sequence: Some("welcome".into()),
                note: note.into(),
                at: 1_764_583_800_000,
            };
            let text = format!("{HEADING}{}", line(&entry));
            let expected = Suppression { note: note.replace('\n', " "), ..entry };
            assert_eq!(read(&text), [(2, Ok(expected))], "{note:?}");
        }
    }

    #[test]
    fn files_of_other_tools_are_understood() {
        for text in [
            "email\nsarah@example.com\n",
            "\u{feff}Name;Email;Reason\r\n\"Dr; S\";Sarah@Example.com;Unsubscribed\r\n\r\n",
            "x\temail\n\tsarah@example.com",
        ] {
            let found = read(text);
            let [(2, Ok(entry))] = &found[..] else { panic!("{found:?}") };
            assert_eq!((entry.who, entry.at), (Fingerprint::of("sarah@example.com"), 7));
        }
    }

    #[test]
    fn a_bad_line_is_told_with_its_number_and_the_rest_is_read() {
        let long = "x".repeat(LONGEST * 3);
        let text = format!(
            "email,reason,since\nsarah\nann@example.com,spam\nbob@example.com,,monday\n{long}\n\
             eve@example.com,\"two\nlines\"\nzoe@example.com,a,b,c\nlast@example.com\n"
        );
        let found = read(&text);
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 8, 9]);
        let told = |at: usize| found[at].1.clone().expect_err("a bad line");
        assert_eq!(told(0), "`sarah` is no e-mail address");
        assert!(told(1).ends_with("write unsubscribed, bounced, complained, manual, soft-bounced"));
        assert!(told(2).contains("2026-01-31T09:00:00Z") && told(3).contains("8 KiB"));
        assert_eq!(told(5), "it has 4 fields, and the heading names 3");
        assert!(found[6].1.is_ok());
        assert!(Columns::read("name,phone").is_err());
    }
}
