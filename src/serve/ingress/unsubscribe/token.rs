//! The last part of an unsubscribe link: who it was sent to, with which e-mail of which
//! sequence. It is encrypted and authenticated (`ChaCha20-Poly1305`) with a key that only this
//! store has, so nobody can read an address out of a link, make one up, or put two together.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;

use crate::base::{Id, Secret};

/// The version of the format. It is authenticated too.
const VERSION: u8 = 2;
/// No token is longer, in letters.
const LONGEST: usize = 2048;
/// Bytes of a job's id.
const ID: usize = 16;

/// What a link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The e-mail's job.
    pub job: Id,
    /// Its sequence.
    pub sequence: String,
    /// To whom it was sent, lower-cased.
    pub person: String,
}

impl Token {
    /// The token as it stands in a link: the same each time. Its nonce follows from what it
    /// says, so that no two texts ever share one.
    #[must_use]
    pub fn seal(&self, key: &Secret) -> String {
        self.sealed(key).map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).unwrap_or_default()
    }

    fn sealed(&self, key: &Secret) -> Option<Vec<u8>> {
        let length = u16::try_from(self.sequence.len()).ok()?;
        let mut text = self.job.0.to_vec();
        text.extend(length.to_be_bytes());
        text.extend(self.sequence.as_bytes());
        text.extend(self.person.as_bytes());
        let nonce: [u8; NONCE_LEN] =
            derive(key, b"unsubscribe nonce", &text)?[..NONCE_LEN].try_into().ok()?;
        let cipher = cipher(key)?;
        let sealing = Nonce::assume_unique_for_key(nonce);
        cipher.seal_in_place_append_tag(sealing, Aad::from([VERSION]), &mut text).ok()?;
        Some([&[VERSION], &nonce[..], &text].concat())
    }

    /// Reads a token; none when it is not one of ours, whatever is wrong with it.
    #[must_use]
    pub fn open(key: &Secret, token: &str) -> Option<Self> {
        if token.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (&version, rest) = bytes.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut sealed = sealed.to_vec();
        let text = cipher(key)?.open_in_place(nonce, Aad::from([version]), &mut sealed).ok()?;
        let (job, rest) = text.split_first_chunk::<ID>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (sequence, person) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let token = Self { job: Id(*job), sequence: text(sequence)?, person: text(person)? };
        (version == VERSION).then_some(token)
    }
}

fn cipher(key: &Secret) -> Option<LessSafeKey> {
    let key = derive(key, b"unsubscribe key", &[])?;
    Some(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key).ok()?))
}

/// 32 bytes that follow from the store's key, for one use each.
fn derive(key: &Secret, label: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).ok()?;
    mac.update(label);
    mac.update(&[0]);
    mac.update(text);
    Some(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(person: &str) -> Token {
        Token { job: Id([7; 16]), sequence: "welcome".into(), person: person.into() }
    }

    #[test]
    fn a_link_reads_back_and_shows_nobody_whom_it_is_for() {
        let key = Secret::new("k");
        let token = of("sarah@example.com");
        let sealed = token.seal(&key);
        assert_eq!(Token::open(&key, &sealed), Some(token.clone()));
        assert_eq!(token.seal(&key), sealed, "the same e-mail has the same link");
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for shown in ["sarah", "example", "welcome"] {
            assert!(!bytes.windows(shown.len()).any(|part| part == shown.as_bytes()));
        }
    }

    #[test]
    fn no_single_changed_bit_cut_or_foreign_half_opens() {
        let key = Secret::new("k");
        let ours = URL_SAFE_NO_PAD.decode(of("sarah@example.com").seal(&key)).unwrap();
        let theirs = URL_SAFE_NO_PAD.decode(of("peter@example.com").seal(&key)).unwrap();
        assert_eq!(ours.len(), theirs.len());
        let opens = |bytes: &[u8]| Token::open(&key, &URL_SAFE_NO_PAD.encode(bytes)).is_some();
        for bit in 0..ours.len() * 8 {
            let mut other = ours.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&other), "bit {bit}");
        }
        for at in 0..ours.len() {
            assert!(!opens(&ours[..at]), "cut at {at}");
            let mixed = [&ours[..at], &theirs[at..]].concat();
            assert!(at == 0 || mixed == ours || mixed == theirs || !opens(&mixed), "mixed at {at}");
        }
        assert_eq!(Token::open(&Secret::new("other"), &URL_SAFE_NO_PAD.encode(&ours)), None);
    }
}
