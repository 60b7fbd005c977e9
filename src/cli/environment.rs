//! The only place that reads the environment: the process's own variables, and beneath
//! them the `.env` file of the working directory, which never overrides them and is never
//! copied into them.

use std::collections::BTreeMap;
use std::path::Path;

use super::outcome::Failure;
use crate::model::Lookup;

/// The largest secret file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Settings from the environment, from `.env` and from the files that rules name.
#[derive(Debug, Default)]
pub struct Environment {
    beneath: BTreeMap<String, String>,
}

impl Environment {
    /// Reads `.env` in the working directory, if there is one.
    ///
    /// # Errors
    /// `.env` is there and cannot be read or understood.
    pub fn load() -> Result<Self, Failure> {
        Ok(Self { beneath: Self::read(Path::new(".env"))? })
    }

    /// The same with the secrets that `serve --dev` has made up in this data folder, for
    /// what is set nowhere else.
    ///
    /// # Errors
    /// The file is there and cannot be read or understood.
    pub fn or_made_up(mut self, data: &Path) -> Result<Self, Failure> {
        for (name, value) in Self::read(&data.join(crate::serve::dev::FILE))? {
            if self.env(&name).is_none() {
                self.beneath.insert(name, value);
            }
        }
        Ok(self)
    }

    /// The variables of a file; none when it is not there.
    fn read(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
        let shown = path.display();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(BTreeMap::new());
            }
            Err(error) => return Err(Failure::io(format!("cannot read {shown}"), &error)),
        };
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format!("{shown} is not UTF-8 text; save it as UTF-8")))?;
        let mut beneath = BTreeMap::new();
        for pair in dotenvy::from_read_iter(text.as_bytes()) {
            let (name, value) = pair.map_err(|error| unreadable_line(path, &text, &error))?;
            // As in a shell, the last line of a name counts.
            beneath.insert(name, value);
        }
        Ok(beneath)
    }
}

impl Lookup for Environment {
    fn env(&self, name: &str) -> Option<String> {
        process(name).or_else(|| self.beneath.get(name).cloned()).filter(|value| !value.is_empty())
    }

    fn file(&self, path: &str) -> Result<String, String> {
        let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
        if length > MAX_FILE {
            return Err(format!("it has {length} bytes; a secret may have {MAX_FILE}"));
        }
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn is_open(&self, path: &str) -> bool {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
    }
}

/// Whether the person wants colour: `NO_COLOR` and a dumb terminal say no.
pub(super) fn wants_colour() -> bool {
    process("NO_COLOR").is_none_or(|value| value.is_empty())
        && process("TERM").is_none_or(|value| value != "dumb")
}

/// A variable of the process. One that is set to nothing is still set: it switches a line
/// of `.env` off.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Says which line is wrong without showing it: it may hold a secret.
fn unreadable_line(path: &Path, text: &str, error: &dotenvy::Error) -> Failure {
    let place = match error {
        dotenvy::Error::LineParse(line, _) => text
            .find(line.as_str())
            .map(|start| format!(":{}", text[..start].matches('\n').count() + 1)),
        _ => None,
    };
    let place = place.unwrap_or_default();
    Failure::new(format!("{}{place} cannot be understood", path.display())).help(
        "a line reads NAME=value; put a value with spaces, #, $ or quotes into 'single quotes'",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(text: &str) -> Result<Environment, Failure> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".env");
        std::fs::write(&path, text).expect("a file");
        Environment::read(&path).map(|beneath| Environment { beneath })
    }

    #[test]
    fn the_real_environment_comes_first_and_an_empty_value_is_none() {
        let found = environment("PATH=elsewhere\nRULERUN_T_A='two words'\nRULERUN_T_B=\n");
        let found = found.expect("a good file");
        assert_ne!(found.env("PATH").as_deref(), Some("elsewhere"));
        assert_eq!(found.env("RULERUN_T_A").as_deref(), Some("two words"));
        assert_eq!(found.env("RULERUN_T_B"), None);
        assert_eq!(found.env("RULERUN_T_C"), None);
    }

    #[test]
    fn a_broken_line_is_named_by_its_number_and_never_shown() {
        let failure = environment("A=1\nB=se cret\n").expect_err("a broken line");
        let Failure::Trouble { message, .. } = failure else { panic!("trouble") };
        assert!(message.contains(".env:2 "), "{message}");
        assert!(!message.contains("cret"), "{message}");
    }

    #[test]
    fn made_up_secrets_stand_in_for_what_is_missing_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(
            folder.path().join(crate::serve::dev::FILE),
            "RULERUN_T_A=made\nRULERUN_T_B=made\n",
        )
        .expect("a file");
        let found = environment("RULERUN_T_A=own\nRULERUN_T_B=\n").expect("a good file");
        let found = found.or_made_up(folder.path()).expect("a good file");
        assert_eq!(found.env("RULERUN_T_A").as_deref(), Some("own"));
        assert_eq!(found.env("RULERUN_T_B").as_deref(), Some("made"));
    }

    #[test]
    fn no_file_is_fine() {
        let found = Environment::read(Path::new("no/such/.env")).expect("nothing");
        assert!(found.is_empty());
    }
}
