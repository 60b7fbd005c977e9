//! What review finds in e-mails when it reads them as people and mail providers do.

use super::Around::{Email, Environment, File, Html, Mjml, PlainText, Sequence};
use super::Mistake;
use crate::language::codes;

/// E-mails as readers and mail providers see them.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        code: codes::EMAIL_FAILS,
        why: "For some people there would be nothing to send: once their values are filled in, \
              the subject or the text is empty or too long.",
        around: Sequence,
        wrong: r#"email "welcome-1" after="1d" subject="{{nickname | default('')}}""#,
        right: r#"email "welcome-1" after="1d" subject="{{nickname | default('Welcome')}}""#,
    },
    Mistake {
        code: codes::PLACEHOLDER,
        why: "It was put there to be replaced, and nothing replaces it: everybody would read it \
              as it stands.",
        around: Email,
        wrong: "Dear [FIRST NAME],",
        right: "Dear {{first_name}},",
    },
    Mistake {
        code: codes::SPAM_SENDER,
        why: "Free mailboxes forbid others to send in their name, so providers refuse such \
              e-mail or file it as spam.",
        around: File,
        wrong: FREE,
        right: OWN,
    },
    Mistake {
        code: codes::LONG_SUBJECT,
        why: "Phones show about the first forty letters, and many other screens sixty. What you \
              wanted to say would be cut off.",
        around: Sequence,
        wrong: r#"email "welcome-1" after="1d" subject="What we found when we looked at your shop window in the first week of December""#,
        right: r#"email "welcome-1" after="1d" subject="What we found in your shop window""#,
    },
    Mistake {
        code: codes::SAME_SUBJECT,
        why: "Mail programs show both as one conversation, and people take the second for the \
              one that they have read.",
        around: Sequence,
        wrong: r#"email "welcome-1" after="1d" subject="A question"
email "welcome-2" after="3d" subject="A question""#,
        right: r#"email "welcome-1" after="1d" subject="A question"
email "welcome-2" after="3d" subject="One more question""#,
    },
    Mistake {
        code: codes::DEAD_LINK,
        why: "Whoever clicks it gets nowhere, and you never hear of it.",
        around: Email,
        wrong: "[Book a time](www.example.com/book)",
        right: "[Book a time](https://www.example.com/book)",
    },
    Mistake {
        code: codes::SUSPICIOUS_LINK,
        why: "Links that hide where they lead are what swindlers use, so mail providers mark \
              the whole e-mail down.",
        around: Email,
        wrong: "[Have a look](http://bit.ly/3xyz)",
        right: "[Have a look](https://www.example.com/offer)",
    },
    Mistake {
        code: codes::MANY_LINKS,
        why: "An e-mail full of links looks like an advertisement to mail providers, and \
              readers do not know which one matters.",
        around: Email,
        wrong: "[One of our pages](https://www.example.com/page)\n(and so on, 30 lines)",
        right: "[All our pages](https://www.example.com/pages)",
    },
    Mistake {
        code: codes::SILENT_IMAGE,
        why: "Many mail programs show no images until they are asked to, and some people hear \
              their e-mail read aloud. They would get nothing.",
        around: Email,
        wrong: "Until Friday you get ten pieces for the price of two. Just name this e-mail at \
                the till, or order from your sofa; we send everything on the same day and take \
                it back for a month if you do not like it. This is what you could have on your \
                table on Saturday morning:\n\n\
                ![](https://www.example.com/sale.png)",
        right: "Until Friday you get ten pieces for the price of two. Just name this e-mail at \
                the till, or order from your sofa; we send everything on the same day and take \
                it back for a month if you do not like it. This is what you could have on your \
                table on Saturday morning:\n\n\
                ![ten cups](https://www.example.com/sale.png)",
    },
    Mistake {
        code: codes::IMAGE_ONLY,
        why: "Mail providers cannot read an image and file the e-mail as spam. People who see no \
              images see nothing at all.",
        around: Email,
        wrong: "![Ten for two](https://www.example.com/sale.png)",
        right: "Until Friday you get ten pieces for the price of two. Just name this e-mail at \
                the till, or order from your sofa; we send everything on the same day and take \
                it back for a month if you do not like it. This is what you could have on your \
                table on Saturday morning:\n\n\
                ![ten cups](https://www.example.com/sale.png)",
    },
    Mistake {
        code: codes::HTML_AS_TEXT,
        why: "This file is Markdown. Everybody would read the angle brackets; a file that ends with \
              .html may have them.",
        around: Email,
        wrong: "Order <b>now</b>!",
        right: "Order **now**!",
    },
    Mistake {
        code: codes::HTML_SYNTAX,
        why: "Mail programs guess what is meant, each in its own way, and some show half an \
              e-mail.",
        around: Html,
        wrong: "<p>Dear {{first_name}},</p>\n<p title=\"Hello>how are you?</p>",
        right: "<p>Dear {{first_name}},</p>\n<p title=\"Hello\">how are you?</p>",
    },
    Mistake {
        code: codes::UNSAFE_HTML,
        why: "No mail program runs anything or takes anything in. It throws such parts away, or \
              the whole e-mail.",
        around: Html,
        wrong: "<form action=\"https://www.example.com/book\">Book a time</form>",
        right: "<p><a href=\"https://www.example.com/book\">Book a time</a></p>",
    },
    Mistake {
        code: codes::UNKNOWN_MJML,
        why: "What MJML does not know vanishes without a word: readers would get an e-mail with a \
              hole.",
        around: Mjml,
        wrong: "<mjml><mj-body><mj-section><mj-column>\n<mj-txet>Welcome!</mj-txet>\n\
                </mj-column></mj-section></mj-body></mjml>",
        right: "<mjml><mj-body><mj-section><mj-column>\n<mj-text>Welcome!</mj-text>\n\
                </mj-column></mj-section></mj-body></mjml>",
    },
    Mistake {
        code: codes::HIDDEN_TEXT,
        why: "Senders of spam hide words from people to please filters, and filters know it.",
        around: Html,
        wrong: "<p>Welcome!</p>\n<p style=\"display:none\">cheap watches</p>",
        right: "<p>Welcome!</p>\n<p>We sell watches.</p>",
    },
    Mistake {
        code: codes::THIN_TEXT,
        why: "Filters compare the two halves of an e-mail, and some people read only this one.",
        around: PlainText,
        wrong: "See our page.",
        right: "Your parcel left our shop this morning. The driver rings you on Monday or Tuesday.",
    },
    Mistake {
        code: codes::LARGE_ATTACHMENT,
        why: "Many mailboxes refuse large e-mails, and people with little data pay for each one.",
        around: Sequence,
        wrong: "email \"welcome-1\" after=\"1d\" subject=\"Our film\" {\n    attach \"film.mp4\"\n}",
        right: "email \"welcome-1\" after=\"1d\" subject=\"Our film\"",
    },
    Mistake {
        code: codes::LARGE_EMAIL,
        why: "Gmail cuts an e-mail off after about 100 KB: the end is gone, and with it the \
              link to unsubscribe.",
        around: Email,
        wrong: "- one more of our products\n(and so on, 2500 lines)",
        right: "[All our products](https://www.example.com/products)",
    },
    Mistake {
        code: codes::CROWDED_SEQUENCE,
        why: "Two e-mails within half a day feel like a flood, and people unsubscribe from all \
              of them.",
        around: Sequence,
        wrong: r#"email "welcome-1" after="1h" subject="Welcome"
email "welcome-2" after="8h" subject="One more tip""#,
        right: r#"email "welcome-1" after="1h" subject="Welcome"
email "welcome-2" after="2d" subject="One more tip""#,
    },
    Mistake {
        code: codes::CAP_SKIPS,
        why: "A cap holds an e-mail back until the person may get the next one. If `max-late` is \
              over by then it is skipped, and here that happens to everybody.",
        around: Sequence,
        wrong: r#"cap 1 per="7d"
email "welcome-1" after="1h" subject="Welcome"
email "welcome-2" after="2d" subject="One more tip""#,
        right: r#"cap 1 per="1d"
email "welcome-1" after="1h" subject="Welcome"
email "welcome-2" after="2d" subject="One more tip""#,
    },
    Mistake {
        code: codes::MIXED_MAIL,
        why: "Complaints about news would keep receipts from arriving, too. You have a second \
              mail service; let each kind have its own.",
        around: File,
        wrong: MIXED,
        right: APART,
    },
    Mistake {
        code: codes::MAIL_PROVIDER,
        why: "In its stream for e-mail to many, Postmark adds a link to unsubscribe that cannot \
              be taken away. Who uses it is not stopped here, and others wonder which is right.",
        around: File,
        wrong: BROADCAST,
        right: OUTBOUND,
    },
    Mistake {
        code: codes::REAL_MAIL,
        why: "As soon as e-mail leaves this machine, real people and their providers see it: \
              addresses, links and the sender must be real, and the way there safe.",
        around: Environment,
        wrong: "SMTP_URL=smtp://mail.example.com:587?tls=none",
        right: "SMTP_URL=smtps://mail.example.com:465",
    },
];

