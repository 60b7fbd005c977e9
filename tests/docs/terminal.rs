//! Two terminals: a shell in a fresh copy of the project's rules, and beside it a server.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::compare;
use super::pages::{self, Run};

const BINARY: &str = env!("CARGO_BIN_EXE_rulerun");
/// Where pages say that the server is.
const SHOWN: [&str; 2] = ["127.0.0.1:8080", "localhost:8080"];
/// How often, and at what distance, one looks whether the server has said something: 15 s.
const LOOKS: u32 = 750;
const BETWEEN: Duration = Duration::from_millis(20);

pub(crate) struct Terminal {
    folder: tempfile::TempDir,
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    server: Option<Server>,
}

struct Server {
    child: Child,
    /// Host and port.
    address: String,
}

impl Terminal {
    /// A shell with nothing of the developer's environment but the search path.
    #[expect(clippy::disallowed_methods, reason = "programs such as curl are found through PATH")]
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["rules", "schemas", "examples"] {
            copy(&pages::root().join(part), &folder.path().join(part));
        }
        // On a terminal curl shows no progress; and a test waits for nobody.
        fs::write(folder.path().join(".curlrc"), "silent\nmax-time = 20\n").unwrap();
        let programs = Path::new(BINARY).parent().unwrap().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh")
            .env_clear()
            .env("PATH", format!("{programs}:{path}"))
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let input = shell.stdin.take().unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        Self { folder, shell, input, output, server: None }
    }

    /// Puts a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Runs a command; tells what came out if that is not what the page shows.
    pub(crate) fn play(&mut self, run: &Run) -> Option<String> {
        let command = run.command.replace("cargo run --release --", "rulerun");
        if command.starts_with("rulerun serve") {
            self.serve(&command);
            return self.must_begin(&run.output);
        }
        let output = self.run(&self.addressed(&command));
        let output = self.unaddressed(&output);
        (!compare::fits(&run.output, &output))
            .then(|| different(&run.command, &run.output, &output))
    }

    /// Looks for lines that the server must have written.
    pub(crate) fn must_say(&self, shown: &str) -> Option<String> {
        self.wait_for(&format!("...\n{shown}...\n"), shown)
    }

    fn must_begin(&self, shown: &str) -> Option<String> {
        self.wait_for(&format!("{shown}...\n"), shown)
    }

    fn wait_for(&self, pattern: &str, shown: &str) -> Option<String> {
        let said = || self.unaddressed(&self.said());
        match patiently(|| compare::fits(pattern, &said()).then_some(())) {
            Some(()) => None,
            None => Some(different("the server", shown, &said())),
        }
    }

    fn run(&mut self, command: &str) -> String {
        // The mark ends the output; the newline before it, one that has no end of its own.
        write!(self.input, "{{ {command}\n}} 2>&1\nprintf '\\n\\036\\n'\n").unwrap();
        let mut output = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the shell ended: {command}");
            if line == "\u{1e}\n" {
                output.pop();
                return output;
            }
            output.push_str(&line);
        }
    }

    fn serve(&mut self, command: &str) {
        self.stop();
        let log = File::create(self.folder.path().join("server.log")).unwrap();
        let child = Command::new(BINARY)
            .args(command.split_whitespace().skip(1))
            .args(["--listen", "127.0.0.1:0"])
            .env_clear()
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("rulerun runs");
        self.server = Some(Server { child, address: String::from("?") });
        let said = patiently(|| {
            let said = self.said();
            let (_, rest) = said.split_once(" at http://")?;
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')?;
            Some(rest[..end].trim_end_matches(':').to_owned())
        });
        let address = said.unwrap_or_else(|| panic!("{command} does not start: {}", self.said()));
        self.run(&format!("export RULERUN_URL=http://{address}"));
        if let Some(server) = &mut self.server {
            server.address = address;
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// The text with the address of this server instead of the page's.
    fn addressed(&self, text: &str) -> String {
        let Some(server) = &self.server else { return text.to_owned() };
        SHOWN.iter().fold(text.to_owned(), |text, shown| text.replace(shown, &server.address))
    }

    fn unaddressed(&self, text: &str) -> String {
        let Some(server) = &self.server else { return text.to_owned() };
        text.replace(&server.address, SHOWN[0])
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let asked =
                Command::new("kill").args(["-INT", &server.child.id().to_string()]).status();
            if !asked.is_ok_and(|status| status.success()) {
                let _ = server.child.kill();
            }
            let _ = server.child.wait();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.stop();
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// Looks again and again until something is there.
#[expect(
    clippy::disallowed_methods,
    reason = "the server is another process, which takes real time"
)]
fn patiently<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..LOOKS {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(BETWEEN);
    }
    None
}

fn different(command: &str, shown: &str, output: &str) -> String {
    format!("── {command}\n── shown:\n{shown}── came out:\n{output}")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What is wrong with a text that should be TOML, in the words of another program's parser.
pub(crate) fn toml_fault(text: &str) -> Option<String> {
    let mut python = Command::new("python3")
        .args(["-c", "import sys, tomllib; tomllib.loads(sys.stdin.read())"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = python.wait_with_output().unwrap();
    (!said.status.success()).then(|| String::from_utf8_lossy(&said.stderr).into_owned())
}
