//! `rulerun init`: a small project that works as it is, to be changed from there.

use std::path::{Path, PathBuf};

use clap::Args;

use super::outcome::{Exit, Failure, Outcome};
use super::{files, out};

/// Every file with its text.
const FILES: [(&str, &str); 8] = [
    ("README.md", include_str!("init/README.md")),
    (".env.example", include_str!("init/env.example")),
    (".gitignore", include_str!("init/gitignore")),
    ("rules/hello.kdl", include_str!("init/rules.kdl")),
    ("rules/emails/welcome-1.md", include_str!("init/welcome-1.md")),
    ("rules/emails/welcome-2.md", include_str!("init/welcome-2.md")),
    ("schemas/hello.kdl", include_str!("init/schemas.kdl")),
    ("tests/hello.test.kdl", include_str!("init/tests.kdl")),
];

const EXAMPLES: &str = "\
Examples:
  rulerun init shop     in the folder shop
  rulerun init          in this folder

Files that are there already are never overwritten.";

/// What `init` is told.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct InitArgs {
    /// The folder, which is made if it is not there.
    #[arg(value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
}

pub(super) fn run(args: &InitArgs) -> Outcome {
    let folder = &args.folder;
    let taken: Vec<&str> = FILES
        .iter()
        .map(|(path, _)| *path)
        .filter(|path| folder.join(path).symlink_metadata().is_ok())
        .collect();
    if !taken.is_empty() {
        return Err(Failure::new(format!(
            "{} already holds {}; nothing was written",
            folder.display(),
            taken.join(", ")
        ))
        .help("choose another folder: `rulerun init my-project`"));
    }
    for (path, text) in FILES {
        files::write_new(&folder.join(path), text)?;
    }
    let enter = if folder == Path::new(".") {
        String::new()
    } else {
        format!("  cd {}\n", folder.display())
    };
    out::note(&format!(
        "made {} in {}. Next:\n{enter}  rulerun validate        look the rules over\n  rulerun test            try them on a simulated clock\n  rulerun serve --dev     run them, with made-up secrets and captured e-mail",
        out::count(FILES.len(), "file"),
        folder.display(),
    ));
    Ok(Exit::Fine)
}
