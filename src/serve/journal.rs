//! What happens, as it happens, for the person who watches: one calm line each on standard
//! error. Texts from outside are stripped of control characters, so no payload can draw on
//! the terminal or forge a line. Others may follow along (`GET /executions/follow`): each
//! line is kept for them in a ring of bounded size, and whoever is too slow is told how many
//! lines are gone.

use std::io::Write as _;
use std::sync::Arc;

use jiff::Zoned;
use tokio::sync::broadcast;

use crate::base::text::steers;
use crate::base::{Clock, Timestamp, Zone, time};
use crate::model::queue::{Level, LogLine};

/// What kind of line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A call was accepted.
    Accepted,
    /// A call came again and got its first answer.
    Repeated,
    /// A call was turned away.
    Refused,
    /// One step of an accepted call: something was remembered, queued or scheduled.
    Step,
    /// A delivery or e-mail left.
    Sent,
    /// An e-mail was kept in the outbox.
    Captured,
    /// An attempt failed and will be made again.
    Retry,
    /// Something was left out on purpose.
    Skipped,
    /// Given up.
    Failed,
    /// Rules, start and stop.
    Rules,
    /// Something that an operator should look at.
    Warning,
}

impl Kind {
    /// Every kind.
    const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Repeated,
        Self::Refused,
        Self::Step,
        Self::Sent,
        Self::Captured,
        Self::Retry,
        Self::Skipped,
        Self::Failed,
        Self::Rules,
        Self::Warning,
    ];

    /// The kind of that word, if there is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// How lines name it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
            Self::Step => "step",
            Self::Sent => "sent",
            Self::Captured => "captured",
            Self::Retry => "retry",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Rules => "rules",
            Self::Warning => "warning",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Accepted | Self::Sent => "\u{1b}[32m",
            Self::Refused | Self::Failed => "\u{1b}[31m",
            Self::Retry | Self::Skipped | Self::Warning => "\u{1b}[33m",
            Self::Step | Self::Repeated | Self::Captured | Self::Rules => "\u{1b}[36m",
        }
    }

    /// Lines that are shown even when not every call is.
    fn is_notable(self) -> bool {
        matches!(self, Self::Failed | Self::Rules | Self::Warning)
    }
}

/// How much to say, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Voice {
    /// Every call and delivery, not only what an operator must know.
    pub every: bool,
    /// Colour.
    pub colour: bool,
    /// Nothing at all (tests).
    pub silent: bool,
}

impl Voice {
    /// One that says nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self { silent: true, ..Self::default() }
    }
}

/// Lines that are kept for followers who are slow.
const KEPT: usize = 1024;

/// What followers hear.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A line: when, what kind, and its text, whose times are written in full.
    Line(Timestamp, Kind, Arc<str>),
    /// The server stops; nothing follows.
    End,
}

/// Writes the lines.
#[derive(Debug)]
pub struct Journal {
    voice: Voice,
    clock: Arc<dyn Clock>,
    followers: broadcast::Sender<Heard>,
}

impl Journal {
    /// A journal that speaks so.
    #[must_use]
    pub fn new(voice: Voice, clock: Arc<dyn Clock>) -> Self {
        Self { voice, clock, followers: broadcast::Sender::new(KEPT) }
    }

    /// Hears every line from now on, until [`Heard::End`].
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Heard> {
        self.followers.subscribe()
    }

    /// How many follow at the moment.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.followers.receiver_count()
    }

    /// Tells the followers that nothing comes any more.
    pub fn end(&self) {
        // Nobody may be there to hear it.
        let _ = self.followers.send(Heard::End);
    }

    /// Whether anybody reads lines of this kind; ask before building a costly text.
    #[must_use]
    pub fn hears(&self, kind: Kind) -> bool {
        self.writes(kind) || self.followers() > 0
    }

    fn writes(&self, kind: Kind) -> bool {
        !self.voice.silent && (self.voice.every || kind.is_notable())
    }

    /// Writes one line. Times in it that are written in full are shown as people read them.
    pub fn say(&self, kind: Kind, text: &str) {
        if !self.hears(kind) {
            return;
        }
        let (now, text) = (self.clock.now(), one_line(text));
        if self.writes(kind) {
            let line = line(now, kind, &text, self.voice.colour);
            // A closed terminal must not stop the work.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
        // The last follower may have just gone.
        let _ = self.followers.send(Heard::Line(now, kind, text.into()));
    }

    /// Writes what an accepted call set off, below the line that says that it was accepted.
    pub fn steps(&self, set_off: &[LogLine]) {
        for line in set_off {
            let kind = if line.level == Level::Info { Kind::Step } else { Kind::Skipped };
            let task = line.task.as_deref().unwrap_or_default();
            self.say(kind, &format!("  {task}: {}", line.message));
        }
    }

    /// Writes a text of several lines as it is (start-up help, diagnostics).
    pub fn print(&self, text: &str) {
        if !self.voice.silent {
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        }
    }
}

