//! `rulerun test` as a person, a program and a build server use it.
#![allow(
    clippy::disallowed_methods,
    reason = "the program runs in real time, and CI decides what a skip means"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::binary::rulerun;

/// A fresh project with these tests beside its own.
fn project(tests: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = rulerun().current_dir(folder.path()).arg("init").output().unwrap();
    assert!(made.status.success(), "{made:?}");
    if !tests.is_empty() {
        fs::write(folder.path().join("more.test.kdl"), tests).unwrap();
    }
    folder
}

/// Exit code, data and notes.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = rulerun().current_dir(folder).arg("test").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const WRONG: &str = r#"
test "too early & <wrong>" {
    post "hello/signup" example="signup"
    expect email="welcome-1" after="1min"
    expect email="welcome-2" after="3d"
}
"#;

#[test]
fn a_new_project_passes_its_own_tests_and_leaves_nothing_untried() {
    let folder = project("");
    let (code, data, notes) = run(folder.path(), &["--coverage"]);
    assert_eq!((code, notes.as_str()), (0, ""), "{data}");
    assert!(
        data.starts_with("./tests/hello.test.kdl\n") || data.starts_with("tests/hello.test.kdl\n"),
        "{data}"
    );
    assert!(data.contains("  ok    a purchase ends the welcome\n"), "{data}");
    assert!(data.contains("3 tests, all passed, in "), "{data}");
    assert!(data.contains("Coverage: the tests have tried everything"), "{data}");
}

#[test]
fn neither_the_environment_nor_the_outside_matters() {
    let folder = project("");
    fs::write(folder.path().join(".env"), "SMTP_URL=smtp://127.0.0.1:1\n").unwrap();
    let mut command = rulerun();
    command.current_dir(folder.path()).args(["test", "--format", "json"]);
    command.env("SIGNUP_KEY", "k").env("PUBLIC_URL", "nonsense");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!folder.path().join("data").exists(), "nothing is written");
}

#[test]
fn a_failure_shows_the_line_what_was_expected_what_came_and_the_time_around_it() {
    let folder = project(WRONG);
    let (code, data, _) = run(folder.path(), &[]);
    assert_eq!(code, 1, "{data}");
    for part in [
        "  FAIL  too early & <wrong>",
        "the e-mail `welcome-1` comes 5min after the call, not 1min",
        "more.test.kdl:4:5]",
        "expected  Mon 1 Dec 10:31:00, 1min after the call: the e-mail `welcome-1`",
        "got       Mon 1 Dec 10:35:00, 5min after the call: e-mail welcome-1 to sarah@example.com",
        "Thu 4 Dec 10:30:00  3d       e-mail welcome-2 to sarah@example.com",
        "4 tests, 1 failed, in ",
    ] {
        assert!(data.contains(part), "{part}:\n{data}");
    }
}

#[test]
fn one_file_or_some_names_can_be_asked_for() {
    let folder = project(WRONG);
    let (code, data, _) = run(folder.path(), &["tests"]);
    assert_eq!(code, 0, "{data}");
    assert!(data.contains("3 tests, all passed"), "{data}");
    let (code, data, _) = run(folder.path(), &["--filter", "TOO EARLY"]);
    assert_eq!(code, 1, "{data}");
    assert!(data.contains("1 test, 1 failed"), "{data}");
    for (arguments, told) in [
        (&["--filter", "no such"][..], "no test has `no such` in its name"),
        (&["rules"][..], "there is no test here"),
        (&["rules/hello.kdl"][..], "is no file of tests"),
        (&["nowhere"][..], "nowhere does not exist"),
    ] {
        let (code, data, notes) = run(folder.path(), arguments);
        assert_eq!((code, data.as_str()), (2, ""), "{arguments:?}");
        assert!(notes.contains(told), "{arguments:?}: {notes}");
    }
}

