//! The values that guards and tags see while one call or one step is decided: the payload,
//! with what was found, saved or is known beside it laid on top.

use serde_json::{Map, Value};

use crate::base::Zone;

/// Names with their values. A null counts as missing everywhere.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    payload: &'a Map<String, Value>,
    extra: Map<String, Value>,
    /// The zone in which `date` and `time` filters write.
    pub zone: Zone,
    /// The language in which `number` and `date` write; none is English.
    pub language: Option<String>,
}

impl<'a> Context<'a> {
    /// A context of one payload.
    #[must_use]
    pub fn new(payload: &'a Map<String, Value>, zone: Zone) -> Self {
        Self { payload, extra: Map::new(), zone, language: None }
    }

    /// Lays a value over whatever had that name.
    pub fn set(&mut self, name: &str, value: Value) {
        self.extra.insert(name.to_owned(), value);
    }

    /// The value of a name, unless missing or null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.extra.get(name).or_else(|| self.payload.get(name)).filter(|value| !value.is_null())
    }

    /// The value at the end of a dotted path, unless missing or null.
    #[must_use]
    pub fn path<S: AsRef<str>>(&self, path: &[S]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter()
            .try_fold(self.get(first.as_ref())?, |value, part| value.get(part.as_ref()))
            .filter(|value| !value.is_null())
    }

    /// The payload alone, as it came.
    #[must_use]
    pub fn payload(&self) -> &'a Map<String, Value> {
        self.payload
    }
}
