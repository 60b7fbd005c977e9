//! Mistakes of tags in texts, and of steps, sequences and e-mails.

use super::Around::{Email, Endpoint, File, Sequence, Webhooks};
use super::Mistake;
use crate::language::codes;

/// Tags in texts.
pub(super) const TAGS: &[Mistake] = &[
    Mistake {
        code: codes::TEMPLATE_SYNTAX,
        why: "The tag cannot be filled in, and people would read curly brackets in their \
              e-mail.",
        around: Email,
        wrong: "Dear {{first_name},",
        right: "Dear {{first_name}},",
    },
    Mistake {
        code: codes::TEMPLATE_FORBIDDEN,
        why: "Values come from outside. They are always shown as plain text and can never run \
              anything, so what would change that is refused.",
        around: Email,
        wrong: "Dear {{first_name | safe}},",
        right: "Dear {{first_name}},",
    },
    Mistake {
        code: codes::TEMPLATE_TYPE,
        why: "Only numbers can be reckoned with. A text in a sum would make the e-mail fail on \
              the day that it is due.",
        around: Endpoint,
        wrong: r#"reply {
    double "{{state * 2}}"
}"#,
        right: r#"reply {
    double "{{total * 2}}"
}"#,
    },
    Mistake {
        code: codes::UNKNOWN_FIELD,
        why: "The tag names something that nobody hands over, so there would be a hole in the \
              text.",
        around: Email,
        wrong: "Dear {{frist_name}},",
        right: "Dear {{first_name}},",
    },
    Mistake {
        code: codes::UNKNOWN_FILTER,
        why: "What stands behind `|` changes how a value is shown. rulerun does not know this \
              word.",
        around: Email,
        wrong: "Dear {{first_name | uper}},",
        right: "Dear {{first_name | upper}},",
    },
    Mistake {
        code: codes::OPTIONAL_WITHOUT_DEFAULT,
        why: "Some people have not given this, and their e-mail would begin with \"Dear ,\". Say \
              what stands there then.",
        around: Email,
        wrong: "Dear {{nickname}},",
        right: "Dear {{nickname | default('friend')}},",
    },
    Mistake {
        code: codes::TAG_NOT_ALLOWED,
        why: "Addresses and names of events must be known before any call comes in, so they \
              are written out.",
        around: Webhooks,
        wrong: r#"path "/shop/{{customer}}"
endpoint "order""#,
        right: r#"path "/shop"
endpoint "order""#,
    },
];

/// Steps and sequences.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        code: codes::STEP_ORDER,
        why: "Steps happen from top to bottom, and the body is checked before anything else.",
        around: Webhooks,
        wrong: r#"path "/shop"
endpoint "order" {
    require "paid"
    payload {
        paid boolean
    }
}"#,
        right: r#"path "/shop"
endpoint "order" {
    payload {
        paid boolean
    }
    require "paid"
}"#,
    },
    Mistake {
        code: codes::UNREACHABLE,
        why: "An answer above this one is given to every call, so this one never is.",
        around: Endpoint,
        wrong: r#"reply 200
reply 202 when="paid""#,
        right: r#"reply 202 when="paid"
reply 200"#,
    },
    Mistake {
        code: codes::OUT_OF_ORDER,
        why: "`after=` counts from the start of the sequence, so the lower step comes first. \
              Most likely the waits are meant from step to step.",
        around: Sequence,
        wrong: r#"email "welcome-1" after="3d" subject="Welcome"
email "welcome-2" after="1d" subject="One more tip""#,
        right: r#"email "welcome-1" after="1d" subject="Welcome"
email "welcome-2" after="3d" subject="One more tip""#,
    },
    Mistake {
        code: codes::UNUSED_SEQUENCE,
        why: "You wrote e-mails that nobody will ever get, because no endpoint starts the \
              sequence.",
        around: File,
        wrong: r#"sequence "welcome" to="{{email}}" {
    email "welcome-1" after="1d" subject="Welcome"
}"#,
        right: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload {
            email email
        }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" {
    email "welcome-1" after="1d" subject="Welcome"
}"#,
    },
    Mistake {
        code: codes::DKIM_NOT_ALIGNED,
        why: "Mailbox providers ask that the domain which signs an e-mail is the one that its \
              readers see as the sender; otherwise the signature counts for nothing.",
        around: File,
        wrong: r#"sender "Acme <hello@example.com>"
service "mail" type="smtp" {
    url (env)"SMTP_URL"
    dkim domain="example.org" selector="mail" key=(file)"dkim.pem"
}"#,
        right: r#"sender "Acme <hello@example.com>"
service "mail" type="smtp" {
    url (env)"SMTP_URL"
    dkim domain="example.com" selector="mail" key=(file)"dkim.pem"
}"#,
    },
    Mistake {
        code: codes::NEVER_STOPPED,
        why: "Who has bought already still gets every e-mail that asks to buy. End the sequence \
              where somebody becomes a customer.",
        around: File,
        wrong: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" {
    email "welcome-1" after="1d" subject="Welcome"
    email "welcome-2" after="3d" subject="One more tip"
    email "last-tip" template="welcome-2" after="5d" subject="The last tip"
}"#,
        right: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
    }
    endpoint "purchase" {
        payload { email email; }
        stop "welcome" for="{{email}}"
    }
}
sequence "welcome" to="{{email}}" {
    email "welcome-1" after="1d" subject="Welcome"
    email "welcome-2" after="3d" subject="One more tip"
    email "last-tip" template="welcome-2" after="5d" subject="The last tip"
}"#,
    },
    Mistake {
        code: codes::GOAL_OUTLASTS,
        why: "A conversion counts for the last e-mail before it. Finished e-mails go after \
              `queue keep`, 30 days unless it is said; whoever reaches the goal later is counted \
              as converted, and no step gets the credit.",
        around: File,
        wrong: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
    }
    endpoint "order" {
        payload { email email; }
    }
}
sequence "welcome" to="{{email}}" {
    goal "shop/order" for="{{email}}" within="60d"
    email "welcome-1" after="1d" subject="Welcome"
}"#,
        right: r#"queue keep="60d"
webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
    }
    endpoint "order" {
        payload { email email; }
    }
}
sequence "welcome" to="{{email}}" {
    goal "shop/order" for="{{email}}" within="60d"
    email "welcome-1" after="1d" subject="Welcome"
}"#,
    },
    Mistake {
        code: codes::ENDED_BY_START,
        why: "Who signs up twice would count as somebody who bought. A goal is another call: the \
              one that says that the sequence has done its work.",
        around: File,
        wrong: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" {
    goal "shop/signup" for="{{email}}"
    email "welcome-1" after="1d" subject="Welcome"
}"#,
        right: r#"webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
    }
    endpoint "purchase" {
        payload { email email; }
    }
}
sequence "welcome" to="{{email}}" {
    goal "shop/purchase" for="{{email}}"
    email "welcome-1" after="1d" subject="Welcome"
}"#,
    },
    Mistake {
        code: codes::SPAM_SUBJECT,
        why: "Mail providers sort such subjects out, and people take them for a trick. Few \
              would ever read this e-mail.",
        around: Sequence,
        wrong: r#"email "welcome-1" after="1d" subject="Only today!!!""#,
        right: r#"email "welcome-1" after="1d" subject="Your discount ends today""#,
    },
];
