//! What a verb is given to work on: a payload written out, the bytes of a file or the pipe.
//! All of it is bounded.

use std::io::Read as _;
use std::ops::RangeInclusive;

use clap::Args;

use super::outcome::Failure;

/// The largest payload that is read, in bytes; a server takes less by default.
const MAX: u64 = 16 * 1024 * 1024;

/// Where the payload comes from.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Data {
    /// The payload as JSON, @FILE to read it from a file, or - for the pipe.
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    data: Option<String>,
    /// The example payload that the schema describes.
    #[arg(long)]
    example: bool,
}

impl Data {
    /// The bytes that were given; none means the example.
    pub(super) fn given(&self) -> Result<Option<Vec<u8>>, Failure> {
        self.data.as_deref().map(payload).transpose()
    }
}

/// The payload that an argument gives: JSON, `@FILE`, or `-` for the pipe.
pub(super) fn payload(given: &str) -> Result<Vec<u8>, Failure> {
    let body = match given.strip_prefix('@') {
        Some(path) => file(path)?,
        None if given == "-" => pipe()?,
        None => given.as_bytes().to_vec(),
    };
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
        return Err(Failure::new(format!("the payload is not JSON: {error}")));
    }
    Ok(body)
}

/// The bytes of a file, or of the pipe when it is called `-`.
pub(super) fn file_or_pipe(name: &str) -> Result<Vec<u8>, Failure> {
    if name == "-" { pipe() } else { file(name) }
}

/// Reads a whole number of an option, with words for people when it is none.
pub(super) fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.and_then(|number: u64| T::try_from(number).ok()).ok_or_else(|| {
            format!("write a whole number from {} to {}", range.start(), range.end())
        })
    }
}

fn file(path: &str) -> Result<Vec<u8>, Failure> {
    let fault = |error: std::io::Error| Failure::io(format!("cannot read {path}"), &error);
    read(std::fs::File::open(path).map_err(fault)?, path)
}

/// The bytes of standard input.
pub(super) fn pipe() -> Result<Vec<u8>, Failure> {
    read(std::io::stdin().lock(), "the pipe")
}

fn read(source: impl std::io::Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    source
        .take(MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io(format!("cannot read {name}"), &error))?;
    if bytes.len() as u64 > MAX {
        return Err(Failure::new(format!("{name} holds more than {MAX} bytes")));
    }
    Ok(bytes)
}
