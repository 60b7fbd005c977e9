//! The values that a guard sees: only those that it uses, in the types that Rhai compares
//! properly.

use std::collections::BTreeMap;

use rhai::{Dynamic, Map, Scope};
use serde_json::Value;

use super::functions::Moment;
use crate::base::time::parse_time;
use crate::model::Context;

/// One path that a guard uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UsedPath {
    /// The path, part by part; never empty.
    pub(super) path: Vec<String>,
    /// Whether the schema says that it is a time.
    pub(super) is_time: bool,
}

/// Everything that a guard uses.
#[derive(Debug)]
pub(super) struct Uses {
    /// Each path once, in the order of the guard.
    paths: Vec<UsedPath>,
    /// The paths by their first part.
    roots: BTreeMap<String, Vec<UsedPath>>,
}

impl Uses {
    pub(super) fn new(found: Vec<UsedPath>, needs_now: bool) -> Self {
        let mut paths: Vec<UsedPath> = Vec::new();
        for path in found {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        let mut roots: BTreeMap<String, Vec<UsedPath>> = BTreeMap::new();
        for used in &paths {
            roots.entry(used.path[0].clone()).or_default().push(used.clone());
        }
        if needs_now {
            roots
                .entry("now".to_owned())
                .or_insert_with(|| vec![UsedPath { path: vec!["now".to_owned()], is_time: true }]);
        }
        Self { paths, roots }
    }

    /// A scope for one answer.
    pub(super) fn scope(&self, context: &Context<'_>) -> Scope<'static> {
        let mut scope = Scope::new();
        for (name, uses) in &self.roots {
            let value = context.get(name).map_or(Dynamic::UNIT, |value| project(value, uses, 1));
            scope.push_dynamic(name.clone(), value);
        }
        scope
    }

    /// The paths that are times.
    pub(super) fn times(&self) -> impl Iterator<Item = String> {
        self.paths.iter().filter(|used| used.is_time).map(|used| used.path.join("."))
    }

    /// Each path with its value.
    pub(super) fn seen(&self, context: &Context<'_>) -> Vec<(String, Value)> {
        self.paths
            .iter()
            .map(|used| {
                let value = context.path(&used.path).cloned().unwrap_or(Value::Null);
                (used.path.join("."), value)
            })
            .collect()
    }
}

/// The part of a value that the uses reach, `depth` parts into their paths.
fn project(value: &Value, uses: &[UsedPath], depth: usize) -> Dynamic {
    let deeper: Vec<&UsedPath> = uses.iter().filter(|used| used.path.len() > depth).collect();
    let whole = uses.iter().find(|used| used.path.len() <= depth);
    let Value::Object(fields) = value else {
        return whole.map_or(Dynamic::UNIT, |whole| convert(value, whole.is_time));
    };
    if deeper.is_empty() {
        return convert(value, false);
    }
    let mut map = Map::new();
    for used in &deeper {
        let name = &used.path[depth];
        if map.contains_key(name.as_str()) {
            continue;
        }
        if let Some(field) = fields.get(name) {
            let below: Vec<UsedPath> = deeper
                .iter()
                .filter(|other| &other.path[depth] == name)
                .copied()
                .cloned()
                .collect();
            map.insert(name.as_str().into(), project(field, &below, depth + 1));
        }
    }
    Dynamic::from_map(map)
}

/// A JSON value as Rhai knows it. Whole numbers beyond 64 signed bits become numbers; they come
/// in `number` fields alone, an `integer` has none.
fn convert(value: &Value, is_time: bool) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => Dynamic::from_bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Dynamic::from_int(whole),
            None => Dynamic::from_float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => match parse_time(text) {
            Ok(moment) if is_time => Dynamic::from(Moment(moment)),
            _ => Dynamic::from(text.clone()),
        },
        Value::Array(values) => {
            Dynamic::from_array(values.iter().map(|value| convert(value, is_time)).collect())
        }
        Value::Object(fields) => Dynamic::from_map(
            fields
                .iter()
                .map(|(name, field)| (name.as_str().into(), convert(field, false)))
                .collect(),
        ),
    }
}
