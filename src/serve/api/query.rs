//! What stands after the question mark. A parameter that a call does not know is refused,
//! never ignored: a filter that silently does nothing once retried (or deleted) everything
//! in other people's systems.

use axum::extract::{FromRequestParts, Query as Pairs};
use axum::http::request::Parts;

use super::answer::{Fault, did_you_mean};
use super::parameters::{DEFAULT_SIZE, MAX_PAGE, Parameter};
use crate::base::{Delay, Timestamp, time};
use crate::model::FromText as _;

/// The parameters of a request, before it is known which of them the call takes.
#[derive(Debug)]
pub(super) struct Asked(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let Pairs(pairs) = Pairs::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Fault::bad("What stands after the question mark cannot be read."))?;
        Ok(Self(pairs))
    }
}

impl Asked {
    /// The parameters, if every one of them is among those that this call takes.
    pub(super) fn only(self, known: &[Parameter]) -> Result<Query, Fault> {
        for (name, _) in &self.0 {
            if known.iter().any(|known| known.name == name) {
                continue;
            }
            let hint = if known.is_empty() {
                String::from("This call takes none.")
            } else {
                did_you_mean(name, known.iter().map(|known| known.name))
            };
            return Err(Fault::bad(format!("The parameter `{name}` is not known here. {hint}")));
        }
        Ok(Query(self.0))
    }
}

/// The parameters of a call, all of them known to it.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

/// Which rows of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    /// So many are left out first.
    pub(super) skip: usize,
    /// So many are given at most.
    pub(super) take: usize,
}

