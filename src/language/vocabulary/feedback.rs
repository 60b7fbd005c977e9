//! The words for what mail providers report: bounces, complaints, deliveries.

use super::{Children, Place, Type, Word, arg, must, prop, prop_set};

const FEEDBACK: &[Place] = &[Place::Feedback];

pub(super) const WORDS: &[Word] = &[
    Word::new(
        "feedback",
        &[Place::File],
        "Where a mail provider reports bounces, complaints and deliveries.",
        "feedback \"resend\" path=\"/hooks/resend\" secret=(env)\"RESEND_WEBHOOK_SECRET\"",
    )
    .args(&[arg("name", Type::Name)])
    .props(&[
        prop(
            "type",
            Type::Choice(&["resend", "postmark", "ses", "generic"], &[]),
            "Who reports; may be left out when the name says it.",
        ),
        must("path", Type::Path, "Its address below the server."),
        prop_set(
            "secret",
            Type::Secret,
            "What proves the caller; several `secret` lines in the block rotate.",
        ),
        prop_set("topic", Type::Text, "The ARN of the SNS topic, for `ses`."),
        prop(
            "scheme",
            Type::Choice(&["standard", "body"], &[]),
            "How a `generic` report is signed; `standard` unless it says `body`.",
        ),
    ])
    .block(Children::Words(Place::Feedback)),
    Word::new(
        "hard-bounces",
        FEEDBACK,
        "After so many an address is suppressed as `bounced`: 1 unless it is said; 0 is never.",
        "hard-bounces 1",
    )
    .args(&[arg("number", Type::Whole(0, 100))])
    .once(),
    Word::new(
        "complaints",
        FEEDBACK,
        "After so many an address is suppressed as `complained`: 1 unless it is said; 0 is never.",
        "complaints 1",
    )
    .args(&[arg("number", Type::Whole(0, 100))])
    .once(),
    Word::new(
        "soft-bounces",
        FEEDBACK,
        "After so many an address gets no marketing for 7 days: 3 unless it is said; 0 is never.",
        "soft-bounces 3 within=\"7d\"",
    )
    .args(&[arg("number", Type::Whole(0, 100))])
    .props(&[prop("within", Type::Duration, "The time in which they count: `7d`.")])
    .once(),
];
