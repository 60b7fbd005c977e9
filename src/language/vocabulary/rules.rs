//! The words of rules and schemas: what marketers write.

use super::{
    Children, Place, Property, Thing, Type, Word, arg, maybe, must, prop, prop_set, set, some,
};

/// The schemes of signatures.
pub(super) const SCHEMES: &[&str] = &["body", "timestamped", "standard", "github", "stripe"];

/// The types of fields.
pub(super) const FIELD_TYPES: &[&str] = &[
    "text", "email", "integer", "number", "boolean", "time", "date", "url", "list", "object", "any",
];

/// The page around texts.
pub(super) const LAYOUT: Property = prop(
    "layout",
    Type::Text,
    "The page around the texts: emails/NAME.html with {{content}}, in other languages emails/NAME.de.html.",
);
const PREHEADER: Property =
    prop("preheader", Type::Template, "What lists of e-mails show beside the subject.");
const WHEN: Property = prop("when", Type::Guard, "Only when this holds.");
const STEPS: &[Place] = &[Place::Endpoint, Place::Event, Place::Reaction];
const AFTER: Property = prop("after", Type::Duration, "How long after the sequence's start.");
const COUNTS_FROM: Property =
    prop("counts-from", Type::Template, "The moment that `after` counts from.");
const MAX_LATE: Property = prop(
    "max-late",
    Type::Duration,
    "What is later than that is skipped; a day when not said, longer with a window.",
);
const ANY_TIME: Property =
    prop("window", Type::Choice(&["any"], &[]), "`any`: also while the window is closed.");
const ORDERED_BY: Property =
    prop("ordered-by", Type::Template, "One at a time per value of this, in order.");
const ON_EVENT: Property =
    prop("event", Type::Refers(Thing::Event), "The event, in place of an endpoint.");
const ON_FOR: Property = must("for", Type::Template, "The person's address in that call or event.");
const ON_KEY: Property =
    prop("key", Type::Template, "Only the run with this `once-per` value, as that call names it.");
const ENVELOPE: Property =
    prop("envelope", Type::Choice(&["flat", "event"], &[]), "Whether the payload is wrapped.");

/// A field of a schema.
pub(super) const FIELD: Word = Word::new("field", &[], "A field of a payload.", "email email")
    .args(&[
        arg("type", Type::Choice(FIELD_TYPES, &[])),
        maybe("`optional`", Type::Choice(&["optional"], &[])),
    ])
    .props(&[
        prop("min", Type::Number, "The smallest number."),
        prop("max", Type::Number, "The largest number."),
        prop("min-length", Type::Whole(0, 1_000_000), "The shortest text or list."),
        prop("max-length", Type::Whole(0, 1_000_000), "The longest text or list."),
        prop("pattern", Type::Text, "A regular expression that a text must match."),
        prop("example", Type::Any, "A value for tests, previews and documentation."),
        prop("default", Type::Any, "What it is when it is missing."),
        prop("about", Type::Text, "What it is, for people."),
        prop("closed", Type::Boolean, "Whether other fields are refused, for an object."),
    ])
    .block(Children::Fields);

