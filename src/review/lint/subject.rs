//! The subject as it turns out once its tags are filled in.

use super::{Paper, Start};
use crate::base::Diagnostic;
use crate::language::codes;
use crate::mail;

/// What a phone shows of a subject, in letters.
const LONGEST: usize = 60;

impl Paper<'_> {
    /// What is wrong with the finished subject.
    pub(super) fn subject(&self, subject: &str, bare: bool, start: &Start) -> Option<Diagnostic> {
        let when = if bare {
            format!(" (when `{}` starts it and optional fields are missing)", start.by)
        } else {
            format!(" (when `{}` starts it)", start.by)
        };
        let subject = match mail::subject(subject) {
            Ok(subject) => subject,
            // What is in the payload nobody knows, so nothing can be held against it.
            Err(_) if start.open => return None,
            Err(why) => {
                let why = why.to_string();
                let (why, help) = why.split_once(": ").unwrap_or((&why, "mend the subject"));
                let message = format!("this e-mail cannot be made: {why}{when}");
                return Some(
                    Diagnostic::error(codes::EMAIL_FAILS, message, self.body.subject)
                        .label("this subject")
                        .help(help),
                );
            }
        };
        let letters = subject.chars().count();
        (letters > LONGEST).then(|| {
            let end = subject.char_indices().nth(LONGEST).map_or(subject.len(), |(at, _)| at);
            Diagnostic::warning(
                codes::LONG_SUBJECT,
                format!("this subject has {letters} letters once it is filled in"),
                self.body.subject,
            )
            .label(format!("{LONGEST} are shown"))
            .help(format!(
                "phones cut it off here: “{}…”; put what matters first, and say it in fewer words",
                subject[..end].trim_end()
            ))
        })
    }
}
