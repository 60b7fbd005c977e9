//! An editor, as far as the server can tell: the real binary over its standard input and
//! output, in a folder of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the cursor stands in a text.
const CURSOR: char = '‸';

/// A small project: two rule files, schemas, and the text of an e-mail.
pub(crate) const SETTINGS: &str = r#"sender "Acme <hello@example.com>" {
    postal-address "1 Main Street, Springfield"
}
service "mail" type="smtp" {
    url (env)"SMTP_URL" optional=#true
}
service "n8n" {
    url (env)"N8N_URL" default="http://localhost:5678"
    sign secret=(env)"N8N_SECRET"
}
"#;

/// The schemas of that project.
pub(crate) const SCHEMAS: &str = r#"schema "signup" {
    email email example="sarah@example.com"
    first_name text example="Sarah"
    score integer optional example=7
}
schema "lead_found" {
    email email example="sarah@example.com"
}
"#;

/// Its endpoints and sequences.
pub(crate) const RULES: &str = r##"events to="n8n" path="/webhook/{{event.slug}}" {
    event "lead_found" about="Somebody signed up"
}
webhooks "shop" {
    path "/shop"
    endpoint "signup" key=(env)"SIGNUP_KEY" {
        payload "signup"
        require #"score == () || score > 3"# else="Too low."
        save "contact" id="{{email}}" {
            email "{{email}}"
            name "{{first_name}}"
        }
        start "welcome"
        send "lead_found"
        reply when="contact.name != () && contact.name == \"Sarah\"" {
            hello "{{contact.name | default(\"you\")}}"
        }
    }
}
sequence "welcome" to="{{email}}" {
    once-per "{{email}}"
    stop-when "contact.unsubscribed"
    email "welcome-1" after="5min" subject="Welcome, {{first_name}}"
}
"##;

/// The text of its e-mail.
pub(crate) const TEXT: &str = "# Hello {{first_name}}\n\nGood to see you.\n";

/// Writes the project.
pub(crate) fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("rules/settings.kdl", SETTINGS);
    write("rules/shop.kdl", RULES);
    write("rules/emails/welcome-1.md", TEXT);
    write("schemas/shop.kdl", SCHEMAS);
    folder
}

/// A server with its client.
#[derive(Debug)]
pub(crate) struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    heard: Receiver<Value>,
    folder: std::path::PathBuf,
    number: i64,
    version: i64,
}

