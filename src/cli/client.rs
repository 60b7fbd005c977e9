//! Talking to a running server. No redirect is taken, nothing goes through a proxy, and every
//! answer has a deadline, but for what is followed as it happens: the answer is the server's
//! or there is none.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::data::whole;
use super::environment::Environment;
use super::outcome::{Exit, Failure, Outcome};
use super::{Format, Global, out, rules, table};
use crate::base::Secret;
use crate::model::Lookup as _;
use crate::model::rules::RuleSet;
use crate::serve::curl::escape;
use crate::serve::sources::plain;

/// Deadline of a whole exchange.
const DEADLINE: Duration = Duration::from_secs(30);
/// Deadline of connecting.
const CONNECT: Duration = Duration::from_secs(5);
/// Deadline of fetching a backup.
const DOWNLOAD: Duration = Duration::from_hours(6);
/// Deadline of what goes through the whole store.
const SLOW: Duration = Duration::from_mins(10);
/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 * 1024 * 1024;

/// Which server, and how its answer is printed.
#[derive(Args, Debug)]
pub(super) struct Remote {
    /// The server's address [default: `RULERUN_URL`, else where the rules listen].
    #[arg(long, value_name = "URL", global = true, value_hint = clap::ValueHint::Url)]
    server: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t, global = true)]
    pub(super) format: Format,
}

/// Which part of a long list.
#[derive(Args, Debug, Default)]
pub(super) struct Page {
    /// How many.
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=u64::from(u32::MAX)))]
    pub(super) size: Option<u32>,
    /// Which page of so many, from 1.
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1..=u64::from(u32::MAX)))]
    pub(super) page: Option<u32>,
}

impl Page {
    /// The parameters of the API.
    pub(super) fn parameters(&self) -> [(&'static str, Option<String>); 2] {
        let text = |number: Option<u32>| number.map(|number| number.to_string());
        [("size", text(self.size)), ("page", text(self.page))]
    }
}

/// A connection to one server.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    /// Its address, without a trailing slash.
    pub(super) base: String,
    token: Option<Secret>,
    /// What to do when nobody answers.
    advice: &'static str,
}

/// What to do when nobody answers.
const START: &str = "start it with `rulerun serve`, or say where it runs: --server URL, or RULERUN_URL in the environment";

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// Status code.
    pub(super) status: u16,
    /// The body: JSON, or its text where it is none.
    pub(super) body: Value,
}

impl Client {
    /// Finds the server and its token for a verb that does not need the rules otherwise.
    pub(super) fn open(global: &Global, remote: &Remote) -> Result<Self, Failure> {
        let environment = Environment::load()?;
        let address = remote.address(&environment);
        let rules = if address.is_some() && global.rules.is_empty() {
            // With an address at hand the rules only know the token; do without if they are
            // not here.
            rules::quiet(global)
        } else {
            Some(rules::sound(global).map_err(|failure| {
                const HELP: &str = "the rules say where the server is; without them name it: \
                                    --server URL, or RULERUN_URL in the environment";
                if failure == Failure::Rules {
                    out::note(&format!("\nhelp:  {HELP}"));
                }
                failure.help(HELP)
            })?)
        };
        Self::with_rules(rules.as_ref(), address, &environment)
    }

    /// The same for a verb that has read the rules.
    pub(super) fn beside(
        rules: &RuleSet,
        remote: &Remote,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        Self::with_rules(Some(rules), remote.address(environment), environment)
    }

    fn with_rules(
        rules: Option<&RuleSet>,
        address: Option<String>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let base = match (address, rules) {
            (Some(address), _) => address,
            (None, Some(rules)) => rules::listen_url(rules, environment)?,
            (None, None) => return Err(Failure::new("the server's address is unknown")),
        };
        let token = match rules.and_then(|rules| rules.server.api_token.as_ref()) {
            Some(token) => rules::setting(token, environment)?,
            None => None,
        };
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(DEADLINE))
            .timeout_connect(Some(CONNECT))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .proxy(None)
            .user_agent(concat!("rulerun/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.new_agent(), base, token, advice: START })
    }

    /// The same client with other advice for when nobody answers.
    pub(super) fn advising(self, advice: &'static str) -> Self {
        Self { advice, ..self }
    }

    /// Reads from the API.
    pub(super) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.api("GET", path, None)
    }

    /// Steers through the API.
    pub(super) fn post(&self, path: &str, body: Option<Vec<u8>>) -> Result<Answer, Failure> {
        self.api("POST", path, Some(body.unwrap_or_default()))
    }

