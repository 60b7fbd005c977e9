//! Why something happened to a person, what is still to come, and what an edit means for
//! those who are mid-way: told by a running server and by its data folder alike.

mod backtest;
mod edits;
mod pinning;
mod story;

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::binary::rulerun;
use crate::support::server::{Make, TestServer};

/// When the story begins: a Monday.
const AT: &str = "2025-12-01T10:30:00Z";

const RULES: &str = r#"
sender "Acme <hello@example.com>" {
    postal-address "1 Main Street"
    time-zone "Europe/Berlin"
}
webhooks "shop" {
    path "/shop"
    endpoint "signup" {
        payload "signup"
        save "contact" id="{{email}}" {
            email "{{email}}"
        }
        start "welcome"
    }
    endpoint "paid" {
        payload {
            email email
            payment_status text
        }
        require "payment_status == \"paid\"" else="Not paid yet."
        stop "welcome" for="{{email}}"
    }
    endpoint "opened" {
        payload {
            email email
            times integer
        }
        require "times > 3" status=204
        stop "welcome" for="{{email}}"
    }
}
schema "signup" {
    email email
    first_name text
}
sequence "welcome" to="{{email}}" {
    stop-when "contact.unsubscribed"
    email "welcome-1" after="5min" subject="Welcome, {{first_name}}"
    email "welcome-2" after="1d" subject="Three things to try" when="len(first_name) > 2"
    email "welcome-3" after="3d" subject="Shall we talk?"
}
"#;

/// The server of the story, with rules that may be edited.
fn make(rules: &str) -> Make {
    let texts = ["welcome-0", "welcome-1", "welcome-2", "welcome-3"];
    texts.iter().fold(Make::empty().file("rules/shop.kdl", rules), |make, name| {
        make.file(&format!("rules/emails/{name}.md"), "Hello.\n")
    })
}

/// What a command came to.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    data: String,
    notes: String,
}

impl Done {
    #[track_caller]
    fn data(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.data
    }

    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.data()).expect("JSON")
    }
}

fn done(mut command: Command) -> Done {
    let output = command.stdin(Stdio::null()).output().expect("the program");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Done { code: output.status.code(), data: text(output.stdout), notes: text(output.stderr) }
}

/// Runs a verb in a folder, for a server if there is one.
fn run(folder: &std::path::Path, server: Option<&str>, line: &str) -> Done {
    let mut command = rulerun();
    command.current_dir(folder).args(line.split_whitespace());
    if let Some(url) = server {
        command.env("RULERUN_URL", url);
    }
    done(command)
}

/// The same beside a running server.
fn ask(server: &TestServer, line: &str) -> Done {
    run(server.folder.path(), Some(&server.url("")), line)
}

/// Signs somebody up.
async fn sign_up(server: &TestServer, email: &str, name: &str) {
    let body = serde_json::json!({ "email": email, "first_name": name });
    assert_eq!(server.post("/shop/signup", &body).await.status, 200);
}
