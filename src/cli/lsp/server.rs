//! The conversation with the editor: who may say what when, which handler answers a request,
//! and when mistakes are published.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};

use super::position::{Lines, Units};
use super::wire::{self, Fault, Incoming};
use super::workspace::{Document, Documents, Known, Project, Workspace};
use super::{READ_AHEAD, complete, edits, hover, mistakes, navigate, rename, symbols, uri};
use crate::cli::outcome::Exit;

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before `initialize`.
    New,
    /// Between `initialize` and `shutdown`.
    Open,
    /// After `shutdown`.
    Closing,
}

/// What the editor can do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Client {
    /// What its columns count.
    pub(super) units: Units,
    /// Whether it fills in snippets.
    pub(super) snippets: bool,
    /// Whether it renames files for us.
    pub(super) renames: bool,
    /// Whether it watches files for us.
    watches: bool,
}

/// A place in an open file, with what is known about its rule set.
pub(super) struct Ask<'a> {
    pub(super) client: Client,
    pub(super) project: &'a Project,
    /// What is open.
    pub(super) documents: &'a Documents,
    pub(super) known: &'a Known,
    /// The file's path in the project.
    pub(super) path: String,
    /// The file's text.
    pub(super) text: &'a str,
    /// The place.
    pub(super) offset: usize,
}

/// The server.
#[derive(Debug)]
pub(super) struct Server<W> {
    inbox: Receiver<Incoming>,
    /// What was read ahead.
    waiting: VecDeque<Incoming>,
    output: W,
    stage: Stage,
    client: Client,
    workspace: Workspace,
    /// Whether something has changed since mistakes were published.
    changed: bool,
    /// What was published, by address.
    published: BTreeMap<String, Value>,
    /// What was last said about files that cannot be read.
    told: String,
}

impl<W: Write> Server<W> {
    pub(super) fn new(
        given: &[PathBuf],
        here: PathBuf,
        inbox: Receiver<Incoming>,
        output: W,
    ) -> Self {
        Self {
            inbox,
            waiting: VecDeque::new(),
            output,
            stage: Stage::New,
            client: Client::default(),
            workspace: Workspace::new(given, here),
            changed: false,
            published: BTreeMap::new(),
            told: String::new(),
        }
    }

    /// Talks until the editor leaves. It ends well only when the editor has said so before.
    pub(super) fn run(mut self) -> Exit {
        while let Some(incoming) = self.next() {
            let goes_on = match incoming {
                Incoming::Message(message) => self.message(&message),
                Incoming::Nonsense(why) => {
                    self.send(&wire::answer(&Value::Null, Err(Fault::new(Fault::PARSE, why))));
                    true
                }
            };
            if !goes_on {
                break;
            }
        }
        Exit::problems_if(self.stage != Stage::Closing)
    }

    /// The next message. Before it waits for one, it publishes what has changed.
    fn next(&mut self) -> Option<Incoming> {
        self.read_ahead();
        while self.waiting.is_empty() && std::mem::take(&mut self.changed) {
            self.workspace.study();
            self.read_ahead();
            if self.waiting.iter().any(changes) {
                // The result is old already; what comes next is published instead.
                self.changed = true;
            } else {
                self.publish();
            }
        }
        self.waiting.pop_front().or_else(|| self.inbox.recv().ok())
    }

    /// Takes what has arrived, up to a bound: a client that floods is read as it is answered.
    fn read_ahead(&mut self) {
        let room = READ_AHEAD.saturating_sub(self.waiting.len());
        self.waiting.extend(self.inbox.try_iter().take(room));
    }

    fn send(&mut self, message: &Value) {
        // An editor that is gone needs no answer; the end of its input ends the server.
        let _ = wire::write(&mut self.output, message);
    }

    fn notify(&mut self, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Takes one message; answers whether the conversation goes on.
    fn message(&mut self, message: &Value) -> bool {
        let id = message.get("id").filter(|id| id.is_string() || id.is_number());
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            // The answer to something that we asked, or nothing at all.
            if message.get("result").is_none() && message.get("error").is_none() {
                let fault = Fault::new(Fault::INVALID, "this is not a message of JSON-RPC");
                self.send(&wire::answer(id.unwrap_or(&Value::Null), Err(fault)));
            }
            return true;
        };
        let params = message.get("params").unwrap_or(&Value::Null);
        match id {
            None if method == "exit" => false,
            None => {
                if self.stage == Stage::Open {
                    self.notification(method, params);
                }
                true
            }
            Some(id) => {
                let result = if self.is_cancelled(id) {
                    Err(Fault::new(Fault::CANCELLED, "no longer wanted"))
                } else {
                    self.request(method, params)
                };
                self.send(&wire::answer(id, result));
                true
            }
        }
    }

