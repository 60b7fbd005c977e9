//! A body in the forms that senders sign by mistake: with another line end, or as the same
//! JSON written by another library.

use std::io::Write;

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// A body that may have been signed in place of the one that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// Its bytes.
    pub(super) body: Vec<u8>,
    /// How it differs, as the end of a sentence about the signature.
    pub(super) difference: &'static str,
}

/// Every variant of a body, the likely ones first; the body itself is none.
pub(super) fn of(body: &[u8]) -> Vec<Variant> {
    let mut found: Vec<Variant> = Vec::new();
    let mut add = |bytes: Vec<u8>, difference| {
        if bytes != body && !found.iter().any(|variant| variant.body == bytes) {
            found.push(Variant { body: bytes, difference });
        }
    };
    let bare = body.trim_ascii_end();
    add(bare.to_vec(), "without the newline at its end it matches");
    add(with_end(bare, b"\n"), "with a newline at its end it matches");
    add(with_end(bare, b"\r\n"), "with a Windows line end (CRLF) at its end it matches");
    let unix: Vec<u8> = without_returns(body);
    add(windows(&unix), "with Windows line ends (CRLF) it matches");
    add(unix, "with Unix line ends (LF) it matches");
    if let Ok(json) = serde_json::from_slice::<Value>(body) {
        let ways: [(Vec<u8>, &'static str); 5] = [
            (
                json.to_string().into_bytes(),
                "as compact JSON it matches (JSON.stringify writes that)",
            ),
            (
                written(&json, Spaced { ascii: true }),
                "with a space after every comma and colon it matches (Python's json.dumps writes that)",
            ),
            (
                written(&json, Spaced { ascii: false }),
                "with a space after every comma and colon it matches (Python's json.dumps with ensure_ascii=False writes that)",
            ),
            (written(&json, PrettyFormatter::new()), "indented by two spaces it matches"),
            (
                written(&json, PrettyFormatter::with_indent(b"    ")),
                "indented by four spaces it matches",
            ),
        ];
        for (bytes, difference) in ways {
            let ended = with_end(&bytes, b"\n");
            add(bytes, difference);
            add(ended, difference);
        }
    }
    found
}

fn with_end(body: &[u8], end: &[u8]) -> Vec<u8> {
    [body, end].concat()
}

fn without_returns(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len());
    for (index, byte) in body.iter().enumerate() {
        if *byte != b'\r' || body.get(index + 1) != Some(&b'\n') {
            bytes.push(*byte);
        }
    }
    bytes
}

fn windows(body: &[u8]) -> Vec<u8> {
    body.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..])
}

fn written(json: &Value, formatter: impl Formatter) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, formatter);
    // Writing a JSON value to memory cannot fail; an empty variant matches nothing.
    if json.serialize(&mut serializer).is_err() {
        return Vec::new();
    }
    bytes
}

/// JSON as Python writes it: `{"a": 1, "b": [1, 2]}`.
struct Spaced {
    /// Whether letters beyond ASCII become `\u00e9`.
    ascii: bool,
}

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> std::io::Result<()> {
        to.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        text: &str,
    ) -> std::io::Result<()> {
        for c in text.chars() {
            if c.is_ascii() || !self.ascii {
                write!(to, "{c}")?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(to, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    fn texts(body: &str) -> Vec<String> {
        of(body.as_bytes())
            .into_iter()
            .map(|variant| String::from_utf8(variant.body).expect("text"))
            .collect()
    }

    #[test]
    fn the_usual_suspects_are_among_the_variants() {
        let found = texts("{\"a\":1,\"b\":[\"é\",2]}\n");
        for expected in [
            "{\"a\":1,\"b\":[\"é\",2]}",
            "{\"a\":1,\"b\":[\"é\",2]}\r\n",
            "{\"a\": 1, \"b\": [\"\\u00e9\", 2]}",
            "{\"a\": 1, \"b\": [\"é\", 2]}",
            "{\n  \"a\": 1,\n  \"b\": [\n    \"é\",\n    2\n  ]\n}",
        ] {
            assert!(found.iter().any(|text| text == expected), "{expected}");
        }
        assert!(!found.iter().any(|text| text == "{\"a\":1,\"b\":[\"é\",2]}\n"));
    }

    #[test]
    fn what_is_not_json_varies_by_its_line_ends_alone() {
        assert_eq!(texts("a\r\nb"), ["a\r\nb\n", "a\r\nb\r\n", "a\nb"]);
    }
}
