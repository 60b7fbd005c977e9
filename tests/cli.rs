//! The command line as its users meet it: the real binary, its output and its exit codes.

#![expect(clippy::expect_used, reason = "a test stops where something is not as it must be")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;

use serde_json::{Value, json};

/// A command that sees nothing of the developer's own environment.
fn rulerun(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rulerun"));
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    rulerun(folder).args(args).output().expect("rulerun runs")
}

/// Runs anywhere: the verb needs no rules.
fn here(args: &[&str]) -> Output {
    run(Path::new(env!("CARGO_MANIFEST_DIR")), args)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

/// A fresh project.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(code(&run(folder.path(), &["init"])), 0);
    folder
}

#[test]
fn help_is_data_and_wrong_usage_is_two() {
    let help = here(&["--help"]);
    assert_eq!((code(&help), stderr(&help).as_str()), (0, ""));
    assert!(stdout(&help).contains("validate") && stdout(&help).contains("Examples:"));
    for wrong in [
        &[][..],
        &["tset"],
        &["secret", "--loud"],
        &["queue", "retry"],
        &["serve", "--listen", "8080"],
    ] {
        let output = here(wrong);
        assert_eq!((code(&output), stdout(&output).as_str()), (2, ""), "{wrong:?}");
    }
}

#[test]
fn secrets_have_their_form_and_differ() {
    let (one, two) = (stdout(&here(&["secret"])), stdout(&here(&["secret"])));
    assert_ne!(one, two);
    assert!(one.trim().len() == 64 && one.trim().bytes().all(|byte| byte.is_ascii_hexdigit()));
    let standard = stdout(&here(&["secret", "--standard"]));
    assert_eq!(standard.trim().strip_prefix("whsec_").expect("the prefix").len(), 32);
}

#[test]
fn completions_know_the_verbs() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stdout(&here(&["completions", shell]));
        assert!(script.contains("validate") && script.contains("backtest"), "{shell}");
    }
}

