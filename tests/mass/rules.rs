//! The rules under which everybody is written to.

use std::sync::Arc;

use rulerun::base::SourceMap;
use rulerun::model::Lookup;
use rulerun::serve::settings::{self, Live};

use crate::calendar::{After, DAY};

/// Marketing e-mails that a person gets in a day, of both sequences together.
pub(crate) const CAP: usize = 2;
/// The day of the cap, in milliseconds.
pub(crate) const CAP_PER: i64 = DAY;

/// The e-mails as their subjects call them, and how long after the start each comes.
pub(crate) const STEPS: [(&str, After); 5] = [
    ("course-1", After::Minutes(5)),
    ("course-2", After::Days(1)),
    ("course-3", After::Days(2)),
    ("course-4", After::Days(7)),
    ("offer-1", After::Minutes(180)),
];
/// The one of them that only interested people get.
pub(crate) const OFFER: usize = 4;

/// A cap may put an e-mail off beyond the weekend; with a week's patience none is left out.
const RULES: &str = r#"
server listen="127.0.0.1:8080" {
    public-url "https://rules.example.com"
}
queue batch=256 keep="2d"
sender "School <school@example.com>" {
    postal-address "1 Main Street, Springfield"
    time-zone "America/New_York"
    cap 2 per="24h"
}
service "mail" type="smtp" {
    url "smtp://mail.example.com?tls=none"
    in-flight 64
}
schema "signup" {
    email email
    name text
    time_zone text
    interested boolean
}
webhooks "school" {
    path "/school"
    endpoint "signup" {
        payload "signup"
        start "course"
        start "offers" when="interested"
    }
    endpoint "leave" {
        payload {
            email email
        }
    }
}
sequence "course" to="{{email}}" zone="{{time_zone}}" {
    window days="mon-fri" hours="09:00-17:00" spread="15min"
    stop-on "school/leave" for="{{email}}"
    stop-when "contact.bounced"
    email "course-1" after="5min" max-late="7d" subject="course-1"
    email "course-2" after="1d" max-late="7d" subject="course-2"
    email "course-3" after="2d" max-late="7d" subject="course-3"
    email "course-4" after="7d" max-late="7d" subject="course-4"
}
sequence "offers" to="{{email}}" zone="{{time_zone}}" {
    window days="mon-fri" hours="09:00-17:00" spread="15min"
    stop-on "school/leave" for="{{email}}"
    email "offer-1" after="3h" max-late="7d" subject="offer-1"
}
"#;

struct Nothing;

impl Lookup for Nothing {
    fn env(&self, _: &str) -> Option<String> {
        None
    }
    fn file(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} is not there"))
    }
}

/// The rules, ready to serve.
pub(crate) fn live() -> Live {
    let mut sources = SourceMap::new();
    sources.add("rules/school.kdl", RULES);
    for (name, _) in STEPS {
        let text = "Hi {{name}},\n\nthis is the next part. **Twenty minutes** a day are enough; \
                    [it begins here](https://www.example.com/course).\n\nYours, the school\n";
        sources.add(format!("rules/emails/{name}.md"), text);
    }
    let (rules, found) = rulerun::language::analyze(&sources);
    let rules = rules.unwrap_or_else(|| panic!("{found:?}"));
    settings::resolve(Arc::new(rules), &Nothing, 1).unwrap_or_else(|found| panic!("{found:?}"))
}
