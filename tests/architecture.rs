//! The plan of the house, checked against `src/`: who may import whom, which crate comes in
//! through which door, what stays pure, and that files stay small and say what they are for.
//! It reads text, not types, which is enough here: imports are written out in full.
#![allow(clippy::expect_used, reason = "a test may stop at the first thing that is missing")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The storeys, from the ground up. A module imports from its own storey and those below.
const STOREYS: [&[&str]; 7] = [
    &["base"],
    &["model", "guard", "template", "markup", "payload", "signature"],
    &["language", "engine", "mail"],
    &["store", "review"],
    &["serve"],
    &["rehearse"],
    &["cli", "main", "lib"],
];

/// On this storey neighbours do not know each other: what they share lies below them.
const STRANGERS: usize = 2;

/// The topmost storey without files, sockets, environment, threads, clock and randomness.
const PURE: usize = 2;

/// Where each dependency may be named. Another one needs a line here, and so a reason.
const DOORS: [(&str, &[&str]); 55] = [
    ("miette", &["base/report.rs"]),
    ("strsim", &["base/diagnostic.rs"]),
    ("jiff", ANYWHERE),
    ("uuid", &["base/id.rs", "serve/clock.rs"]),
    ("thiserror", ANYWHERE),
    ("rhai", &["guard/"]),
    ("minijinja", &["template/"]),
    ("jsonschema", &["payload/"]),
    ("email_address", &["payload/", "language/", "engine/"]),
    ("hmac", &["signature/", "serve/ingress/seal.rs"]),
    ("ring", &["mail/dkim.rs", "signature/sns.rs", "serve/ingress/seal.rs"]),
    ("sha2", ANYWHERE),
    ("subtle", &["base/secret.rs", "signature/", "serve/ingress/"]),
    ("base64", ANYWHERE),
    ("webpki", &["signature/sns.rs"]),
    ("hex", ANYWHERE),
    ("kdl", &["language/syntax.rs"]),
    ("ipnet", &["model/setting.rs"]),
    ("pulldown_cmark", &["mail/"]),
    ("idna", &["base/address.rs"]),
    ("css_inline", &["markup/page.rs"]),
    ("mrml", &["markup/mjml.rs"]),
    ("lettre", &["mail/"]),
    ("sled", &["store/sled/"]),
    ("rustix", &["store/sled/space.rs", "serve/deliver/smtp/reach.rs"]),
    ("crc32fast", &["store/sled/mark.rs"]),
    ("postcard", &["store/rows.rs"]),
    ("tokio", &["store/", "serve/", "rehearse/", "cli/serve.rs", "cli/tail.rs"]),
    ("hyper", &["serve/ingress/", "serve/deliver/"]),
    ("hyper_util", &["serve/ingress/", "serve/deliver/"]),
    ("http_body_util", &["serve/"]),
    ("hyper_rustls", &["serve/deliver/dial.rs"]),
    ("rustls", &["serve/deliver/", "signature/sns.rs"]),
    ("tokio_rustls", &["serve/deliver/smtp/tls.rs"]),
    ("webpki_roots", &["serve/deliver/"]),
    ("tower", &["serve/ingress/", "serve/deliver/dial.rs"]),
    ("axum", &["serve/api/", "serve/ingress/"]),
    ("matchit", &["serve/ingress/router.rs"]),
    ("arc_swap", &["serve/", "rehearse/"]),
    ("notify", &["serve/watch.rs"]),
    ("prometheus_client", &["serve/metrics.rs"]),
    ("dotenvy", &["cli/environment.rs"]),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/completions.rs"]),
    ("clap_mangen", &["cli/man.rs"]),
    ("terminal_size", &["cli/out.rs"]),
    ("unicode_width", &["cli/table.rs"]),
    ("ureq", &["cli/client.rs"]),
    ("serde", ANYWHERE),
    ("serde_json", ANYWHERE),
    ("bytes", ANYWHERE),
    // Only tests and the benchmark name these.
    ("proptest", &[]),
    ("tempfile", &[]),
    ("httparse", &[]),
    ("mail_parser", &[]),
];

/// Every path begins with this.
const ANYWHERE: &[&str] = &[""];

/// What a pure module must not name, and what it would bring in.
const IMPURE: [(&str, &str); 16] = [
    ("std::fs", "files"),
    ("std::env", "the environment"),
    ("std::thread", "threads"),
    ("std::process", "processes"),
    ("TcpStream", "sockets"),
    ("TcpListener", "sockets"),
    ("UdpSocket", "sockets"),
    ("ToSocketAddrs", "name resolution"),
    ("SystemTime::now", "the clock"),
    ("Instant::now", "the clock"),
    ("Timestamp::now", "the clock"),
    ("Zoned::now", "the clock"),
    ("Zone::system", "the environment"),
    ("TimeZone::system", "the environment"),
    ("new_v4", "randomness"),
    ("now_v7", "the clock and randomness"),
];

