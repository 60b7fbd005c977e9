//! Mistakes of secrets, access and the environment.

use super::Around::{Environment, File, Service};
use super::Mistake;
use crate::language::codes;

/// Secrets and the environment.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        code: codes::SECRET_IN_FILE,
        why: "Rule files are copied, mailed and kept in version control. A secret in them is a \
              secret no more.",
        around: Service,
        wrong: r#"sign secret="correct horse battery staple""#,
        right: r#"sign secret=(env)"WEBHOOK_SECRET""#,
    },
    Mistake {
        code: codes::UNSIGNED_ENDPOINT,
        why: "Anybody who finds the address can send made-up sign-ups, and rulerun would write \
              e-mails to all of them.",
        around: File,
        wrong: r#"server listen="0.0.0.0:8080"
webhooks "shop" {
    path "/shop"
    endpoint "order"
}"#,
        right: r#"server listen="0.0.0.0:8080"
webhooks "shop" {
    path "/shop"
    endpoint "order" key=(env)"ORDER_KEY"
}"#,
    },
    Mistake {
        code: codes::WEAK_KEY,
        why: "Such a secret keeps nobody out. `rulerun secret` makes a good one, and `chmod o-rwx` \
              keeps its file to yourself.",
        around: Environment,
        wrong: "SIGNUP_KEY=signup",
        right: "SIGNUP_KEY=k3rJ9xQ2mVb7Tz5w",
    },
    Mistake {
        code: codes::NO_EFFECT,
        why: "You set a variable and expect something of it, and no rule reads it. The help \
              says where it is written here.",
        around: Environment,
        wrong: "WEBHOOK_QUEUE_BATCH_SIZE=20",
        right: "# nothing: the rules say queue batch=20",
    },
    Mistake {
        code: codes::MISSING_SETTING,
        why: "The rules look a value up that is not set. rulerun does not start without it, \
              because the check or the service would be useless.",
        around: Environment,
        wrong: "# SIGNUP_KEY is not set",
        right: "SIGNUP_KEY=k3rJ9xQ2mVb7Tz5w",
    },
];
