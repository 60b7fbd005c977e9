//! The HTML of a message that is packed already, for people who look at what was captured.

use serde_json::Value;

use super::files::complete;

/// The HTML of a message, however it was packed; none where it cannot be found.
#[must_use]
pub fn page_of(message: &[u8]) -> Option<String> {
    if message.starts_with(b"{") {
        // Files are no part of the page, and their marks none of JSON.
        let whole = complete(message, |_| Some("".into())).ok()?;
        let body: Value = serde_json::from_slice(&whole).ok()?;
        return ["html", "HtmlBody"].iter().find_map(|name| Some(body[name].as_str()?.to_owned()));
    }
    let message = String::from_utf8_lossy(message);
    // In quoted-printable `=_` cannot occur, and every boundary begins with it. A text may say
    // `Content-Type` as well: only the head of a part says what the part is.
    let mut parts = message.split("\r\n--=_").filter_map(|part| part.split_once("\r\n\r\n"));
    let (_, body) = parts.find(|(head, _)| head.contains("\r\nContent-Type: text/html"))?;
    Some(unquoted(&body.replace("=\r\n", "")))
}

/// What quoted-printable stands for.
fn unquoted(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let coded = after.get(..2).filter(|_| *first == b'=');
        let byte =
            coded.and_then(|coded| u8::from_str_radix(std::str::from_utf8(coded).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
