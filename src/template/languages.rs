//! How people of a language write numbers and days: `14,700.50` in an English e-mail is
//! `14.700,50` in a German one, where the English form would be read as less than fifteen. In a
//! language that is not among these, both are written so that nobody takes them for something
//! else.

use jiff::civil::Date;

use crate::model::rules::chain;

/// The habits of one language.
#[derive(Debug)]
pub(super) struct Language {
    /// Its name, as `locale` in the rules has it.
    name: &'static str,
    /// Between three digits each.
    group: char,
    /// Before the decimals.
    point: char,
    /// A number with fewer digits than that before the point is not grouped.
    least: usize,
    /// A day, as a pattern for the filter `date`.
    pub(super) day: &'static str,
    months: [&'static str; 12],
    /// From Monday.
    weekdays: [&'static str; 7],
}

/// The language of a text, or the nearest to it that is known. A text that is in no certain
/// language is taken for English.
pub(super) fn language(locale: Option<&str>) -> &'static Language {
    let known = |name: &str| ALL.iter().find(|language| language.name == name);
    match locale {
        None => &ALL[0],
        Some(locale) => chain(locale).find_map(known).unwrap_or(&OTHER),
    }
}

impl Language {
    /// A number, given with digits and a point.
    pub(super) fn number(&self, text: &str) -> String {
        let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mut out = String::from(sign);
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index) % 3 == 0 && whole.len() >= self.least {
                out.push(self.group);
            }
            out.push(digit);
        }
        if !fraction.is_empty() {
            out.push(self.point);
            out.push_str(fraction);
        }
        out
    }

    /// A pattern with the names of this day's month and weekday in their places.
    pub(super) fn spelled(&self, pattern: &str, day: Date) -> String {
        let name = |names: &[&'static str], at: i8| {
            usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
        };
        let month = name(&self.months, day.month() - 1);
        let weekday = name(&self.weekdays, day.weekday().to_monday_zero_offset());
        let spelled = |part: &str| part.replace("%B", month).replace("%A", weekday);
        // `%%` is a percent sign, whatever follows it.
        pattern.split("%%").map(spelled).collect::<Vec<_>>().join("%%")
    }
}

const ENGLISH_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const ENGLISH_WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Every other language.
const OTHER: Language = Language {
    name: "",
    group: '\u{a0}',
    point: '.',
    least: 4,
    day: "%Y-%m-%d",
    months: ENGLISH_MONTHS,
    weekdays: ENGLISH_WEEKDAYS,
};

/// The languages in which we have words of our own, too (`mail::words`).
const ALL: [Language; 8] = [
    Language {
        name: "en",
        group: ',',
        point: '.',
        least: 4,
        day: "%-d %B %Y",
        months: ENGLISH_MONTHS,
        weekdays: ENGLISH_WEEKDAYS,
    },
    Language {
        name: "de",
        group: '.',
        point: ',',
        least: 4,
        day: "%-d. %B %Y",
        months: [
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ],
        weekdays: ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
    },
    Language {
        name: "fr",
        group: '\u{a0}',
        point: ',',
        least: 4,
        day: "%-d %B %Y",
        months: [
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ],
        weekdays: ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
    },
    Language {
        name: "es",
        group: '.',
        point: ',',
        least: 5,
        day: "%-d de %B de %Y",
        months: [
            "enero",
            "febrero",
            "marzo",
            "abril",
            "mayo",
            "junio",
            "julio",
            "agosto",
            "septiembre",
            "octubre",
            "noviembre",
            "diciembre",
        ],
        weekdays: ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
    },
    Language {
        name: "it",
        group: '.',
        point: ',',
        least: 4,
        day: "%-d %B %Y",
        months: [
            "gennaio",
            "febbraio",
            "marzo",
            "aprile",
            "maggio",
            "giugno",
            "luglio",
            "agosto",
            "settembre",
            "ottobre",
            "novembre",
            "dicembre",
        ],
        weekdays: ["lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"],
    },
    Language {
        name: "nl",
        group: '.',
        point: ',',
        least: 4,
        day: "%-d %B %Y",
        months: [
            "januari",
            "februari",
            "maart",
            "april",
            "mei",
            "juni",
            "juli",
            "augustus",
            "september",
            "oktober",
            "november",
            "december",
        ],
        weekdays: ["maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag"],
    },
    Language {
        name: "pt",
        group: '.',
        point: ',',
        least: 4,
        day: "%-d de %B de %Y",
        months: [
            "janeiro",
            "fevereiro",
            "março",
            "abril",
            "maio",
            "junho",
            "julho",
            "agosto",
            "setembro",
            "outubro",
            "novembro",
            "dezembro",
        ],
        weekdays: [
            "segunda-feira",
            "terça-feira",
            "quarta-feira",
            "quinta-feira",
            "sexta-feira",
            "sábado",
            "domingo",
        ],
    },
    Language {
        name: "pl",
        group: '\u{a0}',
        point: ',',
        least: 5,
        day: "%-d %B %Y",
        months: [
            "stycznia",
            "lutego",
            "marca",
            "kwietnia",
            "maja",
            "czerwca",
            "lipca",
            "sierpnia",
            "września",
            "października",
            "listopada",
            "grudnia",
        ],
        weekdays: ["poniedziałek", "wtorek", "środa", "czwartek", "piątek", "sobota", "niedziela"],
    },
];
