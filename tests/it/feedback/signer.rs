//! Foreign code that signs: `tests/python/feedback_signer.py`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::amazon::HOST;
use crate::support::{python, script};

/// A signer that ends when this is dropped.
pub(super) struct Signer {
    child: Child,
    asked: ChildStdin,
    said: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Signer {
    /// Starts one; none, loudly, without a Python that has what it needs.
    pub(super) fn start() -> Option<Self> {
        let python = python()?;
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(python);
        command.arg(script("feedback_signer.py")).arg(folder.path()).arg(HOST);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a signer");
        let asked = child.stdin.take().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut signer = Self { child, asked, said, folder };
        assert_eq!(signer.line(), "ready");
        Some(signer)
    }

    /// Where its certificates lie.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The signature header of the `standardwebhooks` package.
    pub(super) fn standard(&mut self, secret: &str, id: &str, time: i64, body: &str) -> String {
        self.ask(&json!({ "secret": secret, "id": id, "time": time, "body": body }))
    }

    /// Signs a message of SNS with that key.
    pub(super) fn amazon(&mut self, message: &Value, key: &str) -> String {
        self.ask(&json!({ "message": message, "key": key }))
    }

    fn ask(&mut self, line: &Value) -> String {
        writeln!(self.asked, "{line}").unwrap();
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
