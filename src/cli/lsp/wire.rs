//! Messages on the wire: a `Content-Length` header, an empty line, and so many bytes of JSON.
//! The crates for this trust the client: they make room for whatever length it announces and
//! end at the first line that is none of theirs. An editor's plugin may be broken, and then
//! its user should be told rather than left without help, so this is done here, with bounds.

use std::io::{self, BufRead, Read, Write};

use serde_json::{Value, json};

/// The longest message in bytes: rule files have 256 KiB at most.
const MAX_MESSAGE: u64 = 16 * 1024 * 1024;
/// The longest line of a header in bytes.
const MAX_HEADER: u64 = 4 * 1024;

/// What a client sent.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A message.
    Message(Value),
    /// Something that is none, and why.
    Nonsense(String),
}

/// The next message; none at the end.
pub(super) fn read(input: &mut impl BufRead) -> io::Result<Option<Incoming>> {
    let nonsense = |why: &str| Ok(Some(Incoming::Nonsense(why.to_owned())));
    let mut length = None;
    loop {
        let mut line = Vec::new();
        let taken = input.by_ref().take(MAX_HEADER).read_until(b'\n', &mut line)?;
        if taken == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            return nonsense("a line of the header is too long, or cut off");
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.trim().eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse::<u64>());
        }
    }
    match length {
        None => nonsense("the header has no Content-Length"),
        Some(Err(_)) => nonsense("Content-Length is not a number"),
        Some(Ok(length)) if length > MAX_MESSAGE => {
            // Whatever comes is read past and not kept.
            io::copy(&mut input.by_ref().take(length), &mut io::sink())?;
            nonsense("the message is longer than 16 MiB")
        }
        Some(Ok(length)) => {
            let mut body = Vec::new();
            input.by_ref().take(length).read_to_end(&mut body)?;
            if (body.len() as u64) < length {
                return Ok(None);
            }
            match serde_json::from_slice(&body) {
                Ok(message) => Ok(Some(Incoming::Message(message))),
                Err(error) => nonsense(&format!("the message is not JSON: {error}")),
            }
        }
    }
}

/// Sends a message.
pub(super) fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let body = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    output.flush()
}

/// Why a request cannot be answered, with the protocol's number for it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: i64,
    pub(super) message: String,
}

impl Fault {
    /// What came was not JSON.
    pub(super) const PARSE: i64 = -32_700;
    /// What came was JSON and no message, or came at a wrong time.
    pub(super) const INVALID: i64 = -32_600;
    /// There is no such method.
    pub(super) const UNKNOWN: i64 = -32_601;
    /// What the method needs is missing.
    pub(super) const PARAMS: i64 = -32_602;
    /// `initialize` comes first.
    pub(super) const TOO_EARLY: i64 = -32_002;
    /// The client no longer wants the answer.
    pub(super) const CANCELLED: i64 = -32_800;
    /// It was understood and cannot be done.
    pub(super) const FAILED: i64 = -32_803;

    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// What the person asked for cannot be done.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new(Self::FAILED, message)
    }
}

/// The message that answers a request.
pub(super) fn answer(id: &Value, result: Result<Value, Fault>) -> Value {
    match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(fault) => json!({
            "jsonrpc": "2.0", "id": id,
            "error": {"code": fault.code, "message": fault.message},
        }),
    }
}
