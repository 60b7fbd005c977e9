//! What a POST to an unsubscribe link wants. Mail programs send `List-Unsubscribe=One-Click`
//! (RFC 8058), the buttons of the page send a choice; either may come as a plain form or in
//! parts (`multipart/form-data`).

use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// No more marketing e-mail at all.
    LeaveAll,
    /// No more of the sequence that the link was in.
    LeaveThis,
    /// Everything again that was left.
    JoinAll,
    /// The sequence again.
    JoinThis,
}

impl Wish {
    /// Reads a body. One without anything in it is the one click of a mail program that keeps
    /// to the letter of an older habit; one that says something else is not understood.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let body = std::str::from_utf8(body).ok()?;
        if body.trim().is_empty() {
            return Some(Self::LeaveAll);
        }
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let fields = match boundary(kind) {
            Some(boundary) => parts(body, &boundary),
            None => body.split('&').filter_map(pair).collect(),
        };
        fields.iter().find_map(|(name, value)| Self::of(name, value))
    }

    fn of(name: &str, value: &str) -> Option<Self> {
        match (name, value) {
            _ if name.eq_ignore_ascii_case("list-unsubscribe")
                && value.eq_ignore_ascii_case("one-click") =>
            {
                Some(Self::LeaveAll)
            }
            ("leave", "all") => Some(Self::LeaveAll),
            ("leave", "this") => Some(Self::LeaveThis),
            ("join", "all") => Some(Self::JoinAll),
            ("join", "this") => Some(Self::JoinThis),
            _ => None,
        }
    }
}

/// Name and value of `a=b`; what we look for has nothing in it that would be escaped.
fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.trim().split_once('=')?;
    Some((name.to_owned(), value.to_owned()))
}

/// What stands between the parts.
fn boundary(kind: &str) -> Option<String> {
    let (media, rest) = kind.split_once(';')?;
    if !media.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let named = |part: &str| {
        let (name, value) = part.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"').to_owned())
    };
    rest.split(';').find_map(named).filter(|boundary| !boundary.is_empty())
}

/// Names and values of the parts.
fn parts(body: &str, boundary: &str) -> Vec<(String, String)> {
    let boundary = format!("--{boundary}");
    let parts = body.split(boundary.as_str()).filter_map(|part| {
        let part = part.strip_prefix("\r\n").or(part.strip_prefix('\n'))?;
        let (head, value) = part.split_once("\r\n\r\n").or(part.split_once("\n\n"))?;
        let (_, rest) = head.split_once("name=")?;
        let name = rest.split([';', '\r', '\n']).next()?.trim().trim_matches('"');
        Some((name.to_owned(), value.trim_end_matches(['\r', '\n']).to_owned()))
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &'static str, body: &str) -> Option<Wish> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
        Wish::read(&headers, body.as_bytes())
    }

    #[test]
    fn one_click_is_understood_in_both_forms() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(read(form, "List-Unsubscribe=One-Click"), Some(Wish::LeaveAll));
        let parts = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\n\
                     One-Click\r\n--x--\r\n";
        assert_eq!(read("multipart/form-data; boundary=\"x\"", parts), Some(Wish::LeaveAll));
        assert_eq!(read("multipart/form-data; boundary=x", parts), Some(Wish::LeaveAll));
        assert_eq!(read(form, ""), Some(Wish::LeaveAll));
    }

    #[test]
    fn the_buttons_say_what_they_want_and_anything_else_is_not_guessed_at() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(read(form, "leave=this"), Some(Wish::LeaveThis));
        assert_eq!(read(form, "join=all"), Some(Wish::JoinAll));
        for other in ["leave=everything", "a", "=", "List-Unsubscribe=", "{\"leave\":\"all\"}"] {
            assert_eq!(read(form, other), None, "{other}");
        }
        assert_eq!(read("multipart/form-data; boundary=x", "--y"), None);
        assert_eq!(Wish::read(&HeaderMap::new(), &[0xff, 0xfe]), None);
    }
}
