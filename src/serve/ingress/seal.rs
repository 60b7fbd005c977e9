//! Tokens in links: what they say is encrypted and authenticated (`ChaCha20-Poly1305`) with a
//! key that only this store has, so nobody can read them, make one up, or put two together.
//! The nonce follows from what a token says: the same text is the same token each time, and no
//! two texts ever share a nonce.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;

use crate::base::Secret;

/// One kind of token. Kinds have keys of their own, so that none is taken for another.
pub(super) struct Seal {
    /// The version of its format. It is authenticated too.
    pub(super) version: u8,
    /// What its key is derived for.
    pub(super) key: &'static [u8],
    /// What its nonces are derived for.
    pub(super) nonce: &'static [u8],
    /// No token is longer, in letters.
    pub(super) longest: usize,
}

impl Seal {
    /// The token that says this.
    pub(super) fn seal(&self, key: &Secret, mut text: Vec<u8>) -> Option<String> {
        let nonce: [u8; NONCE_LEN] =
            derive(key, self.nonce, &text)?[..NONCE_LEN].try_into().ok()?;
        let sealing = Nonce::assume_unique_for_key(nonce);
        let aad = Aad::from([self.version]);
        self.cipher(key)?.seal_in_place_append_tag(sealing, aad, &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&[self.version], &nonce[..], &text].concat()))
    }

    /// What a token says; none when it is not one of ours, whatever is wrong with it.
    pub(super) fn open(&self, key: &Secret, token: &str) -> Option<Vec<u8>> {
        if token.len() > self.longest {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (&version, rest) = bytes.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut sealed = sealed.to_vec();
        let aad = Aad::from([version]);
        let text = self.cipher(key)?.open_in_place(nonce, aad, &mut sealed).ok()?;
        (version == self.version).then(|| text.to_vec())
    }

    fn cipher(&self, key: &Secret) -> Option<LessSafeKey> {
        let key = derive(key, self.key, &[])?;
        Some(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key).ok()?))
    }
}

/// 32 bytes that follow from the store's key, for one use each.
fn derive(key: &Secret, label: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).ok()?;
    mac.update(label);
    mac.update(&[0]);
    mac.update(text);
    Some(mac.finalize().into_bytes().to_vec())
}