/// What is impure and stays: file, text, reason.
const TOLERATED: [(&str, &str, &str); 1] = [(
    "language/syntax.rs",
    "std::thread",
    "the parser needs a stack of known depth, which only a thread of its own can have",
)];

/// No file is longer than this.
const LONGEST: usize = 500;

/// One file below `src/`.
struct File {
    /// Its path below `src/`, with slashes.
    path: String,
    text: String,
}

impl File {
    /// The module directly below the crate that it belongs to.
    fn house(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs")
    }

    /// How many modules lie above its items: 1 for `base/mod.rs`, 2 for `base/id.rs`.
    fn depth(&self) -> usize {
        let parts = self.path.split('/').count();
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    /// Its code, with line numbers: no comments, and nothing from the tests at its end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..end].lines().zip(1..).map(|(line, number)| (number, line.trim()));
        lines.filter(|(_, line)| !line.starts_with("//"))
    }

    /// The modules of this crate that its code names, each with its line.
    fn imports(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut open = false;
        for (number, line) in self.code() {
            let mut rest = line;
            if open {
                found.extend(listed(line, &mut open).map(|name| (number, name)));
            }
            while let Some((before, after)) = rest.split_once("crate::") {
                rest = after;
                if before.ends_with(is_name) || before.ends_with('$') {
                    continue;
                }
                if let Some(list) = after.strip_prefix('{') {
                    open = true;
                    found.extend(listed(list, &mut open).map(|name| (number, name)));
                } else {
                    found.push((number, name(after)));
                }
            }
            found.extend(self.climbs_to(line).map(|name| (number, name)));
        }
        found
    }

    /// The module that a path such as `super::super::serve` climbs to, if it leaves its own.
    fn climbs_to(&self, line: &str) -> Option<String> {
        let start = line.find("super::")?;
        let path = &line[start..];
        let rest = path.trim_start_matches("super::");
        let steps = (path.len() - rest.len()) / "super::".len();
        (steps >= self.depth()).then(|| name(rest))
    }
}

/// The first names of a list of imports, up to its closing brace.
fn listed<'a>(text: &'a str, open: &mut bool) -> impl Iterator<Item = String> + use<'a> {
    let text = text.split_once('}').map_or(text, |(within, _)| {
        *open = false;
        within
    });
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(name)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The name at the beginning of a text.
fn name(text: &str) -> String {
    text.chars().take_while(|c| is_name(*c)).collect()
}

/// Whether code names a crate: `kdl::…`, not `my_kdl::…` and not `crate::kdl::…`.
fn names_crate(line: &str, krate: &str) -> bool {
    let path = format!("{krate}::");
    let used = line.match_indices(&path).any(|(at, _)| {
        let before = &line[..at];
        !before.ends_with(is_name) && !before.ends_with("::") && !in_text(before)
    });
    used || line == format!("use {krate};") || line.starts_with(&format!("use {krate} as "))
}

/// Whether what follows stands within quotes.
fn in_text(before: &str) -> bool {
    before.replace("\\\"", "").matches('"').count() % 2 == 1
}

fn storey(module: &str) -> Option<usize> {
    STOREYS.iter().position(|modules| modules.contains(&module))
}

/// Every Rust file below `src/`, in order.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let files: Vec<File> = paths
        .into_iter()
        .map(|path| File {
            text: std::fs::read_to_string(&path).expect("a readable file"),
            path: path
                .strip_prefix(&root)
                .expect("a path below src")
                .to_string_lossy()
                .replace('\\', "/"),
        })
        .collect();
    assert!(files.len() > 100, "src/ was not found, or is not the house that this test knows");
    files
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, paths);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            paths.push(path);
        }
    }
}

/// Fails with every finding, each as `src/file:line: what`, below the rule that they break.
fn must_be_empty(rule: &str, findings: &[(String, usize, String)]) {
    let mut text = format!("{rule}\n");
    for (path, line, what) in findings {
        let _ = writeln!(text, "  src/{path}:{line}: {what}");
    }
    assert!(findings.is_empty(), "{text}");
}

#[test]
fn a_module_imports_only_from_its_own_storey_and_those_below() {
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| !file.is_test()) {
        let own = file.house();
        let Some(floor) = storey(own) else {
            findings.push((
                file.path.clone(),
                1,
                format!("`{own}` stands on no storey; add it to STOREYS in tests/architecture.rs"),
            ));
            continue;
        };
        for (line, other) in file.imports() {
            let Some(theirs) = storey(&other) else { continue };
            let what = if theirs > floor {
                format!("`{own}` (storey {floor}) imports `{other}` (storey {theirs})")
            } else if theirs == floor && floor == STRANGERS && other != own {
                format!("`{own}` imports `{other}`, its neighbour on storey {floor}")
            } else {
                continue;
            };
            findings.push((file.path.clone(), line, what));
        }
    }
    must_be_empty(
        "A module imports only from its own storey and those below; neighbours on storey 2 do not \
         know each other. Move what both need further down, or pass it as an argument.",
        &findings,
    );
}

