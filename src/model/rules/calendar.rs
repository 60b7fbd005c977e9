//! Days, hours and holidays as people write them in a `window`: `"mon-fri"`,
//! `"09:00-17:00"`, `"12-25"`, `"2026-12-24 to 2027-01-02"`.

use jiff::civil::Date;

/// The days of a week, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Minutes of a day.
const DAY: usize = 1440;

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days([bool; 7]);

impl Days {
    /// Every day.
    pub const ALL: Self = Self([true; 7]);

    /// Reads days and stretches of days, such as `mon-thu sat`.
    ///
    /// # Errors
    /// How to write it instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        const HOW: &str = "write days such as \"mon-fri\", \"sat sun\" or \"mon-thu sat\"";
        let mut days = [false; 7];
        for part in parts(text) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Some(first), Some(last)) = (day(first), day(last)) else {
                return Err(String::from(HOW));
            };
            let length = (last + 7 - first) % 7;
            (0..=length).for_each(|next| days[(first + next) % 7] = true);
        }
        if days.contains(&true) { Ok(Self(days)) } else { Err(String::from(HOW)) }
    }

    /// Whether a date falls on one of them.
    #[must_use]
    pub fn has(self, date: Date) -> bool {
        let place = date.weekday().to_monday_zero_offset().unsigned_abs();
        self.0.get(usize::from(place)).copied().unwrap_or_default()
    }

    /// Their places in the week; Monday is 0.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        (0..7).filter(|place| self.0[*place])
    }
}

impl std::fmt::Display for Days {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Self::ALL {
            return f.write_str("every day");
        }
        let mut told: Vec<String> = Vec::new();
        let mut place = 0;
        while place < 7 {
            let run = (place..7).take_while(|day| self.0[*day]).count();
            match run {
                0 => {}
                1 => told.push(DAYS[place].to_owned()),
                _ => told.push(format!("{}-{}", DAYS[place], DAYS[place + run - 1])),
            }
            place += run + 1;
        }
        f.write_str(&told.join(" "))
    }
}

/// The place of a day in the week, by its first three letters or its whole name.
fn day(text: &str) -> Option<usize> {
    let text = text.trim().to_lowercase();
    let whole =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"].iter();
    DAYS.iter().position(|day| *day == text).or_else(|| whole.clone().position(|day| *day == text))
}

/// A stretch of a day; it may go on after midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minute of the day at which it begins.
    from: usize,
    /// Minute at which it is over, counted from the same midnight: more than a day's after
    /// midnight.
    to: usize,
}

impl Hours {
    /// The whole day.
    pub const ALL: Self = Self { from: 0, to: DAY };

    /// Reads stretches such as `09:00-12:00 13:30-17:00`. One that ends before it begins goes
    /// on after midnight.
    ///
    /// # Errors
    /// How to write it instead.
    pub fn parse(text: &str) -> Result<Vec<Self>, String> {
        const HOW: &str = "write hours such as \"09:00-17:00\" or \"09:00-12:00 13:00-17:00\"";
        let mut all = Vec::new();
        for part in parts(text) {
            let (from, to) = part.split_once('-').ok_or(HOW)?;
            let (Some(from), Some(to)) = (clock(from).filter(|from| *from < DAY), clock(to)) else {
                return Err(String::from(HOW));
            };
            if from == to {
                return Err(String::from(
                    "it ends when it begins; write \"00:00-24:00\" for the whole day",
                ));
            }
            all.push(Self { from, to: if to < from { to + DAY } else { to } });
        }
        if all.is_empty() { Err(String::from(HOW)) } else { Ok(all) }
    }

    /// Whether a minute is in it, counted from the midnight before it begins.
    #[must_use]
    pub fn has(self, minute: usize) -> bool {
        self.minutes().contains(&minute)
    }

    /// Its minutes, counted from the midnight before it begins.
    #[must_use]
    pub fn minutes(self) -> std::ops::Range<usize> {
        self.from..self.to
    }

    /// The hour and the minute at which it begins.
    #[must_use]
    pub fn begin(self) -> (i8, i8) {
        let part = |number: usize| i8::try_from(number).unwrap_or_default();
        (part(self.from / 60), part(self.from % 60))
    }
}

impl std::fmt::Display for Hours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, to) = (self.from, if self.to > DAY { self.to - DAY } else { self.to });
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

/// The minute of the day of a time such as `9:30`; `24:00` is its end.
fn clock(text: &str) -> Option<usize> {
    let (hour, minute) = text.trim().split_once(':')?;
    if hour.is_empty() || hour.len() > 2 || minute.len() != 2 {
        return None;
    }
    let digits = |text: &str| -> Option<usize> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    };
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    let at = hour * 60 + minute;
    (minute < 60 && at <= DAY).then_some(at)
}

/// Words between blanks or commas.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',']).filter(|part| !part.is_empty())
}

