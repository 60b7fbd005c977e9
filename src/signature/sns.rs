//! What Amazon SNS sends, and whether it comes from Amazon: a message is signed with a key
//! whose certificate lies at an address of Amazon's. Only such addresses are believed, and
//! nothing is fetched here: the certificate is handed in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use serde::Deserialize;

/// A message as SNS sends it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    /// `Notification`, `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Its id, the same when it is sent again.
    pub message_id: String,
    /// The topic's ARN.
    pub topic_arn: String,
    /// A subject, if it has one.
    pub subject: Option<String>,
    /// What was published.
    pub message: String,
    /// When it was published, with its offset.
    pub timestamp: String,
    /// `1` is SHA-1, `2` is SHA-256.
    pub signature_version: String,
    /// The signature in base64.
    pub signature: String,
    /// Where the certificate lies.
    #[serde(rename = "SigningCertURL")]
    pub signing_cert_url: String,
    /// What has to be opened for the subscription to begin.
    #[serde(rename = "SubscribeURL")]
    pub subscribe_url: Option<String>,
    /// Part of that address.
    pub token: Option<String>,
}

impl Message {
    /// The text that is signed: the names and values of some fields, each on a line, in the
    /// order of the alphabet.
    #[must_use]
    pub fn signed_text(&self) -> String {
        let fields = if self.kind == "Notification" {
            vec![
                ("Message", Some(&*self.message)),
                ("MessageId", Some(&*self.message_id)),
                ("Subject", self.subject.as_deref()),
                ("Timestamp", Some(&*self.timestamp)),
                ("TopicArn", Some(&*self.topic_arn)),
                ("Type", Some(&*self.kind)),
            ]
        } else {
            vec![
                ("Message", Some(&*self.message)),
                ("MessageId", Some(&*self.message_id)),
                ("SubscribeURL", self.subscribe_url.as_deref()),
                ("Timestamp", Some(&*self.timestamp)),
                ("Token", self.token.as_deref()),
                ("TopicArn", Some(&*self.topic_arn)),
                ("Type", Some(&*self.kind)),
            ]
        };
        let given = fields.into_iter().filter_map(|(name, value)| Some([name, value?]));
        given.flatten().flat_map(|line| [line, "\n"]).collect()
    }

    /// Whether this certificate's key (PEM) has signed it.
    #[must_use]
    pub fn is_signed_by(&self, certificate: &[u8]) -> bool {
        let parameters = match self.signature_version.as_str() {
            "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "2" => &RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        let Ok(signature) = STANDARD.decode(&self.signature) else { return false };
        let Ok(certificate) = CertificateDer::from_pem_slice(certificate) else { return false };
        let Ok(certificate) = webpki::EndEntityCert::try_from(&certificate) else { return false };
        let text = self.signed_text();
        certificate.verify_signature(&Rsa(parameters), text.as_bytes(), &signature).is_ok()
    }
}

/// RSA with one of the hashes that SNS uses. TLS has no SHA-1 any more; SNS has unless a topic
/// says otherwise.
#[derive(Debug)]
struct Rsa(&'static RsaParameters);

impl SignatureVerificationAlgorithm for Rsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = UnparsedPublicKey::new(self.0, public_key);
        key.verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_PKCS1_SHA256
    }
}

/// Whether a certificate at this address is Amazon's:
/// `https://sns.REGION.amazonaws.com/SimpleNotificationService-ID.pem`, `.com.cn` in China.
#[must_use]
pub fn is_certificate_url(url: &str) -> bool {
    let Some(path) = path_at_amazon(url) else { return false };
    let id = path.strip_prefix("SimpleNotificationService-").and_then(|id| id.strip_suffix(".pem"));
    id.is_some_and(|id| is_word(id, false))
}

/// Whether opening this address tells SNS, and nobody else, that a subscription is wanted.
#[must_use]
pub fn is_subscribe_url(url: &str) -> bool {
    let Some(path) = path_at_amazon(url) else { return false };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=&:%-_.~".contains(&byte);
    let query = path.strip_prefix("?Action=ConfirmSubscription&");
    query.is_some_and(|query| url.len() <= 2048 && query.bytes().all(plain))
}

/// What follows `https://sns.REGION.amazonaws.com/`.
fn path_at_amazon(url: &str) -> Option<&str> {
    let (host, path) = url.strip_prefix("https://sns.")?.split_once('/')?;
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let region = host.strip_suffix(".amazonaws.com")?;
    // `sns.s3.amazonaws.com` and its like are somebody's bucket with the name "sns".
    let is_region = is_word(region, true) && region.contains('-') && !region.starts_with("s3");
    is_region.then_some(path)
}

/// Small letters and digits, up to a bounded length, with dashes where they may stand.
fn is_word(text: &str, dashes: bool) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || (dashes && byte == b'-');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_amazons_own_addresses_are_believed() {
        let pem = "SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem";
        for host in ["sns.us-west-2.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn"] {
            assert!(is_certificate_url(&format!("https://{host}/{pem}")), "{host}");
            let subscribe = format!(
                "https://{host}/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:x:1:n&Token=2336"
            );
            assert!(is_subscribe_url(&subscribe));
            assert!(
                !is_certificate_url(&subscribe)
                    && !is_subscribe_url(&subscribe.replace("https", "http"))
            );
        }
        for url in [
            format!("http://sns.us-west-2.amazonaws.com/{pem}"),
            format!("https://sns.us-west-2.amazonaws.com.example.com/{pem}"),
            format!("https://example.com/sns.us-west-2.amazonaws.com/{pem}"),
            format!("https://sns.us-west-2.amazonaws.com@example.com/{pem}"),
            format!("https://sns.us-west-2.amazonaws.com:444/{pem}"),
            format!("https://sns.a.b.amazonaws.com/{pem}"),
            format!("https://sns..amazonaws.com/{pem}"),
            format!("https://s3.us-west-2.amazonaws.com/{pem}"),
            format!("https://sns.s3.amazonaws.com/{pem}"),
            format!("https://sns.s3-us-west-2.amazonaws.com/{pem}"),
            format!("https://sns.us-west-2.amazonaws.com/bucket/{pem}"),
            format!("https://sns.us-west-2.amazonaws.com/{pem}?x"),
            format!("https://SNS.us-west-2.amazonaws.com/{pem}"),
            String::from("https://sns.us-west-2.amazonaws.com/SimpleNotificationService-.pem"),
            String::from("https://sns.us-west-2.amazonaws.com/SimpleNotificationService-../a.pem"),
            String::new(),
        ] {
            assert!(!is_certificate_url(&url), "{url}");
        }
        for url in [
            "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe&Token=1",
            "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=a b",
            "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=a#b",
            "https://evil.example.com/?Action=ConfirmSubscription&Token=1",
        ] {
            assert!(!is_subscribe_url(url), "{url}");
        }
    }
}
