//! Signatures of calls. Nothing is accepted that was not signed with one of the secrets, and
//! nothing that was is refused while its time is near.

use std::path::Path;

use rulerun::base::Secret;
use rulerun::signature::{Presented, Scheme, sign, verify};

use super::{Target, joined, parts, seeds};

/// The target.
pub const TARGET: Target = Target { name: "signature", run, seeds: begin, words: WORDS };

const WORDS: &[&str] = &[
    "sha256=",
    "v1,",
    "v1=",
    "v0=",
    "t=",
    ",",
    " ",
    "1764585000",
    "1764585300",
    "1764585301",
    "-1764585000",
    "99999999999999999999",
    "+1",
    "msg_1",
    "==",
    "whsec_",
];

const SCHEMES: [Scheme; 5] =
    [Scheme::Body, Scheme::Timestamped, Scheme::Standard, Scheme::Github, Scheme::Stripe];
/// The present of these tests, in seconds.
const NOW: i64 = 1_764_585_000;
/// How far a time may lie from it, in seconds.
const MAX_AGE: i64 = 300;
const ID: &str = "msg_1";

fn secrets() -> [Secret; 2] {
    [Secret::new("whsec_MDEyMzQ1Njc4OWFiY2RlZg=="), Secret::new("the key before it")]
}

/// The first byte chooses the scheme; then come signature, time, id and body.
fn run(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let scheme = SCHEMES[usize::from(*choice) % SCHEMES.len()];
    let [signature, time, id, body] = parts(data);
    let text = |part| std::str::from_utf8(part).ok().filter(|text| !text.is_empty());
    let presented = Presented { signature: text(signature), timestamp: text(time), id: text(id) };
    presented_is_judged(scheme, &presented, body, choice & 64 == 0);
    signed_is_accepted(scheme, body);
}

fn presented_is_judged(scheme: Scheme, presented: &Presented<'_>, body: &[u8], optional: bool) {
    let secrets = secrets();
    let answer = verify(scheme, &secrets, presented, body, NOW, MAX_AGE, optional);
    let again = verify(scheme, &secrets, presented, body, NOW, MAX_AGE, optional);
    assert_eq!(answer, again);
    assert!(verify(scheme, &[], presented, body, NOW, MAX_AGE, optional).is_err());
    let Ok(verified) = answer else { return };
    let header = presented.signature.expect("nothing is accepted without a signature");
    let time = match scheme {
        Scheme::Github => None,
        Scheme::Stripe => {
            header.split(',').find_map(|pair| pair.trim().strip_prefix("t=")).map(str::to_owned)
        }
        _ => presented.timestamp.map(|time| time.trim().to_owned()),
    };
    let seconds = time.as_ref().map(|time| time.parse::<i64>().expect("a time in digits"));
    assert!(seconds.is_none_or(|seconds| (seconds - NOW).abs() <= MAX_AGE));
    assert_eq!(verified.time_signed, !matches!(scheme, Scheme::Body | Scheme::Github));
    let id = presented.id.unwrap_or_default().trim();
    let ours = secrets.iter().any(|secret| {
        let made = sign(scheme, std::slice::from_ref(secret), id, seconds.unwrap_or(0), body);
        made.iter().any(|(name, value)| {
            name.to_ascii_lowercase().ends_with("signature")
                && match scheme {
                    Scheme::Standard => header.contains(value),
                    _ => header.to_ascii_lowercase().contains(mac(value)),
                }
                || name.to_ascii_lowercase().ends_with("signature-256")
                    && header.to_ascii_lowercase().contains(mac(value))
        })
    });
    assert!(ours, "{scheme:?} accepted what no secret signed: {presented:?}");
}

/// The hexadecimal digits at the end of a header's value.
fn mac(value: &str) -> &str {
    &value[value.len().saturating_sub(64)..]
}

fn signed_is_accepted(scheme: Scheme, body: &[u8]) {
    let secrets = secrets();
    for old in [0, MAX_AGE, MAX_AGE + 1] {
        let made = sign(scheme, &secrets[1..], ID, NOW - old, body);
        let find = |part: &str| {
            let named = made.iter().find(|(name, _)| name.to_ascii_lowercase().contains(part));
            named.map(|(_, value)| value.as_str())
        };
        let presented = Presented {
            signature: find("signature"),
            timestamp: find("timestamp"),
            id: find("id"),
        };
        let check =
            |body: &[u8]| verify(scheme, &secrets, &presented, body, NOW, MAX_AGE, false).is_ok();
        assert_eq!(check(body), scheme == Scheme::Github || old <= MAX_AGE, "{scheme:?}");
        let mut other = body.to_vec();
        other.push(b' ');
        assert!(!check(&other), "{scheme:?} accepted another body");
    }
}

fn begin(root: &Path) -> Vec<Vec<u8>> {
    let body = br#"{"email": "sarah@example.com"}"#;
    let mut found = Vec::new();
    for (choice, scheme) in (0..).zip(SCHEMES) {
        let made = sign(scheme, &secrets(), ID, NOW, body);
        let find = |part: &str| {
            let named = made.iter().find(|(name, _)| name.to_ascii_lowercase().contains(part));
            named.map_or(&b""[..], |(_, value)| value.as_bytes())
        };
        let fields = joined(&[find("signature"), find("timestamp"), find("id"), body]);
        found.push([&[choice][..], &fields].concat());
    }
    let header = |text: &str| text.contains("v1") || text.contains("sha256") || text.len() > 40;
    for (choice, text) in
        (0_u8..).zip(seeds::quoted(root, "src/signature/tests.rs", header).into_iter().take(100))
    {
        let fields = joined(&[text.as_bytes(), b"1764585000", ID.as_bytes(), body]);
        found.push([&[choice][..], &fields].concat());
    }
    found
}