impl Query {
    /// The value of a parameter; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(given, _)| given == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The value as an owned text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// Every value of a parameter that may be repeated or separated by commas.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(given, _)| given == name)
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
    }

    /// Whether nothing was asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, value)| value.trim().is_empty())
    }

    /// A whole number between two bounds.
    pub(super) fn number(
        &self,
        name: &str,
        least: usize,
        most: usize,
    ) -> Result<Option<usize>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.map(Some).ok_or_else(|| {
            Fault::bad(format!(
                "`{name}` must be a whole number from {least} to {most}, not `{text}`."
            ))
        })
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let flag = text.parse();
        flag.map(Some)
            .map_err(|_| Fault::bad(format!("`{name}` is `true` or `false`, not `{text}`.")))
    }

    /// The page asked for by `page` (from 1) and `size` (at most `most`).
    pub(super) fn rows(&self, most: usize) -> Result<Rows, Fault> {
        let page = self.number("page", 1, MAX_PAGE)?.unwrap_or(1);
        let take = self.number("size", 1, most)?.unwrap_or(DEFAULT_SIZE);
        Ok(Rows { skip: (page - 1).saturating_mul(take), take })
    }

    /// A moment: a time with an offset, or a date (its first moment in UTC).
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        moment(text).map(Some).ok_or_else(|| {
            Fault::bad(format!(
                "`{name}` must be a time such as 2025-12-01T10:30:00Z or a date such as 2025-12-01, not `{text}`."
            ))
        })
    }

    /// A moment, or a time span that lies before now (`24h`).
    pub(super) fn since(&self, name: &str, now: i64) -> Result<Option<i64>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let back = || Delay::parse(text).ok().map(|back| now.saturating_sub(millis(back)));
        moment(text).or_else(back).map(Some).ok_or_else(|| {
            Fault::bad(format!(
                "`{name}` must be a time such as 2025-12-01T10:30:00Z or a span such as 24h, not `{text}`."
            ))
        })
    }

    /// A length of time in milliseconds; `true` means `default`, a bare number seconds.
    pub(super) fn span(&self, name: &str, default: i64) -> Result<Option<i64>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        if text == "true" {
            return Ok(Some(default));
        }
        Delay::from_text(text)
            .map(|span| Some(millis(span)))
            .map_err(|how| Fault::bad(format!("`{name}` cannot be read: {how}.")))
    }

    /// The columns of `by=`, each among those that this call can group by.
    pub(super) fn columns(&self, known: &[&'static str]) -> Result<Vec<&'static str>, Fault> {
        let mut columns = Vec::new();
        for given in self.all("by") {
            let column = known.iter().find(|column| **column == given).ok_or_else(|| {
                let hint = did_you_mean(given, known.iter().copied());
                Fault::bad(format!("`by` cannot group by `{given}`. {hint}"))
            })?;
            if !columns.contains(column) {
                columns.push(*column);
            }
        }
        Ok(columns)
    }
}

fn millis(span: Delay) -> i64 {
    i64::try_from(span.to_duration().as_millis()).unwrap_or(i64::MAX)
}

fn moment(text: &str) -> Option<i64> {
    // A plus sign that was not encoded arrives as a space.
    let exact = text.parse::<Timestamp>().or_else(|_| text.replace(' ', "+").parse());
    exact.or_else(|_| format!("{text}T00:00:00Z").parse()).ok().map(time::millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::api::parameters::Holds;

    fn query(text: &str, known: &[&'static str]) -> Result<Query, Fault> {
        let uri = format!("/x?{text}").parse().expect("an address");
        let Pairs(pairs) = Pairs::try_from_uri(&uri).expect("pairs");
        let known: Vec<Parameter> =
            known.iter().map(|name| Parameter { name, about: "", holds: Holds::Text }).collect();
        Asked(pairs).only(&known)
    }

    #[test]
    fn a_parameter_that_nobody_knows_is_refused_by_name() {
        let fault = query("flowid=x", &["flowId", "namespace"]).expect_err("a misspelt name");
        let text = format!("{fault:?}");
        assert!(text.contains("`flowid`") && text.contains("Did you mean `flowId`?"), "{text}");
        assert!(query("flowId=x", &["flowId"]).is_ok());
        assert!(query("", &[]).is_ok());
    }

    #[test]
    fn pages_are_counted_from_one_and_bounded() {
        let rows = |text| query(text, &["page", "size"]).and_then(|query| query.rows(1000));
        assert_eq!(rows("").ok(), Some(Rows { skip: 0, take: 25 }));
        assert_eq!(rows("page=3&size=10").ok(), Some(Rows { skip: 20, take: 10 }));
        for text in
            ["page=0", "size=0", "size=1001", "page=-1", "size=ten", "page=99999999999999999999"]
        {
            assert!(rows(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_may_be_repeated_or_separated_by_commas() {
        let query = query("state=CREATED,PAUSED&state=RUNNING&state=", &["state"]).expect("known");
        assert_eq!(query.all("state").collect::<Vec<_>>(), ["CREATED", "PAUSED", "RUNNING"]);
    }

    #[test]
    fn times_dates_and_spans_are_understood() {
        let at = |text: &str| query(text, &["t"]).expect("known").since("t", 1_000_000_000);
        let noon = 1_764_586_800_000;
        assert_eq!(at("t=2025-12-01T11:00:00Z").ok(), Some(Some(noon)));
        assert_eq!(at("t=2025-12-01T12:00:00+01:00").ok(), Some(Some(noon)));
        assert_eq!(at("t=2025-12-01").ok(), Some(Some(noon - 11 * 3_600_000)));
        assert_eq!(at("t=1h").ok(), Some(Some(1_000_000_000 - 3_600_000)));
        assert_eq!(at("").ok(), Some(None));
        assert!(at("t=yesterday").is_err());
        let stuck = |text: &str| query(text, &["s"]).expect("known").span("s", 300_000);
        assert_eq!(stuck("s=true").ok(), Some(Some(300_000)));
        assert_eq!(stuck("s=10min").ok(), Some(Some(600_000)));
    }

    #[test]
    fn grouping_takes_only_columns_that_exist() {
        let by = |text: &str| {
            query(text, &["by"]).and_then(|query| query.columns(&["status", "event_type"]))
        };
        assert_eq!(by("by=status,event_type,status").ok(), Some(vec!["status", "event_type"]));
        assert!(by("by=event_typ").is_err());
    }
}
