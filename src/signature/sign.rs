//! Making the headers of one attempt.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::key::mac;
use super::{Headers, Scheme};
use crate::base::Secret;

/// The headers that sign `body` at `seconds` since 1970.
pub(super) fn headers(
    scheme: Scheme,
    secrets: &[Secret],
    id: &str,
    seconds: i64,
    body: &[u8],
) -> Headers {
    let Some(current) = secrets.first() else { return Headers::new() };
    let time = seconds.to_string();
    let stamped = [time.as_bytes(), b".", body];
    let hex = |parts: &[&[u8]]| hex::encode(mac(scheme, current, parts));
    match scheme {
        Scheme::Body => {
            vec![("X-Webhook-Signature-256", hex(&[body])), ("X-Webhook-Timestamp", time.clone())]
        }
        Scheme::Timestamped => {
            vec![("X-Webhook-Signature-256", hex(&stamped)), ("X-Webhook-Timestamp", time.clone())]
        }
        Scheme::Standard => {
            let parts = [id.as_bytes(), b".", time.as_bytes(), b".", body];
            let token = |secret| format!("v1,{}", STANDARD.encode(mac(scheme, secret, &parts)));
            let tokens: Vec<String> = secrets.iter().map(token).collect();
            vec![
                ("webhook-id", id.to_owned()),
                ("webhook-timestamp", time.clone()),
                ("webhook-signature", tokens.join(" ")),
            ]
        }
        Scheme::Github => vec![("X-Hub-Signature-256", format!("sha256={}", hex(&[body])))],
        Scheme::Stripe => {
            vec![("Stripe-Signature", format!("t={time},v1={}", hex(&stamped)))]
        }
    }
}