#[test]
fn mistakes_in_tests_are_drawn_and_sound_tests_run_all_the_same() {
    let folder = project("test \"x\" {\n    post \"hello/sginup\"\n    expect reply=200\n}\n");
    let (code, data, notes) = run(folder.path(), &[]);
    assert_eq!(code, 1, "{data}");
    assert!(notes.contains("did you mean `hello/signup`?"), "{notes}");
    assert!(
        data.contains("3 tests, all passed") && data.contains("1 mistake in the tests"),
        "{data}"
    );
    fs::write(folder.path().join("rules/bad.kdl"), "webhoks \"x\"\n").unwrap();
    let (code, data, notes) = run(folder.path(), &[]);
    assert_eq!((code, data.as_str()), (1, ""), "rules with mistakes are not tried");
    assert!(notes.contains("did you mean `webhooks`?"), "{notes}");
}

#[test]
fn a_program_reads_the_same_as_json() {
    let folder = project(WRONG);
    let (code, data, _) = run(folder.path(), &["--format", "json", "--coverage"]);
    assert_eq!(code, 1);
    let report: Value = serde_json::from_str(&data).unwrap();
    let summary = &report["summary"];
    assert_eq!((&summary["tests"], &summary["failed"]), (&json!(4), &json!(1)));
    let failed = report["tests"].as_array().unwrap().iter().find(|test| test["passed"] == false);
    let failed = failed.unwrap();
    assert_eq!(failed["line"], 2);
    let fault = &failed["faults"][0];
    assert_eq!((&fault["code"], &fault["line"]), (&json!("not-met"), &json!(4)));
    assert!(fault["got"].as_str().unwrap().contains("5min after the call"), "{fault}");
    assert_eq!(failed["happened"].as_array().unwrap().len(), 4, "{failed}");
    assert_eq!(report["coverage"]["missed"], json!([]));
}

/// Another program's parser reads the report back.
#[test]
fn build_servers_read_the_report() {
    let folder = project(WRONG);
    let (code, _, notes) = run(folder.path(), &["--junit", "report.xml"]);
    assert_eq!(code, 1, "{notes}");
    let script = "import sys, json, xml.etree.ElementTree as tree\n\
        root = tree.parse(sys.argv[1]).getroot()\n\
        cases = [(c.get('name'), [f.get('message') for f in c.findall('failure')]) for c in root.iter('testcase')]\n\
        print(json.dumps([root.tag, root.get('tests'), root.get('failures'), dict(cases)]))";
    let python =
        Command::new("python3").args(["-c", script]).arg(folder.path().join("report.xml")).output();
    let Ok(python) = python else {
        assert!(std::env::var_os("CI").is_none(), "CI needs python3");
        eprintln!("SKIPPED: there is no python3 to read the report");
        return;
    };
    let read: Value =
        serde_json::from_slice(&python.stdout).unwrap_or_else(|_| panic!("{python:?}"));
    assert_eq!(read[0], "testsuites");
    assert_eq!((&read[1], &read[2]), (&json!("4"), &json!("1")));
    let told = read[3]["too early & <wrong>"][0].as_str().unwrap();
    assert_eq!(told, "the e-mail `welcome-1` comes 5min after the call, not 1min");
}

/// Exit code and what people are told.
fn validate(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = rulerun().current_dir(folder).arg("validate").args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn validate_reads_the_tests_that_are_run_by_default() {
    let folder = project("");
    let (code, told) = validate(folder.path(), &["--deny-warnings"]);
    assert_eq!(code, 0, "{told}");
    fs::write(
        folder.path().join("more.test.kdl"),
        "test \"x\" {\n    post \"hello/sginup\"\n    expect reply=200\n}\n",
    )
    .unwrap();
    let (code, told) = validate(folder.path(), &[]);
    assert_eq!(code, 1, "{told}");
    for part in
        ["more.test.kdl:2:", "did you mean `hello/signup`?", "1 error in the rules and the tests"]
    {
        assert!(told.contains(part), "{part}:\n{told}");
    }
    let (code, told) = validate(folder.path(), &["--format", "json"]);
    let report: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &report["summary"]["errors"]), (1, &json!(1)));
    assert_eq!(report["diagnostics"][0]["file"], "more.test.kdl");
    assert!(report["summary"]["declared"].is_object(), "the rules themselves are sound");
    // A failing test is no mistake: it is `rulerun test` that runs them.
    fs::write(folder.path().join("more.test.kdl"), WRONG).unwrap();
    let (code, told) = validate(folder.path(), &["--deny-warnings"]);
    assert_eq!(code, 0, "{told}");
}