/// A date, or several in a row, in one year or in every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holiday {
    /// From one date to another, both included.
    Once(Date, Date),
    /// The same of every year, as month and day; it may go over the end of the year.
    Yearly((i8, i8), (i8, i8)),
}

impl Holiday {
    /// Reads a date such as `2026-12-25`, `12-25` for every year, or two with `to` between.
    ///
    /// # Errors
    /// How to write it instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        const HOW: &str = "write a date such as \"2026-12-25\", \"12-25\" for every year, or \
                           \"12-24 to 01-01\"";
        let (first, last) = text.split_once(" to ").unwrap_or((text, text));
        let (first, last) = (first.trim(), last.trim());
        if let (Some(first), Some(last)) = (yearly(first), yearly(last)) {
            return Ok(Self::Yearly(first, last));
        }
        match (dated(first), dated(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self::Once(first, last)),
            (Some(_), Some(_)) => Err(String::from("its last day lies before its first")),
            _ => Err(String::from(HOW)),
        }
    }

    /// Whether a date is one of them.
    #[must_use]
    pub fn has(&self, date: Date) -> bool {
        match self {
            Self::Once(first, last) => (*first..=*last).contains(&date),
            Self::Yearly(first, last) => {
                let day = (date.month(), date.day());
                if first <= last {
                    (*first..=*last).contains(&day)
                } else {
                    day >= *first || day <= *last
                }
            }
        }
    }
}

impl std::fmt::Display for Holiday {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, last) = match self {
            Self::Once(first, last) => (first.to_string(), last.to_string()),
            Self::Yearly(first, last) => {
                let day = |(month, day): &(i8, i8)| format!("{month:02}-{day:02}");
                (day(first), day(last))
            }
        };
        if first == last { f.write_str(&first) } else { write!(f, "{first} to {last}") }
    }
}

/// A day of some year.
fn dated(text: &str) -> Option<Date> {
    (text.len() == 10).then(|| text.parse().ok())?
}

/// A day of every year; the last of February counts, as it does in a leap year.
fn yearly(text: &str) -> Option<(i8, i8)> {
    let date: Date = (text.len() == 5).then(|| format!("2000-{text}").parse().ok())??;
    Some((date.month(), date.day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_people_write_them() {
        for (text, told) in [
            ("mon-fri", "mon-fri"),
            ("mon-thu sat", "mon-thu sat"),
            ("sat, sun", "sat-sun"),
            ("Monday-Wednesday", "mon-wed"),
            ("fri-mon", "mon fri-sun"),
            ("mon-sun", "every day"),
        ] {
            assert_eq!(Days::parse(text).map(|days| days.to_string()), Ok(told.into()), "{text}");
        }
        for text in ["", "mo-fr", "weekdays", "mon-", "-fri", "mon--fri", "1-5"] {
            assert!(Days::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hours_are_read_as_people_write_them() {
        let told = |text: &str| {
            let all = Hours::parse(text)?;
            Ok(all.iter().map(Hours::to_string).collect::<Vec<_>>().join(" "))
        };
        for (text, expected) in [
            ("09:00-17:00", "09:00-17:00"),
            ("9:00-17:30", "09:00-17:30"),
            ("09:00-12:00, 13:00-17:00", "09:00-12:00 13:00-17:00"),
            ("22:00-02:00", "22:00-02:00"),
            ("00:00-24:00", "00:00-24:00"),
        ] {
            assert_eq!(told(text), Ok::<_, String>(expected.into()), "{text}");
        }
        let refused = [
            "",
            "9-17",
            "9am-5pm",
            "09:00",
            "09:00-25:00",
            "09:60-17:00",
            "24:00-02:00",
            "+9:00-17:00",
        ];
        for text in refused.into_iter().chain(["09:00-09:00"]) {
            assert!(Hours::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn holidays_are_dates_of_one_year_or_of_every_year() {
        let date = |text: &str| text.parse::<Date>().expect("a date");
        for (text, inside, outside) in [
            ("2026-12-25", "2026-12-25", "2027-12-25"),
            ("12-25", "2031-12-25", "2031-12-26"),
            ("12-24 to 01-01", "2027-01-01", "2027-01-02"),
            ("2026-12-24 to 2027-01-03", "2026-12-31", "2027-12-31"),
            ("02-29", "2028-02-29", "2027-02-28"),
        ] {
            let holiday = Holiday::parse(text).expect(text);
            assert!(holiday.has(date(inside)) && !holiday.has(date(outside)), "{text}");
            assert_eq!(holiday.to_string(), text);
        }
        for text in [
            "",
            "25.12.",
            "12-25-2026",
            "2026-02-29",
            "13-01",
            "2026-12-25 to 01-01",
            "2027-01-01 to 2026-12-25",
        ] {
            assert!(Holiday::parse(text).is_err(), "{text}");
        }
    }
}
