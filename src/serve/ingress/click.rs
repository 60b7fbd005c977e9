//! Counting clicks, where a sequence asks for it. The links of an e-mail's HTML lead over an
//! address here, whose token holds the real target and the e-mail's job; it is authenticated,
//! so that nobody can make it lead anywhere else. Whoever opens it is sent on at once. The
//! first click on an e-mail counts, once; mail scanners that only ask with `HEAD`, prefetches
//! and people whose browser asks not to be tracked do not, and of an e-mail that has been
//! forgotten nothing is counted any more. Nothing else is kept: no address, no time, no cookie.

use std::fmt::Write as _;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY};
use hyper::{HeaderMap, Method, Response, StatusCode};

use super::answer::{self, Answer};
use super::seal::Seal;
use super::unsubscribe;
use crate::base::{Id, Secret};
use crate::mail;
use crate::markup;
use crate::model::commit::{Commit, Write};
use crate::model::queue::{Counted, Tally, Task};
use crate::model::rules::EmailText;
use crate::model::setting::Rate;
use crate::serve::app::App;

/// Where counted links lead.
pub const PATH: &str = "/c/";
/// Requests of one client. Whole companies click from one address.
pub(super) const RATE: Rate = Rate { count: 3000, per_millis: 60_000 };
const SEAL: Seal = Seal { version: 1, key: b"click key", nonce: b"click nonce", longest: 2048 };
/// Bytes of a job's id.
const ID: usize = 16;

/// The page of an e-mail with its links leading over here. What the author of its text did not
/// write stays as it is, because whoever can put a value into an e-mail could otherwise have us
/// send people anywhere; so do links of ours, and those that are no web addresses.
#[must_use]
pub fn counted(page: &str, public_url: &str, key: &Secret, job: Id, text: &EmailText) -> String {
    let written = Written::new(text);
    let ours = format!("{public_url}{}", unsubscribe::PATH);
    markup::redirected(page, |url| {
        let host = host(url).filter(|host| written.has(host))?;
        if url.starts_with(&ours) || host.contains('@') {
            return None;
        }
        let mut text = job.0.to_vec();
        text.extend(plain(url).as_bytes());
        let token = SEAL.seal(key, text).filter(|token| token.len() <= SEAL.longest)?;
        Some(format!("{public_url}{PATH}{token}"))
    })
}

/// Scheme and host of a web address, in small letters.
fn host(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let is_web = matches!(&*scheme, "http" | "https") && end > 0;
    is_web.then(|| format!("{scheme}://{}", rest[..end].to_ascii_lowercase()))
}

/// What the author of an e-mail has written, in small letters.
struct Written(Vec<String>);

impl Written {
    fn new(text: &EmailText) -> Self {
        let page = text.page.as_ref().unwrap_or(&text.template);
        let layout = text.layout.as_ref().map(|layout| &layout.page);
        let all = [Some(&**page), layout].into_iter().flatten();
        Self(all.map(|one| one.source().to_ascii_lowercase()).collect())
    }

    /// Whether a host stands in it as a whole.
    fn has(&self, host: &str) -> bool {
        let ends = |rest: &str| {
            let next = rest.chars().next();
            next.is_none_or(|next| {
                !next.is_alphanumeric() && !matches!(next, '.' | '-' | ':' | '@' | '{')
            })
        };
        let stands_in = |text: &String| {
            text.match_indices(host).any(|(at, _)| {
                let rest = &text[at + host.len()..];
                // A full stop may end the sentence, not go on with the name.
                ends(rest) || rest.strip_prefix(['.', ':']).is_some_and(ends)
            })
        };
        self.0.iter().any(stands_in)
    }
}