/// A line as people here read it, with the newline at its end.
#[must_use]
pub fn line(at: Timestamp, kind: Kind, text: &str, colour: bool) -> String {
    let now = at.to_zoned(Zone::system());
    let (time, text) = (now.strftime("%H:%M:%S"), local_times(&one_line(text), &now));
    if colour {
        format!("{time}  {}{:<9}\u{1b}[0m  {text}\n", kind.colour(), kind.word())
    } else {
        format!("{time}  {:<9}  {text}\n", kind.word())
    }
}

/// The text without characters that steer, at most 500 characters.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if steers(c) { ' ' } else { c })
        .take(500)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// The text with its full times (`2025-12-01T10:30:00Z`) as people here read them: the time of
/// day where it is today, the date too where it is not. What is stored keeps the full form.
fn local_times(text: &str, now: &Zoned) -> String {
    let mut shown: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let time = word.trim_end_matches([',', ';', ':', '.', ')']);
        let full = time.len() >= "2025-12-01T10:30:00Z".len() && time.ends_with('Z');
        let Some(at) = full.then(|| time::parse_time(time).ok()).flatten() else {
            shown.push(word.to_owned());
            continue;
        };
        let at = at.to_zoned(now.time_zone().clone());
        let form = if at.date() == now.date() {
            "%H:%M:%S"
        } else if at.year() == now.year() {
            "%-d %b %H:%M"
        } else {
            "%-d %b %Y %H:%M"
        };
        if at.date() != now.date()
            && let Some(before) = shown.last_mut().filter(|before| *before == "at")
        {
            "on".clone_into(before);
        }
        shown.push(format!("{}{}", at.strftime(form), &word[time.len()..]));
    }
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_from_outside_can_begin_a_line_or_turn_it_round() {
        let forged = "a\n12:00:00  accepted\r\u{1b}[2J\u{9b}x\u{2028}y\u{202e}z";
        assert_eq!(one_line(forged), "a 12:00:00  accepted  [2J x y z");
        assert_eq!(one_line(&"é".repeat(1000)).chars().count(), 500);
    }

    #[test]
    fn whoever_follows_hears_what_a_quiet_server_does_not_write() {
        let voice = Voice::silent();
        let journal = Journal::new(voice, Arc::new(crate::serve::clock::SystemClock));
        assert!(!journal.hears(Kind::Failed), "nobody is there");
        let mut follower = journal.follow();
        journal.say(Kind::Accepted, "200 hello/signup\nforged");
        journal.end();
        let Ok(Heard::Line(_, kind, text)) = follower.try_recv() else { panic!("no line") };
        assert_eq!((kind, &*text), (Kind::Accepted, "200 hello/signup forged"));
        assert!(matches!(follower.try_recv(), Ok(Heard::End)));
        assert!(Kind::ALL.into_iter().all(|kind| Kind::from_word(kind.word()) == Some(kind)));
    }

    #[test]
    fn times_are_shown_as_people_here_read_them() {
        let now: Zoned = "2026-11-22T14:00:00+01:00[Europe/Berlin]".parse().expect("a time");
        for (full, short) in [
            ("scheduled for ann at 2026-11-22T13:05:20Z", "scheduled for ann at 14:05:20"),
            ("scheduled for ann at 2026-11-24T13:05:00Z", "scheduled for ann on 24 Nov 14:05"),
            ("was in it 2026-11-22T00:30:00.5Z; again", "was in it 01:30:00; again"),
            ("nothing until 2027-01-03T08:00:00Z.", "nothing until 3 Jan 2027 09:00."),
            ("  task: at ease, 2026-11-22 and AZ", "  task: at ease, 2026-11-22 and AZ"),
        ] {
            assert_eq!(local_times(full, &now), short);
        }
    }
}
