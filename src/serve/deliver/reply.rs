//! What a server answered, and what that means for a delivery.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};

use crate::base::Timestamp;
use crate::model::{AttemptError, Tried};

/// Of a reply this much is kept as text.
const KEPT_LIMIT: usize = 4 * 1024;
/// The longest wait that a `Retry-After` can ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
    /// Whether the body went on.
    pub cut: bool,
    /// How long it all took.
    pub duration: Duration,
}

impl Reply {
    /// What this reply means for a delivery. `now` is what a `Retry-After` is measured from.
    #[must_use]
    pub fn tried(&self, now: Timestamp) -> Tried {
        let (error, message) = if self.status.is_success() {
            (None, None)
        } else if self.status.is_redirection() {
            let target = self
                .headers
                .get(header::LOCATION)
                .map_or_else(|| String::from("nowhere"), |to| kept(to.as_bytes(), 512));
            let message = format!(
                "the receiver answered {}, a redirect to {target}; redirects are not followed, \
                 so write the final address in the rules",
                self.status
            );
            (Some(AttemptError::Redirect), Some(message))
        } else {
            let message = format!("the receiver answered {}", self.status);
            (Some(AttemptError::Status), Some(message))
        };
        let retry_after = if error.is_some() { self.retry_after(now) } else { None };
        Tried {
            duration: self.duration,
            status: Some(self.status.as_u16()),
            error,
            message,
            retry_after,
            reply: self.excerpt(),
            unanswered: false,
        }
    }

    /// How long the server asks us to wait, in whole seconds or until a date, at most an
    /// hour; none where it does not say or where nobody can read it.
    #[must_use]
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let text = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than fit still mean "very long".
            Duration::from_secs(text.parse().unwrap_or(u64::MAX))
        } else {
            let until = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO)
        };
        Some(wait.min(LONGEST_RETRY_AFTER))
    }

    /// The first 4 KiB of the body as one line of text.
    #[must_use]
    pub fn excerpt(&self) -> String {
        match self.headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
            Some(coding) if !coding.eq_ignore_ascii_case(b"identity") => {
                let more = if self.cut { " or more" } else { "" };
                format!("({} bytes{more}, compressed: {})", self.body.len(), kept(coding, 64))
            }
            _ => kept(&self.body, KEPT_LIMIT),
        }
    }
}

/// Bytes as text of at most `limit` bytes. Control characters are escaped: text from outside
/// must not begin a new line in a log or steer a terminal.
pub(super) fn kept(bytes: &[u8], limit: usize) -> String {
    // A character has at most four bytes: what is cut off here is cut off again below.
    let bytes = &bytes[..bytes.len().min(limit + 4)];
    let mut text = String::new();
    for character in String::from_utf8_lossy(bytes).chars() {
        let before = text.len();
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
        if text.len() > limit {
            text.truncate(before);
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn text_from_outside_stays_on_one_line_and_within_its_limit() {
        assert_eq!(kept(b"a\r\nb\x1b[31m\0", 100), "a\\r\\nb\\u{1b}[31m\\u{0}");
        assert_eq!(kept(b"caf\xe9", 100), "caf\u{fffd}");
        assert_eq!(kept("\u{20ac}".repeat(9).as_bytes(), 10), "\u{20ac}".repeat(3));
        assert_eq!(kept(b"\n\n\n", 5), "\\n\\n");
        assert_eq!(kept(b"", 5), "");
    }
}
