//! Mistakes of names that point elsewhere, and of the fields that are handed on.

use super::Around::{Endpoint, File, JsonSchema, Schema, Sequence, Webhooks};
use super::Mistake;
use crate::language::codes;

/// Names, addresses and files.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        code: codes::UNKNOWN_SCHEMA,
        why: "The schema says what a correct call holds. Without it nothing could be checked.",
        around: Webhooks,
        wrong: r#"path "/shop"
endpoint "order" {
    payload "order"
}"#,
        right: r#"path "/shop"
endpoint "order" {
    payload {
        email email
    }
}"#,
    },
    Mistake {
        code: codes::UNKNOWN_RECORD,
        why: "Nothing is ever saved under this name, so the look-up would never find anything.",
        around: Endpoint,
        wrong: r#"find "ordr" id="{{order_id}}"
save "order" id="{{order_id}}" {
    state "{{state}}"
}"#,
        right: r#"find "order" id="{{order_id}}"
save "order" id="{{order_id}}" {
    state "{{state}}"
}"#,
    },
    Mistake {
        code: codes::UNKNOWN_SERVICE,
        why: "The event would be sent to a service that does not exist, and so never arrive.",
        around: File,
        wrong: r#"service "n8n"
events to="n9n" path="/hook" {
    event "order_paid"
}"#,
        right: r#"service "n8n"
events to="n8n" path="/hook" {
    event "order_paid"
}"#,
    },
    Mistake {
        code: codes::WRONG_SERVICE,
        why: "Each type of service can do some things and not others: Notion keeps contacts, \
              and n8n receives events.",
        around: File,
        wrong: r#"service "notion"
events to="notion" path="/hook" {
    event "order_paid"
}"#,
        right: r#"service "n8n"
events to="n8n" path="/hook" {
    event "order_paid"
}"#,
    },
    Mistake {
        code: codes::UNKNOWN_SEQUENCE,
        why: "The people who come this way would get none of the e-mails that you wrote for \
              them.",
        around: Webhooks,
        wrong: r#"path "/shop"
endpoint "signup" {
    payload {
        email email
    }
    stop "welcom" for="{{email}}"
}"#,
        right: r#"path "/shop"
endpoint "signup" {
    payload {
        email email
    }
}"#,
    },
    Mistake {
        code: codes::UNKNOWN_EVENT,
        why: "Nobody is listening for an event of this name: what should follow would never \
              begin.",
        around: Endpoint,
        wrong: r#"send "order-paid""#,
        right: "reply 200",
    },
    Mistake {
        code: codes::UNKNOWN_FILE,
        why: "The file holds what would be sent or checked. Without it there is nothing to \
              send.",
        around: Sequence,
        wrong: r#"email "welcome-3" after="1d" subject="Welcome""#,
        right: r#"email "welcome-2" after="1d" subject="Welcome""#,
    },
    Mistake {
        code: codes::ADDRESS_TAKEN,
        why: "A call to this address could mean either endpoint. A key does not tell them \
              apart.",
        around: File,
        wrong: r#"webhooks "shop" {
    path "/hooks"
    endpoint "order"
}
webhooks "store" {
    path "/hooks"
    endpoint "order"
}"#,
        right: r#"webhooks "shop" {
    path "/shop"
    endpoint "order"
}
webhooks "store" {
    path "/store"
    endpoint "order"
}"#,
    },
    Mistake {
        code: codes::ADDRESS_RESERVED,
        why: "rulerun answers there itself, for instance when somebody unsubscribes, so your \
              endpoint would never be reached.",
        around: Webhooks,
        wrong: r#"path "/unsubscribe"
endpoint "me""#,
        right: r#"path "/goodbye"
endpoint "me""#,
    },
];

/// Fields of payloads and events.
pub(super) const FIELDS: &[Mistake] = &[
    Mistake {
        code: codes::MISSING_FIELD,
        why: "Whoever receives the event expects this field. Without it the workflow behind \
              would stop halfway.",
        around: File,
        wrong: r#"service "n8n"
events to="n8n" path="/hook" {
    event "order_paid"
}
schema "order_paid" {
    invoice text
}
webhooks "shop" {
    path "/shop"
    endpoint "order" {
        payload {
            order_id integer
        }
        send "order_paid" {
            invoce "{{order_id}}-A"
        }
    }
}"#,
        right: r#"service "n8n"
events to="n8n" path="/hook" {
    event "order_paid"
}
schema "order_paid" {
    invoice text
}
webhooks "shop" {
    path "/shop"
    endpoint "order" {
        payload {
            order_id integer
        }
        send "order_paid" {
            invoice "{{order_id}}-A"
        }
    }
}"#,
    },
    Mistake {
        code: codes::FIELD_TYPE,
        why: "The value cannot become what the other side expects. A sequence, for instance, \
              cannot write to a number.",
        around: File,
        wrong: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload {
            email email
            visits integer
        }
        start "welcome"
    }
}
sequence "welcome" to="{{visits}}" {
    email "welcome-1" after="1d" subject="Welcome"
}"#,
        right: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload {
            email email
            visits integer
        }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" {
    email "welcome-1" after="1d" subject="Welcome"
}"#,
    },
    Mistake {
        code: codes::FIELD_OPTION,
        why: "With these limits no value would ever be accepted, or the limit would check \
              nothing.",
        around: Schema,
        wrong: "total number min=100 max=10",
        right: "total number min=10 max=100",
    },
    Mistake {
        code: codes::BAD_JSON_SCHEMA,
        why: "The file is written in another language, JSON, which wants every comma and \
              bracket. Until it can be read, no call can be checked.",
        around: JsonSchema,
        wrong: r#"{
  "type": "object",
  "properties": { "id": { "type": "integer" }, }
}"#,
        right: r#"{
  "type": "object",
  "properties": { "id": { "type": "integer" } }
}"#,
    },
    Mistake {
        code: codes::EXAMPLE_REFUSED,
        why: "Examples are what previews, tests and `rulerun call --example` send. One that \
              the schema itself refuses helps nobody.",
        around: Schema,
        wrong: "total number min=1 example=0",
        right: "total number min=1 example=120",
    },
    Mistake {
        code: codes::EXAMPLE_FAILS,
        why: "With the example values this text or guard cannot be worked out, so it will fail \
              for some real calls as well.",
        around: Endpoint,
        wrong: r#"reply {
    total "{{state | number}} USD"
}"#,
        right: r#"reply {
    total "{{total | number}} USD"
}"#,
    },
];
