//! When steps are due, against a calendar of its own: this file knows when the clocks of five
//! zones change and how days are counted, and asks jiff nothing. A year of daily steps is
//! planned in each zone, and windows are tried at random.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rulerun::base::{Id, SourceMap, Timestamp, Zone, time};
use rulerun::engine::{self, Decided, Need, StepDecision, View, World};
use rulerun::model::commit::Write;
use rulerun::model::queue::Places;
use rulerun::model::rules::{Days, Holiday, Hours, Opening, RuleSet, Window};
use rulerun::model::{Call, Enrolment, Origin};
use serde_json::json;

use calendar::{Place, civil, date_of, minute_of, moments, number, weekday};

mod calendar;
mod sending;

/// A rule set without a mistake.
fn rules(text: &str) -> RuleSet {
    let mut sources = SourceMap::new();
    sources.add("rules/a.kdl", text);
    let (rules, found) = rulerun::language::analyze(&sources);
    rules.unwrap_or_else(|| panic!("{found:?}"))
}

/// A call that begins the sequence, and every step's name with its moment in seconds.
fn plan(rules: &RuleSet, at: i64, payload: &serde_json::Value) -> Vec<(String, i64)> {
    let world = World { spread: false, ..World::alone(rules, 1) };
    let steps = begun(&world, at, payload).plan.into_iter();
    steps.map(|(name, due)| (name, due / 1000)).collect()
}

/// The enrolment of a call that begins the sequence.
fn begun(world: &World<'_>, at: i64, payload: &serde_json::Value) -> Enrolment {
    let rules = world.rules;
    let call = Call {
        id: Id::new(at * 1000, &[7; 10]),
        at: time::from_millis(at * 1000),
        origin: Origin::Endpoint(Arc::clone(&rules.endpoints[0])),
        payload: payload.as_object().unwrap().clone(),
    };
    let mut view = View::default();
    loop {
        match engine::decide(world, &call, &view) {
            Decided::Needs(Need::Enrolment(sequence, key)) => {
                view.enrolments.insert((sequence, key), None);
            }
            Decided::Needs(Need::Record(name, id)) => {
                view.records.insert((name, id), None);
            }
            Decided::Done(decision) => {
                assert!(!decision.refused, "{:?}", decision.reply);
                let enrolment = decision.writes.iter().find_map(|write| match write {
                    Write::Enrol { enrolment, .. } => Some(enrolment.clone()),
                    _ => None,
                });
                return enrolment.expect("somebody began");
            }
        }
    }
}

/// A sequence of a year of daily steps, counted from its start or from one another.
fn a_year(window: &str, each: &str) -> RuleSet {
    use std::fmt::Write as _;
    let mut steps = String::new();
    for day in 1..=365 {
        let after = if each.is_empty() { format!("{day}d") } else { String::from("1d") };
        writeln!(steps, "    send \"tick\" after=\"{after}\" {each} {{ day {day} }}").unwrap();
    }
    // Steps are told apart by name, so every day has an event of its own.
    let mut events = String::new();
    for day in 1..=365 {
        steps = steps.replacen("send \"tick\"", &format!("send \"day-{day}\""), 1);
        writeln!(events, "    event \"day-{day}\"").unwrap();
    }
    rules(&format!(
        "service \"n8n\" {{ url \"http://localhost:5678\" }}\n\
         events to=\"n8n\" path=\"/tick\" {{\n{events}}}\n\
         webhooks \"shop\" {{\n    path \"/shop\"\n    endpoint \"join\" {{\n        \
         payload {{ email email; zone text; }}\n        start \"daily\"\n    }}\n}}\n\
         sequence \"daily\" to=\"{{{{email}}}}\" zone=\"{{{{zone}}}}\" \
         kind=\"transactional\" {{\n{window}\n{steps}}}\n"
    ))
}

/// Where a wait of so many days ends by the calendar of this file: at the same time of day;
/// one that the clock leaves out comes as much later as the clock is set forward, and of one
/// that it shows twice the first counts.
fn days_later(place: &Place, start: i64, days: i64) -> i64 {
    let local = civil(place, start);
    let wanted = local + days * 86_400;
    if let Some(first) = moments(place, wanted).first() {
        return *first;
    }
    let (_, before, _) = place.gap(wanted);
    wanted - before
}

/// Starts at the hours that clocks leave out or show twice, and at plain ones.
const STARTS: [i64; 6] = [0, 30, 90, 150, 165, 600];

