//! Whether everybody got what was meant for them, and when: looked at once all is over, against
//! moments that are worked out without rulerun.

use crate::calendar::{Between, Calendar, DAY};
use crate::people::{Fate, NEVER, Pages, Person};
use crate::rules::{CAP, CAP_PER, STEPS};

/// What was seen, for people.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Who lived through a day on which clocks change.
    pub(crate) clocks_changed: usize,
    /// E-mails that came later than planned because of a cap, or of a window that closed.
    pub(crate) put_off: usize,
    /// The most e-mails of anybody within the time of a cap.
    pub(crate) most: usize,
    /// Who has left, by each way.
    pub(crate) left: [usize; 3],
}

/// Looks at everybody; what is wrong is noted in the book.
pub(crate) fn everybody(pages: &mut Pages, leap: i64) -> Seen {
    let calendar = Calendar::new();
    let mut seen = Seen::default();
    for who in 0..pages.people.len() {
        let person = pages.people[who];
        for wrong in one(&calendar, &person, leap, &mut seen) {
            pages.broken(format!("{who}: {wrong}: {person:?}"));
        }
    }
    seen
}

fn one(calendar: &Calendar, person: &Person, leap: i64, seen: &mut Seen) -> Vec<String> {
    let Person { zone, began, gone, .. } = *person;
    if began == NEVER {
        return vec![String::from("never signed up")];
    }
    seen.clocks_changed += usize::from(calendar.clocks_change(zone, began, began + 10 * DAY));
    match person.fate {
        Fate::Unsubscribes(_) if gone != NEVER => seen.left[0] += 1,
        Fate::Stops => seen.left[1] += 1,
        Fate::Bounces(_) if gone != NEVER => seen.left[2] += 1,
        Fate::Stays => {}
        _ => return vec![String::from("should have left and has not")],
    }
    let mut wrong = Vec::new();
    let mut came: Vec<i64> = person.got.into_iter().filter(|at| *at != NEVER).collect();
    came.sort_unstable();
    for (step, (name, after)) in STEPS.into_iter().enumerate() {
        let at = person.got[step];
        let Between { first, last } = calendar.planned(zone, began, after);
        if !person.wants(step) {
            if at != NEVER {
                wrong.push(format!("{name} was not meant for them"));
            }
            continue;
        }
        let latest = latest(calendar, zone, &came, at, calendar.by(zone, last, leap), leap);
        if at == NEVER {
            // Who has left may have missed it, if they left before its time was over.
            if gone == NEVER || gone > latest.max(last) + DAY {
                wrong.push(format!("{name} never came"));
            }
            continue;
        }
        if at < first {
            wrong.push(format!("{name} came {} ms early", first - at));
        }
        if !calendar.is_open(zone, at) {
            wrong.push(format!("{name} came outside the window"));
        }
        if at > latest {
            wrong.push(format!("{name} came {} ms late", at - latest));
        }
        seen.put_off += usize::from(at > last + leap);
    }
    for (number, from) in came.iter().enumerate() {
        let within = came[number..].iter().take_while(|at| **at < from + CAP_PER).count();
        seen.most = seen.most.max(within);
        if within > CAP {
            wrong.push(format!("{within} e-mails in a day"));
        }
    }
    wrong
}

/// The last moment at which an e-mail may come: as planned, or as soon as the cap allows, which
/// is a day after the last but one of those before it.
fn latest(calendar: &Calendar, zone: usize, came: &[i64], at: i64, planned: i64, leap: i64) -> i64 {
    let before = came.iter().rposition(|other| *other < at).map_or(0, |last| last + 1);
    let Some(last_but) = before.checked_sub(CAP).map(|index| came[index]) else { return planned };
    planned.max(calendar.by(zone, last_but + CAP_PER, leap))
}
