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
    numbers: Numbers,
    /// A day, as a pattern for the filter `date`.
    day: &'static str,
    months: [&'static str; 12],
    /// From Monday.
    weekdays: [&'static str; 7],
}

/// How numbers are written.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    /// Between three digits each.
    group: char,
    /// Before the decimals.
    point: char,
    /// A number with fewer digits than that before the point is not grouped.
    least: usize,
}

/// The habits of the people who read a text: their language's, with the numbers of where they
/// live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    language: &'static Language,
    numbers: Numbers,
}

/// The habits of a language, or of the nearest to it that is known. A text that is in no
/// certain language is taken for English.
pub(super) fn habits(locale: Option<&str>) -> Habits {
    let known = |name: &str| ALL.iter().find(|language| language.name == name);
    let language = match locale {
        None => &ALL[0],
        Some(locale) => chain(locale).find_map(known).unwrap_or(&OTHER),
    };
    let region = |name: &str| REGIONS.iter().find(|(names, _)| names.contains(&name));
    let there = locale.and_then(|locale| chain(locale).find_map(region));
    Habits { language, numbers: there.map_or(language.numbers, |(_, numbers)| *numbers) }
}

impl Habits {
    /// A day, as a pattern for the filter `date`.
    pub(super) fn day(&self) -> &'static str {
        self.language.day
    }

    /// A number, given with digits and a point.
    pub(super) fn number(&self, text: &str) -> String {
        let Numbers { group, point, least } = self.numbers;
        let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mut out = String::from(sign);
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index) % 3 == 0 && whole.len() >= least {
                out.push(group);
            }
            out.push(digit);
        }
        if !fraction.is_empty() {
            out.push(point);
            out.push_str(fraction);
        }
        out
    }

    /// A pattern with the names of this day's month and weekday in their places.
    pub(super) fn spelled(&self, pattern: &str, day: Date) -> String {
        let name = |names: &[&'static str], at: i8| {
            usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
        };
        let month = name(&self.language.months, day.month() - 1);
        let weekday = name(&self.language.weekdays, day.weekday().to_monday_zero_offset());
        let spelled = |part: &str| part.replace("%B", month).replace("%A", weekday);
        // `%%` is a percent sign, whatever follows it.
        pattern.split("%%").map(spelled).collect::<Vec<_>>().join("%%")
    }
}

/// Where numbers are written the other way round than elsewhere in the language, so that
/// `14.700` would be less than fifteen, after the Unicode CLDR. Costa Rica and the countries of
/// South America that are not among them have the comma before the decimals, as Spain has.
const REGIONS: [(&[&str], Numbers); 3] = [
    (
        &[
            "es-419", "es-br", "es-bz", "es-cu", "es-do", "es-gt", "es-hn", "es-mx", "es-ni",
            "es-pa", "es-pe", "es-pr", "es-sv", "es-us",
        ],
        Numbers { group: ',', point: '.', least: 4 },
    ),
    (&["de-ch", "de-li"], Numbers { group: '’', point: '.', least: 4 }),
    (&["it-ch"], Numbers { group: '’', point: '.', least: 5 }),
];

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
    numbers: Numbers { group: '\u{a0}', point: '.', least: 4 },
    day: "%Y-%m-%d",
    months: ENGLISH_MONTHS,
    weekdays: ENGLISH_WEEKDAYS,
};

/// The languages in which we have words of our own, too (`mail::words`).
const ALL: [Language; 8] = [
    Language {
        name: "en",
        numbers: Numbers { group: ',', point: '.', least: 4 },
        day: "%-d %B %Y",
        months: ENGLISH_MONTHS,
        weekdays: ENGLISH_WEEKDAYS,
    },
    Language {
        name: "de",
        numbers: Numbers { group: '.', point: ',', least: 4 },
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
        numbers: Numbers { group: '\u{a0}', point: ',', least: 4 },
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
        numbers: Numbers { group: '.', point: ',', least: 5 },
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
        numbers: Numbers { group: '.', point: ',', least: 4 },
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
        numbers: Numbers { group: '.', point: ',', least: 4 },
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
        numbers: Numbers { group: '.', point: ',', least: 4 },
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
        numbers: Numbers { group: '\u{a0}', point: ',', least: 5 },
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