pub(super) const WORDS: &[Word] = &[
    Word::new("schema", &[Place::File], "The shape of a payload, one line per field.", "schema \"signup\" {\n    email email example=\"sarah@example.com\"\n}")
        .args(&[arg("name", Type::Declares(Thing::Schema))])
        .props(&[
            prop("file", Type::Text, "A JSON Schema file instead of fields."),
            prop("closed", Type::Boolean, "Whether fields that are not listed are refused."),
        ])
        .block(Children::Fields),
    Word::new("record", &[Place::File], "What happens when remembered data changes.", "record \"lead\" schema=\"lead\" {\n    on-create {\n        send \"lead_scraped\"\n    }\n}")
        .args(&[arg("name", Type::Declares(Thing::Record))])
        .props(&[prop("schema", Type::Refers(Thing::Schema), "The types of its fields.")])
        .block(Children::Words(Place::Record)),
    Word::new("on-create", &[Place::Record], "Steps when a record appears.", "on-create {\n    send \"lead_scraped\"\n}")
        .block(Children::Words(Place::Reaction))
        .once(),
    Word::new("on-change", &[Place::Record], "Steps when a record changes; `before` is the record as it was.", "on-change when=\"lead.score != ()\" {\n    send \"lead_qualified\"\n}")
        .props(&[WHEN])
        .block(Children::Words(Place::Reaction)),
    Word::new("webhooks", &[Place::File], "A group of incoming addresses; its name is the namespace.", "webhooks \"hello\" {\n    path \"/hello\"\n}")
        .args(&[arg("name", Type::Declares(Thing::Webhooks))])
        .block(Children::Words(Place::Webhooks)),
    Word::new("path", &[Place::Webhooks], "Where the group's endpoints are reached: PATH/ENDPOINT.", "path \"/api/v1/webhooks/n8n\"")
        .args(&[some("path", Type::Path)]),
    Word::new("endpoint", &[Place::Webhooks], "One incoming address, and what a call to it means.", "endpoint \"signup\" {\n    payload \"signup\"\n}")
        .args(&[arg("name", Type::Declares(Thing::Endpoint))])
        .props(&[
            prop_set("key", Type::Secret, "The secret last part of its address."),
            prop("env", Type::Variable, "The variable under which `rulerun urls` prints it."),
            prop("methods", Type::Methods, "The methods that it answers; POST when not said."),
            prop_set("enabled", Type::Boolean, "Whether it takes calls."),
            prop("repeats", Type::Choice(&["allow", "refuse"], &[]), "Whether equal calls are new calls."),
        ])
        .block(Children::Words(Place::Endpoint)),
    Word::new("key", &[Place::Endpoint], "A further key, so that keys can rotate.", "key (env)\"SIGNUP_WEBHOOK_KEY_OLD\"")
        .args(&[set("key", Type::Secret)]),
    Word::new("payload", &[Place::Endpoint], "Checks the body against a schema.", "payload \"signup\"")
        .args(&[maybe("schema", Type::Refers(Thing::Schema))])
        .props(&[prop("closed", Type::Boolean, "Whether fields that are not listed are refused.")])
        .block(Children::Fields)
        .once(),
    Word::new("require", &[Place::Endpoint, Place::Event], "Refuses the call unless this holds.", "require #\"payment_status == \"paid\"\"# else=\"Not paid yet.\"")
        .args(&[arg("guard", Type::Guard)])
        .props(&[
            prop("else", Type::Text, "What the refusal says."),
            prop("status", Type::Whole(200, 599), "Its status; 422 when not said."),
            WHEN,
        ]),
    Word::new("find", STEPS, "Looks a record up; refuses with 404 when it is not there.", "find \"demo\" id=\"{{demo_id}}\" else=\"Demo not found\"")
        .args(&[arg("record", Type::Refers(Thing::Record))])
        .props(&[must("id", Type::Template, "Which one."), prop("else", Type::Text, "What the 404 says."), WHEN]),
    Word::new("save", STEPS, "Remembers fields of a record, and mirrors it to a service.", "save \"contact\" id=\"{{email}}\" {\n    email \"{{email}}\"\n}")
        .args(&[arg("record", Type::Refers(Thing::Record))])
        .props(&[
            must("id", Type::Template, "Which one."),
            prop("also-in", Type::Refers(Thing::Service), "The service that mirrors it."),
            WHEN,
        ])
        .block(Children::Values),
    Word::new("start", STEPS, "Begins a sequence for this person.", "start \"welcome\"")
        .args(&[arg("sequence", Type::Refers(Thing::Sequence))])
        .props(&[WHEN]),
    Word::new("stop", STEPS, "Ends sequences of a person.", "stop \"welcome\" \"noshow-recovery\" for=\"{{email}}\"")
        .args(&[some("sequence", Type::Refers(Thing::Sequence))])
        .props(&[must("for", Type::Template, "The person's e-mail address."), WHEN]),
    Word::new("send", STEPS, "Queues an outgoing event; without a block it sends the payload.", "send \"lead_scraped\"")
        .args(&[arg("event", Type::Refers(Thing::Event))])
        .props(&[WHEN])
        .block(Children::Values),
    Word::new("reply", &[Place::Endpoint], "The answer; the first whose `when` holds.", "reply 202 {\n    status \"accepted\"\n}")
        .args(&[maybe("status", Type::Whole(200, 599))])
        .props(&[WHEN])
        .block(Children::Values),
    Word::new("events", &[Place::File], "Outgoing messages to one service.", "events to=\"n8n\" path=\"/webhook/{{event.slug}}\" {\n    event \"lead_scraped\"\n}")
        .props(&[
            must("to", Type::Refers(Thing::Service), "The service."),
            prop("path", Type::Path, "The path on that service."),
            ENVELOPE,
            ORDERED_BY,
        ])
        .block(Children::Words(Place::Events)),
    Word::new("event", &[Place::Events], "An outgoing message; its schema has the same name.", "event \"lead_scraped\" entity=\"lead\" id=\"{{lead_id}}\"")
        .args(&[arg("name", Type::Declares(Thing::Event))])
        .props(&[
            prop("entity", Type::Name, "What it is about."),
            prop("id", Type::Template, "Which one it is about."),
            prop("priority", Type::Whole(-1000, 1000), "A higher one leaves first."),
            prop("path", Type::Path, "Its own path on the service."),
            prop("about", Type::Text, "What it is, for people."),
            ENVELOPE,
            ORDERED_BY,
        ])
        .block(Children::Words(Place::Event)),
    Word::new("sequence", &[Place::File], "Timed e-mails for one person.", "sequence \"welcome\" to=\"{{email}}\" {\n    email \"welcome-1\" after=\"5min\" subject=\"Welcome!\"\n}")
        .args(&[arg("name", Type::Declares(Thing::Sequence))])
        .props(&[
            must("to", Type::Template, "The person's e-mail address."),
            prop("zone", Type::Template, "The person's time zone; without one, the field `zone` of the record `contact` or the sender's. Without tags it comes after the contact's."),
            COUNTS_FROM,
            prop("kind", Type::Choice(&["marketing", "transactional"], &[]), "Marketing e-mail can be unsubscribed."),
            prop("locale", Type::Template, "The person's language, such as `de` or `de-AT`: theirs is the text in emails/NAME.de.md, if there is one."),
            LAYOUT,
            prop("apply", Type::Choice(&["new", "everyone"], &[]), "Whom an edited plan reaches: new starts, or those who are mid-way too."),
        ])
        .block(Children::Words(Place::Sequence)),
    Word::new("once-per", &[Place::Sequence], "What makes two starts the same.", "once-per \"{{email}}\" again=\"30d\"")
        .args(&[arg("value", Type::Template)])
        .props(&[prop("again", Type::Text, "`never`, `after-finish`, `restart`, or a wait such as \"30d\".")])
        .once(),
    Word::new("stop-when", &[Place::Sequence], "Ends the sequence; looked at right before every send.", "stop-when \"contact.unsubscribed\"")
        .args(&[arg("guard", Type::Guard)])
        .once(),
    Word::new("stop-on", &[Place::Sequence], "Another accepted call, or an event that is sent, ends the sequence for a person.", "stop-on \"christmas/onboarding-handler\" for=\"{{email}}\"")
        .args(&[maybe("endpoint", Type::Refers(Thing::Endpoint))])
        .props(&[ON_EVENT, ON_FOR, ON_KEY]),
    Word::new("goal", &[Place::Sequence], "What the sequence is for: a call or an event that ends it as converted, counted for the last e-mail before.", "goal \"christmas/onboarding-handler\" for=\"{{email}}\" within=\"7d\"")
        .args(&[maybe("endpoint", Type::Refers(Thing::Endpoint))])
        .props(&[
            ON_EVENT,
            ON_FOR,
            ON_KEY,
            prop("within", Type::Duration, "How long after its last step it still counts; 7 days when not said."),
        ]),
    Word::new("window", &[Place::Sequence], "Sends only at these times, where the person lives; what falls outside waits for the next opening.", "window days=\"mon-fri\" hours=\"09:00-17:00\" spread=\"15min\"")
        .props(&[
            prop("days", Type::Days, "On these days; every day when not said."),
            prop("hours", Type::Hours, "From and to; the whole day when not said."),
            prop("spread", Type::Duration, "Spreads those who waited over so much of the opening."),
        ])
        .block(Children::Words(Place::Window)),
    Word::new("holidays", &[Place::Window], "Sends nothing on these dates.", "holidays \"2026-12-25\" \"01-01\" \"12-27 to 12-31\"")
        .args(&[some("date", Type::Holiday)]),
    Word::new("cap", &[Place::Sender, Place::Sequence], "At most so many marketing e-mails to one person in a time, over all sequences; in a sequence it holds that one's e-mails back.", "cap 1 per=\"12h\"")
        .args(&[arg("number", Type::Whole(1, 1000))])
        .props(&[must("per", Type::Duration, "The time.")]),
    Word::new("track", &[Place::Sequence], "Counts who clicks a link in its e-mails; nothing is counted without it, and never who opens one.", "track \"clicks\"")
        .args(&[arg("what", Type::Choice(&["clicks"], &[]))])
        .once(),
    Word::new("variant", &[Place::Email], "Other words for some of the people; the others get variant `a`, which is the e-mail itself.", "variant \"b\" weight=50 subject=\"Another subject\"")
        .args(&[arg("name", Type::Name)])
        .props(&[
            must("weight", Type::Whole(1, 99), "How many of 100 people get it. All variants together leave something for the e-mail itself."),
            prop("subject", Type::Template, "Its subject, when it is not the e-mail's."),
            prop("template", Type::Refers(Thing::Text), "The name of its text, when it is not the e-mail's."),
            PREHEADER,
        ])
        .block(Children::Words(Place::Variant)),
    Word::new("locale", &[Place::Email, Place::Variant], "The subject in another language; the text stands in emails/NAME.de.md.", "locale \"de\" subject=\"Willkommen!\"")
        .args(&[arg("language", Type::Name)])
        .props(&[must("subject", Type::Template, "The subject in this language."), PREHEADER]),
    Word::new("email", &[Place::Sequence], "One e-mail; its text stands in emails/NAME.md (or .html, .mjml) beside the rule file.", "email \"welcome-1\" after=\"5min\" subject=\"Welcome!\"")
        .args(&[arg("name", Type::Declares(Thing::Email))])
        .props(&[
            AFTER,
            COUNTS_FROM,
            must("subject", Type::Template, "Its subject."),
            WHEN,
            MAX_LATE,
            ANY_TIME,
            prop("via", Type::Refers(Thing::Service), "The service that sends it."),
            prop("template", Type::Refers(Thing::Text), "The text's name, when it is not the e-mail's."),
            PREHEADER,
        ])
        .block(Children::Words(Place::Email)),
    Word::new("attach", &[Place::Email], "A file that comes with the e-mail; it stands in the folder emails.", "attach \"guide.pdf\" name=\"Your guide.pdf\"")
        .args(&[arg("file", Type::Text)])
        .props(&[prop("name", Type::Name, "The name under which readers see it.")]),
    Word::new("send", &[Place::Sequence], "An outgoing event as a timed step.", "send \"lead_scraped\" after=\"1d\"")
        .args(&[arg("event", Type::Refers(Thing::Event))])
        .props(&[AFTER, COUNTS_FROM, WHEN, MAX_LATE, ANY_TIME])
        .block(Children::Values),
];
