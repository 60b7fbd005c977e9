//! The last part of an unsubscribe link: who it was sent to, with which e-mail of which
//! sequence, sealed so that nobody can read an address out of a link or make one up.

use crate::base::{Id, Secret};
use crate::serve::ingress::seal::Seal;

const SEAL: Seal =
    Seal { version: 2, key: b"unsubscribe key", nonce: b"unsubscribe nonce", longest: 2048 };
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
    /// The token as it stands in a link: the same each time.
    #[must_use]
    pub fn seal(&self, key: &Secret) -> String {
        self.sealed(key).unwrap_or_default()
    }

    fn sealed(&self, key: &Secret) -> Option<String> {
        let length = u16::try_from(self.sequence.len()).ok()?;
        let mut text = self.job.0.to_vec();
        text.extend(length.to_be_bytes());
        text.extend(self.sequence.as_bytes());
        text.extend(self.person.as_bytes());
        SEAL.seal(key, text)
    }

    /// Reads a token; none when it is not one of ours, whatever is wrong with it.
    #[must_use]
    pub fn open(key: &Secret, token: &str) -> Option<Self> {
        let text = SEAL.open(key, token)?;
        let (job, rest) = text.split_first_chunk::<ID>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (sequence, person) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Self { job: Id(*job), sequence: text(sequence)?, person: text(person)? })
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

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
