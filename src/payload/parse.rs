//! Reading JSON within bounds. The bounds are kept while reading, so that a hostile body
//! is refused before it has cost much memory.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::ParseFault;

/// Lists and objects may lie so deep in each other.
const MAX_DEPTH: usize = 32;
/// So many values, counting lists, objects and everything in them.
const MAX_NODES: usize = 10_000;
/// Longest name of a field, in bytes.
const MAX_KEY: usize = 4096;
/// From here on a number without fraction may have been a whole number that lost digits.
const EXACT: f64 = 9_223_372_036_854_775_808.0;

/// Reads a whole body.
pub(super) fn read(body: &[u8]) -> Result<Value, ParseFault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(fault("the body is empty; JSON was expected", 1, 1));
    }
    if body.starts_with(b"\xEF\xBB\xBF") {
        return Err(fault("the body begins with a byte order mark; send UTF-8 without one", 1, 1));
    }
    if let Err(error) = std::str::from_utf8(body) {
        let (line, column) = place(body, error.valid_up_to());
        return Err(fault("the body is not UTF-8 text", line, column));
    }
    let state = State { nodes: Cell::new(0), large: Cell::new(false) };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = Seed { state: &state, depth: 0 }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| plain(&error))?;
    if state.large.get()
        && let Some(offset) = oversized_integer(body)
    {
        let (line, column) = place(body, offset);
        return Err(fault(
            "a whole number has more than 64 bits and would lose digits; send it as text",
            line,
            column,
        ));
    }
    Ok(value)
}

/// What all values of one body share.
struct State {
    nodes: Cell<usize>,
    /// Whether a number was seen that may have been a whole number beyond 64 bits.
    large: Cell<bool>,
}

struct Seed<'s> {
    state: &'s State,
    depth: usize,
}

impl<'s> Seed<'s> {
    /// One level deeper, or a refusal.
    fn inner<E: serde::de::Error>(&self) -> Result<Seed<'s>, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format!("it is nested more than {MAX_DEPTH} levels deep")));
        }
        Ok(Seed { state: self.state, depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        let nodes = self.state.nodes.get() + 1;
        self.state.nodes.set(nodes);
        if nodes > MAX_NODES {
            return Err(D::Error::custom(format!("it holds more than {MAX_NODES} values")));
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        if value.abs() >= EXACT {
            self.state.large.set(true);
        }
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is too large to be kept"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        without_nul(value)?;
        Ok(Value::from(value))
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        without_nul(&value)?;
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.inner()?)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            without_nul(&name)?;
            if name.len() > MAX_KEY {
                return Err(A::Error::custom(format!("a name is longer than {MAX_KEY} bytes")));
            }
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format!("the name `{}` stands twice", brief(&name))));
            }
            let value = object.next_value_seed(self.inner()?)?;
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

fn without_nul<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') {
        return Err(E::custom("a text contains the character NUL (\\u0000)"));
    }
    Ok(())
}

/// The offset of the first whole number that does not fit in 64 bits, in valid JSON.
fn oversized_integer(body: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < body.len() {
        match body[at] {
            b'"' => {
                at += 1;
                while at < body.len() && body[at] != b'"' {
                    at += if body[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let rest = &body[at..];
                let length = rest
                    .iter()
                    .position(|byte| {
                        !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
                    })
                    .unwrap_or(rest.len());
                let text = std::str::from_utf8(&rest[..length]).unwrap_or_default();
                let whole = !text.contains(['.', 'e', 'E']);
                if whole && text.parse::<i64>().is_err() && text.parse::<u64>().is_err() {
                    return Some(at);
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

/// A reader's error without its own way of telling the place.
fn plain(error: &serde_json::Error) -> ParseFault {
    let told = error.to_string();
    let bare = told.rsplit_once(" at line ").map_or(told.as_str(), |(before, _)| before);
    let message = match bare {
        "EOF while parsing a string" => "the JSON ends in the middle of a text".to_owned(),
        "EOF while parsing a list" => "the JSON ends in the middle of a list".to_owned(),
        "EOF while parsing an object" => "the JSON ends in the middle of an object".to_owned(),
        "EOF while parsing a value" => "the JSON ends where a value is expected".to_owned(),
        "expected value" => "a JSON value is expected here".to_owned(),
        "expected ident" => "only `true`, `false` and `null` may stand without quotes".to_owned(),
        "key must be a string" => "a name must stand in double quotes".to_owned(),
        "trailing characters" => "something follows after the JSON value".to_owned(),
        "trailing comma" => "a comma stands after the last entry".to_owned(),
        "number out of range" => "a number is too large to be kept".to_owned(),
        "control character (\\u0000-\\u001F) found while parsing a string" => {
            "a text contains a line break or control character; write it as \\n or \\u0009"
                .to_owned()
        }
        other => other.to_owned(),
    };
    fault(&message, error.line(), error.column())
}

fn fault(message: &str, line: usize, column: usize) -> ParseFault {
    ParseFault { message: format!("{message} (line {line}, column {column})") }
}

fn place(body: &[u8], offset: usize) -> (usize, usize) {
    let before = &body[..offset.min(body.len())];
    let line = before.split(|byte| *byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    (line, before.len() - start + 1)
}

/// A name short enough for a message.
fn brief(name: &str) -> String {
    name.chars().take(60).collect()
}
