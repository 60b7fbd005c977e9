//! Signatures of every scheme: made, verified, and refused.

use super::{Presented, Scheme, sign, verify};
use crate::base::Secret;

const NOW: i64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::new(*text)).collect()
}

/// Signs with one list of secrets and checks with another, `age` seconds later.
fn exchange(scheme: Scheme, signer: &[&str], checker: &[&str], age: i64) -> Result<String, String> {
    let headers = sign(scheme, &secrets(signer), "msg_1", NOW, BODY);
    let value = |names: &[&str]| {
        headers.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| value.as_str())
    };
    let presented = Presented {
        signature: value(&[
            "X-Webhook-Signature-256",
            "webhook-signature",
            "X-Hub-Signature-256",
            "Stripe-Signature",
        ]),
        timestamp: value(&["X-Webhook-Timestamp", "webhook-timestamp"]),
        id: value(&["webhook-id"]),
    };
    verify(scheme, &secrets(checker), &presented, BODY, NOW + age, 300, false)
        .map(|verified| verified.identity)
        .map_err(|fault| fault.message)
}

const SCHEMES: [Scheme; 5] =
    [Scheme::Body, Scheme::Timestamped, Scheme::Standard, Scheme::Github, Scheme::Stripe];

#[test]
fn the_published_standard_webhooks_vectors_hold() {
    for (secret, id, time, body, expected) in [
        (
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
    ] {
        let headers = sign(Scheme::Standard, &secrets(&[secret]), id, time, body.as_bytes());
        assert_eq!(headers[2], ("webhook-signature", expected.to_owned()));
        let presented =
            Presented { signature: Some(expected), timestamp: Some(&headers[1].1), id: Some(id) };
        let verified = verify(
            Scheme::Standard,
            &secrets(&[secret]),
            &presented,
            body.as_bytes(),
            time,
            300,
            false,
        )
        .expect("a published vector");
        assert_eq!(verified.identity, format!("webhook-id:{id}"));
        assert!(verified.time_signed);
    }
}

#[test]
fn githubs_published_vector_holds() {
    let headers =
        sign(Scheme::Github, &secrets(&["It's a Secret to Everybody"]), "", NOW, b"Hello, World!");
    let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(headers, [("X-Hub-Signature-256", expected.to_owned())]);
}

#[test]
fn every_scheme_accepts_its_own_and_refuses_another_secret() {
    for scheme in SCHEMES {
        assert!(exchange(scheme, &["one"], &["one"], 0).is_ok(), "{scheme:?}");
        assert_eq!(
            exchange(scheme, &["one"], &["two"], 0),
            Err(String::from("the signature does not match"))
        );
        assert!(exchange(scheme, &["one"], &[], 0).is_err(), "no secret never means yes");
    }
}

#[test]
fn any_of_several_secrets_is_accepted_while_they_rotate() {
    for scheme in SCHEMES {
        assert!(exchange(scheme, &["old"], &["new", "old"], 0).is_ok(), "{scheme:?}");
    }
    let headers = sign(Scheme::Standard, &secrets(&["new", "old"]), "msg_1", NOW, BODY);
    assert_eq!(headers[2].1.matches("v1,").count(), 2);
    assert_eq!(headers[2].1.matches(' ').count(), 1);
    assert!(exchange(Scheme::Standard, &["new", "old"], &["old"], 0).is_ok());
    assert!(exchange(Scheme::Body, &["new", "old"], &["old"], 0).is_err(), "the first signs");
}

#[test]
fn old_and_future_timestamps_are_refused() {
    for scheme in SCHEMES {
        if scheme == Scheme::Github {
            continue;
        }
        assert!(exchange(scheme, &["one"], &["one"], 300).is_ok());
        assert_eq!(
            exchange(scheme, &["one"], &["one"], 301),
            Err(String::from("the timestamp is too old"))
        );
        assert_eq!(
            exchange(scheme, &["one"], &["one"], -301),
            Err(String::from("the timestamp lies in the future"))
        );
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let all = secrets(&["one"]);
    let headers = sign(Scheme::Body, &all, "", NOW, BODY);
    let presented = Presented { signature: Some(&headers[0].1), ..Presented::default() };
    for position in 0..BODY.len() {
        let mut body = BODY.to_vec();
        body[position] ^= 1;
        assert!(verify(Scheme::Body, &all, &presented, &body, NOW, 300, true).is_err());
    }
    assert!(verify(Scheme::Body, &all, &presented, BODY, NOW, 300, true).is_ok());
    assert_eq!(
        verify(Scheme::Body, &all, &presented, BODY, NOW, 300, false)
            .map_err(|fault| fault.message),
        Err(String::from("the timestamp header is missing"))
    );
}

#[test]
fn the_guides_prefix_and_capitals_name_the_same_call() {
    let all = secrets(&["one"]);
    let bare = sign(Scheme::Body, &all, "", NOW, BODY)[0].1.clone();
    let identity = |signature: &str| {
        let presented = Presented { signature: Some(signature), ..Presented::default() };
        verify(Scheme::Body, &all, &presented, BODY, NOW, 300, true).map(|held| held.identity)
    };
    let first = identity(&bare).expect("a signature");
    assert!(first.starts_with("signature:") && !first.contains(&bare));
    assert_eq!(identity(&format!("sha256={bare}")), Ok(first.clone()));
    assert_eq!(identity(&bare.to_uppercase()), Ok(first));
}

#[test]
fn what_cannot_be_read_is_named() {
    let all = secrets(&["one"]);
    for (scheme, signature, timestamp, id, expected) in [
        (Scheme::Body, None, None, None, "signature header is missing"),
        (Scheme::Body, Some("zz"), None, None, "64 hexadecimal digits"),
        (Scheme::Timestamped, Some("zz"), None, None, "timestamp header is missing"),
        (Scheme::Timestamped, Some("zz"), Some("soon"), None, "whole seconds since 1970"),
        (Scheme::Timestamped, Some("zz"), Some("99999999999999999999"), None, "future"),
        (Scheme::Standard, Some("v1,x"), Some("1614265330"), None, "webhook-id header is missing"),
        (Scheme::Standard, Some("v1,x"), Some("1614265330"), Some("a b"), "webhook-id"),
        (Scheme::Standard, Some("v1a,x v2,y z"), Some("1614265330"), Some("a"), "no `v1,`"),
        (Scheme::Stripe, Some("v1=aa"), None, None, "no `t=`"),
        (Scheme::Stripe, Some("t=1614265330"), None, None, "no `v1=`"),
    ] {
        let presented = Presented { signature, timestamp, id };
        let fault = verify(scheme, &all, &presented, BODY, NOW, 300, true).expect_err("a fault");
        assert!(fault.message.contains(expected), "{scheme:?}: {}", fault.message);
    }
}
