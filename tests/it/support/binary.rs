//! The real program as a process: started, listened to, asked, and ended in every way.
#![allow(
    clippy::disallowed_methods,
    reason = "real processes and files live in real time, and are looked at until it is so"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program with nothing of this process's environment.
pub(crate) fn rulerun() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rulerun"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// A process and what it has said so far.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    listener: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Starts a command and listens to its standard error.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let listener = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut said = heard.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        Self { child, said, listener: Some(listener) }
    }

    /// Starts `rulerun serve` on a free port, in this folder, with these variables.
    pub(crate) fn serve(folder: &Path, env: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = rulerun();
        command.current_dir(folder).envs(env.iter().copied());
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
        Self::start(command)
    }

    /// Everything it has said.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Its address, once it listens.
    pub(crate) fn base(&mut self) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let said = self.said();
            let address = said.lines().find_map(|line| {
                let rest = line.strip_prefix("rulerun ")?.split_once(" at http://")?.1;
                Some(rest.split([':', ',', ' ']).take(2).collect::<Vec<_>>().join(":"))
            });
            if let Some(address) = address {
                return format!("http://{address}");
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended: {}", self.said());
            assert!(Instant::now() < until, "it does not listen: {said}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, such as `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(done.success());
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A line of its `/proc` status in KiB, such as `VmRSS` (memory now) or `VmHWM` (at most).
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Whether it runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; answers how, what it said, and how long that took.
    pub(crate) fn end(&mut self) -> (ExitStatus, String, Duration) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        };
        let took = began.elapsed();
        if let Some(listener) = self.listener.take() {
            listener.join().unwrap();
        }
        (status, self.said(), took)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP client that keeps its connections.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}

/// Posts JSON; answers the status and the body.
pub(crate) fn post(
    agent: &ureq::Agent,
    url: &str,
    body: &str,
) -> Result<(u16, String), ureq::Error> {
    let mut answer = agent.post(url).content_type("application/json").send(body)?;
    Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
}

/// Reads; answers the status and the body.
pub(crate) fn get(agent: &ureq::Agent, url: &str) -> Result<(u16, String), ureq::Error> {
    let mut answer = agent.get(url).call()?;
    Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < until, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
