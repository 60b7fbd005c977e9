//! The rules of the simulated world, in two editions that differ in their waits.

use std::sync::{Arc, LazyLock};

use rulerun::base::SourceMap;
use rulerun::model::Lookup;
use rulerun::model::rules::RuleSet;
use rulerun::serve::settings::{self, Live};

const RULES: &str = r#"
server listen="127.0.0.1:8080"
queue batch=4 every="30min" keep="30d"
sender "Acme <hello@example.com>" {
    postal-address "1 Main Street, Springfield"
    time-zone "America/New_York"
}
service "shop" type="http" {
    url "http://shop.example.com"
    retry "5s" "30s" "5min"
    timeout "10s"
    in-flight 3
}
service "crm" type="http" {
    url "http://crm.example.com"
    retry "5s" "1h"
    timeout "30s"
    rate "2/s"
}
service "mail" type="smtp" {
    url "smtp://mail.example.com?tls=none"
    retry "1min" "5min" "15min"
    timeout "20s"
}
schema "ordered" {
    email email
    number integer
}
schema "urgent" {
    email email
    number integer
}
schema "nudge" {
    email email
}
events to="shop" path="/orders" {
    event "ordered" ordered-by="{{email}}"
    event "urgent" priority=5
}
events to="crm" path="/people" {
    event "nudge"
}
webhooks "t" {
    path "/t"
    endpoint "order" {
        payload {
            email email
            number integer
        }
        send "ordered"
        send "urgent" when="number % 3 == 0"
    }
    endpoint "count" {
        payload {
            email email
            number integer
        }
        save "tally" id="all" {
            last "{{number}}"
        }
    }
    endpoint "join" {
        payload {
            email email
            number integer
        }
        start "welcome"
    }
    endpoint "leave" {
        payload {
            email email
            number integer
        }
        stop "welcome" for="{{email}}"
    }
}
sequence "welcome" to="{{email}}" kind="transactional" {
    email "welcome-1" after="FIRST" subject="Hello"
    send "nudge" after="6h" {
        email "{{email}}"
    }
    email "welcome-2" after="1d" subject="Still there?"
    email "welcome-3" after="LAST" subject="Good bye"
}
"#;

/// How long the waits are in each edition.
const EDITIONS: [(&str, &str); 2] = [("20s", "3d"), ("0s", "30h")];

static RULE_SETS: LazyLock<Vec<Arc<RuleSet>>> = LazyLock::new(|| {
    let compile = |(first, last): (&str, &str)| {
        let mut sources = SourceMap::new();
        sources.add("rules/a.kdl", RULES.replace("FIRST", first).replace("LAST", last));
        for number in 1..=3 {
            sources.add(format!("rules/emails/welcome-{number}.md"), "Hello, this is Acme.\n");
        }
        let (rules, found) = rulerun::language::analyze(&sources);
        Arc::new(rules.unwrap_or_else(|| panic!("{found:?}")))
    };
    EDITIONS.into_iter().map(compile).collect()
});

struct Nothing;

impl Lookup for Nothing {
    fn env(&self, _: &str) -> Option<String> {
        None
    }
    fn file(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} is not there"))
    }
}

/// The rules of this revision, ready to serve.
pub(crate) fn live(revision: u32) -> Live {
    let rules = &RULE_SETS[revision as usize % EDITIONS.len()];
    settings::resolve(Arc::clone(rules), &Nothing, revision).unwrap()
}
