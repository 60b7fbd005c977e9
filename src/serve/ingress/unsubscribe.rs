//! Leaving a mailing list. The link in an e-mail carries a token that only we can make;
//! opening it (which link scanners do) shows a page with a button, and only the button's
//! POST, or the mail program's one-click POST (RFC 8058), unsubscribes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, REFERRER_POLICY};
use hyper::{Method, Request, Response};
use sha2::Sha256;

use super::answer::{self, Answer};
use crate::base::Secret;
use crate::model::commit::{Commit, Write};
use crate::serve::app::App;
use crate::serve::clock;
use crate::serve::journal::Kind;
use crate::store::StoreError;

/// Where unsubscribe links lead.
pub const PATH: &str = "/unsubscribe/";
/// The flag that holds the key with which tokens are made.
const KEY_FLAG: &str = "unsubscribe key";

/// The store's own key for tokens, made when it is first needed. Whoever asks meanwhile waits
/// for that one: a second key would make the links of the first invalid.
///
/// # Errors
/// The store cannot be read or written.
pub async fn key(app: &App) -> Result<Secret, StoreError> {
    app.unsubscribe_key.get_or_try_init(|| find_or_make_key(app)).await.cloned()
}

async fn find_or_make_key(app: &App) -> Result<Secret, StoreError> {
    if let Some(key) = app.store.flag(KEY_FLAG).await? {
        return Ok(Secret::new(key));
    }
    let key = clock::new_secret();
    let write = Write::Flag { name: KEY_FLAG.to_owned(), value: Some(key.clone()) };
    app.store
        .commit(Commit { now: app.millis(), writes: vec![write], ..Commit::default() })
        .await?;
    Ok(Secret::new(key))
}

/// The link for one person.
#[must_use]
pub fn link(public_url: &str, key: &Secret, address: &str) -> String {
    let address = address.to_lowercase();
    let token = URL_SAFE_NO_PAD.encode(seal(key, &address));
    format!("{public_url}{PATH}{}.{token}", URL_SAFE_NO_PAD.encode(address))
}

fn seal(key: &Secret, address: &str) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else {
        return Vec::new();
    };
    mac.update(b"unsubscribe:");
    mac.update(address.as_bytes());
    mac.finalize().into_bytes()[..20].to_vec()
}

/// The address that a token was made for.
fn open(key: &Secret, token: &str) -> Option<String> {
    use subtle::ConstantTimeEq as _;
    let (address, given) = token.split_once('.')?;
    let address = String::from_utf8(URL_SAFE_NO_PAD.decode(address).ok()?).ok()?;
    let given = URL_SAFE_NO_PAD.decode(given).ok()?;
    let ours = seal(key, &address);
    bool::from(ours.ct_eq(&given)).then_some(address)
}

/// Answers a request below [`PATH`].
pub async fn answer(app: &App, path: &str, request: Request<Incoming>) -> Answer {
    let Ok(key) = key(app).await else {
        return answer::error(503, answer::CANNOT_STORE);
    };
    let Some(address) = path.strip_prefix(PATH).and_then(|token| open(&key, token)) else {
        return page(
            404,
            "This link is not complete. Please copy the whole link from the e-mail.",
            false,
        );
    };
    match *request.method() {
        Method::GET | Method::HEAD => {
            page(200, &format!("Stop sending e-mails to {address}?"), true)
        }
        Method::POST => unsubscribe(app, &address).await,
        _ => answer::wrong_method(&["GET".to_owned(), "POST".to_owned()]),
    }
}

async fn unsubscribe(app: &App, address: &str) -> Answer {
    let write = Write::Suppress {
        address: address.to_owned(),
        reason: String::from("unsubscribed"),
        note: String::from("by the link in an e-mail"),
    };
    let commit = Commit { now: app.millis(), writes: vec![write], ..Commit::default() };
    match app.store.commit(commit).await {
        Ok(_) => {
            app.journal.say(Kind::Skipped, &format!("{address} unsubscribed"));
            page(200, &format!("{address} gets no more of these e-mails."), false)
        }
        Err(_) => answer::error(503, answer::CANNOT_STORE),
    }
}

/// A small page without scripts or foreign parts.
fn page(status: u16, text: &str, ask: bool) -> Answer {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let button = if ask {
        "<form method=\"post\"><button style=\"font:inherit;padding:.5em 1em\">Unsubscribe</button></form>"
    } else {
        ""
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\"><title>Unsubscribe\
         </title><body style=\"font:1.1em sans-serif;max-width:32em;margin:4em auto;padding:0 1em\">\
         <p>{text}</p>{button}</body></html>"
    );
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(html))));
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        "content-security-policy",
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
        ),
    );
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_open() {
        let key = Secret::new("k");
        let link = link("https://mail.example.com", &key, "Sarah@Example.com");
        let token = link.rsplit('/').next().expect("a token");
        assert_eq!(open(&key, token).as_deref(), Some("sarah@example.com"));
        assert_eq!(open(&Secret::new("other"), token), None);
        let forged = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode("bob@example.com"),
            token.split_once('.').expect("two parts").1
        );
        assert_eq!(open(&key, &forged), None);
        assert_eq!(open(&key, ""), None);
    }
}