    /// Writes through the API: `PUT` replaces, `PATCH` merges.
    pub(super) fn write(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Answer, Failure> {
        self.api(method, path, Some(body))
    }

    /// Hands a text over that is no JSON.
    pub(super) fn post_text(
        &self,
        path: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        self.call("POST", path, kind, Some(body))
    }

    /// Removes through the API what takes the server longer than others do.
    pub(super) fn delete_slowly(&self, path: &str) -> Result<Answer, Failure> {
        let mut answer = self.raw("DELETE", path, Some(SLOW), SLOW)?;
        self.read(&mut answer)
    }

    /// Cancels through the API.
    pub(super) fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.api("DELETE", path, None)
    }

    /// Has a file made and reads it as it comes.
    pub(super) fn download(&self, path: &str) -> Result<impl Read + use<>, Failure> {
        self.stream("POST", path, Some(DOWNLOAD), "the server made no backup")
    }

    /// Reads a file that the server writes as it is asked for.
    pub(super) fn fetch(&self, path: &str) -> Result<impl Read + use<>, Failure> {
        self.stream("GET", path, Some(DOWNLOAD), "the server gave no list")
    }

    /// Reads what the server tells for as long as it tells it.
    pub(super) fn follow(&self, path: &str) -> Result<impl Read + use<>, Failure> {
        self.stream("GET", path, None, "the server cannot be followed")
    }

    /// Asks, and hands the answer over as it comes, within a deadline where there is one;
    /// `otherwise` says what is missing when it is none.
    fn stream(
        &self,
        method: &str,
        path: &str,
        deadline: Option<Duration>,
        otherwise: &str,
    ) -> Result<impl Read + use<>, Failure> {
        let mut answer = self.raw(method, path, deadline, DEADLINE)?;
        if answer.status().is_success() {
            return Ok(answer.into_body().into_reader());
        }
        let answer = self.read(&mut answer)?;
        answer.tell();
        Err(Failure::new(otherwise))
    }

    /// Asks, with its own deadlines for the whole and for the beginning of the answer.
    fn raw(
        &self,
        method: &str,
        path: &str,
        deadline: Option<Duration>,
        beginning: Duration,
    ) -> Result<ureq::http::Response<ureq::Body>, Failure> {
        let url = format!("{}/api/v1{path}", self.base);
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {}", token.expose()));
        }
        let request = request.body(Vec::new()).map_err(|error| self.no_call(&error))?;
        let request = self
            .agent
            .configure_request(request)
            .timeout_global(deadline)
            .timeout_recv_response(Some(beginning))
            .build();
        self.agent.run(request).map_err(|error| self.silent(&error))
    }

    fn api(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> Result<Answer, Failure> {
        self.call(method, path, "application/json", body)
    }

    fn call(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, Failure> {
        let mut headers = vec![(String::from("Accept"), String::from("application/json"))];
        if body.as_ref().is_some_and(|body| !body.is_empty()) {
            headers.push((String::from("Content-Type"), String::from(kind)));
        }
        if let Some(token) = &self.token {
            headers.push((String::from("Authorization"), format!("Bearer {}", token.expose())));
        }
        self.exchange(method, &format!("{}/api/v1{path}", self.base), &headers, body)
    }

    /// One request, one answer.
    pub(super) fn exchange(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer, Failure> {
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let fault = |error: ureq::http::Error| self.no_call(&error);
        let answer = match body {
            Some(body) => self.agent.run(request.body(body).map_err(fault)?),
            None => self.agent.run(request.body(()).map_err(fault)?),
        };
        self.read(&mut answer.map_err(|error| self.silent(&error))?)
    }

    /// Reads a short answer.
    fn read(&self, answer: &mut ureq::http::Response<ureq::Body>) -> Result<Answer, Failure> {
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).lossy_utf8(true);
        let text = body.read_to_string().map_err(|error| self.silent(&error))?;
        let body = match text.trim() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
        };
        Ok(Answer { status: answer.status().as_u16(), body })
    }

    /// The address cannot be called.
    fn no_call(&self, error: &ureq::http::Error) -> Failure {
        Failure::new(format!("cannot call {}: {error}", self.base))
            .help("a server's address looks like http://127.0.0.1:8080")
    }

    /// Nobody answers.
    fn silent(&self, error: &ureq::Error) -> Failure {
        let base = &self.base;
        let why = match error {
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                String::from("nothing listens there")
            }
            ureq::Error::Io(error) if error.to_string().contains("lookup address") => {
                String::from("no machine of this name is known")
            }
            ureq::Error::Io(error) => plain(error),
            error => error.to_string(),
        };
        match error {
            ureq::Error::Timeout(_) => Failure::new(format!("{base} did not answer in time")),
            ureq::Error::BadUri(_) => Failure::new(format!("{base} is not an address"))
                .help("a server's address looks like http://127.0.0.1:8080"),
            ureq::Error::BodyExceedsLimit(_) => {
                Failure::new(format!("{base} answered with more than {MAX_ANSWER} bytes"))
                    .help("ask for less, such as with --size")
            }
            _ => Failure::new(format!("no rulerun answers at {base}: {why}")).help(self.advice),
        }
    }
}

