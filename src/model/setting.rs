//! A value that stands in a rule file or is looked up when `serve` starts:
//! `(env)"NAME"`, `(file)"/run/secrets/x"`, with fallbacks. The rule set holds only the
//! reference; secrets never pass through the language.

use std::net::IpAddr;

use crate::base::{Delay, Secret, Span};

/// One place to look a value up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An environment variable (or a line of `.env`).
    Env(String),
    /// The trimmed text of a file.
    File(String),
}

/// Gives the texts behind [`Source`]s. `serve` asks the real environment; tests a map.
pub trait Lookup {
    /// The variable, if it is set and not empty.
    fn env(&self, name: &str) -> Option<String>;
    /// The file's text.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn file(&self, path: &str) -> Result<String, String>;
    /// Whether everybody on the machine can read the file.
    fn is_open(&self, _path: &str) -> bool {
        false
    }
}

/// A setting: written out, or looked up from left to right.
#[derive(Clone, Debug)]
pub struct Setting<T> {
    /// Where to look, in order.
    pub sources: Vec<Source>,
    /// What stands in the file itself: a plain value, or `default="…"`.
    pub fallback: Option<T>,
    /// Whether nothing at all is fine.
    pub optional: bool,
    /// Where it is written; none for a built-in default.
    pub span: Option<Span>,
}

/// Why a setting has no usable value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    /// Where it is written.
    pub span: Option<Span>,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl<T> Setting<T> {
    /// A plain value.
    #[must_use]
    pub fn given(value: T) -> Self {
        Self { sources: Vec::new(), fallback: Some(value), optional: false, span: None }
    }

    /// No value.
    #[must_use]
    pub fn none() -> Self {
        Self { sources: Vec::new(), fallback: None, optional: true, span: None }
    }

    /// The environment names it reads.
    pub fn env_names(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().filter_map(|source| match source {
            Source::Env(name) => Some(name.as_str()),
            Source::File(_) => None,
        })
    }

    /// Whether it may end up without a value.
    #[must_use]
    pub fn is_required(&self) -> bool {
        !self.optional && self.fallback.is_none()
    }
}

impl<T: FromText + Clone> Setting<T> {
    /// Looks the value up.
    ///
    /// # Errors
    /// A required value that is nowhere, a text of the wrong type, an unreadable file.
    pub fn resolve(&self, lookup: &dyn Lookup) -> Result<Option<T>, SettingError> {
        let fault = |message| SettingError { span: self.span, message };
        let mut unread = None;
        for source in &self.sources {
            let (name, text) = match source {
                Source::Env(name) => (name, lookup.env(name)),
                Source::File(path) => match lookup.file(path) {
                    Ok(text) => (path, Some(text.trim().to_owned())),
                    // What comes next may stand in for it.
                    Err(why) => {
                        unread.get_or_insert(format!("cannot read {path}: {why}"));
                        (path, None)
                    }
                },
            };
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                return T::from_text(&text)
                    .map(Some)
                    .map_err(|how| fault(format!("{name}: {how}")));
            }
        }
        if self.is_required() {
            let names: Vec<String> = self
                .sources
                .iter()
                .map(|source| match source {
                    Source::Env(name) | Source::File(name) => name.clone(),
                })
                .collect();
            let unset = || format!("{} is not set", names.join(" or "));
            return Err(fault(unread.unwrap_or_else(unset)));
        }
        Ok(self.fallback.clone())
    }
}

/// Types that an environment text can become.
pub trait FromText: Sized {
    /// Reads the text.
    ///
    /// # Errors
    /// How to write it instead; the text itself is not repeated, it may be a secret.
    fn from_text(text: &str) -> Result<Self, String>;
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromText for Secret {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self::new(text))
    }
}

impl FromText for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(String::from("write true or false")),
        }
    }
}

impl FromText for u64 {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| String::from("write a whole number"))
    }
}

impl FromText for Delay {
    fn from_text(text: &str) -> Result<Self, String> {
        // The guide's own variables are bare seconds (WEBHOOK_TIMEOUT_SECONDS=30).
        text.parse::<u64>().map_or_else(|_| Self::parse(text), Self::from_seconds)
    }
}

impl<T: FromText> FromText for Vec<T> {
    fn from_text(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(T::from_text).collect()
    }
}

/// A network in CIDR form, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub ipnet::IpNet);

impl Network {
    /// Whether the address lies in it. An IPv4 address written as IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromText for Network {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse::<ipnet::IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(ipnet::IpNet::from))
            .map(Self)
            .map_err(|_| {
                String::from("write an address or a network, such as 10.0.0.5 or 10.0.0.0/8")
            })
    }
}

/// So many at most in a time: `"14/s"`, `"60/min"`, `"1000/h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how many milliseconds.
    pub per_millis: u64,
}

impl FromText for Rate {
    fn from_text(text: &str) -> Result<Self, String> {
        let how =
            || String::from("write a number per unit, such as \"14/s\", \"60/min\" or \"1000/h\"");
        let (count, unit) = text.split_once('/').ok_or_else(how)?;
        let count = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(how)?;
        let per_millis = match unit.trim() {
            "s" | "sec" | "second" => 1_000,
            "min" | "m" | "minute" => 60_000,
            "h" | "hour" => 3_600_000,
            "d" | "day" => 86_400_000,
            _ => return Err(how()),
        };
        Ok(Self { count, per_millis })
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.per_millis {
            1_000 => "s",
            60_000 => "min",
            3_600_000 => "h",
            _ => "d",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One variable is set, and one file is there.
    struct Half;

    impl Lookup for Half {
        fn env(&self, name: &str) -> Option<String> {
            (name == "SET").then(|| String::from("from the environment"))
        }

        fn file(&self, path: &str) -> Result<String, String> {
            let text = (path == "there").then(|| String::from("from the file\n"));
            text.ok_or_else(|| String::from("it is gone"))
        }
    }

    #[test]
    fn what_comes_next_stands_in_for_what_is_missing() {
        let (env, file) =
            (|name: &str| Source::Env(name.into()), |path: &str| Source::File(path.into()));
        for (sources, expected) in [
            (vec![file("gone"), env("SET")], Ok("from the environment")),
            (vec![env("UNSET"), file("there")], Ok("from the file")),
            (vec![file("there"), env("SET")], Ok("from the file")),
            (vec![file("gone")], Err("cannot read gone: it is gone")),
            (vec![file("gone"), env("UNSET")], Err("cannot read gone: it is gone")),
            (vec![env("UNSET"), file("gone")], Err("cannot read gone: it is gone")),
            (vec![env("UNSET"), env("NONE")], Err("UNSET or NONE is not set")),
        ] {
            let setting =
                Setting::<String> { sources, fallback: None, optional: false, span: None };
            let found = setting.resolve(&Half).map_err(|fault| fault.message);
            let expected = expected.map(|text| Some(text.to_owned())).map_err(str::to_owned);
            assert_eq!(found, expected, "{:?}", setting.sources);
            let optional = Setting { optional: true, ..setting };
            assert_eq!(optional.resolve(&Half).ok(), Some(expected.unwrap_or_default()));
        }
    }
}
