//! Webhook logs: every call that came in, also those that were turned away, and every try
//! to deliver, with what came of it. Grouped, they answer the guide's monitoring queries.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};

use super::answer::{Answer, Fault, ok};
use super::groups::Groups;
use super::parameters;
use super::query::{Asked, Query};
use super::shapes;
use crate::serve::app::App;

/// Rows that are looked at, newest first.
const MAX_READ: usize = 10_000;
/// How far back is looked unless `since` says otherwise: a day, as the guide does.
const DEFAULT_BACK: i64 = 86_400_000;

/// `GET /webhook-logs`, newest first; with `by=` grouped.
pub(super) async fn list(State(app): State<Arc<App>>, asked: Asked) -> Answer {
    let query = asked.only(parameters::WEBHOOK_LOGS)?;
    let rows = query.rows(parameters::MANY)?;
    let columns = query.columns(parameters::LOG_COLUMNS)?;
    let wanted = Wanted::read(&query)?;
    let now = app.millis();
    let since = query.since("since", now)?.unwrap_or(now - DEFAULT_BACK);
    let logs = app.store.webhook_logs(since, MAX_READ).await?;
    let complete = logs.len() < MAX_READ;
    let found: Vec<Value> =
        logs.iter().map(shapes::webhook_log).filter(|row| wanted.fits(row)).collect();
    if !columns.is_empty() {
        let results = grouped(&found, columns);
        return ok(&json!({ "results": results, "counted": found.len(), "complete": complete }));
    }
    let total = found.len();
    let page = found.into_iter().skip(rows.skip).take(rows.take);
    let mut body = shapes::page(page, total);
    body["complete"] = Value::Bool(complete);
    ok(&body)
}

fn grouped(found: &[Value], columns: Vec<&'static str>) -> Vec<Value> {
    let mut groups = Groups::new(columns, "duration_ms");
    for row in found {
        let value = |column: &&'static str| match *column {
            "status" => row["response_status"].clone(),
            column => row[column].clone(),
        };
        let values = groups.columns().iter().map(value).collect();
        groups.add(values, row["duration_ms"].as_u64(), row["error_message"].as_str());
    }
    groups.finish()
}

/// Which rows are asked for.
struct Wanted {
    direction: Option<String>,
    event_type: Option<String>,
    /// Lowest and highest status.
    status: Option<(u64, u64)>,
}

impl Wanted {
    fn read(query: &Query) -> Result<Self, Fault> {
        let direction = query.text("direction");
        if let Some(given) =
            direction.as_deref().filter(|text| !parameters::DIRECTIONS.contains(text))
        {
            return Err(Fault::bad(format!(
                "`direction` is `incoming` or `outgoing`, not `{given}`."
            )));
        }
        let status = query.get("status").map(status).transpose()?;
        Ok(Self { direction, event_type: query.text("event_type"), status })
    }

    fn fits(&self, row: &Value) -> bool {
        let same = |wanted: &Option<String>, name: &str| {
            wanted.as_deref().is_none_or(|wanted| row[name] == wanted)
        };
        same(&self.direction, "direction")
            && same(&self.event_type, "event_type")
            && self.status.is_none_or(|(least, most)| {
                row["response_status"].as_u64().is_some_and(|given| (least..=most).contains(&given))
            })
    }
}

/// One status (`404`) or a whole class of them (`4xx`).
fn status(text: &str) -> Result<(u64, u64), Fault> {
    let class = text.strip_suffix("xx").and_then(|digit| digit.parse::<u64>().ok());
    match (class, text.parse()) {
        (Some(class @ 1..=5), _) => Ok((class * 100, class * 100 + 99)),
        (None, Ok(exact @ 100..=599)) => Ok((exact, exact)),
        _ => Err(Fault::bad(format!(
            "`status` is a number such as 404 or a class such as 4xx, not `{text}`."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_may_be_one_or_a_whole_class() {
        assert_eq!(status("404").ok(), Some((404, 404)));
        assert_eq!(status("5xx").ok(), Some((500, 599)));
        for text in ["", "xx", "9xx", "bad", "-1", "0", "600"] {
            assert!(status(text).is_err(), "{text}");
        }
    }
}