impl Remote {
    /// The server at an address, or wherever it is found when that is none.
    pub(super) fn at(server: Option<String>, format: Format) -> Self {
        Self { server, format }
    }

    /// Whether a server was named, here or in the environment.
    pub(super) fn is_named(&self) -> Result<bool, Failure> {
        Ok(self.address(&Environment::load()?).is_some())
    }

    /// The address that was given, if any, without a trailing slash.
    fn address(&self, environment: &Environment) -> Option<String> {
        let given = self.server.clone().or_else(|| environment.env("RULERUN_URL"))?;
        let given = given.trim().trim_end_matches('/');
        let scheme = if given.contains("://") { "" } else { "http://" };
        Some(format!("{scheme}{given}"))
    }
}

impl Answer {
    /// Whether the server did what it was asked to.
    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Prints a good answer with `human`, or as it is for a program; tells a bad one.
    pub(super) fn print(&self, format: Format, human: impl FnOnce(&Value) -> String) -> Outcome {
        if !self.is_good() {
            self.tell();
            if format == Format::Json {
                out::json(&self.body)?;
            }
            return Ok(Exit::Problems);
        }
        match format {
            Format::Json => out::json(&self.body)?,
            Format::Human => out::data(&human(&self.body))?,
        }
        Ok(Exit::Fine)
    }

    /// Prints a good answer field by field.
    pub(super) fn print_facts(&self, format: Format) -> Outcome {
        self.print(format, |body| if body.is_null() { String::new() } else { table::facts(body) })
    }

    /// Says what the server refused.
    fn tell(&self) {
        let words = ["detail", "message"].iter().find_map(|name| self.body.get(name)?.as_str());
        match words {
            // The server has understood, and says in its own words what it does not have.
            Some(words) if self.status == 404 => out::note(&out::clean(words)),
            _ => {
                let words = words.or(self.body.as_str()).unwrap_or("it gave no reason");
                out::note(&format!("the server answered {}: {}", self.status, out::clean(words)));
            }
        }
        let problems = self.body.get("errors").and_then(Value::as_array);
        for problem in problems.into_iter().flatten() {
            let part = |name: &str| table::cell(&problem[name]);
            out::note(&format!("  {}: {}", part("path"), part("message")));
        }
        if matches!(self.status, 401 | 403) {
            out::note(
                "the API wants the token that `server { api-token (env)\"…\" }` of its rules names: set the same variable here",
            );
        }
    }
}

/// The rows of an answer that lists something.
pub(super) fn results(body: &Value) -> &[Value] {
    body.get("results").unwrap_or(body).as_array().map_or(&[], Vec::as_slice)
}

/// A table of the results, and how many more there are.
pub(super) fn listing(
    body: &Value,
    headings: &[&str],
    none: &str,
    row: impl Fn(&Value) -> Vec<String>,
) -> String {
    let results = results(body);
    if results.is_empty() {
        out::note(none);
        return String::new();
    }
    let rows: Vec<Vec<String>> = results.iter().map(row).collect();
    let total = body.get("total").and_then(Value::as_u64).unwrap_or_default();
    if total > rows.len() as u64 {
        out::note(&format!(
            "{} of {total} are shown; --size N shows more, --page N goes on",
            rows.len()
        ));
    }
    table::draw(headings, &rows)
}

/// `?a=1&b=2` of the parameters that are there.
pub(super) fn query<'a>(parameters: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let given: Vec<String> = parameters
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", escape(&value?))))
        .collect();
    if given.is_empty() { String::new() } else { format!("?{}", given.join("&")) }
}
