//! Checking what a call presented: first that it can be read, then that its time is near,
//! then that one of its signatures was made with one of the secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use super::key::{MAC_LENGTH, MacBytes, mac};
use super::{Presented, Scheme, SignatureFault, Verified};
use crate::base::Secret;

/// More signatures than this in one header are not looked at; it bounds the work.
const MAX_TOKENS: usize = 16;
/// Longest webhook id that is accepted, in bytes.
const MAX_ID: usize = 256;

/// How far from now a timestamp may lie, all in seconds.
#[derive(Clone, Copy)]
pub(super) struct Window {
    /// The present, since 1970.
    pub(super) now: i64,
    /// The distance, backwards and forwards.
    pub(super) max_age: i64,
}

impl Window {
    fn check(self, seconds: i64) -> Result<(), SignatureFault> {
        if seconds < self.now.saturating_sub(self.max_age) {
            Err(fault("the timestamp is too old"))
        } else if seconds > self.now.saturating_add(self.max_age) {
            Err(fault("the timestamp lies in the future"))
        } else {
            Ok(())
        }
    }
}

/// Checks one call.
pub(super) fn check(
    scheme: Scheme,
    secrets: &[Secret],
    presented: &Presented<'_>,
    body: &[u8],
    window: Window,
    time_optional: bool,
) -> Result<Verified, SignatureFault> {
    let header = presented
        .signature
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| fault("the signature header is missing"))?;
    match scheme {
        Scheme::Body | Scheme::Github => {
            if scheme == Scheme::Body {
                match presented.timestamp {
                    Some(text) => window.check(seconds(text)?)?,
                    None if time_optional => {}
                    None => return Err(fault("the timestamp header is missing")),
                }
            }
            let given = vec![hex_mac(header)?];
            let held = matching(scheme, secrets, &given, &[body])?;
            Ok(Verified { identity: identity(&held, ""), time_signed: false })
        }
        Scheme::Timestamped => {
            let time =
                presented.timestamp.ok_or_else(|| fault("the timestamp header is missing"))?.trim();
            window.check(seconds(time)?)?;
            let given = vec![hex_mac(header)?];
            let held = matching(scheme, secrets, &given, &[time.as_bytes(), b".", body])?;
            Ok(Verified { identity: identity(&held, time), time_signed: true })
        }
        Scheme::Standard => standard(secrets, presented, header, body, window),
        Scheme::Stripe => {
            let (time, given) = stripe_parts(header)?;
            window.check(seconds(time)?)?;
            let held = matching(scheme, secrets, &given, &[time.as_bytes(), b".", body])?;
            Ok(Verified { identity: identity(&held, time), time_signed: true })
        }
    }
}

fn standard(
    secrets: &[Secret],
    presented: &Presented<'_>,
    header: &str,
    body: &[u8],
    window: Window,
) -> Result<Verified, SignatureFault> {
    let id = presented.id.ok_or_else(|| fault("the webhook-id header is missing"))?.trim();
    if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(fault("the webhook-id header is malformed"));
    }
    let time =
        presented.timestamp.ok_or_else(|| fault("the webhook-timestamp header is missing"))?.trim();
    window.check(seconds(time)?)?;
    // Tokens of other versions, such as `v1a`, are left to those who know them.
    let given: Vec<MacBytes> = header
        .split_ascii_whitespace()
        .take(MAX_TOKENS)
        .filter_map(|token| token.strip_prefix("v1,"))
        .filter_map(|text| STANDARD.decode(text).ok())
        .filter_map(|bytes| bytes.try_into().ok())
        .collect();
    if given.is_empty() {
        return Err(fault("the signature header is malformed: it holds no `v1,` signature"));
    }
    let parts = [id.as_bytes(), b".", time.as_bytes(), b".", body];
    matching(Scheme::Standard, secrets, &given, &parts)?;
    Ok(Verified { identity: format!("webhook-id:{id}"), time_signed: true })
}

/// The time and the `v1` signatures of a `Stripe-Signature` header.
fn stripe_parts(header: &str) -> Result<(&str, Vec<MacBytes>), SignatureFault> {
    let pairs =
        || header.split(',').take(MAX_TOKENS).filter_map(|pair| pair.trim().split_once('='));
    let time = pairs()
        .find(|(name, _)| *name == "t")
        .map(|(_, value)| value)
        .ok_or_else(|| fault("the signature header is malformed: it has no `t=`"))?;
    let given: Vec<MacBytes> = pairs()
        .filter(|(name, _)| *name == "v1")
        .filter_map(|(_, value)| hex_mac(value).ok())
        .collect();
    if given.is_empty() {
        return Err(fault("the signature header is malformed: it holds no `v1=` signature"));
    }
    Ok((time, given))
}

/// The presented MAC that one of the secrets makes. Every pair is compared, whatever the
/// earlier ones came to.
fn matching(
    scheme: Scheme,
    secrets: &[Secret],
    given: &[MacBytes],
    parts: &[&[u8]],
) -> Result<MacBytes, SignatureFault> {
    let mut held = [0; MAC_LENGTH];
    let mut found = subtle::Choice::from(0);
    for secret in secrets {
        let ours = mac(scheme, secret, parts);
        for theirs in given {
            let same = ours.ct_eq(theirs);
            for (kept, byte) in held.iter_mut().zip(&ours) {
                kept.conditional_assign(byte, same);
            }
            found |= same;
        }
    }
    if found.into() { Ok(held) } else { Err(fault("the signature does not match")) }
}

/// A MAC written in hex, bare or after `sha256=`.
fn hex_mac(text: &str) -> Result<MacBytes, SignatureFault> {
    let mut bytes = [0; MAC_LENGTH];
    let bare = text.strip_prefix("sha256=").unwrap_or(text);
    hex::decode_to_slice(bare, &mut bytes)
        .map_err(|_| fault("the signature is malformed: 64 hexadecimal digits are expected"))?;
    Ok(bytes)
}

/// Whole seconds since 1970, written with digits alone.
fn seconds(text: &str) -> Result<i64, SignatureFault> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(fault("the timestamp is malformed: whole seconds since 1970 are expected"));
    }
    text.parse().map_err(|_| fault("the timestamp lies in the future"))
}

/// Names a call by what was signed. The MAC itself is not kept, only its digest.
fn identity(held: &MacBytes, time: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(held);
    hash.update(time.as_bytes());
    format!("signature:{}", hex::encode(hash.finalize()))
}

fn fault(message: &str) -> SignatureFault {
    SignatureFault { message: message.to_owned() }
}