    /// Whether a request was taken back before it was answered.
    fn is_cancelled(&mut self, id: &Value) -> bool {
        self.read_ahead();
        self.waiting.iter().any(|incoming| match incoming {
            Incoming::Message(message) => {
                message.get("method").is_some_and(|method| method == "$/cancelRequest")
                    && message.pointer("/params/id") == Some(id)
            }
            Incoming::Nonsense(_) => false,
        })
    }

    fn notification(&mut self, method: &str, params: &Value) {
        let named = params.pointer("/textDocument/uri").and_then(Value::as_str);
        let path = named.and_then(uri::path);
        match (method, named, path) {
            ("initialized", ..) => {
                if self.client.watches {
                    self.send(&watch());
                }
                self.changed = true;
            }
            ("textDocument/didOpen" | "textDocument/didChange", Some(uri), Some(path)) => {
                let text = params.pointer("/textDocument/text").or_else(|| {
                    // The whole text is sent each time; only the last one counts.
                    params.get("contentChanges")?.as_array()?.last()?.get("text")
                });
                let version = params.pointer("/textDocument/version").and_then(Value::as_i64);
                if let Some(text) = text.and_then(Value::as_str) {
                    let (uri, text) = (uri.to_owned(), text.to_owned());
                    let document = Document { uri, version: version.unwrap_or(0), text };
                    self.workspace.open(&path, document);
                    self.changed = true;
                }
            }
            ("textDocument/didClose", _, Some(path)) => {
                self.workspace.close(&path);
                self.changed = true;
            }
            ("textDocument/didSave" | "workspace/didChangeWatchedFiles", ..) => {
                self.workspace.all_changed();
                self.changed = true;
            }
            _ => {}
        }
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<Value, Fault> {
        match (self.stage, method) {
            (Stage::New, "initialize") => Ok(self.initialize(params)),
            (Stage::New, _) => Err(Fault::new(Fault::TOO_EARLY, "`initialize` comes first")),
            (Stage::Closing, _) => Err(Fault::new(Fault::INVALID, "the server is shut down")),
            (Stage::Open, "initialize") => {
                Err(Fault::new(Fault::INVALID, "the server is initialized already"))
            }
            (Stage::Open, "shutdown") => {
                self.stage = Stage::Closing;
                Ok(Value::Null)
            }
            (Stage::Open, _) => self.ask(method, params),
        }
    }

    /// Answers a request about an open file.
    fn ask(&mut self, method: &str, params: &Value) -> Result<Value, Fault> {
        let handler: fn(&Ask<'_>, &Value) -> Result<Value, Fault> = match method {
            "textDocument/completion" => |ask, _| Ok(complete::complete(ask)),
            "textDocument/hover" => |ask, _| Ok(hover::hover(ask)),
            "textDocument/definition" => |ask, _| Ok(navigate::definition(ask)),
            "textDocument/references" => |ask, params| Ok(navigate::references(ask, params)),
            "textDocument/prepareRename" => |ask, _| rename::prepare(ask),
            "textDocument/rename" => rename::rename,
            "textDocument/formatting" => |ask, _| Ok(edits::format(ask)),
            "textDocument/codeAction" => edits::fixes,
            "textDocument/documentSymbol" => |ask, _| Ok(symbols::symbols(ask)),
            other => {
                let why = format!("there is no method {}", crate::cli::out::clean(other));
                return Err(Fault::new(Fault::UNKNOWN, why));
            }
        };
        let named = params.pointer("/textDocument/uri").and_then(Value::as_str);
        let Some(path) = named.and_then(uri::path) else {
            return Err(Fault::new(Fault::PARAMS, "the address of a file is missing"));
        };
        let client = self.client;
        let not_open = || Fault::new(Fault::PARAMS, "this file is not open, or no part of rules");
        let (project, documents) = self.workspace.of(&path).ok_or_else(not_open)?;
        let document = documents.get(&path).ok_or_else(not_open)?;
        let text = document.text.as_str();
        let offset = match params.get("position") {
            Some(position) => Lines::new(text, client.units).offset(position),
            None => Some(0),
        };
        let offset = offset.ok_or_else(|| Fault::new(Fault::PARAMS, "this is no position"))?;
        let shown =
            path.strip_prefix(&project.base).unwrap_or(&path).to_string_lossy().into_owned();
        // Edits need the texts as they are; the rest is answered from what was readable last.
        project.remember();
        let project = &*project;
        let known = project.known().ok_or_else(|| Fault::failed("the rules cannot be read"))?;
        handler(&Ask { client, project, documents, known, path: shown, text, offset }, params)
    }

    fn initialize(&mut self, params: &Value) -> Value {
        self.stage = Stage::Open;
        let can = |pointer: &str| params.pointer(pointer).and_then(Value::as_bool).unwrap_or(false);
        let encodings = params.pointer("/capabilities/general/positionEncodings");
        let bytes = encodings
            .and_then(Value::as_array)
            .is_some_and(|offered| offered.iter().any(|one| one == "utf-8"));
        self.client = Client {
            units: if bytes { Units::Utf8 } else { Units::Utf16 },
            snippets: can("/capabilities/textDocument/completion/completionItem/snippetSupport"),
            renames: can("/capabilities/workspace/workspaceEdit/documentChanges")
                && params
                    .pointer("/capabilities/workspace/workspaceEdit/resourceOperations")
                    .and_then(Value::as_array)
                    .is_some_and(|offered| offered.iter().any(|one| one == "rename")),
            watches: can("/capabilities/workspace/didChangeWatchedFiles/dynamicRegistration"),
        };
        let folders = params.get("workspaceFolders").and_then(Value::as_array);
        let root = params.get("rootUri").and_then(Value::as_str);
        let named = folders.into_iter().flatten().filter_map(|folder| folder["uri"].as_str());
        for folder in named.chain(root).filter_map(uri::path) {
            self.workspace.folder(&folder);
        }
        json!({
            "serverInfo": {"name": "rulerun", "version": env!("CARGO_PKG_VERSION")},
            "capabilities": {
                "positionEncoding": if bytes { "utf-8" } else { "utf-16" },
                "textDocumentSync": {"openClose": true, "change": 1, "save": {}},
                "completionProvider": {"triggerCharacters": ["\"", "{", "=", ".", "(", " ", "|"]},
                "hoverProvider": true,
                "definitionProvider": true,
                "referencesProvider": true,
                "renameProvider": {"prepareProvider": true},
                "documentFormattingProvider": true,
                "codeActionProvider": {"codeActionKinds": ["quickfix"]},
                "documentSymbolProvider": true,
            },
        })
    }

    /// Publishes the mistakes of every file in which they are others than before, and of the
    /// open files that have changed.
    fn publish(&mut self) {
        let (files, trouble) = mistakes::of(&self.workspace, self.client.units);
        let gone: Vec<String> =
            self.published.keys().filter(|uri| !files.contains_key(*uri)).cloned().collect();
        for uri in gone {
            self.published.remove(&uri);
            self.notify("textDocument/publishDiagnostics", &json!({"uri": uri, "diagnostics": []}));
        }
        for (uri, params) in files {
            if self.published.get(&uri) != Some(&params) {
                self.published.insert(uri, params.clone());
                self.notify("textDocument/publishDiagnostics", &params);
            }
        }
        if trouble != self.told {
            self.told.clone_from(&trouble);
            if !trouble.is_empty() {
                self.notify("window/showMessage", &json!({"type": 1, "message": trouble}));
            }
        }
    }
}

/// Whether a message changes a file.
fn changes(incoming: &Incoming) -> bool {
    let Incoming::Message(message) = incoming else { return false };
    let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
    method.starts_with("textDocument/did") || method == "workspace/didChangeWatchedFiles"
}

/// Asks the editor to tell of files that others change.
fn watch() -> Value {
    json!({
        "jsonrpc": "2.0", "id": "watch", "method": "client/registerCapability",
        "params": {"registrations": [{
            "id": "watch", "method": "workspace/didChangeWatchedFiles",
            "registerOptions": {"watchers": [{"globPattern": "**/*.{kdl,md,json}"}]},
        }]},
    })
}
