//! `validate --fix`: what it mends, what it leaves alone, and that it makes nothing worse.

#![allow(clippy::expect_used, reason = "a test that cannot read its files has failed")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rulerun::base::report::{Style, human};
use rulerun::base::{Diagnostic, Severity, SourceMap};
use rulerun::language::analyze;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn validate(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rulerun"))
        .env_clear()
        .current_dir(folder)
        .arg("validate")
        .args(args)
        .output()
        .expect("rulerun runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The folders of mistakes.
fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/diagnostics")).expect("the cases");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    cases.retain(|case| case.is_dir());
    cases.sort();
    cases
}

/// A copy of a case, without what it is expected to say.
fn copy(case: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for path in files(case).iter().filter(|path| path.extension().is_none_or(|end| end != "stderr"))
    {
        let to = folder.path().join(path.strip_prefix(case).expect("below it"));
        fs::create_dir_all(to.parent().expect("a parent")).expect("a folder");
        fs::copy(path, to).expect("a copy");
    }
    folder
}

fn read(folder: &Path) -> SourceMap {
    let mut sources = SourceMap::new();
    for path in files(folder) {
        let name = path.strip_prefix(folder).expect("below it").to_string_lossy().into_owned();
        if !name.ends_with(".stderr") {
            sources.add(name, fs::read_to_string(&path).expect("a text"));
        }
    }
    sources
}

fn mistakes(folder: &Path) -> Vec<Diagnostic> {
    analyze(&read(folder)).1
}

/// A folder with one rule file.
fn with(rules: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.kdl"), rules).expect("a file");
    folder
}

fn rules_of(folder: &tempfile::TempDir) -> String {
    fs::read_to_string(folder.path().join("a.kdl")).expect("a text")
}

fn errors(found: &[Diagnostic]) -> usize {
    found.iter().filter(|found| found.severity == Severity::Error).count()
}

#[test]
fn no_case_is_worse_when_it_is_mended_and_most_are_right() {
    let (mut mended, mut offered) = (0, 0);
    let mut left = Vec::new();
    for case in cases() {
        let before = mistakes(&case);
        if before.iter().all(|found| found.fix.is_none()) {
            continue;
        }
        offered += 1;
        let folder = copy(&case);
        let output = validate(folder.path(), &[".", "--fix", "--format", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let after = mistakes(folder.path());
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(errors(&after) <= errors(&before), "{name} has more errors than before");
        let changed = report["mended"].as_array().is_some_and(|lines| !lines.is_empty());
        assert_eq!(changed, after.len() < before.len(), "{name}: {report}");
        if before.iter().all(|found| found.fix.is_some()) && !after.is_empty() {
            let drawn = human(&read(folder.path()), &after, Style { colour: false, width: 100 });
            left.push(format!("{name}\n{drawn}"));
        } else if after.len() < before.len() {
            mended += 1;
        }
    }
    assert!(left.len() * 20 <= offered, "{offered} offered, left:\n{}", left.join("\n"));
    assert!(mended * 10 >= offered * 9, "{mended} of {offered}");
    assert!(offered >= 90, "only {offered} cases have a mend");
}

#[test]
fn what_is_mended_is_told_and_the_rest_is_shown() {
    let folder = with("queue every=5s batch=0\nservce \"n8n\"\n");
    let output = validate(folder.path(), &["a.kdl", "--fix"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.starts_with("a.kdl:1: 5s becomes \"5s\"\na.kdl:2: servce becomes service\n"));
    assert!(told.contains("2 mends in 1 file\n"), "{told}");
    assert!(told.contains("0 is outside 1 to 1000") && told.ends_with("1 error in the rules\n"));
    assert_eq!(rules_of(&folder), "queue every=\"5s\" batch=0\nservice \"n8n\"\n");
}

#[test]
fn a_mend_may_uncover_one_that_is_mended_as_well() {
    let folder = with("servce \"n8n\" {\n    enbled #true\n}\n");
    let output = validate(folder.path(), &["a.kdl", "--fix"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(rules_of(&folder), "service \"n8n\" {\n    enabled #true\n}\n");
}

#[test]
fn nothing_is_written_where_a_mend_would_make_it_worse() {
    // The word is mended, and what it hides has two mistakes that nobody can guess.
    let rules = "servce \"n8n\" {\n    url \"nowhere\"\n    timeout \"soon\"\n}\n";
    let folder = with(rules);
    let output = validate(folder.path(), &["a.kdl", "--fix"]);
    assert_eq!(rules_of(&folder), rules);
    let told = text(&output.stderr);
    assert!(told.starts_with("nothing could be mended without a decision of yours\n"), "{told}");
}

#[test]
fn of_two_names_that_could_be_meant_none_is_taken() {
    let rules = "service \"crm-1\" type=\"n8n\"\nservice \"crm-2\" type=\"n8n\"\n\
                 events to=\"crm-3\" path=\"/x\" {\n    event \"a\"\n}\n";
    let folder = with(rules);
    validate(folder.path(), &["a.kdl", "--fix"]);
    assert_eq!(rules_of(&folder), rules);
}

#[test]
fn good_rules_stay_untouched() {
    let folder = copy(&root().join("rules"));
    let shared = copy(&root().join("schemas"));
    let before = read(folder.path());
    let schemas = shared.path().to_string_lossy().into_owned();
    let output = validate(folder.path(), &[".", &schemas, "--fix"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for ((_, old), (_, new)) in before.iter().zip(read(folder.path()).iter()) {
        assert_eq!(old.text, new.text);
    }
}

#[test]
fn people_are_told_what_can_be_mended() {
    let folder = with("queue every=5s batch=0\n");
    let told = text(&validate(folder.path(), &["a.kdl"]).stderr);
    assert!(
        told.ends_with("1 of these can be mended by `rulerun validate a.kdl --fix`\n"),
        "{told}"
    );
    fs::write(folder.path().join("a.kdl"), "queue batch=0\n").expect("a file");
    assert!(!text(&validate(folder.path(), &["a.kdl"]).stderr).contains("--fix"));
}

/// Reads what a command says on standard error until a line begins with `begin`.
fn heard(lines: &mut impl Iterator<Item = std::io::Result<String>>, begin: &str) -> Vec<String> {
    let mut said = Vec::new();
    for line in lines.map(|line| line.expect("text")) {
        let found = line.starts_with(begin);
        said.push(line);
        if found {
            return said;
        }
    }
    panic!("it ended before it said {begin}: {said:?}");
}

#[test]
fn watch_validates_again_after_every_change_and_survives_what_it_cannot_read() {
    let folder = with(
        "queue batch=0
",
    );
    let mut child = Command::new(env!("CARGO_BIN_EXE_rulerun"))
        .env_clear()
        .current_dir(folder.path())
        .args(["validate", "a.kdl", "--watch"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rulerun runs");
    let mut lines = BufReader::new(child.stderr.take().expect("its words")).lines();
    let has = |said: &[String], word: &str| said.iter().any(|line| line.contains(word));
    let waits = "waiting for a change in a.kdl";
    let first = heard(&mut lines, waits);
    assert!(has(&first, "0 is outside 1 to 1000") && has(&first, "1 error"), "{first:?}");
    fs::write(
        folder.path().join("a.kdl"),
        "queue batch=10
",
    )
    .expect("a file");
    let second = heard(&mut lines, waits);
    assert!(!has(&second, "error"), "{second:?}");
    fs::remove_file(folder.path().join("a.kdl")).expect("a file");
    let third = heard(&mut lines, waits);
    assert!(has(&third, "does not exist"), "{third:?}");
    fs::write(
        folder.path().join("a.kdl"),
        "queue batch=10
queue batch=20
",
    )
    .expect("a file");
    assert!(has(&heard(&mut lines, waits), "`queue` stands twice"));
    child.kill().expect("it runs until it is ended");
    child.wait().expect("it has ended");
}

#[test]
fn watching_what_is_not_there_ends_at_once() {
    let folder = with("");
    let output = validate(folder.path(), &["nowhere", "--watch"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn short_and_github_have_one_line_for_each_mistake() {
    let folder = with("queue every=5s batch=0\n\nserver {\n");
    fs::write(folder.path().join("b,c.kdl"), "about \"100%\"\n").expect("a file");
    let short = text(&validate(folder.path(), &[".", "--format", "short"]).stdout);
    let lines: Vec<&str> = short.lines().collect();
    assert_eq!(lines.len(), 4, "{short}");
    assert_eq!(
        lines[0],
        "a.kdl:1:13: error[unquoted-duration]: a time with its unit needs quotation marks — \
         write \"5s\""
    );
    let github = text(&validate(folder.path(), &[".", "--format", "github"]).stdout);
    assert_eq!(github.lines().count(), 4, "{github}");
    assert!(github.starts_with(
        "::error file=a.kdl,line=1,endLine=1,col=13,title=unquoted-duration::a time with its \
         unit needs quotation marks%0Ahelp: write \"5s\"\n"
    ));
    assert!(github.contains("file=b%2Cc.kdl,"), "{github}");
}

#[test]
fn no_line_of_prose_is_wider_than_the_terminal() {
    for case in cases() {
        let sources = read(&case);
        let (_, found) = analyze(&sources);
        for width in [40, 60, 200] {
            let drawn = human(&sources, &found, Style { colour: false, width });
            // Lines of the file itself are not broken, nor are the marks below them.
            let of_file = |line: &str| {
                let line = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
                line.trim_start().starts_with(['│', '·', '╭'])
            };
            let prose = |line: &&str| !of_file(line) || line.starts_with("  │ ");
            for line in drawn.lines().filter(prose) {
                // A word that is longer than the line stands alone on it.
                let words = line.trim_start_matches([' ', '│', '×', '⚠', '☞']).split(' ').count();
                assert!(
                    line.chars().count() <= width || words == 1,
                    "{} at {width}: {line}",
                    case.display()
                );
            }
        }
    }
}

#[test]
fn what_readers_of_emails_would_see_is_mended_too() {
    let folder = with(
        "schema \"signup\" {\n    email email\n    first_name text\n}\n\
         webhooks \"shop\" {\n    path \"/shop\"\n    endpoint \"signup\" key=(env)\"KEY\" {\n        \
         payload \"signup\"\n        start \"welcome\"\n    }\n}\n\
         sequence \"welcome\" to=\"{{email}}\" kind=\"transactional\" {\n    \
         email \"hello\" after=\"1h\" subject=\"Hello\"\n}\n",
    );
    let text = folder.path().join("emails/hello.md");
    fs::create_dir(folder.path().join("emails")).expect("a folder");
    fs::write(&text, "Dear [FIRST NAME],\n\nthank you for signing up.\n").expect("a file");
    let output = validate(folder.path(), &["a.kdl", "--fix"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("[FIRST NAME] becomes {{first_name}}"), "{told}");
    let mended = fs::read_to_string(text).expect("a text");
    assert!(mended.starts_with("Dear {{first_name}},"), "{mended}");
}

#[test]
fn of_several_files_all_are_written_or_none() {
    let folder = with("queue every=5s\n");
    let second = folder.path().join("b.kdl");
    fs::write(&second, "servce \"n8n\"\n").expect("a file");
    let mut rights = fs::metadata(&second).expect("a file").permissions();
    rights.set_readonly(true);
    fs::set_permissions(&second, rights).expect("rights");
    let output = validate(folder.path(), &[".", "--fix"]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("cannot mend b.kdl: it is write-protected"), "{told}");
    assert_eq!(rules_of(&folder), "queue every=5s\n", "the first file stays as well");
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_and_what_it_leads_to_is_mended() {
    let folder = with("");
    let shared = folder.path().join("shared.txt");
    fs::write(&shared, "queue every=5s // ours\n").expect("a file");
    let link = folder.path().join("b.kdl");
    std::os::unix::fs::symlink(&shared, &link).expect("a link");
    assert_eq!(validate(folder.path(), &[".", "--fix"]).status.code(), Some(0));
    assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    assert_eq!(fs::read_to_string(&shared).expect("a text"), "queue every=\"5s\" // ours\n");
}

/// Chance that can be repeated (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).expect("small")
    }
}

/// What stands behind `//` in a file that has nothing of the kind within its texts.
fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split_once("// ").map(|(_, comment)| comment)).collect()
}

#[test]
fn whatever_is_broken_a_mend_never_makes_it_worse_and_loses_no_comment() {
    const RULES: &str = r#"// settings: everything at the top
queue every="5s" batch=10 // a remark
service "n8n" {
    url (env)"N8N_URL" default="http://localhost:5678" // where n8n is
    timeout "10s"
}
// what comes in
webhooks "shop" {
    path "/shop"
    endpoint "in" {
        payload { // its fields
            email email
            first_name text optional
        }
        reply when="first_name == ()" { hello "you"; } // nobody's name
    }
}
"#;
    const SHARDS: [&str; 14] =
        ["\"", "{", "}", "=", "s", "e", "5min", " ", "-", "é", "🎄", ";", "“", "true"];
    let (mut mended, mut dice) = (0, Dice(1));
    for round in 0..120 {
        let mut broken = RULES.to_owned();
        for _ in 0..=dice.below(2) {
            let places: Vec<usize> = broken.char_indices().map(|(at, _)| at).collect();
            let at = places[dice.below(places.len())];
            if broken[at..].starts_with('/') || broken[..at].ends_with('/') {
                continue;
            }
            let gone = if dice.below(2) == 0 {
                broken[at..].chars().next().map_or(0, char::len_utf8)
            } else {
                0
            };
            broken.replace_range(at..at + gone, SHARDS[dice.below(SHARDS.len())]);
        }
        let folder = with(&broken);
        let before = mistakes(folder.path());
        let output = validate(folder.path(), &[".", "--fix", "--format", "json"]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{round}: {}", text(&output.stderr));
        let (now, after) = (rules_of(&folder), mistakes(folder.path()));
        assert!(errors(&after) <= errors(&before), "{round}: {broken}\n{now}");
        if now == broken {
            continue;
        }
        assert!(after.len() < before.len(), "{round}: {broken}\n{now}");
        assert_eq!(comments(&now).len(), comments(&broken).len(), "{round}: {broken}\n{now}");
        mended += 1;
    }
    assert!(mended > 15, "only {mended} were mended");
}