#[test]
fn validate_reads_the_tests_below_a_path_or_beside_a_file_and_no_others() {
    let wrong = "test \"x\" {\n    post \"no/where\"\n    expect reply=200\n}\n";
    let folder = project(wrong);
    let (code, told) = validate(folder.path(), &["rules", "schemas"]);
    assert_eq!(code, 0, "{told}");
    for beside in ["rules/below.test.kdl", "rules/hello.test.kdl"] {
        fs::write(folder.path().join(beside), wrong).unwrap();
    }
    let (code, told) = validate(folder.path(), &["rules", "schemas"]);
    assert_eq!((code, told.matches("unknown-endpoint").count()), (1, 2), "{told}");
    let (code, told) = validate(folder.path(), &["rules/hello.kdl", "schemas"]);
    assert_eq!((code, told.matches("unknown-endpoint").count()), (1, 1), "{told}");
    assert!(told.contains("rules/hello.test.kdl:2:"), "{told}");
}

#[test]
fn validate_mends_tests_and_reads_rules_even_where_tests_cannot_be_read() {
    let folder = project(
        "test \"x\" {\n    post \"hello/signup\" example=\"signup\"\n    expect email=\"welcome-1\" after=5min\n    expect email=\"welcome-2\" after=\"3d\"\n}\n",
    );
    let (code, told) = validate(folder.path(), &[]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("it can be mended by `rulerun validate --fix`"), "{told}");
    let (code, told) = validate(folder.path(), &["--fix"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("more.test.kdl:3: 5min becomes \"5min\""), "{told}");
    let (code, data, _) = run(folder.path(), &[]);
    assert_eq!(code, 0, "{data}");
    fs::write(folder.path().join("more.test.kdl"), b"caf\xe9").unwrap();
    let (code, told) = validate(folder.path(), &[]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("not every test was read: cannot read more.test.kdl"), "{told}");
}

#[test]
fn a_line_that_nobody_expects_has_its_own_code() {
    let folder = project(
        "test \"x\" {\n    post \"hello/signup\" example=\"signup\"\n    expect email=\"welcome-1\"\n}\n",
    );
    let (code, data, _) =
        run(folder.path(), &["--format", "json", "--filter", "x", "more.test.kdl"]);
    let report: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((code, &report["tests"][0]["faults"][0]["code"]), (1, &json!("unexpected")));
}

#[test]
fn a_saved_edit_runs_the_tests_again() {
    let folder = project("");
    let mut command = rulerun();
    command.current_dir(folder.path()).args(["test", "--watch"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (said, heard) = sync_channel(100);
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let listener = std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let _ = said.send(line);
        }
    });
    let hear = |part: &str| loop {
        let line = heard.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("{part}"));
        if line.contains(part) {
            return;
        }
    };
    hear("3 tests, all passed");
    let file = folder.path().join("rules/hello.kdl");
    let rules = fs::read_to_string(&file).unwrap();
    fs::write(&file, rules.replace("after=\"5min\"", "after=\"6min\"")).unwrap();
    hear("2 failed");
    fs::write(folder.path().join("more.test.kdl"), WRONG).unwrap();
    hear("4 tests, 3 failed");
    fs::remove_file(folder.path().join("more.test.kdl")).unwrap();
    fs::write(&file, rules).unwrap();
    hear("3 tests, all passed");
    child.kill().unwrap();
    child.wait().unwrap();
    listener.join().unwrap();
}