#[test]
fn a_year_of_daily_steps_keeps_the_time_of_day_in_five_zones() {
    let rules = a_year("", "");
    let mut changed = 0;
    for place in &calendar::PLACES {
        for minute in STARTS {
            // Local midnight of 10 January 2026, and so many minutes.
            let local = number(2026, 1, 10) * 86_400 + minute * 60;
            let start = moments(place, local)[0];
            let payload = json!({ "email": "ann@example.com", "zone": place.name });
            let planned = plan(&rules, start, &payload);
            assert_eq!(planned.len(), 365, "{}", place.name);
            for (name, due) in planned {
                let day: i64 = name["day-".len()..].parse().unwrap();
                assert_eq!(due, days_later(place, start, day), "{} {minute} {name}", place.name);
                changed += usize::from(due - start != day * 86_400);
            }
        }
    }
    assert!(changed > 4_000, "clocks have changed: {changed}");
}

#[test]
fn a_year_of_daily_steps_that_count_from_the_one_before_stays_with_the_shifted_one() {
    // A day in which 02:30 does not exist moves the chain to 03:30, and there it stays: the
    // next one counts from the moment of the one before.
    let rules = a_year("", "counts-from=\"previous\"");
    for place in &calendar::PLACES {
        let start = moments(place, number(2026, 1, 10) * 86_400 + 150 * 60)[0];
        let payload = json!({ "email": "ann@example.com", "zone": place.name });
        let mut before = start;
        for (name, due) in plan(&rules, start, &payload) {
            assert_eq!(due, days_later(place, before, 1), "{} {name}", place.name);
            before = due;
        }
    }
}

/// A window by the calendar of this file: days (Monday is 0), hours as minutes, holidays as
/// month and day.
struct Told {
    text: &'static str,
    days: &'static [i64],
    hours: &'static [(i64, i64)],
    holidays: &'static [(i64, i64)],
}

impl Told {
    /// Whether the clock on the wall shows a time of the window.
    fn shows(&self, local: i64) -> bool {
        let (day, minute) = (local.div_euclid(86_400), minute_of(local));
        let free = |day: i64| {
            let (_, month, of_month) = date_of(day);
            !self.holidays.contains(&(month, of_month))
        };
        let on = |day: i64, minute: i64| {
            self.days.contains(&weekday(day))
                && free(day)
                && self.hours.iter().any(|(from, to)| (*from..*to).contains(&minute))
        };
        free(day) && (on(day, minute) || on(day - 1, minute + 1440))
    }

    /// The first moment from `at` on that is in the window, found by looking at every minute.
    fn first(&self, place: &Place, at: i64) -> i64 {
        if self.shows(civil(place, at)) {
            return at;
        }
        // Clocks change and these windows open at minutes that five divides.
        let mut next = (at.div_euclid(300) + 1) * 300;
        while !self.shows(civil(place, next)) {
            next += 300;
        }
        next
    }
}

const WINDOWS: [Told; 5] = [
    Told {
        text: r#"window days="mon-fri" hours="09:00-17:00" { holidays "12-25" "12-31 to 01-01"; }"#,
        days: &[0, 1, 2, 3, 4],
        hours: &[(540, 1020)],
        holidays: &[(12, 25), (12, 31), (1, 1)],
    },
    // In the hours that clocks leave out and show twice.
    Told {
        text: r#"window hours="02:15-02:45""#,
        days: &[0, 1, 2, 3, 4, 5, 6],
        hours: &[(135, 165)],
        holidays: &[],
    },
    Told {
        text: r#"window days="sat sun" hours="00:00-01:30 02:30-03:10""#,
        days: &[5, 6],
        hours: &[(0, 90), (150, 190)],
        holidays: &[],
    },
    // Over midnight, and a holiday cuts the evening before.
    Told {
        text: r#"window days="fri-sun" hours="22:00-02:30" { holidays "04-05" "12-25"; }"#,
        days: &[4, 5, 6],
        hours: &[(1320, 1590)],
        holidays: &[(4, 5), (12, 25)],
    },
    Told {
        text: r#"window days="sun" hours="00:00-24:00""#,
        days: &[6],
        hours: &[(0, 1440)],
        holidays: &[],
    },
];

