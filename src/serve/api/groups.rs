//! Counting rows that are alike: what the guide's monitoring queries do with `GROUP BY`,
//! `COUNT`, `AVG` and `MAX`, for `queue/stats?by=` and `webhook-logs?by=`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Rows grouped by the values of some columns.
#[derive(Debug)]
pub(super) struct Groups {
    columns: Vec<&'static str>,
    unit: &'static str,
    found: BTreeMap<String, (Vec<Value>, Tally)>,
}

/// What is known of one group.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    measured: u64,
    sum: u64,
    most: u64,
    last_error: Option<String>,
}

impl Groups {
    /// No rows yet. `unit` names what is averaged, such as `retries`.
    pub(super) fn new(columns: Vec<&'static str>, unit: &'static str) -> Self {
        Self { columns, unit, found: BTreeMap::new() }
    }

    /// The columns that rows are grouped by.
    pub(super) fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    /// Counts one row, newest first: its values in the order of the columns, what is
    /// averaged (if it was measured) and its error.
    pub(super) fn add(&mut self, values: Vec<Value>, measure: Option<u64>, error: Option<&str>) {
        let key = Value::Array(values.clone()).to_string();
        let (_, tally) = self.found.entry(key).or_insert_with(|| (values, Tally::default()));
        tally.count += 1;
        if let Some(measure) = measure {
            tally.measured += 1;
            tally.sum = tally.sum.saturating_add(measure);
            tally.most = tally.most.max(measure);
        }
        if tally.last_error.is_none() {
            tally.last_error = error.map(str::to_owned);
        }
    }

    /// The groups, largest first.
    pub(super) fn finish(self) -> Vec<Value> {
        let mut groups: Vec<_> = self.found.into_values().collect();
        groups.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.count));
        let (average, most) = (format!("avg_{}", self.unit), format!("max_{}", self.unit));
        let row = |(values, tally): (Vec<Value>, Tally)| {
            let names = self.columns.iter().map(ToString::to_string);
            let mut row: Map<String, Value> = names.zip(values).collect();
            row.insert("count".into(), json!(tally.count));
            row.insert(average.clone(), json!(tally.average()));
            row.insert(most.clone(), json!((tally.measured > 0).then_some(tally.most)));
            row.insert("last_error".into(), json!(tally.last_error));
            Value::Object(row)
        };
        groups.into_iter().map(row).collect()
    }
}

impl Tally {
    /// The average with two decimals; none when nothing was measured.
    #[expect(clippy::cast_precision_loss, reason = "an average for people, two decimals")]
    fn average(&self) -> Option<f64> {
        let average = self.sum as f64 / self.measured as f64;
        (self.measured > 0).then(|| (average * 100.0).round() / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_alike_are_counted_together_largest_group_first() {
        let mut groups = Groups::new(vec!["status"], "retries");
        groups.add(vec![json!("failed")], Some(3), Some("503 from n8n"));
        groups.add(vec![json!("sent")], Some(0), None);
        groups.add(vec![json!("sent")], Some(1), None);
        groups.add(vec![json!("sent")], None, Some("older"));
        assert_eq!(
            Value::Array(groups.finish()),
            json!([
                { "status": "sent", "count": 3, "avg_retries": 0.5, "max_retries": 1, "last_error": "older" },
                { "status": "failed", "count": 1, "avg_retries": 3.0, "max_retries": 3, "last_error": "503 from n8n" },
            ])
        );
    }

    #[test]
    fn what_was_never_measured_has_no_average() {
        let mut groups = Groups::new(vec!["direction"], "duration_ms");
        groups.add(vec![json!("incoming")], None, None);
        let found = groups.finish();
        assert!(found[0]["avg_duration_ms"].is_null() && found[0]["max_duration_ms"].is_null());
    }
}