impl Editor {
    /// Starts the server in a folder, without a word yet.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rulerun"));
        command.env_clear().current_dir(folder).arg("lsp").args(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (tell, heard) = sync_channel(1000);
        std::thread::spawn(move || {
            loop {
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if output.read_line(&mut line).unwrap() == 0 {
                        return;
                    }
                    match line.trim().split_once(": ") {
                        Some(("Content-Length", number)) => length = number.parse().unwrap(),
                        Some(_) => {}
                        None => break,
                    }
                }
                let mut body = vec![0; length];
                output.read_exact(&mut body).unwrap();
                if tell.send(serde_json::from_slice(&body).unwrap()).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Self { child, input, heard, folder: folder.to_owned(), number: 0, version: 0 }
    }

    /// Starts and introduces itself with what it can do.
    pub(crate) fn with(folder: &Path, capabilities: Value) -> Self {
        let mut editor = Self::start(folder, &[]);
        let root = format!("file://{}", folder.display());
        let hello = json!({"capabilities": capabilities, "rootUri": root, "processId": null});
        assert!(editor.ask("initialize", hello)["result"]["capabilities"].is_object());
        editor.tell("initialized", json!({}));
        editor
    }

    /// Starts and introduces itself.
    pub(crate) fn new(folder: &Path) -> Self {
        Self::with(folder, json!({}))
    }

    /// Sends bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        self.raw(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    /// Sends a notification.
    pub(crate) fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Sends a request without waiting; answers its number.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> i64 {
        self.number += 1;
        let id = self.number;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    /// Asks, and answers what came back; whatever else was said meanwhile is dropped.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        self.answer(id)
    }

    /// The answer to a request.
    pub(crate) fn answer(&mut self, id: i64) -> Value {
        loop {
            let heard = self.hear();
            if heard["id"] == id && heard.get("method").is_none() {
                return heard;
            }
        }
    }

    /// The next thing that the server says.
    pub(crate) fn hear(&mut self) -> Value {
        self.heard.recv_timeout(PATIENCE).expect("the server says something")
    }

    /// The mistakes that are published next for a file.
    pub(crate) fn mistakes(&mut self, path: &str) -> Value {
        let uri = self.uri(path);
        loop {
            let heard = self.hear();
            if heard["method"] == "textDocument/publishDiagnostics" && heard["params"]["uri"] == uri
            {
                return heard["params"].clone();
            }
        }
    }

    /// Their codes.
    pub(crate) fn codes(&mut self, path: &str) -> Vec<String> {
        let mistakes = self.mistakes(path);
        let found = mistakes["diagnostics"].as_array().unwrap().iter();
        found.map(|one| one["code"].as_str().unwrap().to_owned()).collect()
    }

    /// The address of a file.
    pub(crate) fn uri(&self, path: &str) -> String {
        format!("file://{}/{path}", self.folder.display())
    }

    /// Opens a file with a text.
    pub(crate) fn open(&mut self, path: &str, text: &str) {
        self.version += 1;
        let uri = self.uri(path);
        let document =
            json!({"uri": uri, "version": self.version, "text": text, "languageId": "kdl"});
        self.tell("textDocument/didOpen", json!({"textDocument": document}));
    }

    /// Types: the file has another text now. Answers its version.
    pub(crate) fn change(&mut self, path: &str, text: &str) -> i64 {
        self.version += 1;
        let document = json!({"uri": self.uri(path), "version": self.version});
        let changes = json!([{"text": text}]);
        self.tell(
            "textDocument/didChange",
            json!({"textDocument": document, "contentChanges": changes}),
        );
        self.version
    }

    /// Asks at the cursor of a text, which is given to the server first.
    pub(crate) fn at(&mut self, method: &str, path: &str, text: &str, more: Value) -> Value {
        let place = text.find(CURSOR).expect("a cursor");
        self.change(path, &text.replace(CURSOR, ""));
        let before = &text[..place];
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap().encode_utf16().count();
        let mut params = json!({
            "textDocument": {"uri": self.uri(path)},
            "position": {"line": line, "character": column},
        });
        if let Value::Object(more) = more {
            params.as_object_mut().unwrap().extend(more);
        }
        self.ask(&format!("textDocument/{method}"), params)
    }

    /// The help at the cursor of a text.
    pub(crate) fn help(&mut self, path: &str, text: &str) -> String {
        let answer = self.at("hover", path, text, Value::Null);
        answer["result"]["contents"]["value"].as_str().unwrap_or_default().to_owned()
    }

    /// What is offered at the cursor of a text: what each would write.
    pub(crate) fn offers(&mut self, path: &str, text: &str) -> Vec<String> {
        let answer = self.at("completion", path, text, Value::Null);
        let items = answer["result"]["items"].as_array().expect("items").iter();
        items.map(|item| item["textEdit"]["newText"].as_str().unwrap().to_owned()).collect()
    }

    /// Says good-bye; answers how the server ended.
    pub(crate) fn leave(mut self) -> ExitStatus {
        assert_eq!(self.ask("shutdown", Value::Null)["result"], Value::Null);
        self.tell("exit", Value::Null);
        self.end()
    }

    /// Closes its end; answers how the server ended.
    pub(crate) fn end(mut self) -> ExitStatus {
        self.input = None;
        self.child.wait().unwrap()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text under a range, by UTF-16 columns; of one line.
pub(crate) fn under(text: &str, range: &Value) -> String {
    let number =
        |pointer: &str| usize::try_from(range.pointer(pointer).unwrap().as_u64().unwrap()).unwrap();
    let line = text.lines().nth(number("/start/line")).unwrap();
    let units: Vec<u16> = line.encode_utf16().collect();
    String::from_utf16(&units[number("/start/character")..number("/end/character")]).unwrap()
}

/// A text after the edits of one file, which lie in single lines and are in order.
pub(crate) fn edited(text: &str, edits: &Value) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for edit in edits.as_array().unwrap().iter().rev() {
        let at = |pointer: &str| {
            usize::try_from(edit.pointer(pointer).unwrap().as_u64().unwrap()).unwrap()
        };
        let line = &mut lines[at("/range/start/line")];
        let units: Vec<u16> = line.encode_utf16().collect();
        let part = |range: &[u16]| String::from_utf16(range).unwrap();
        let (start, end) = (at("/range/start/character"), at("/range/end/character"));
        let new = edit["newText"].as_str().unwrap();
        *line = format!("{}{new}{}", part(&units[..start]), part(&units[end..]));
    }
    lines.join("\n") + "\n"
}