#[test]
fn bash_completes_verbs_flags_and_values() {
    let script = stdout(&here(&["completions", "bash"]));
    let asks = r#"
complete -p rulerun
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _rulerun rulerun "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[*]}"; }
try rulerun que
try rulerun queue --f
try rulerun queue --format j
try rulerun n8n ex
try rulerun validate --rules sche
"#;
    let Ok(bash) = Command::new("bash")
        .args(["--norc", "-c", &format!("{script}\n{asks}")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
    else {
        return skipped("bash");
    };
    let said = stdout(&bash);
    let lines: Vec<&str> = said.lines().collect();
    // Where the script knows nothing better, bash itself completes paths.
    assert!(lines[0].contains("-o default") && lines[0].contains("-F _rulerun"), "{said}");
    assert_eq!(lines[1..], ["queue", "--format", "json", "export", "schemas"], "{}", stderr(&bash));
}

/// Says loudly that a program is not there; fails where everything must be.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment")]
#[expect(clippy::print_stderr, reason = "a skipped test must not look like a passed one")]
fn skipped(program: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{program} is not installed");
    eprintln!("skipped: {program} is not installed");
}

#[test]
fn every_verb_has_a_manual_page_that_man_can_show() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = run(folder.path(), &["man", "--out", "pages"]);
    assert_eq!(code(&written), 0, "{}", stderr(&written));
    let help = stdout(&here(&["--help"]));
    let verbs = help.lines().take_while(|line| *line != "Options:");
    let verbs = verbs.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let verbs: Vec<&str> = verbs.collect();
    assert!(verbs.len() > 20, "{verbs:?}");
    for verb in verbs.iter().filter(|verb| **verb != "help") {
        let path = folder.path().join(format!("pages/rulerun-{verb}.1"));
        let page = std::fs::read_to_string(&path).expect("a page");
        assert!(page.contains(&format!(".TH rulerun-{verb} 1 ")), "{verb}: {page}");
    }
    for page in stdout(&written).lines() {
        let shown = Command::new("man")
            .args(["--warnings", "-l", page])
            .current_dir(folder.path())
            .env("MANPAGER", "cat")
            .env("LC_ALL", "C.UTF-8")
            .output();
        let Ok(shown) = shown else { return skipped("man") };
        assert_eq!(stderr(&shown), "", "{page}");
        assert!(stdout(&shown).contains("SYNOPSIS"), "{page}: {}", stdout(&shown));
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_fault() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = rulerun(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(["completions", "zsh"])
        .stdout(writer)
        .output()
        .expect("rulerun runs");
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
}

/// The headers that `sign` makes, as arguments for `verify`.
fn signed(args: &[&str]) -> Vec<String> {
    let output = here(&[&["sign", "--secret", "s3cret", "--format", "json"], args].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let headers: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let headers = headers.as_object().expect("an object").clone();
    headers
        .into_iter()
        .map(|(name, value)| format!("-H{name}: {}", value.as_str().expect("text")))
        .collect()
}

fn verify(headers: &[String], args: &[&str]) -> Output {
    let mut all = vec!["verify"];
    all.extend(headers.iter().map(String::as_str));
    all.extend(args);
    here(&all)
}

#[test]
fn what_is_signed_verifies_with_every_scheme() {
    for scheme in ["body", "timestamped", "standard", "github", "stripe"] {
        let headers = signed(&["--scheme", scheme, "--data", r#"{"a":1}"#]);
        let given = ["--scheme", scheme, "--secret", "s3cret", "--data", r#"{"a":1}"#];
        let output = verify(&headers, &given);
        assert_eq!(code(&output), 0, "{scheme}: {}", stdout(&output));
    }
}

#[test]
fn a_mismatch_names_its_likely_cause() {
    let headers = signed(&["--data", r#"{"a": 1, "b": 2}"#]);
    for (args, cause) in [
        (["--secret", "s3cret", "--data", "{\"a\": 1, \"b\": 2}\n"], "without the newline"),
        (["--secret", "s3cret", "--data", r#"{"a":1,"b":2}"#], "Python"),
        (["--secret", " s3cret", "--data", r#"{"a": 1, "b": 2}"#], "spaces or line end"),
        (["--secret", "another", "--data", r#"{"a": 1, "b": 2}"#], "secret is another one"),
    ] {
        let output = verify(&headers, &args);
        assert_eq!(code(&output), 1, "{cause}");
        assert!(stdout(&output).contains(cause), "{cause}: {}", stdout(&output));
    }
    let headers = signed(&["--scheme", "timestamped", "--data", "x"]);
    let output = verify(&headers, &["--scheme", "body", "--secret", "s3cret", "--data", "x"]);
    assert!(stdout(&output).contains("it matches with `timestamped`"), "{}", stdout(&output));
    let headers = signed(&["--timestamp", "1764583800", "--data", "x"]);
    let output = verify(&headers, &["--secret", "s3cret", "--data", "x"]);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("too old"), "{}", stdout(&output));
}

#[test]
fn a_secret_may_come_from_env_files() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(".env"), "HOOK_SECRET=s3cret\n").expect("a file");
    let args = ["sign", "--scheme", "github", "--data", "x", "--secret-env"];
    let from_file = run(folder.path(), &[&args[..], &["HOOK_SECRET"]].concat());
    let given = here(&["sign", "--scheme", "github", "--data", "x", "--secret", "s3cret"]);
    assert_eq!(stdout(&from_file), stdout(&given));
    let missing = run(folder.path(), &[&args[..], &["NO_SUCH_SECRET"]].concat());
    assert_eq!(code(&missing), 2);
    assert!(stderr(&missing).contains("NO_SUCH_SECRET is not set"));
}

#[test]
fn init_makes_a_project_without_any_mistake() {
    let folder = project();
    let output = run(folder.path(), &["validate", "--deny-warnings", "--format", "json"]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(report["diagnostics"], json!([]));
    assert_eq!(report["summary"]["errors"], 0);
    assert_eq!(
        report["summary"]["declared"]["sequences"],
        json!([{"name": "welcome", "emails": 2}])
    );
    let key = report["summary"]["environment"].as_array().expect("a list");
    let key = key.iter().find(|found| found["name"] == "SIGNUP_KEY").expect("the key");
    let expected = json!({"name": "SIGNUP_KEY", "required": true, "secret": true, "set": false});
    assert_eq!(*key, expected);

    let human = stdout(&run(folder.path(), &["validate"]));
    assert!(human.starts_with("Rules are fine: 2 endpoints, 1 sequence with 2 e-mails"), "{human}");
    assert!(human.contains("missing    PURCHASE_KEY, SIGNUP_KEY"), "{human}");
    assert!(!human.contains('\u{1b}'), "no colour outside of a terminal");
}

#[test]
fn files_that_settings_are_read_from_are_looked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = "service \"mail\" type=\"smtp\" {\n    url (file)\"smtp.url\" optional=#true\n    \
                 dkim domain=\"example.com\" selector=\"mail\" key=(file)\"dkim.pem\"\n}\n";
    std::fs::write(folder.path().join("a.kdl"), rules).expect("a file");
    let human = || stdout(&run(folder.path(), &["validate", "a.kdl"]));
    let shown = human();
    assert!(shown.contains("\nFiles\n  missing    dkim.pem\n  optional   smtp.url\n"), "{shown}");
    let why = "only with what is missing (dkim.pem: No such file or directory";
    let flowing = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flowing.contains(why), "{shown}");
    let json = run(folder.path(), &["validate", "a.kdl", "--format", "json"]);
    assert_eq!(code(&json), 0, "what is missing here may be there where it runs");
    let report: Value = serde_json::from_str(&stdout(&json)).expect("JSON");
    let file = &report["summary"]["files"][0];
    assert_eq!((&file["path"], &file["required"]), (&json!("dkim.pem"), &json!(true)));
    assert!(file["problem"].as_str().is_some_and(|why| why.starts_with("No such file")), "{file}");

    std::fs::write(folder.path().join("dkim.pem"), "key").expect("a file");
    let shown = human();
    assert!(shown.contains("\nFiles\n  there      dkim.pem\n  optional   smtp.url\n"), "{shown}");
    assert!(!shown.contains("missing"), "{shown}");
}

#[test]
fn what_is_odd_about_the_environment_is_a_warning() {
    let folder = project();
    let env = "WEBHOOK_MAX_RETRIES=5\nWEBHOOK_TIMEOUT_SECONDS=\nSIGNUP_KEY=signup\n\
               PURCHASE_KEY=k3rJ9xQ2mVb7Tz5w\n";
    std::fs::write(folder.path().join(".env"), env).expect("a file");
    let output = rulerun(folder.path())
        .args(["validate", "--format", "json"])
        .env("WEBHOOK_QUEUE_BATCH_SIZE", "20")
        .output()
        .expect("rulerun runs");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let found = report["diagnostics"].as_array().expect("a list");
    let codes: Vec<&str> = found.iter().filter_map(|one| one["code"].as_str()).collect();
    assert_eq!(codes, ["weak-key", "no-effect", "no-effect"]);
    assert_eq!(report["summary"]["warnings"], 3);
    assert!(found.iter().all(|one| one["severity"] == "warning"));
    assert_eq!(found[0]["file"], "rules/hello.kdl");
    let names = |one: &Value, name: &str| one["message"].as_str().is_some_and(|m| m.contains(name));
    assert!(names(&found[1], "WEBHOOK_QUEUE_BATCH_SIZE") && found[1]["file"].is_null());
    assert!(names(&found[2], "WEBHOOK_MAX_RETRIES"));

    let denied = run(folder.path(), &["validate", "--deny-warnings"]);
    assert_eq!(code(&denied), 1);
    let told = stderr(&denied);
    assert!(told.contains("WEBHOOK_MAX_RETRIES is set and has no effect"), "{told}");
    assert!(told.contains("the key of `hello/signup` can be guessed"), "{told}");
    assert!(told.contains("2 warnings"), "{told}");
}

#[test]
fn every_secret_that_keeps_nobody_out_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    const RULES: &str = r#"
server listen="127.0.0.1:8080" { api-token (env)"API_TOKEN" }
service "n8n" {
    token (file)"open.txt"
    sign scheme="body" { secret (env)"SIGN"; secret (file)"closed.txt" }
}
webhooks "in" {
    path "/in"
    access { header "X-Key" (env)"HEADER" }
    endpoint "a"
    endpoint "b" { access { signature scheme="body" secret=(env)"SIGNATURE" } }
}
"#;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.kdl"), RULES).expect("a file");
    for (name, mode) in [("open.txt", 0o644), ("closed.txt", 0o640)] {
        let path = folder.path().join(name);
        std::fs::write(&path, "k3rJ9xQ2mVb7Tz5w\n").expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    }
    let validate = |value: &str| {
        let mut command = rulerun(folder.path());
        command.args(["--rules", "a.kdl", "validate", "--format", "json"]);
        for name in ["API_TOKEN", "SIGN", "HEADER", "SIGNATURE"] {
            command.env(name, value);
        }
        let output = command.output().expect("rulerun runs");
        assert!(!stdout(&output).contains("hunter2"), "{}", stdout(&output));
        let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let found = report["diagnostics"].as_array().expect("a list").clone();
        let weak = found.into_iter().filter(|one| one["code"] == "weak-key");
        weak.filter_map(|one| one["message"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let open = "the token of `n8n` can be read by everybody on this machine";
    assert_eq!(validate("p8Jd0sWq4LzYc1Rb"), [open]);
    assert_eq!(
        validate("hunter2"),
        [
            "the api-token can be guessed: it is shorter than 16 letters",
            open,
            "the signature secret of `n8n` can be guessed: it is shorter than 16 letters",
            "the value of `X-Key` for `in/a` can be guessed: it is shorter than 16 letters",
            "the signature secret of `in/b` can be guessed: it is shorter than 16 letters",
        ]
    );
}

#[test]
fn variables_that_rules_read_have_an_effect() {
    let folder = project();
    let rules = "service \"n8n\" {\n    retry (env)\"WEBHOOK_RETRY_DELAYS\" default=\"5s\"\n}\n";
    std::fs::write(folder.path().join("more.kdl"), rules).expect("a file");
    let output = rulerun(folder.path())
        .args(["validate", "more.kdl", "--deny-warnings"])
        .env("WEBHOOK_RETRY_DELAYS", "5s,30s")
        .output()
        .expect("rulerun runs");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}

#[test]
fn init_overwrites_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("README.md"), "mine").expect("a file");
    let output = run(folder.path(), &["init", "."]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("already holds README.md"), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn mistakes_are_one_and_unreadable_rules_are_two() {
    let folder = tempfile::tempdir().expect("a folder");
    let nothing = run(folder.path(), &["validate"]);
    assert_eq!(code(&nothing), 2);
    assert!(stderr(&nothing).contains("rulerun init"), "{}", stderr(&nothing));

    std::fs::write(folder.path().join("bad.kdl"), "webhoks \"a\"\n").expect("a file");
    let human = run(folder.path(), &["validate", "bad.kdl"]);
    assert_eq!((code(&human), stdout(&human).as_str()), (1, ""));
    assert!(stderr(&human).contains("bad.kdl") && stderr(&human).contains("1 error"));
    let json = run(folder.path(), &["validate", "bad.kdl", "--format", "json"]);
    assert_eq!(code(&json), 1);
    let report: Value = serde_json::from_str(&stdout(&json)).expect("JSON");
    assert_eq!(report["diagnostics"][0]["line"], 1);
    let list = run(folder.path(), &["--rules", "bad.kdl", "list"]);
    assert_eq!((code(&list), stdout(&list).as_str()), (1, ""));
}

#[test]
fn the_guides_addresses_come_out_as_variables() {
    let output = rulerun(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(["urls", "--format", "env"])
        .env("SIGNUP_WEBHOOK_KEY", "signup-webhook-key")
        .output()
        .expect("rulerun runs");
    let lines = stdout(&output);
    let base = "http://localhost:8080/api/v1/executions/webhook/christmas";
    assert!(lines.starts_with("KESTRA_BASE_URL=http://localhost:8080\n"), "{lines}");
    let signup = format!("KESTRA_WEBHOOK_SIGNUP={base}/signup-handler/signup-webhook-key\n");
    assert!(lines.contains(&signup), "{lines}");
    let missing = format!("{base}/noshow-recovery-handler/<NOSHOW_WEBHOOK_KEY>\n");
    assert!(lines.contains(&missing), "{lines}");
    assert!(stderr(&output).contains("NOSHOW_WEBHOOK_KEY"));
}

#[test]
fn a_curl_line_survives_the_shell() {
    let output = rulerun(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(["urls", "--format", "curl"])
        .env("N8N_WEBHOOK_SECRET", "s3cret")
        .output()
        .expect("rulerun runs");
    let lines = stdout(&output);
    assert!(lines.contains(r"Sarah'\''s Salon"), "{lines}");
    assert!(!lines.contains("2025-12-01T10:30:00Z"), "sequences count from the present");
    // The shell itself says which words it reads; `curl` is a function that prints them.
    let script = format!("curl() {{ printf '%s\\n' \"$@\"; }}\n{lines}");
    let read = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    assert!(stdout(&read).contains("\"business_name\":\"Sarah's Salon\""), "{}", stderr(&read));
}

/// A server that takes one call, answers it, and gives back what it was asked.
fn server(status: &'static str, answer: &Value) -> (String, JoinHandle<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = answer.to_string();
    let seen = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a call");
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).expect("a line"), 0);
        }
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).expect("the body");
        let length = answer.len();
        let reply = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
        );
        reader.get_mut().write_all(reply.as_bytes()).expect("the reply");
        (head, body)
    });
    (format!("http://{address}"), seen)
}

#[test]
fn call_adds_the_key_and_tells_a_refusal_by_its_exit_code() {
    let folder = project();
    std::fs::write(folder.path().join(".env"), "SIGNUP_KEY=k-1\n").expect("a file");
    let (url, seen) = server("200 OK", &json!({"id": "x", "state": "CREATED"}));
    let output = run(folder.path(), &["call", "signup", "--example", "--server", &url]);
    let (head, body) = seen.join().expect("a call");
    assert!(head.starts_with("POST /hello/signup/k-1 HTTP/1.1\r\n"), "{head}");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body, json!({"email": "sarah@example.com", "first_name": "Sarah"}));
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let answer: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(answer["state"], "CREATED");

    let (url, seen) = server("422 Unprocessable Entity", &json!({"detail": "no"}));
    let args = ["call", "hello/signup", "--data", "{}", "--server", &url];
    assert_eq!(code(&run(folder.path(), &args)), 1);
    assert_eq!(seen.join().expect("a call").1, b"{}");

    let misspelt = run(folder.path(), &["call", "singup", "--example", "--server", &url]);
    assert_eq!(code(&misspelt), 2);
    assert!(stderr(&misspelt).contains("did you mean `signup`?"), "{}", stderr(&misspelt));
    let keyless = run(folder.path(), &["call", "purchase", "--example", "--server", &url]);
    assert_eq!(code(&keyless), 2);
    assert!(stderr(&keyless).contains("PURCHASE_KEY is not set"), "{}", stderr(&keyless));
}

#[test]
fn lists_of_a_server_become_tables_or_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = json!({"results": [{
        "id": "a1", "event_type": "lead_scraped", "entity_type": "lead", "entity_id": "123",
        "status": "failed", "retry_count": 3, "max_retries": 3, "last_error": "HTTP\u{1b} 503",
        "next_attempt_at": null, "reason": "retries used up",
    }], "total": 1});
    let (url, seen) = server("200 OK", &rows);
    let args = ["queue", "list", "--status", "failed", "--size", "5", "--server", &url];
    let table = stdout(&run(folder.path(), &args));
    let (head, _) = seen.join().expect("a call");
    assert!(head.starts_with("GET /api/v1/queue?status=failed&size=5 HTTP/1.1\r\n"), "{head}");
    assert_eq!(
        table,
        "ID  EVENT         ABOUT     STATUS  RETRIES  NEXT ATTEMPT  WHY\n\
         a1  lead_scraped  lead 123  failed  3/3                    retries used up: HTTP  503\n"
    );
    let (url, _seen) = server("200 OK", &rows);
    let json = stdout(&run(folder.path(), &["queue", "--format", "json", "--server", &url]));
    assert_eq!(serde_json::from_str::<Value>(&json).expect("JSON"), rows);
    let (url, _seen) = server("404 Not Found", &json!({"message": "There is no job `b2`."}));
    let missing = run(folder.path(), &["queue", "show", "b2", "--server", &url]);
    assert_eq!((code(&missing), stdout(&missing).as_str()), (1, ""));
    assert!(stderr(&missing).contains("There is no job `b2`."), "{}", stderr(&missing));
}

#[test]
fn a_server_that_is_not_running_gets_a_helpful_sentence() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let folder = tempfile::tempdir().expect("a folder");
    let output = rulerun(folder.path())
        .args(["executions"])
        .env("RULERUN_URL", &url)
        .output()
        .expect("rulerun runs");
    assert_eq!(code(&output), 2);
    let told = stderr(&output);
    assert!(
        told.contains(&format!("no rulerun answers at {url}: nothing listens there")),
        "{told}"
    );
    assert!(told.contains("rulerun serve"), "{told}");
}

/// The files below a folder, by name.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn an_email_is_shown_before_anybody_gets_it() {
    let list = stdout(&here(&["preview"]));
    assert!(list.starts_with("EMAIL  ") && list.lines().count() == 14, "{list}");
    let shown = stdout(&here(&["preview", "assessment-2"]));
    assert!(shown.contains("\nSubject:               Sarah, your GPS is leaking\n"), "{shown}");
    assert!(shown.contains("\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n"), "{shown}");
    let missing = here(&["preview", "assessment-4", "--missing"]);
    assert!(stdout(&missing).contains("to your second system."), "{}", stdout(&missing));
    let whole = here(&["preview", "assessment-followup/assessment-4"]);
    assert!(stdout(&whole).contains("to Money."), "{}", stdout(&whole));
    assert!(stderr(&whole).contains("--missing shows"), "{}", stderr(&whole));
    let unknown = here(&["preview", "nohsow-1"]);
    assert_eq!(code(&unknown), 2);
    assert!(stderr(&unknown).contains("did you mean `noshow-1`?"), "{}", stderr(&unknown));
}

#[test]
fn an_email_is_filled_in_with_a_payload_and_written_to_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let payload = folder.path().join("sarah.json");
    let out = folder.path().join("mail");
    let (payload, out) = (payload.to_str().expect("a path"), out.to_str().expect("a path"));
    let preview = ["preview", "noshow-2", "--payload", payload];
    let whole = json!({
        "email": "zoe@salon.example", "first_name": "<b>Zoë</b>", "calendly_event_id": "1",
        "scheduled_time": "2026-02-03T10:00:00Z",
    });
    std::fs::write(payload, whole.to_string()).expect("a file");
    let output = here(&[&preview[..], &["--out", out, "--format", "json"]].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let shown: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let version = &shown["versions"][0];
    assert_eq!(version["to"], "zoe@salon.example");
    assert!(version["html"].as_str().is_some_and(|html| html.contains("&lt;b&gt;Zoë&lt;/b&gt;")));
    assert_eq!(files(Path::new(out)), ["noshow-2.eml", "noshow-2.html", "noshow-2.txt"]);

    std::fs::write(payload, r#"{"email": "zoe@salon.example"}"#).expect("a file");
    let refused = here(&preview);
    assert_eq!(code(&refused), 2);
    assert!(
        stderr(&refused).contains("christmas/noshow-recovery-handler would refuse this payload"),
        "{}",
        stderr(&refused)
    );
    std::fs::write(payload, "{").expect("a file");
    assert!(stderr(&here(&preview)).contains("the payload cannot be read"));
}

#[test]
fn rules_that_would_send_real_mail_are_asked_for_more() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let validate = |url: &str| {
        let mut command = rulerun(here);
        command.args(["validate", "--format", "json"]).env("SMTP_URL", url);
        let output = command.output().expect("rulerun runs");
        let told: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let found = told["diagnostics"].as_array().cloned().unwrap_or_default();
        let real = found.into_iter().filter(|one| one["code"] == "real-mail").collect::<Vec<_>>();
        (code(&output), real)
    };
    assert_eq!(validate("smtp://localhost:2525"), (0, Vec::new()));
    let (code, found) = validate("smtps://user:hunter2@mail.example.com");
    assert_eq!(code, 1);
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    let place = |file: &str| found.iter().find(|one| one["file"] == file).expect("a finding");
    let link = place("rules/emails/noshow-1.md");
    assert_eq!((&link["line"], &link["label"]), (&json!(9), &json!("leads nowhere")));
    let service = place("rules/settings.kdl");
    assert_eq!(service["message"], "unsubscribe links need an https address");
}

#[test]
fn the_help_of_verbs_without_rules_does_not_offer_them() {
    for verb in ["init", "secret", "sign", "verify", "man", "completions", "explain"] {
        let help = here(&[verb, "--help"]);
        assert_eq!((code(&help), stderr(&help).as_str()), (0, ""), "{verb}");
        assert!(!stdout(&help).contains("--rules"), "{verb}: {}", stdout(&help));
    }
    // It is understood all the same, wherever it stands.
    assert_eq!(code(&here(&["--rules", "rules", "secret"])), 0);
    assert_eq!(code(&here(&["secret", "--rules", "rules"])), 0);
    assert!(stdout(&here(&["why", "--help"])).contains("--rules"));
}

#[test]
fn what_the_system_says_is_told_in_plain_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = |args: &[&str]| {
        let output = run(folder.path(), args);
        assert_eq!(code(&output), 2, "{args:?}");
        stderr(&output)
    };
    assert_eq!(
        told(&["doctor", "gone.backup"]),
        "error: cannot read gone.backup: no such file or directory\n"
    );
    for serve in [&["serve"][..], &["validate"]] {
        assert!(told(serve).contains("help:  run `rulerun init`"), "{serve:?}");
    }
    assert!(told(&["serve", "--speed", "fast"]).contains("write a whole number from 1 to 1000000"));
    std::fs::create_dir(folder.path().join("rules")).expect("a folder");
    std::fs::write(folder.path().join("rules/a.kdl"), b"// one\n// Gr\xfc\xdfe\n").expect("a file");
    assert!(told(&["validate"]).contains("line 2 has letters that are not UTF-8"));
    std::fs::write(folder.path().join("rules/a.kdl"), b"\xff\xfe/\0/\0").expect("a file");
    assert!(told(&["validate"]).contains("it is saved as UTF-16"));
}

#[test]
fn broken_rules_are_no_reason_not_to_reach_a_server() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("rules")).expect("a folder");
    std::fs::write(folder.path().join("rules/a.kdl"), "webhoks \"a\"\n").expect("a file");
    let without = run(folder.path(), &["queue"]);
    assert_eq!(code(&without), 1);
    assert!(stderr(&without).contains("did you mean `webhooks`?"));
    assert!(stderr(&without).contains("without them name it: --server URL"));
    let named = run(folder.path(), &["queue", "--server", "http://127.0.0.1:9"]);
    assert_eq!(code(&named), 2);
    assert!(stderr(&named).contains("nothing listens there"));
    // Three verbs can read the folder of a server that is stopped.
    for args in [&["why", "sarah@example.com"][..], &["schedule"]] {
        let args = [args, &["--server", "http://127.0.0.1:9"]].concat();
        assert!(stderr(&run(folder.path(), &args)).contains("--data data"), "{args:?}");
    }
}
