//! The HMAC itself, and how the text of a secret becomes its key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Scheme;
use crate::base::Secret;

/// Length of an HMAC-SHA256 in bytes.
pub(super) const MAC_LENGTH: usize = 32;

/// One MAC.
pub(super) type MacBytes = [u8; MAC_LENGTH];

/// The HMAC-SHA256 over the parts, one after another.
pub(super) fn mac(scheme: Scheme, secret: &Secret, parts: &[&[u8]]) -> MacBytes {
    let key = match scheme {
        Scheme::Standard => standard_key(secret),
        _ => secret.expose().as_bytes().to_vec(),
    };
    let Ok(mut keyed) = Hmac::<Sha256>::new_from_slice(&key) else {
        // An HMAC takes keys of every length.
        return [0; MAC_LENGTH];
    };
    for part in parts {
        keyed.update(part);
    }
    keyed.finalize().into_bytes().into()
}

/// The key of a Standard Webhooks secret: `whsec_` is taken off, and the rest is decoded
/// where it is base64; else its bytes are the key.
fn standard_key(secret: &Secret) -> Vec<u8> {
    let text = bare(secret);
    STANDARD.decode(text).unwrap_or_else(|_| text.as_bytes().to_vec())
}

fn bare(secret: &Secret) -> &str {
    let text = secret.expose();
    text.strip_prefix("whsec_").unwrap_or(text)
}
