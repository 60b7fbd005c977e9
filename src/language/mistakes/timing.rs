//! Mistakes of windows: when a sequence may send.

use super::Around::{File, Sequence};
use super::Mistake;
use crate::language::codes;

/// Windows.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        code: codes::BAD_WINDOW,
        why: "If the days or hours of a window were guessed, e-mails would go out on a Sunday or \
              at night.",
        around: Sequence,
        wrong: r#"window days="weekdays" hours="9-17"
email "welcome-1" after="1d" subject="Welcome""#,
        right: r#"window days="mon-fri" hours="09:00-17:00"
email "welcome-1" after="1d" subject="Welcome""#,
    },
    Mistake {
        code: codes::NEVER_OPENS,
        why: "Every day is a holiday, so nobody would ever get an e-mail of this sequence.",
        around: Sequence,
        wrong: r#"window hours="09:00-17:00" {
    holidays "01-01 to 12-31"
}
email "welcome-1" after="1d" subject="Welcome""#,
        right: r#"window hours="09:00-17:00" {
    holidays "12-24 to 01-01"
}
email "welcome-1" after="1d" subject="Welcome""#,
    },
    Mistake {
        code: codes::WINDOW_SKIPS,
        why: "A step that cannot be sent before the window closes, because a mail service is \
              down, waits for the next opening. If `max-late` is over by then it is skipped, \
              and nobody gets it.",
        around: Sequence,
        wrong: r#"window days="mon-fri" hours="09:00-17:00"
email "welcome-1" after="1d" max-late="2h" subject="Welcome""#,
        right: r#"window days="mon-fri" hours="09:00-17:00"
email "welcome-1" after="1d" max-late="3d" subject="Welcome""#,
    },
    Mistake {
        code: codes::WINDOW_IN_UTC,
        why: "Nine o'clock is another moment in every zone. Where nothing names one, the clock \
              of UTC counts: in Los Angeles that is one or two o'clock at night.",
        around: File,
        wrong: r#"sender "Acme <hello@example.com>"
webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" {
    window days="mon-fri" hours="09:00-17:00"
    email "welcome-1" after="1d" subject="Welcome"
}"#,
        right: r#"sender "Acme <hello@example.com>" {
    time-zone "America/Los_Angeles"
}
webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" {
    window days="mon-fri" hours="09:00-17:00"
    email "welcome-1" after="1d" subject="Welcome"
}"#,
    },
];