const FREE: &str = r#"sender "The Shop <the.shop@gmail.com>"
webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" {
    email "welcome-1" after="1d" subject="Welcome"
}"#;

const OWN: &str = r#"sender "The Shop <hello@example.com>"
webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" {
    email "welcome-1" after="1d" subject="Welcome"
}"#;

const BROADCAST: &str = r#"service "postmark" {
    token (env)"POSTMARK_SERVER_TOKEN" optional=#true
    stream "broadcast"
}
webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" {
    email "welcome-1" after="1d" subject="Welcome"
}"#;

const OUTBOUND: &str = r#"service "postmark" {
    token (env)"POSTMARK_SERVER_TOKEN" optional=#true
    stream "newsletter"
}
webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
    }
}
sequence "welcome" to="{{email}}" {
    email "welcome-1" after="1d" subject="Welcome"
}"#;

const MIXED: &str = r#"service "bulk" type="smtp" {
    url (env)"BULK_URL" optional=#true
}
service "post" type="smtp" {
    url (env)"POST_URL" optional=#true
}
webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
        start "receipt"
    }
}
sequence "welcome" to="{{email}}" {
    email "welcome-1" after="1d" subject="Welcome" via="bulk"
}
sequence "receipt" to="{{email}}" kind="transactional" {
    email "welcome-2" after="2d" subject="Your receipt" via="bulk"
}"#;

const APART: &str = r#"service "bulk" type="smtp" {
    url (env)"BULK_URL" optional=#true
}
service "post" type="smtp" {
    url (env)"POST_URL" optional=#true
}
webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload { email email; }
        start "welcome"
        start "receipt"
    }
}
sequence "welcome" to="{{email}}" {
    email "welcome-1" after="1d" subject="Welcome" via="bulk"
}
sequence "receipt" to="{{email}}" kind="transactional" {
    email "welcome-2" after="2d" subject="Your receipt" via="post"
}"#;
