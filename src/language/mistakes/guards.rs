//! Mistakes of guards: the conditions in `require`, `when=` and `stop-when`.

use super::Around::Endpoint;
use super::Mistake;
use crate::language::codes;

/// Guards.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        code: codes::CONSTANT_GUARD,
        why: "A condition that is always met checks nothing, and one that is never met blocks \
              everybody. Often it was left over from a trial.",
        around: Endpoint,
        wrong: r#"require "true""#,
        right: r#"require "paid""#,
    },
    Mistake {
        code: codes::GUARD_SYNTAX,
        why: "The condition cannot be read, so it is not known who may pass. Write `&&` for \
              and, `||` for or, `==` for is.",
        around: Endpoint,
        wrong: r#"require "paid and total > 10""#,
        right: r#"require "paid && total > 10""#,
    },
    Mistake {
        code: codes::GUARD_EMPTY,
        why: "Without a condition nobody knows whether it lets people pass or holds them back.",
        around: Endpoint,
        wrong: r#"require """#,
        right: r#"require "paid""#,
    },
    Mistake {
        code: codes::GUARD_UNKNOWN_NAME,
        why: "The condition asks for something that calls do not hold, so it could never be \
              met.",
        around: Endpoint,
        wrong: r#"require "totl > 10""#,
        right: r#"require "total > 10""#,
    },
    Mistake {
        code: codes::GUARD_UNKNOWN_FUNCTION,
        why: "Only a few functions can be used in conditions, so that none of them can do \
              harm.",
        around: Endpoint,
        wrong: r##"require #"startswith(state, "p")"#"##,
        right: r##"require #"starts_with(state, "p")"#"##,
    },
    Mistake {
        code: codes::GUARD_ARGUMENTS,
        why: "The function lacks something that it needs, or got something that it cannot work \
              with.",
        around: Endpoint,
        wrong: r##"require #"contains(tags)"#"##,
        right: r##"require #"contains(tags, "vip")"#"##,
    },
    Mistake {
        code: codes::GUARD_TYPES,
        why: "A text and a number are never the same: the condition would never be met, and \
              the e-mail never sent.",
        around: Endpoint,
        wrong: r##"require #"total >= "100" && paid"#"##,
        right: r#"require "total >= 100 && paid""#,
    },
    Mistake {
        code: codes::GUARD_OPTIONAL,
        why: "Calls may leave this field out. Say what holds then, before it is compared.",
        around: Endpoint,
        wrong: r##"require #"coupon == "XMAS" && paid"#"##,
        right: r##"require #"coupon != () && coupon == "XMAS" && paid"#"##,
    },
    Mistake {
        code: codes::GUARD_NOT_YES_NO,
        why: "A condition answers yes or no. A number or a text alone is no answer.",
        around: Endpoint,
        wrong: r#"require "total""#,
        right: r#"require "total > 0""#,
    },
    Mistake {
        code: codes::GUARD_TOO_DEEP,
        why: "Nobody can follow a condition with so many brackets within each other, and it \
              would take long to work out.",
        around: Endpoint,
        wrong: r#"require "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((paid))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))""#,
        right: r#"require "paid""#,
    },
];