#[test]
fn a_year_of_daily_steps_waits_for_its_window_in_five_zones() {
    let mut moved = 0;
    for told in &WINDOWS {
        let rules = a_year(told.text, "");
        for place in &calendar::PLACES {
            let start = moments(place, number(2026, 1, 10) * 86_400 + 150 * 60 + 17)[0];
            let payload = json!({ "email": "ann@example.com", "zone": place.name });
            for (name, due) in plan(&rules, start, &payload) {
                let day: i64 = name["day-".len()..].parse().unwrap();
                let wait_over = days_later(place, start, day);
                let expected = told.first(place, wait_over);
                assert_eq!(due, expected, "{} {name} in {}", told.text, place.name);
                moved += usize::from(due != wait_over);
            }
        }
    }
    assert!(moved > 5_000, "windows have moved steps: {moved}");
}

#[test]
fn whoever_waited_is_spread_over_the_first_minutes_and_keeps_their_minute() {
    let rules = a_year("    window days=\"mon-fri\" hours=\"09:00-17:00\" spread=\"30min\"", "");
    let world = World { spread: true, ..World::alone(&rules, 1) };
    // Saturday at five in the morning: every step waits until nine.
    let start = number(2026, 1, 10) * 86_400 + 5 * 3_600;
    let nine = |due: i64| (due / 1_000).rem_euclid(86_400) - 9 * 3_600;
    let mut seconds = Vec::new();
    for number in 0..300 {
        let payload = json!({ "email": format!("p{number}@example.com"), "zone": "UTC" });
        let plan = begun(&world, start, &payload).plan;
        let first = nine(plan[0].1);
        assert!((0..30 * 60).contains(&first), "{first} s after nine");
        assert!(plan.iter().all(|(_, due)| nine(*due) == first), "always at the same minute");
        seconds.push(first);
    }
    // Of 300 people no minute of the half hour gets more than 25, where 10 are to be expected.
    for minute in 0..30 {
        let within = seconds.iter().filter(|second| **second / 60 == minute).count();
        assert!((1..=25).contains(&within), "{within} in minute {minute}");
    }
}

#[test]
fn a_shifted_step_takes_along_only_those_that_count_from_it() {
    let rules = rules(
        r#"
        sender "Acme <hello@example.com>" { time-zone "Europe/Berlin"; }
        service "n8n" { url "http://localhost:5678" }
        events to="n8n" path="/x" { event "one"; event "two"; event "three"; event "four"; event "five"; }
        webhooks "shop" {
            path "/shop"
            endpoint "join" { payload { email email; called time; }; start "s"; }
        }
        sequence "s" to="{{email}}" kind="transactional" {
            window days="mon-fri" hours="09:00-17:00"
            send "one" after="1d"
            send "two" after="2d" counts-from="previous"
            send "three" after="4d"
            send "four" after="1h" counts-from="{{called}}"
            send "five" after="1h" window="any"
        }
        "#,
    );
    // Friday 6 March 2026, 20:00 in Berlin; called on Sunday 8 March at 12:00.
    let start = number(2026, 3, 6) * 86_400 + 19 * 3600;
    let payload = json!({ "email": "ann@example.com", "called": "2026-03-08T11:00:00Z" });
    let due: BTreeMap<String, i64> = plan(&rules, start, &payload).into_iter().collect();
    let at = |day: i64, hour: i64| number(2026, 3, day) * 86_400 + (hour - 1) * 3600;
    assert_eq!(due["one"], at(9, 9), "Saturday evening becomes Monday morning");
    assert_eq!(due["two"], at(11, 9), "two days after that");
    assert_eq!(due["three"], at(11, 9), "four days are Tuesday evening, so Wednesday morning");
    assert_eq!(due["four"], at(9, 9), "Sunday 13:00 becomes Monday morning");
    assert_eq!(due["five"], at(6, 21), "any time");
}

#[test]
fn a_step_that_comes_due_is_never_found_outside_its_window_at_any_speed() {
    let rules = a_year(WINDOWS[0].text, "counts-from=\"previous\"");
    for speed in [1, 7, 60, 1440, 86_400, 1_000_000] {
        let world = World::alone(&rules, speed);
        let start = number(2026, 1, 10) * 86_400 + 777;
        let payload = json!({ "email": "ann@example.com", "zone": "America/Santiago" });
        let enrolment = begun(&world, start, &payload);
        assert_eq!(enrolment.plan.len(), 365);
        // At more than real speed every look plans the whole year once more.
        let each = if speed == 1 { 1 } else { 30 };
        for (step, due) in enrolment.plan.iter().step_by(each) {
            let due = engine::Due {
                enrolment: &enrolment,
                began_with: None,
                step,
                planned: *due,
                payload: payload.as_object().unwrap(),
                contact: None,
                suppressed: &[],
                places: &Places::default(),
                job: enrolment.job_id(step),
                unsubscribe_url: "",
                forced: false,
                now: time::from_millis(*due),
            };
            let decision = engine::step(&world, &due);
            assert!(
                matches!(decision, StepDecision::Event(..)),
                "{step} at speed {speed}: {decision:?}"
            );
        }
    }
}

