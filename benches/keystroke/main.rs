//! How long the language server takes to answer a keystroke: from `didChange` to the mistakes
//! that it publishes, and from a question to its answer, in a file of 1,000 lines:
//! `cargo bench --bench keystroke`. The real binary answers over its standard input and output.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures with the clock")]
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark is a program for its own developers"
)]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Lines of the file that is typed in.
const LINES: usize = 1_000;
/// Keystrokes that are measured.
const KEYS: usize = 200;
/// What a keystroke may take.
const TARGET: Duration = Duration::from_millis(50);

fn main() {
    // `cargo test` runs benches with --test; there is nothing to test here.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules");
    std::fs::create_dir_all(rules.join("emails")).expect("folders");
    std::fs::write(rules.join("emails/hello.md"), "Hello {{first_name}}.\n").expect("a text");
    let text = big();
    std::fs::write(rules.join("big.kdl"), &text).expect("a file");
    let uri = format!("file://{}", rules.join("big.kdl").display());

    let mut server = Server::start(folder.path());
    server.open(&uri, &text);
    // A person types an e-mail's subject, letter by letter, in the middle of the file.
    let place = text.match_indices("subject=\"").nth(20).expect("a subject").0 + "subject=\"".len();
    let (mut typed, mut keys) = (String::new(), Vec::new());
    let (mut offers, mut words) = (Vec::new(), "Dear {{first_name}}, welcome! ".chars().cycle());
    let before = text[..place].rsplit('\n').next().map_or(0, str::len);
    let line = text[..place].matches('\n').count();
    for version in 0..KEYS {
        typed.extend(words.next());
        let now = format!("{}{typed}{}", &text[..place], &text[place..]);
        let began = Instant::now();
        server.change(&uri, version, &now);
        server.published();
        keys.push(began.elapsed());
        let began = Instant::now();
        server.ask(&uri, line, before + typed.len());
        offers.push(began.elapsed());
    }
    println!("a file of {} lines, {KEYS} keystrokes", text.lines().count());
    let slowest = told("keystroke to mistakes", &mut keys);
    told("question to completion", &mut offers);
    let verdict = if slowest <= TARGET { "met" } else { "MISSED" };
    println!("target: 95 in 100 keystrokes under {} ms: {verdict}", TARGET.as_millis());
}

/// Prints the figures; answers what 95 in 100 do not exceed.
fn told(what: &str, times: &mut [Duration]) -> Duration {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "{what:<24} median {:6.1} ms   95 in 100 {:6.1} ms   longest {:6.1} ms",
        millis(at(50)),
        millis(at(95)),
        millis(at(100))
    );
    at(95)
}

/// A file with everything that rules have: schemas, endpoints with guards and tags, sequences.
fn big() -> String {
    let mut text = String::from(
        "sender \"Acme <hello@example.com>\" {\n    postal-address \"1 Main Street\"\n}\n\
         service \"mail\" type=\"smtp\" {\n    url (env)\"SMTP_URL\" optional=#true\n}\n",
    );
    let mut number = 0;
    while text.lines().count() < LINES {
        number += 1;
        let _ = write!(
            text,
            r##"
schema "signup-{number}" {{
    email email example="sarah@example.com"
    first_name text example="Sarah"
    score integer optional min=0 max=10 example=7
    status text example="sent"
}}
webhooks "shop-{number}" {{
    path "/shop/{number}"
    endpoint "signup" key=(env)"KEY_{number}" {{
        about "Somebody signs up."
        payload "signup-{number}"
        require #"status == "sent" && (score == () || score > 3)"# else="Too low."
        save "contact" id="{{{{email}}}}" {{
            email "{{{{email}}}}"
            first_name "{{{{first_name | title}}}}"
        }}
        start "welcome-{number}"
    }}
}}
sequence "welcome-{number}" to="{{{{email}}}}" {{
    once-per "{{{{email}}}}"
    stop-when "contact.unsubscribed"
    email "first" after="5min" subject="Welcome, {{{{first_name}}}}" template="hello"
    email "second" after="1d" subject="Your first day" template="hello"
    email "third" after="3d" subject="Are you there, {{{{first_name}}}}?" template="hello"
}}
"##
        );
    }
    text
}

/// The server, and an editor's side of the conversation.
struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Server {
    fn start(folder: &std::path::Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rulerun"))
            .arg("lsp")
            .env_clear()
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let input = child.stdin.take().expect("an input");
        let output = BufReader::new(child.stdout.take().expect("an output"));
        let mut server = Self { child, input, output };
        server.send(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}));
        server.hear();
        server
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("it listens");
        self.input.flush().expect("it listens");
    }

    fn hear(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).expect("it speaks");
            match line.trim().strip_prefix("Content-Length: ") {
                Some(number) => length = number.parse().expect("a length"),
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).expect("a whole message");
        serde_json::from_slice(&body).expect("JSON")
    }

    fn tell(&mut self, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    fn open(&mut self, uri: &str, text: &str) {
        let document = json!({"uri": uri, "version": -1, "text": text});
        self.tell("textDocument/didOpen", &json!({"textDocument": document}));
        let found = self.published();
        assert_eq!(found["params"]["diagnostics"], json!([]), "the file has no mistake");
    }

    fn change(&mut self, uri: &str, version: usize, text: &str) {
        let params = json!({
            "textDocument": {"uri": uri, "version": version}, "contentChanges": [{"text": text}],
        });
        self.tell("textDocument/didChange", &params);
    }

    fn published(&mut self) -> Value {
        loop {
            let heard = self.hear();
            if heard["method"] == "textDocument/publishDiagnostics" {
                return heard;
            }
        }
    }

    fn ask(&mut self, uri: &str, line: usize, column: usize) {
        let params = json!({
            "textDocument": {"uri": uri}, "position": {"line": line, "character": column},
        });
        self.send(&json!({
            "jsonrpc": "2.0", "id": 1, "method": "textDocument/completion", "params": params,
        }));
        while self.hear().get("id").is_none() {}
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has served its purpose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
