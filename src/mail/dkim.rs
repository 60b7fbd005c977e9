//! DKIM (RFC 6376): a signature over a message by which a mailbox provider sees that it comes
//! from the sender's domain. Both kinds of key give the same signature for the same message
//! each time, so a retry sends the same bytes. `relaxed` is used for headers and body, because
//! relays wrap lines and trim blanks.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use sha2::{Digest as _, Sha256};

/// The headers that are signed where a message has them. `Message-ID` and `Date` are not among
/// them: relays such as Amazon SES put their own in. RFC 8058 wants both of `List-Unsubscribe`.
const SIGNED: [&str; 10] = [
    "from",
    "to",
    "reply-to",
    "subject",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
];
/// Of these nobody may add another on the way: each is listed once more than it occurs.
const ONCE: [&str; 4] = ["from", "to", "reply-to", "subject"];
/// Letters of a signature on one line.
const LINE: usize = 72;

/// A private key that everybody knows (RFC 8410 prints it): where nothing is sent, or only to
/// this machine, it stands in for one that is not there.
pub const EXAMPLE_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
     MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
     -----END PRIVATE KEY-----";

/// Why a key cannot be used. The key itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DkimError {
    /// No PEM, or of something else.
    #[error("it is not a private key in PEM form, which begins with `-----BEGIN PRIVATE KEY-----`")]
    Pem,
    /// The half that belongs into the DNS.
    #[error("it is the public key; signing takes the private one")]
    Public,
    /// It wants a password.
    #[error("it is locked with a password; save it without one")]
    Locked,
    /// Neither RSA nor Ed25519, too short, or damaged.
    #[error("it is not an RSA key of at least 2048 bits, nor an Ed25519 key")]
    Key,
    /// No domain name.
    #[error("`domain` is not a domain such as example.com")]
    Domain,
    /// No selector.
    #[error("`selector` takes letters, digits, dots and dashes, such as mail2026")]
    Selector,
}

enum Key {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A domain's signature.
pub struct Dkim {
    domain: String,
    selector: String,
    key: Key,
}

impl std::fmt::Debug for Dkim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}._domainkey.{}", self.selector, self.domain)
    }
}

/// Two are the same when they ask for the same record in the DNS.
impl PartialEq for Dkim {
    fn eq(&self, other: &Self) -> bool {
        self.record() == other.record()
    }
}

impl Dkim {
    /// A domain's signature with the private key in this PEM text.
    ///
    /// # Errors
    /// What is wrong with the key, the domain or the selector.
    pub fn new(domain: &str, selector: &str, pem: &str) -> Result<Self, DkimError> {
        let key = read_key(pem)?;
        if !is_name(domain) || !domain.contains('.') {
            return Err(DkimError::Domain);
        }
        if !is_name(selector) {
            return Err(DkimError::Selector);
        }
        Ok(Self { domain: domain.to_ascii_lowercase(), selector: selector.to_owned(), key })
    }

    /// The DNS record to publish: the name of a TXT record, and its text.
    #[must_use]
    pub fn record(&self) -> (String, String) {
        let name = format!("{}._domainkey.{}", self.selector, self.domain);
        let (kind, public) = match &self.key {
            Key::Rsa(key) => ("rsa", subject_public_key(key.public().as_ref())),
            Key::Ed25519(key) => ("ed25519", key.public_key().as_ref().to_vec()),
        };
        (name, format!("v=DKIM1; k={kind}; p={}", STANDARD.encode(public)))
    }

    /// The message with its signature as the first header.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let (head, body) = split(message);
        let fields = fields(head);
        let mut names = Vec::new();
        let mut text = Vec::new();
        for name in SIGNED {
            let found: Vec<_> = fields.iter().filter(|(known, _)| known == name).collect();
            for (_, value) in found.iter().rev() {
                names.push(name);
                text.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
            }
            if ONCE.contains(&name) {
                names.push(name);
            }
        }
        let algorithm = match self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        };
        let mut value = format!(
            "v=1; a={algorithm}; c=relaxed/relaxed; d={};\r\n\ts={}; q=dns/txt;\r\n\th=",
            self.domain, self.selector
        );
        for (index, pair) in names.chunks(4).enumerate() {
            let more = if index == 0 { "" } else { ":\r\n\t  " };
            // Writing to a string cannot fail.
            let _ = write!(value, "{more}{}", pair.join(":"));
        }
        let digest = STANDARD.encode(Sha256::digest(relaxed_body(body)));
        let _ = write!(value, ";\r\n\tbh={digest};\r\n\tb=");
        text.extend_from_slice(format!("dkim-signature:{}", relaxed(&value)).as_bytes());
        let signature = STANDARD.encode(self.seal(&text));
        let lines: Vec<&str> = signature
            .as_bytes()
            .chunks(LINE)
            .map(|line| std::str::from_utf8(line).unwrap_or_default())
            .collect();
        let mut signed =
            format!("DKIM-Signature: {value}{}\r\n", lines.join("\r\n\t ")).into_bytes();
        signed.extend_from_slice(message);
        signed
    }

    fn seal(&self, text: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                // It fails only where the buffer does not fit the key, which it does.
                let _ = key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature);
                signature
            }
            // RFC 8463 signs the digest.
            Key::Ed25519(key) => key.sign(&Sha256::digest(text)).as_ref().to_vec(),
        }
    }
}

/// Whether this is made of labels as names in the DNS are.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= 200 && text.split('.').all(label)
}

