//! How a command ends: fine, with problems found, or unable to do its work.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use super::{out, table};
use crate::serve::sources::plain;

/// How a verb that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Nothing is wrong: 0.
    Fine,
    /// It found problems and has shown them: 1.
    Problems,
}

impl Exit {
    /// Fine, unless there are problems.
    #[must_use]
    pub fn problems_if(found: bool) -> Self {
        if found { Self::Problems } else { Self::Fine }
    }

    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> ExitCode {
        match self {
            Self::Fine => ExitCode::SUCCESS,
            Self::Problems => ExitCode::from(1),
        }
    }
}

/// Why a verb could not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The rules have problems, which were shown already: 1.
    Rules,
    /// Wrong usage, or something could not be read or written: 2.
    Trouble {
        /// What is wrong, as one sentence without a full stop.
        message: String,
        /// How to mend it.
        help: Option<String>,
    },
}

/// What every verb answers.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    /// Trouble without advice.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Trouble { message: message.into(), help: None }
    }

    /// Something could not be read or written; `what` says what, such as "cannot read a.kdl".
    pub fn io(what: impl std::fmt::Display, error: &std::io::Error) -> Self {
        Self::new(format!("{what}: {}", plain(error)))
    }

    /// The same trouble with advice.
    #[must_use]
    pub fn help(self, text: impl Into<String>) -> Self {
        self.maybe_help(Some(text.into()))
    }

    /// The same trouble, where there may be no advice.
    #[must_use]
    pub fn maybe_help(self, text: Option<String>) -> Self {
        match self {
            Self::Trouble { message, help } => Self::Trouble { message, help: text.or(help) },
            Self::Rules => Self::Rules,
        }
    }

    /// Tells it to the person, and gives the process's exit code.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        let Self::Trouble { message, help } = self else { return ExitCode::from(1) };
        let ink = out::Ink::for_notes();
        // What servers, files and rules say is quoted in them.
        out::note(&format!("{} {}", ink.red("error:"), out::clean_lines(message)));
        if let Some(help) = help {
            let text = if std::io::stderr().is_terminal() {
                table::paragraph(&out::clean_lines(help), out::notes_width().saturating_sub(7))
                    .join("\n       ")
            } else {
                out::clean_lines(help)
            };
            out::note(&format!("{}  {text}", ink.dim("help:")));
        }
        ExitCode::from(2)
    }
}