#[test]
fn each_dependency_comes_in_through_its_door() {
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| !file.is_test()) {
        for (line, code) in file.code() {
            for (krate, doors) in DOORS {
                let open = doors.iter().any(|door| file.path.starts_with(door));
                if !open && names_crate(code, krate) {
                    let what = format!("`{krate}` may be named only in {}", doors.join(", "));
                    findings.push((file.path.clone(), line, what));
                }
            }
        }
    }
    must_be_empty(
        "Each dependency has one door, so that it can be replaced there. Use what the module \
         behind the door offers, or widen DOORS in tests/architecture.rs if that is meant.",
        &findings,
    );
}

#[test]
fn every_dependency_is_used_and_has_a_door() {
    let manifest = include_str!("../Cargo.toml");
    let files = files();
    let mut section = "";
    let mut faults = String::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let Some((package, _)) = line.split_once(" = ") else { continue };
        if !section.ends_with("dependencies]") {
            continue;
        }
        let krate = package.replace('-', "_");
        if !DOORS.iter().any(|(known, _)| *known == krate) {
            let _ = writeln!(faults, "  {package} has no line in DOORS in tests/architecture.rs");
        }
        let used =
            || files.iter().any(|file| file.code().any(|(_, code)| names_crate(code, &krate)));
        if section == "[dependencies]" && !used() {
            let _ = writeln!(faults, "  {package} is not used in src/; take it out of Cargo.toml");
        }
    }
    for (krate, _) in DOORS {
        let named = |line: &str| line.split(" = ").next().map(|name| name.replace('-', "_"));
        if !manifest.lines().any(|line| named(line).as_deref() == Some(krate)) {
            let _ = writeln!(faults, "  {krate} has a door but is no dependency");
        }
    }
    assert!(faults.is_empty(), "Cargo.toml and the doors do not agree.\n{faults}");
}

#[test]
fn the_lower_storeys_are_pure() {
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| !file.is_test()) {
        if storey(file.house()).is_none_or(|floor| floor > PURE) {
            continue;
        }
        for (line, code) in file.code() {
            for (text, brings) in IMPURE {
                let tolerated =
                    TOLERATED.iter().any(|(path, what, _)| *path == file.path && *what == text);
                if code.contains(text) && !tolerated {
                    let what = format!("`{text}` brings in {brings}");
                    findings.push((file.path.clone(), line, what));
                }
            }
        }
    }
    must_be_empty(
        "Storeys 0 to 2 know no files, sockets, environment, threads, clock or randomness: take \
         the value as an argument and let `serve` or `cli` supply it.",
        &findings,
    );
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> = files()
        .iter()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| (file.path.clone(), 1, String::from("does not begin with `//!`")))
        .collect();
    must_be_empty("Every file begins with a `//!` paragraph that a newcomer understands.", &silent);
}

#[test]
fn files_stay_small() {
    let long: Vec<_> = files()
        .iter()
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(file, lines)| (file.path.clone(), lines, format!("has {lines} lines")))
        .collect();
    must_be_empty(
        &format!("No file has more than {LONGEST} lines; split it where its parts meet."),
        &long,
    );
}

#[test]
fn the_checks_see_what_they_should() {
    let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
    let names =
        |file: File| -> Vec<String> { file.imports().into_iter().map(|(_, name)| name).collect() };
    let code = "use crate::serve::app;\nuse crate::{base, store::Store};\n// crate::cli\n";
    assert_eq!(names(file("base/id.rs", code)), ["serve", "base", "store"]);
    let spread = "use crate::{\n    model::Call,\n    mail,\n};\nlet x = cli;";
    assert_eq!(names(file("engine/run.rs", spread)), ["model", "mail"]);
    assert_eq!(names(file("engine/run.rs", "use super::super::mail;")), ["mail"]);
    assert!(names(file("engine/run.rs", "use super::step;")).is_empty());
    assert!(names(file("base/mod.rs", "\n#[cfg(test)]\nmod tests {\nuse crate::cli;")).is_empty());
    assert!(names_crate("let x = kdl::KdlDocument::new();", "kdl"));
    assert!(names_crate("use notify;", "notify"));
    assert!(!names_crate("use crate::store::sled::Tree;", "sled"));
    assert!(!names_crate("let text = \"kdl::parse\";", "kdl"));
    assert!(!names_crate("hyper_util::rt::TokioIo", "hyper"));
}