fn read_key(pem: &str) -> Result<Key, DkimError> {
    // A variable holds line breaks as `\n` where its file has one line per value.
    let pem = pem.replace("\\n", "\n");
    let (_, rest) = pem.split_once("-----BEGIN ").ok_or(DkimError::Pem)?;
    let (label, rest) = rest.split_once("-----").ok_or(DkimError::Pem)?;
    let (body, _) = rest.split_once("-----END ").ok_or(DkimError::Pem)?;
    if label.contains("PUBLIC") {
        return Err(DkimError::Public);
    }
    if label.contains("ENCRYPTED") || body.contains("ENCRYPTED") {
        return Err(DkimError::Locked);
    }
    let body: String = body.split_whitespace().collect();
    let der = STANDARD.decode(body).map_err(|_| DkimError::Pem)?;
    match label {
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).map(Key::Rsa),
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der)
            .map(Key::Rsa)
            .or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Key::Ed25519)),
        "EC PRIVATE KEY" | "OPENSSH PRIVATE KEY" => return Err(DkimError::Key),
        _ => return Err(DkimError::Pem),
    }
    .map_err(|_| DkimError::Key)
}

/// An RSA public key in the envelope in which the DNS has it (`SubjectPublicKeyInfo`).
fn subject_public_key(key: &[u8]) -> Vec<u8> {
    /// The algorithm `rsaEncryption`, without parameters.
    const RSA: [u8; 15] = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    let bits = element(0x03, &[&[0], key].concat());
    element(0x30, &[&RSA[..], &bits].concat())
}

/// One element in DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let size = content.len().to_be_bytes();
    let size = size.split_at(size.iter().take_while(|byte| **byte == 0).count()).1;
    let mut bytes = vec![tag];
    match (content.len(), u8::try_from(size.len())) {
        (..128, _) => bytes.extend(size.first().or(Some(&0))),
        (_, count) => {
            bytes.push(0x80 | count.unwrap_or(0));
            bytes.extend_from_slice(size);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

/// The headers with their last line break, and the body.
fn split(message: &[u8]) -> (&[u8], &[u8]) {
    match message.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(at) => (&message[..at + 2], &message[at + 4..]),
        None => (message, b""),
    }
}

/// Every header: its name in small letters and its relaxed value, in order.
fn fields(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head);
    let mut unfolded: Vec<String> = Vec::new();
    for line in text.split_terminator("\r\n") {
        match unfolded.last_mut() {
            Some(field) if line.starts_with([' ', '\t']) => field.push_str(line),
            _ => unfolded.push(line.to_owned()),
        }
    }
    let named = unfolded.iter().filter_map(|field| field.split_once(':'));
    named.map(|(name, value)| (name.trim().to_ascii_lowercase(), relaxed(value))).collect()
}

/// A value on one line, in which every run of blanks is one.
fn relaxed(value: &str) -> String {
    let words = value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// A body in which every run of blanks is one, without any at the ends of lines, and without
/// empty lines at the end.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len() + 2);
    let body = body.strip_suffix(b"\r\n").unwrap_or(body);
    let mut full = 0;
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut blank = false;
        for byte in line {
            if matches!(byte, b' ' | b'\t') {
                blank = true;
                continue;
            }
            if std::mem::take(&mut blank) {
                text.push(b' ');
            }
            text.push(*byte);
            full = text.len() + 2;
        }
        text.extend_from_slice(b"\r\n");
    }
    text.truncate(full);
    text
}

#[cfg(test)]
mod tests {
    use super::{Dkim, EXAMPLE_KEY, element, fields, relaxed_body};

    #[test]
    fn headers_and_body_are_brought_into_the_form_that_rfc_6376_shows() {
        // Section 3.4.5 of the RFC.
        let found = fields(b"A: X\r\nB : Y\t\r\n\tZ  \r\n");
        assert_eq!(found, [("a".into(), "X".into()), ("b".into(), "Y Z".into())]);
        assert_eq!(relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n"), b" C\r\nD E\r\n");
    }

    #[test]
    fn an_empty_body_stays_empty_and_the_last_line_is_ended() {
        for (body, canonical) in
            [("", ""), ("\r\n\r\n", ""), ("a", "a\r\n"), ("\r\na", "\r\na\r\n")]
        {
            assert_eq!(relaxed_body(body.as_bytes()), canonical.as_bytes(), "{body:?}");
        }
    }

    #[test]
    fn the_record_names_the_key_and_the_same_message_gets_the_same_signature() {
        let dkim = Dkim::new("Example.COM", "mail", EXAMPLE_KEY).unwrap();
        let (name, text) = dkim.record();
        assert_eq!(name, "mail._domainkey.example.com");
        // The public half, as the RFC prints it.
        assert_eq!(text, "v=DKIM1; k=ed25519; p=Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
        let message = b"From: a@example.com\r\nSubject: Hi\r\n\r\nHi\r\n";
        let signed = String::from_utf8(dkim.sign(message)).unwrap();
        assert_eq!(signed.as_bytes(), dkim.sign(message));
        assert!(signed.starts_with("DKIM-Signature: v=1; a=ed25519-sha256; "), "{signed}");
        assert!(signed.lines().all(|line| line.len() <= 100), "{signed}");
    }

    #[test]
    fn lengths_are_written_as_der_has_them() {
        assert_eq!(element(4, &[])[..2], [4, 0]);
        assert_eq!(element(4, &[7; 127])[..3], [4, 127, 7]);
        assert_eq!(element(4, &[7; 128])[..4], [4, 0x81, 128, 7]);
        assert_eq!(element(4, &[7; 300])[..5], [4, 0x82, 1, 44, 7]);
    }
}
