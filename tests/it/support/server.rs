//! A real server on a port of its own, with rules of its own, for one test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rulerun::base::{Clock, Timestamp, time};
use rulerun::model::Lookup;
use rulerun::serve::app::{App, Options};
use rulerun::serve::server::{Config, Server, StartError};
use serde_json::Value;

/// The keys that every test's environment has.
pub(crate) const KEYS: [(&str, &str); 8] = [
    ("SIGNUP_WEBHOOK_KEY", "signup-webhook-key"),
    ("ASSESSMENT_WEBHOOK_KEY", "assessment-webhook-key"),
    ("NOSHOW_WEBHOOK_KEY", "noshow-webhook-key"),
    ("POSTCALL_WEBHOOK_KEY", "postcall-webhook-key"),
    ("ONBOARDING_WEBHOOK_KEY", "onboarding-webhook-key"),
    ("WEBHOOK_SECRET", "your-secure-webhook-secret-here"),
    ("N8N_WEBHOOK_SECRET", "your-n8n-webhook-secret-here"),
    ("N8N_ENABLED", "false"),
];

/// Where both campaigns' webhooks live in the first document.
pub(crate) const CAMPAIGN: &str = "/api/v1/executions/webhook/christmas/handlers";

/// A map as an environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Env(pub(crate) BTreeMap<String, String>);

impl Lookup for Env {
    fn env(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }
    fn file(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|why| why.to_string())
    }
}

/// A clock that a test turns by hand.
#[derive(Debug)]
pub(crate) struct TestClock {
    /// What it says, in milliseconds.
    now: AtomicI64,
    /// By how much it was set, as opposed to how much time has passed.
    set_by: AtomicI64,
}

impl TestClock {
    pub(crate) fn at(text: &str) -> Arc<Self> {
        let at: Timestamp = text.parse().expect("a time");
        Arc::new(Self { now: AtomicI64::new(time::millis(at)), set_by: AtomicI64::new(0) })
    }

    /// So much time passes, and nobody is told.
    pub(crate) fn pass(&self, by: Duration) {
        self.now.fetch_add(i64::try_from(by.as_millis()).expect("a short time"), Ordering::SeqCst);
    }

    /// Sets it by so many seconds, in either direction, telling nobody.
    pub(crate) fn set(&self, seconds: i64) {
        self.set_by.fetch_add(seconds * 1000, Ordering::SeqCst);
        self.now.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        time::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn passing(&self) -> i64 {
        self.now.load(Ordering::SeqCst) - self.set_by.load(Ordering::SeqCst)
    }
}

/// How a test server is made.
pub(crate) struct Make {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) env: Env,
    pub(crate) config: Config,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {:?}", self.text))
    }
}

impl Make {
    /// The project's own rules and schemas, with every key set, in memory.
    pub(crate) fn campaigns() -> Self {
        let make = Self::empty();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for part in ["rules", "schemas"] {
            copy(&root.join(part), &make.folder.path().join(part));
        }
        make
    }

    /// No rules yet.
    pub(crate) fn empty() -> Self {
        Self::within(tempfile::tempdir().expect("a folder"))
    }

    /// The rules and state that another server has left in this folder.
    pub(crate) fn within(folder: tempfile::TempDir) -> Self {
        let paths = ["rules", "schemas"].map(|part| folder.path().join(part));
        for path in &paths {
            std::fs::create_dir_all(path).expect("a folder");
        }
        let env = KEYS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut config = Config::new(paths.to_vec(), Arc::new(Env::default()));
        config.memory = true;
        config.listen = Some(String::from("127.0.0.1:0"));
        config.options = Options { jitter: false, ..Options::default() };
        config.data = Some(folder.path().join("data"));
        Self { folder, env: Env(env.into()), config }
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Writes a file below the folder.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        write(&self.folder.path().join(path), text);
        self
    }

    /// Keeps state on disk.
    pub(crate) fn on_disk(mut self) -> Self {
        self.config.memory = false;
        self
    }

    /// Runs on a clock that the test turns.
    pub(crate) fn clock(mut self, clock: &Arc<TestClock>) -> Self {
        self.config.clock = Arc::<TestClock>::clone(clock);
        self
    }

    /// Starts it, or says why not.
    pub(crate) async fn try_start(mut self) -> Result<TestServer, StartError> {
        self.config.lookup = Arc::new(self.env);
        let server = Server::start(self.config).await?;
        Ok(TestServer { server, folder: self.folder })
    }

    /// Starts it.
    pub(crate) async fn start(self) -> TestServer {
        self.try_start().await.unwrap_or_else(|error| match error {
            StartError::Rules(sources, found) => {
                let style = rulerun::base::report::Style { colour: false, width: 100 };
                panic!("{}", rulerun::base::report::human(&sources, &found, style))
            }
            other => panic!("{other}"),
        })
    }
}

/// The `results` of a list.
pub(crate) fn results(answer: &Answer) -> Vec<Value> {
    answer.json()["results"].as_array().cloned().unwrap_or_default()
}

/// A running server.
pub(crate) struct TestServer {
    pub(crate) server: Server,
    pub(crate) folder: tempfile::TempDir,
}

impl TestServer {
    pub(crate) fn app(&self) -> &Arc<App> {
        &self.server.app
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], &body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let (method, url, body) = (method.to_owned(), self.url(path), body.to_owned());
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        tokio::task::spawn_blocking(move || blocking(&method, &url, &headers, &body))
            .await
            .expect("a request")
    }

    /// Turns the clock on and wakes the queue, then waits until it has looked.
    pub(crate) async fn advance(&self, clock: &TestClock, by: Duration) {
        clock.pass(by);
        self.app().store.bell().notify_one();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until something is so, at most ten seconds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    for _ in 0..500 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never happened: {what}");
}

fn blocking(method: &str, url: &str, headers: &[(String, String)], body: &str) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(body.to_owned()).expect("a request");
    let mut answer = agent.run(request).expect("an answer");
    let headers = answer.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    Answer {
        status: answer.status().as_u16(),
        headers,
        text: answer.body_mut().read_to_string().unwrap_or_default(),
    }
}

/// Every call becomes an event for the receiver.
const RULES: &str = r#"
service "crm" type="http" {
    url (env)"CRM_URL"
    retry "100ms" "100ms" "100ms"
    in-flight 32
}
events to="crm" path="/in" {
    event "noted"
}
webhooks "t" {
    path "/t"
    endpoint "note" {
        payload {
            n integer
        }
        send "noted"
    }
}
"#;

/// A folder with rules by which every call becomes an event for the receiver.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rules/t.kdl"), RULES);
    folder
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    std::fs::write(path, text).expect("a file");
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path: PathBuf = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            write(&target, &std::fs::read_to_string(&path).expect("text"));
        }
    }
}
