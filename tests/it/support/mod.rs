//! What several tests share: a Python for foreign counterparts, and mail servers.
#![allow(dead_code, reason = "each test uses its own part of this")]

pub(crate) mod binary;
pub(crate) mod faulty;
pub(crate) mod notion;
pub(crate) mod postmark;
pub(crate) mod receiver;
pub(crate) mod resend;
pub(crate) mod server;
pub(crate) mod smtp_server;
pub(crate) mod stand_in;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// The Python that `RULERUN_PYTHON` names; it has the packages of
/// `tests/python/requirements.txt`. Without it a test against foreign programs is skipped,
/// loudly; where `CI` is `true` it fails instead.
#[allow(clippy::disallowed_methods, reason = "tests are told by the environment")]
#[allow(clippy::print_stderr, reason = "a skipped test must not look like a passed one")]
pub(crate) fn python() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("RULERUN_PYTHON").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "RULERUN_PYTHON is not set");
    eprintln!("skipped: RULERUN_PYTHON names no Python with tests/python/requirements.txt");
    None
}

/// The folder that `RULERUN_NODE_MODULES` names; it has the packages of
/// `tests/node/package.json`. Without it a test against them is skipped as without Python.
#[allow(clippy::disallowed_methods, reason = "tests are told by the environment")]
#[allow(clippy::print_stderr, reason = "a skipped test must not look like a passed one")]
pub(crate) fn node_modules() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("RULERUN_NODE_MODULES").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "RULERUN_NODE_MODULES is not set");
    eprintln!("skipped: RULERUN_NODE_MODULES names no packages of tests/node/package.json");
    None
}

/// A script below `tests/python`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name)
}

/// When the sink's connections become private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SinkTls {
    /// By STARTTLS.
    StartTls,
    /// From the first byte.
    Implicit,
}

/// aiosmtpd with TLS and AUTH (user `user`, password `pass`), which keeps what it takes.
/// It ends when this is dropped. See `tests/python/smtp_sink.py`.
#[derive(Debug)]
pub(crate) struct SmtpSink {
    child: Child,
    folder: tempfile::TempDir,
    /// Where it takes mail, on 127.0.0.1.
    pub(crate) port: u16,
    api: u16,
}

impl SmtpSink {
    /// Starts a sink with certificates of its own.
    pub(crate) fn start(python: &Path, tls: SinkTls) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made =
            Command::new(python).arg(script("make_certs.py")).arg(folder.path()).status().unwrap();
        assert!(made.success(), "make_certs.py failed");
        let mut command = Command::new(python);
        command
            .arg(script("smtp_sink.py"))
            .args(["--port", "0", "--api-port", "0", "--cert"])
            .arg(folder.path().join("cert.pem"))
            .arg("--key")
            .arg(folder.path().join("key.pem"))
            .stdout(Stdio::piped());
        if tls == SinkTls::Implicit {
            command.arg("--implicit-tls");
        }
        let mut child = command.spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let mut words = ready.split_whitespace();
        assert_eq!(words.next(), Some("ready"), "the sink said {ready:?}");
        let mut port = || words.next().unwrap().parse().unwrap();
        Self { port: port(), api: port(), child, folder }
    }

    /// The authority that signed its certificate (PEM).
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The address of its JSON API.
    pub(crate) fn api(&self) -> String {
        format!("http://127.0.0.1:{}/", self.api)
    }

    /// The messages that it took, oldest first: `from`, `rcpts`, `subject`, `headers`
    /// (lower-case name to values), `text`, `html`, `tls`, `auth`, `raw`.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.api)).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: sink\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
