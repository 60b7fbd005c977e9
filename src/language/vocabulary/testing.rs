//! The words of tests, which stand in files of their own: `*.test.kdl`.

use super::{Children, Place, Property, Thing, Type, Word, arg, maybe, must, prop};

const TEST: &[Place] = &[Place::Test];
/// What services are called about.
const DELIVERIES: &[Thing] = &[Thing::Email, Thing::Event, Thing::Record];
const EXAMPLE: Property = prop(
    "example",
    Type::Refers(Thing::Schema),
    "The schema whose example values are sent; the block changes some.",
);

pub(super) const WORDS: &[Word] = &[
    Word::new("test", &[Place::TestFile], "An example of what the rules do, on a simulated clock.", "test \"a sign-up is welcomed\" {\n    post \"hello/signup\" example=\"signup\"\n    expect email=\"welcome-1\" after=\"5min\"\n}")
        .args(&[arg("name", Type::Name)])
        .block(Children::Words(Place::Test)),
    Word::new("at", TEST, "When the test begins; Monday, 1 December 2025, 10:30 UTC when not said.", "at \"2025-12-24T18:00:00Z\"")
        .args(&[arg("time", Type::Time)])
        .once(),
    Word::new("post", TEST, "Calls an endpoint, or reports to `feedback/NAME`. Keys and signatures are not asked for.", "post \"christmas/assessment-handler\" example=\"assessment\" {\n    email_1_status \"failed\"\n}")
        .args(&[arg("endpoint", Type::Refers(Thing::Endpoint))])
        .props(&[EXAMPLE])
        .block(Children::Values),
    Word::new("send", TEST, "Reports an event, as the backend does.", "send \"lead_scraped\" example=\"lead_scraped\"")
        .args(&[arg("event", Type::Refers(Thing::Event))])
        .props(&[EXAMPLE])
        .block(Children::Values),
    Word::new("save", TEST, "Writes fields of a record, as the backend does.", "save \"lead\" id=\"123\" example=\"lead\" {\n    score 0.4\n}")
        .args(&[arg("record", Type::Refers(Thing::Record))])
        .props(&[must("id", Type::Name, "Which one."), EXAMPLE])
        .block(Children::Values),
    Word::new("advance", TEST, "Lets time pass before the next line.", "advance \"24h\"")
        .args(&[arg("wait", Type::Duration)]),
    Word::new("service", TEST, "What a service answers from now on; 200 until then.", "service \"n8n\" answers=503")
        .args(&[arg("service", Type::Refers(Thing::Service))])
        .props(&[must("answers", Type::Whole(200, 599), "The status.")]),
    Word::new("expect", TEST, "What must happen: one of `reply=`, `email=`, `event=`, `save=`, `retry=`, `failed=`, `skipped=` and `nothing`.", "expect email=\"welcome-1\" after=\"5min\" to=\"sarah@example.com\"")
        .args(&[maybe("`nothing`", Type::Choice(&["nothing"], &[]))])
        .props(&[
            prop("reply", Type::Whole(200, 599), "The status of a call's answer; the block names fields of it."),
            prop("email", Type::Refers(Thing::Email), "An e-mail that is sent."),
            prop("event", Type::Refers(Thing::Event), "An event that is sent; the block names fields of it."),
            prop("save", Type::Refers(Thing::Record), "A record that is written; the block names fields of it."),
            prop("retry", Type::MayRefer(DELIVERIES), "An event or e-mail that is tried again."),
            prop("failed", Type::MayRefer(DELIVERIES), "An event or e-mail that is given up."),
            prop("skipped", Type::MayRefer(&[Thing::Email, Thing::Event, Thing::Record, Thing::Sequence]), "An e-mail or event that is left out, or a sequence that is not started."),
            prop("after", Type::Duration, "How long after the last call above; at any time when not said."),
            prop("to", Type::MayRefer(&[Thing::Service]), "The address of an e-mail, or the service of an event."),
            prop("subject", Type::Text, "The subject of an e-mail."),
            prop("variant", Type::Name, "The variant of an e-mail."),
            prop("id", Type::Text, "Which record."),
            prop("before", Type::Duration, "With `nothing`: for how long after the last call above."),
        ])
        .block(Children::Values),
];