/// An address in ASCII, as headers hold it.
fn plain(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for byte in url.bytes() {
        if byte.is_ascii_graphic() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// What a token says: the e-mail's job, and where the link leads.
fn open(key: &Secret, token: &str) -> Option<(Id, String)> {
    let text = SEAL.open(key, token)?;
    let (job, target) = text.split_first_chunk::<ID>()?;
    let target = String::from_utf8(target.to_vec()).ok()?;
    host(&target).is_some().then_some((Id(*job), target))
}

/// Answers a request below [`PATH`].
pub(super) async fn answer(app: &App, path: &str, method: &Method, headers: &HeaderMap) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return answer::wrong_method(&[String::from("GET")]);
    }
    let Ok(key) = unsubscribe::key(app).await else {
        return answer::error(503, answer::CANNOT_STORE);
    };
    let found = path.strip_prefix(PATH).and_then(|token| open(&key, token));
    let Some((job, target)) = found else { return unsubscribe::not_ours(mail::words(None)) };
    let Ok(location) = HeaderValue::from_str(&target) else {
        return unsubscribe::not_ours(mail::words(None));
    };
    if *method == Method::GET && wants_to_be_counted(headers) {
        count(app, job).await;
    }
    let mut answer = Response::new(Either::Left(Full::new(Bytes::new())));
    *answer.status_mut() = StatusCode::FOUND;
    let told = answer.headers_mut();
    told.insert(LOCATION, location);
    told.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    told.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    told.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    answer
}

/// Whether this is a person who clicks and has not asked to be left alone.
fn wants_to_be_counted(headers: &HeaderMap) -> bool {
    let says = |name: &str, word: &str| {
        let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.any(|value| value.trim().to_ascii_lowercase().contains(word))
    };
    let prefetches = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
    !(prefetches.iter().any(|name| says(name, "prefetch") || says(name, "preview"))
        || says("dnt", "1")
        || says("sec-gpc", "1"))
}

/// Counts a click, if it is the first on this e-mail. The person is sent on even if it cannot
/// be counted.
async fn count(app: &App, job: Id) {
    let Ok(Some((found, _))) = app.store.job(job).await else { return };
    let Task::Email(email) = found.task else { return };
    let counted = Counted {
        sequence: email.sequence,
        step: email.name,
        variant: email.variant,
        what: Tally::Clicked,
        reason: None,
    };
    let writes = vec![Write::TallyOnce { job, counted }];
    let _ = app.store.commit(Commit { now: app.millis(), writes, ..Commit::default() }).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_that_the_author_wrote_as_a_whole_is_led_over() {
        let written = Written(vec![String::from(
            "see https://example.com/a or <a href=\"https://shop.example\">it</a>, https://x.test.\n\
             and https://open.example{{path}}",
        )]);
        for host in ["https://example.com", "https://shop.example", "https://x.test"] {
            assert!(written.has(host), "{host}");
        }
        for host in [
            "https://example.co",
            "https://evil.test",
            "http://example.com",
            "https://example.com.evil.test",
            "https://open.example",
        ] {
            assert!(!written.has(host), "{host}");
        }
    }

    #[test]
    fn a_host_ends_where_browsers_end_it() {
        for (url, expected) in [
            ("https://Example.com/a?b#c", Some("https://example.com")),
            ("https://example.com\\@evil.test", Some("https://example.com")),
            ("https://a@evil.test/", Some("https://a@evil.test")),
            ("HTTP://example.com", Some("http://example.com")),
            ("javascript://example.com/%0aalert(1)", None),
            ("mailto:a@example.com", None),
            ("https:///example.com", None),
            ("//example.com", None),
        ] {
            assert_eq!(host(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_token_says_what_it_was_made_of_and_no_changed_bit_opens() {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let key = Secret::new("k");
        let mut text = vec![7; ID];
        text.extend(b"https://example.com/");
        let token = SEAL.seal(&key, text).unwrap();
        assert_eq!(open(&key, &token), Some((Id([7; ID]), "https://example.com/".into())));
        assert_eq!(open(&Secret::new("other"), &token), None);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&key, &URL_SAFE_NO_PAD.encode(&other)), None, "bit {bit}");
        }
        let foreign = SEAL.seal(&key, [&[7; ID][..], b"javascript:alert(1)"].concat()).unwrap();
        assert_eq!(open(&key, &foreign), None, "no web address");
    }

    #[test]
    fn addresses_fit_into_a_header_whatever_stands_in_them() {
        assert_eq!(plain("https://example.com/ü b\n"), "https://example.com/%C3%BC%20b%0A");
        assert!(HeaderValue::from_str(&plain("https://example.com/ü\r\nSet-Cookie: a")).is_ok());
    }
}
