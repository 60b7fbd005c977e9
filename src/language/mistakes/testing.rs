//! Mistakes of tests, which say in `*.test.kdl` files what rules should do.

use super::Around::Test;
use super::Mistake;
use crate::language::codes;

/// Tests of rules.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        code: codes::BAD_TIME,
        why: "A test begins at an exact moment, and without an offset nobody knows in which \
              time zone that is.",
        around: Test,
        wrong: r#"at "1 December 2025"
post "shop/signup" example="signup"
expect email="welcome-1""#,
        right: r#"at "2025-12-01T10:30:00Z"
post "shop/signup" example="signup"
expect email="welcome-1""#,
    },
    Mistake {
        code: codes::UNKNOWN_ENDPOINT,
        why: "A test that calls an address which the rules do not have says nothing about them, \
              and a sequence that waits for one would never end by it.",
        around: Test,
        wrong: r#"post "shop/singup" example="signup"
expect email="welcome-1""#,
        right: r#"post "shop/signup" example="signup"
expect email="welcome-1""#,
    },
    Mistake {
        code: codes::UNKNOWN_EMAIL,
        why: "No sequence sends this e-mail, so the test would wait for it in vain.",
        around: Test,
        wrong: r#"post "shop/signup" example="signup"
expect email="wellcome-1""#,
        right: r#"post "shop/signup" example="signup"
expect email="welcome-1""#,
    },
    Mistake {
        code: codes::NO_EXPECTATION,
        why: "A test that expects nothing looks green and proves nothing. Say what should \
              happen, or that nothing should.",
        around: Test,
        wrong: r#"post "shop/signup" example="signup""#,
        right: r#"post "shop/signup" example="signup"
expect email="welcome-1""#,
    },
    Mistake {
        code: codes::NOT_MET,
        why: "Either the rules do something else than you mean, or the test is old. The lines \
              below it tell what came instead, and when.",
        around: Test,
        wrong: r#"post "shop/signup" example="signup"
expect email="welcome-1" after="1h""#,
        right: r#"post "shop/signup" example="signup"
expect email="welcome-1" after="1d""#,
    },
    Mistake {
        code: codes::UNEXPECTED,
        why: "A test knows everything that people and services get, so that no e-mail slips in \
              unseen. Expect it if it is right, or mend the rules.",
        around: Test,
        wrong: r#"post "shop/signup" example="signup"
expect reply=200"#,
        right: r#"post "shop/signup" example="signup"
expect reply=200
expect email="welcome-1""#,
    },
];
