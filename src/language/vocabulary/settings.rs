//! The words of `settings.kdl`: where rulerun listens, what it keeps, whom it calls.

use super::{
    Children, Place, Thing, Type, Word, arg, must, prop, prop_later, prop_set, set, set_some, some,
};

const SERVICE: &[Place] = &[Place::Service];

pub(super) const WORDS: &[Word] = &[
    Word::new(
        "server",
        &[Place::File],
        "Where rulerun listens and whom it trusts.",
        "server listen=\"127.0.0.1:8080\"",
    )
    .props(&[
        prop_set("listen", Type::Listen, "Address and port."),
        prop("default", Type::Listen, "Used when `listen` is looked up and not set."),
    ])
    .block(Children::Words(Place::Server))
    .once(),
    Word::new(
        "public-url",
        &[Place::Server],
        "The address that the outside uses, for links in e-mails.",
        "public-url \"https://rules.example.com\"",
    )
    .args(&[set("address", Type::Url)])
    .once(),
    Word::new(
        "trusted-proxies",
        &[Place::Server],
        "Proxies whose forwarding headers are believed.",
        "trusted-proxies \"10.0.0.0/8\"",
    )
    .args(&[set_some("network", Type::Network)]),
    Word::new(
        "api-token",
        &[Place::Server],
        "The bearer token of the API.",
        "api-token (env)\"API_TOKEN\" optional=#true",
    )
    .args(&[set("token", Type::Secret)])
    .once(),
    Word::new(
        "limits",
        &[Place::Server],
        "Bounds of what comes in.",
        "limits body=262144 in-flight=1024 per-client=256",
    )
    .props(&[
        prop("body", Type::Whole(1, 64 * 1024 * 1024), "Largest body in bytes."),
        prop("in-flight", Type::Whole(1, 1_000_000), "Calls at once."),
        prop("per-client", Type::Whole(1, 1_000_000), "Connections of one client."),
    ])
    .once(),
    Word::new(
        "tls",
        &[Place::Server],
        "Certificates of rulerun's own.",
        "tls cert=\"cert.pem\" key=\"key.pem\"",
    )
    .later("let a proxy in front of rulerun speak TLS"),
    Word::new(
        "console",
        &[Place::Server],
        "The web page.",
        "console user=\"admin\" password=(env)\"CONSOLE_PASSWORD\"",
    )
    .later("use `rulerun queue`, `outbox` and `executions`, or the API with `api-token`"),
    Word::new("store", &[Place::File], "Where state is kept.", "store \"sled\" path=\"data\"")
        .args(&[arg("kind", Type::Choice(&["sled"], &["postgres"]))])
        .props(&[
            prop_set("path", Type::Text, "The folder."),
            prop("default", Type::Text, "Used when `path` is looked up and not set."),
            prop_later("url", "The database."),
        ])
        .once(),
    Word::new(
        "queue",
        &[Place::File],
        "How waiting work is taken and kept.",
        "queue batch=10 every=\"5s\" keep=\"30d\"",
    )
    .props(&[
        prop("batch", Type::Whole(1, 1000), "How many jobs a round claims."),
        prop(
            "every",
            Type::Duration,
            "The longest idle wait; work that is due wakes the queue at once.",
        ),
        prop("keep", Type::Duration, "How long finished work is kept."),
    ])
    .once(),
    Word::new(
        "sender",
        &[Place::File],
        "Who sends every e-mail.",
        "sender \"Acme <hello@example.com>\"",
    )
    .args(&[arg("name and address", Type::Mailbox)])
    .props(&[super::rules::LAYOUT])
    .block(Children::Words(Place::Sender))
    .once(),
    Word::new("reply-to", &[Place::Sender], "Where answers go.", "reply-to \"hello@example.com\"")
        .args(&[arg("address", Type::Email)])
        .once(),
    Word::new(
        "postal-address",
        &[Place::Sender],
        "The postal address in the footer of marketing e-mail.",
        "postal-address \"1 Main Street, Springfield\"",
    )
    .args(&[arg("address", Type::Name)])
    .once(),
    Word::new(
        "time-zone",
        &[Place::Sender],
        "The zone in which days are counted and times are written.",
        "time-zone \"Europe/Berlin\"",
    )
    .args(&[arg("zone", Type::Zone)])
    .once(),
    Word::new(
        "seeds",
        &[Place::Sender],
        "Your own mailboxes: each gets a copy of an e-mail when it is sent for the first time after a change.",
        "seeds \"qa@example.com\"",
    )
    .args(&[some("address", Type::Email)])
    .once(),
    Word::new(
        "service",
        &[Place::File],
        "A system that rulerun calls.",
        "service \"n8n\" {\n    url \"http://localhost:5678\"\n}",
    )
    .args(&[arg("name", Type::Declares(Thing::Service))])
    .props(&[prop(
        "type",
        Type::Choice(&["n8n", "http", "notion", "smtp", "resend", "postmark"], &[]),
        "Its kind; may be left out when the name says it.",
    )])
    .block(Children::Words(Place::Service)),
    Word::new(
        "enabled",
        SERVICE,
        "Whether it is called; off, its jobs end cancelled and can be retried later.",
        "enabled (env)\"N8N_ENABLED\" default=\"true\"",
    )
    .args(&[set("yes or no", Type::Boolean)])
    .once(),
    Word::new(
        "url",
        SERVICE,
        "Its address.",
        "url (env)\"N8N_URL\" default=\"http://localhost:5678\"",
    )
    .args(&[set("address", Type::Url)])
    .once(),
    Word::new("token", SERVICE, "Its bearer token.", "token (env)\"NOTION_TOKEN\" optional=#true")
        .args(&[set("token", Type::Secret)])
        .once(),
    Word::new(
        "database",
        SERVICE,
        "The Notion database that mirrors records.",
        "database (env)\"NOTION_DATABASE_ID\"",
    )
    .args(&[set("id", Type::Text)])
    .once(),
    Word::new(
        "stream",
        SERVICE,
        "The Postmark message stream that e-mail goes through; `outbound` when it is left out.",
        "stream \"outbound\"",
    )
    .args(&[arg("id of the stream", Type::Name)])
    .once(),
    Word::new(
        "header",
        SERVICE,
        "A header of every request to it.",
        "header \"X-N8N-API-KEY\" (env)\"N8N_API_KEY\"",
    )
    .args(&[arg("header name", Type::Header), set("value", Type::HeaderValue)]),
    Word::new(
        "sign",
        SERVICE,
        "How requests to it are signed.",
        "sign secret=(env)\"WEBHOOK_SECRET\"",
    )
    .props(&[
        prop_set("secret", Type::Secret, "The secret; several `secret` lines in the block rotate."),
        prop(
            "scheme",
            Type::Choice(super::rules::SCHEMES, &[]),
            "What is signed and where it stands.",
        ),
        prop(
            "optional",
            Type::Boolean,
            "Whether requests go out unsigned when the secret is not set.",
        ),
    ])
    .block(Children::Words(Place::Secrets))
    .once(),
    Word::new(
        "secret",
        &[Place::Secrets, Place::Signature, Place::Feedback],
        "A secret; the first is current, the others still count.",
        "secret (env)\"WEBHOOK_SECRET\"",
    )
    .args(&[set("secret", Type::Secret)]),
    Word::new(
        "retry",
        SERVICE,
        "Waits between attempts: three waits are three retries.",
        "retry \"5s\" \"30s\" \"5min\"",
    )
    .args(&[set_some("wait", Type::Duration)])
    .once(),
    Word::new("timeout", SERVICE, "The deadline of one attempt.", "timeout \"30s\"")
        .args(&[set("wait", Type::Duration)])
        .once(),
    Word::new("rate", SERVICE, "At most so many attempts in a time.", "rate \"14/s\"")
        .args(&[arg("rate", Type::Rate)])
        .once(),
    Word::new("in-flight", SERVICE, "Attempts at once.", "in-flight 8")
        .args(&[arg("number", Type::Whole(1, 1000))])
        .once(),
    Word::new(
        "messages-per-connection",
        SERVICE,
        "Messages that leave over one connection to a mail server.",
        "messages-per-connection 100",
    )
    .args(&[arg("number", Type::Whole(1, 100_000))])
    .once(),
    Word::new(
        "dkim",
        SERVICE,
        "Signs e-mails, so that mailbox providers see that they come from your domain.",
        "dkim domain=\"example.com\" selector=\"mail\" key=(file)\"dkim.pem\"",
    )
    .props(&[
        must("domain", Type::Name, "The domain that signs: the one of the sender's address."),
        must("selector", Type::Name, "Which of the domain's keys this is, as its DNS record says."),
        prop_set("key", Type::Secret, "The private key (RSA or Ed25519) in PEM form."),
    ])
    .once(),
    Word::new(
        "allow-private",
        SERVICE,
        "Whether a private address is fine; localhost always is.",
        "allow-private #true",
    )
    .args(&[arg("yes or no", Type::Boolean)])
    .once(),
    Word::new(
        "on-unknown",
        SERVICE,
        "What happens to an e-mail whose fate is unknown.",
        "on-unknown \"hold\"",
    )
    .args(&[arg("choice", Type::Choice(&["hold", "resend"], &[]))])
    .once(),
    Word::new(
        "about",
        &[
            Place::Service,
            Place::Endpoint,
            Place::Event,
            Place::Webhooks,
            Place::Feedback,
            Place::Sequence,
        ],
        "What it is, for people.",
        "about \"The n8n instance that runs the lead pipeline.\"",
    )
    .args(&[arg("text", Type::Text)])
    .once(),
    Word::new(
        "source",
        &[Place::File],
        "Rows of a foreign database that change.",
        "source \"postgres\" url=(env)\"DATABASE_URL\"",
    )
    .later("send the change to PUT /api/v1/records/NAME/ID"),
    Word::new(
        "health",
        &[Place::Webhooks],
        "Answers GET PATH/health, without signature.",
        "health \"webhook-responses\"",
    )
    .args(&[arg("name", Type::Name)])
    .once(),
    Word::new(
        "access",
        &[Place::Webhooks, Place::Endpoint],
        "Who may call; all that stands here must hold.",
        "access {\n    cors \"https://www.example.com\"\n}",
    )
    .block(Children::Words(Place::Access))
    .once(),
    Word::new(
        "cors",
        &[Place::Access],
        "Origins of web pages that may call.",
        "cors \"https://www.example.com\"",
    )
    .args(&[some("origin", Type::Origin)]),
    Word::new("ip", &[Place::Access], "Networks that may call.", "ip \"10.0.0.5\" \"10.1.0.0/16\"")
        .args(&[set_some("network", Type::Network)]),
    Word::new(
        "header",
        &[Place::Access],
        "A header that must carry a secret.",
        "header \"X-API-Key\" (env)\"WEBHOOK_API_KEY\"",
    )
    .args(&[arg("header name", Type::Header), set("secret", Type::Secret)]),
    Word::new(
        "rate",
        &[Place::Access],
        "At most so many calls in a time.",
        "rate \"60/min\" per=\"ip\"",
    )
    .args(&[arg("rate", Type::Rate)])
    .props(&[prop(
        "per",
        Type::Choice(&["ip"], &[]),
        "Counted for each caller instead of all together.",
    )]),
    Word::new(
        "signature",
        &[Place::Access],
        "A signature that the caller must present.",
        "signature scheme=\"standard\" secret=(env)\"HOOK_SECRET\"",
    )
    .props(&[
        must(
            "scheme",
            Type::Choice(super::rules::SCHEMES, &[]),
            "What is signed and where it stands.",
        ),
        prop_set("secret", Type::Secret, "The secret; several `secret` lines in the block rotate."),
        prop("max-age", Type::Duration, "How old or early a timestamp may be."),
    ])
    .block(Children::Words(Place::Signature)),
    Word::new(
        "header",
        &[Place::Signature],
        "Names of the signature header; the first that is present counts.",
        "header \"X-N8N-Signature\" \"X-Webhook-Signature-256\"",
    )
    .args(&[some("header name", Type::Header)])
    .once(),
    Word::new(
        "time-header",
        &[Place::Signature],
        "The name of the time header.",
        "time-header \"X-Webhook-Timestamp\" optional=#true",
    )
    .args(&[arg("header name", Type::Header)])
    .props(&[prop("optional", Type::Boolean, "Whether a call without it passes.")])
    .once(),
];