/// A zone and a moment of 2026, half of them within two days of a change of the clocks.
fn moment() -> impl Strategy<Value = (usize, i64)> {
    (0_usize..calendar::PLACES.len()).prop_flat_map(|zone| {
        let changes = calendar::PLACES[zone].changes.iter().map(|(change, _)| *change);
        let near: Vec<i64> = changes.chain([utc_noon()]).collect();
        let near = (prop::sample::select(near), -172_800_i64..172_800).prop_map(|(at, by)| at + by);
        let any = 1_767_225_600_i64..1_798_761_600;
        (Just(zone), prop_oneof![near, any])
    })
}

/// A moment at which nothing changes: noon of 1 July 2026.
fn utc_noon() -> i64 {
    number(2026, 7, 1) * 86_400 + 43_200
}

/// A window at random: openings, holidays.
fn window() -> impl Strategy<Value = Window> {
    let opening = (1_u8..128, 0_u16..1440, 1_u16..1440, 0_u64..=60);
    let holiday = (1_u8..=12, 1_u8..=28, 0_u8..20);
    (prop::collection::vec(opening, 1..4), prop::collection::vec(holiday, 0..5)).prop_map(
        |(openings, holidays)| {
            let openings = openings.into_iter().map(|(days, from, length, spread)| {
                let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
                let days: Vec<&str> =
                    (0..7).filter(|bit| days >> bit & 1 == 1).map(|bit| names[bit]).collect();
                let to = (from + length) % 1440;
                let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
                let hours = format!("{}-{}", clock(from), clock(to));
                Opening {
                    days: Days::parse(&days.join(" ")).unwrap(),
                    hours: Hours::parse(&hours).unwrap()[0],
                    spread: rulerun::base::Delay::from_seconds(
                        (spread * 60).min(u64::from(length) * 60),
                    )
                    .unwrap(),
                }
            });
            let holidays = holidays.into_iter().map(|(month, day, more)| {
                let last = day.saturating_add(more).min(28);
                Holiday::parse(&format!("{month:02}-{day:02} to {month:02}-{last:02}")).unwrap()
            });
            Window { openings: openings.collect(), holidays: holidays.collect() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Never early, never outside, and no earlier moment would have been inside.
    #[test]
    fn the_next_opening_is_the_first_there_is(
        window in window(),
        (zone, at) in moment(),
        place in any::<u64>(),
    ) {
        let zone = Zone::get(calendar::PLACES[zone].name).unwrap();
        let at = Timestamp::from_second(at).unwrap();
        let next = window.next(at, &zone).unwrap();
        prop_assert!(next >= at);
        prop_assert!(window.is_open(next, &zone));
        // A look at every quarter of an hour, at most for 30 days, and at the minute before.
        let mut probe = at;
        for _ in 0..96 * 30 {
            if probe >= next { break; }
            prop_assert!(!window.is_open(probe, &zone), "{probe} comes before {next}");
            probe = Timestamp::from_second(probe.as_second() + 900).unwrap();
        }
        if next > at {
            let before = Timestamp::from_second(next.as_second() - 1).unwrap();
            prop_assert!(!window.is_open(before, &zone));
        }
        // Spread lies within, never before the opening, and is the same every time.
        let admitted = window.admit(at, &zone, Some(place)).unwrap();
        prop_assert!(admitted >= next && window.is_open(admitted, &zone));
        prop_assert_eq!(Some(admitted), window.admit(at, &zone, Some(place)));
        prop_assert_eq!(window.admit(admitted, &zone, Some(place)), Some(admitted));
        let longest = window.openings.iter().map(|one| one.spread.to_duration().as_secs()).max();
        let waited = admitted.as_second() - next.as_second();
        prop_assert!(u64::try_from(waited).unwrap() <= longest.unwrap_or_default());
    }
}
