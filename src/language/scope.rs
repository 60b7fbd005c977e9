//! Which names a guard or a `{{tag}}` may use where somebody is typing. The rules say what is
//! declared; the lines above the cursor say what is in scope, as `steps` reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Study;
use super::cursor::{At, Block, Cursor, Line};
use super::vocabulary::{self, Children};
use crate::base::SourceMap;
use crate::model::rules::Schema;
use crate::model::{Kind, Scope, Shape};

/// The names in scope, and the schemas that they come from.
#[derive(Clone, Debug, Default)]
pub struct InScope {
    /// The names with their types.
    pub scope: Scope,
    /// The schemas of the payloads.
    pub payloads: Vec<Arc<Schema>>,
    /// Those of the names that are records.
    pub records: Vec<String>,
}

/// A field that a block may fill.
#[derive(Clone, Debug)]
pub struct Fillable {
    /// Its name.
    pub name: String,
    /// Its type.
    pub shape: Shape,
    /// A value for it.
    pub example: Option<Value>,
}

impl InScope {
    fn of(schema: Option<Arc<Schema>>) -> Self {
        let scope = schema.as_ref().map(|schema| schema.scope.clone()).unwrap_or_default();
        Self { scope, payloads: schema.into_iter().collect(), records: Vec::new() }.with_now()
    }

    fn with_now(mut self) -> Self {
        self.scope = self.scope.with("now", Shape::required(Kind::Time));
        self
    }

    fn with_record(mut self, study: &Study, record: &str) -> Self {
        if let Some(shape) = shape_of(study, record) {
            self.scope = self.scope.with(record, shape);
            self.records.push(record.to_owned());
        }
        self
    }
}

impl Study {
    /// The names in scope at a cursor of a rule file. `guard` says whether it is in a guard:
    /// those of a sequence know the contact as well.
    #[must_use]
    pub fn scope(&self, cursor: &Cursor, guard: bool) -> InScope {
        let blocks = &cursor.blocks;
        let own = Block { line: cursor.line.clone(), above: Vec::new() };
        let mut chain: Vec<&Block> = blocks.iter().collect();
        if matches!(cursor.at, At::Word | At::Entry(_) | At::Argument(_) | At::Value(_)) {
            chain.push(&own);
        }
        for (index, block) in chain.iter().enumerate().rev() {
            let title = block.line.title().unwrap_or_default();
            let outer = index.checked_sub(1).map(|index| &chain[index].line);
            return match block.line.word.text.as_str() {
                "endpoint" => {
                    let group = outer.and_then(Line::title).unwrap_or_default();
                    self.bring(InScope::of(self.payload(block, group, title)), block)
                }
                "event" => self.bring(InScope::of(self.rules.schemas.get(title).cloned()), block),
                "events" => names_of_event(),
                word @ ("on-create" | "on-change") => {
                    let record = outer.and_then(Line::title).unwrap_or_default();
                    self.bring(self.reaction(record, word == "on-change"), block)
                }
                "stop-on" | "goal" => self.ending(&block.line),
                "sequence" => self.started(title, guard),
                _ => continue,
            };
        }
        InScope::default()
    }

    /// The names in scope in the text of an e-mail: those of the sequences that send it.
    #[must_use]
    pub fn scope_of_text(&self, sources: &SourceMap, path: &str) -> InScope {
        let texts = self.texts(sources);
        // A plain text belongs to the text of its name.
        let stem = path.strip_suffix(".txt");
        let used = texts.iter().filter(|(_, text, _)| {
            text == path || stem.is_some_and(|stem| text.strip_prefix(stem).is_some_and(is_ending))
        });
        let own = super::email_text::OWN_NAMES;
        let mut scope = InScope::default().with_now();
        for (name, _) in own {
            scope.scope = scope.scope.with(name, Shape::required(Kind::Text));
        }
        used.fold(scope, |all, (sequence, _, _)| {
            let mut more = self.started(sequence, false);
            more.scope.names.extend(all.scope.names);
            more.payloads.extend(all.payloads);
            more
        })
    }

    /// The fields that the block of values around a cursor may fill: those of the payload,
    /// event or record that the block is about.
    #[must_use]
    pub fn fillable(&self, cursor: &Cursor) -> Vec<Fillable> {
        let mut within = Children::Words(cursor.root);
        let mut blocks = cursor.blocks.iter().skip(1);
        let owner = blocks.find(|block| {
            let Children::Words(place) = within else { return false };
            let word = vocabulary::find(&block.line.word.text, place);
            within = word.map_or(Children::Anything, |word| word.children);
            within == Children::Values
        });
        let Some((mut shapes, mut example)) = owner.and_then(|block| self.filled(&block.line))
        else {
            return Vec::new();
        };
        for block in blocks {
            let name = &block.line.word.text;
            let Some(Shape { kind: Kind::Object(inner), .. }) = shapes.remove(name) else {
                return Vec::new();
            };
            (shapes, example) = (inner, example.get(name).cloned().unwrap_or_default());
        }
        let field = |(name, shape)| {
            let example = example.get(&name).cloned();
            Fillable { name, shape, example }
        };
        shapes.into_iter().map(field).collect()
    }

    /// The fields that the block of a line fills, and an example of all of them.
    fn filled(&self, line: &Line) -> Option<(BTreeMap<String, Shape>, Value)> {
        let title = line.title().unwrap_or_default();
        let of_schema = |schema: &Arc<Schema>| (schema.scope.names.clone(), schema.example.clone());
        let of_record = |name: &str| {
            let record = self.rules.records.get(name)?;
            let example = record.schema.as_ref().map(|schema| schema.example.clone());
            Some((record.scope.names.clone(), example.unwrap_or_default()))
        };
        match line.word.text.as_str() {
            "post" => {
                let mut endpoints = self.rules.endpoints.iter();
                let endpoint = endpoints.find(|endpoint| endpoint.full_name() == title)?;
                endpoint.payload.as_ref().map(of_schema)
            }
            "send" => self.rules.schemas.get(title).map(of_schema),
            "save" => of_record(title),
            "expect" => match (line.property("event"), line.property("save")) {
                (Some(event), _) => self.rules.schemas.get(event).map(of_schema),
                (None, Some(record)) => of_record(record),
                (None, None) => None,
            },
            _ => None,
        }
    }

    /// The names of the call or event that ends a sequence.
    fn ending(&self, line: &Line) -> InScope {
        if let Some(event) = line.property("event") {
            return InScope::of(self.rules.schemas.get(event).cloned());
        }
        let title = line.title().unwrap_or_default();
        let mut endpoints = self.rules.endpoints.iter();
        let known = endpoints.find(|endpoint| endpoint.full_name() == title);
        InScope::of(known.and_then(|endpoint| endpoint.payload.clone()))
    }

    /// The schema of an endpoint: the one that stands there now, or the one it had.
    fn payload(&self, block: &Block, group: &str, endpoint: &str) -> Option<Arc<Schema>> {
        let line = block.above.iter().find(|line| line.word.text == "payload" && !line.off);
        if let Some(schema) = line.and_then(Line::title) {
            return self.rules.schemas.get(schema).cloned();
        }
        let known = |rules: &&Arc<crate::model::rules::Endpoint>| {
            rules.group.name == group && rules.name == endpoint
        };
        self.rules.endpoints.iter().find(known)?.payload.clone()
    }

    /// What the steps above have brought into scope.
    fn bring(&self, scope: InScope, block: &Block) -> InScope {
        let steps = block.above.iter().filter(|line| !line.off);
        steps
            .filter(|line| matches!(line.word.text.as_str(), "find" | "save"))
            .filter_map(Line::title)
            .fold(scope, |scope, record| scope.with_record(self, record))
    }

    fn reaction(&self, record: &str, changed: bool) -> InScope {
        let schema = self.rules.records.get(record).and_then(|rules| rules.schema.clone());
        let mut scope = InScope::default().with_now().with_record(self, record);
        scope.payloads.extend(schema);
        if changed && let Some(shape) = shape_of(self, record) {
            scope.scope = scope.scope.with("before", shape);
        }
        scope
    }

    /// The names that a sequence is started with, by whoever starts it.
    fn started(&self, sequence: &str, guard: bool) -> InScope {
        let mut all = InScope::default();
        for start in self.starts.get(sequence).into_iter().flatten() {
            all.scope.names.extend(start.scope.names.clone());
            all.payloads.extend(self.payload_of(&start.owner));
        }
        if guard {
            all = all.with_record(self, "contact");
            let mut contact = match all.scope.names.remove("contact") {
                Some(Shape { kind: Kind::Object(fields), .. }) => fields,
                _ => BTreeMap::new(),
            };
            for flag in super::sequence::CONTACT_FLAGS {
                contact.insert(flag.to_owned(), Shape::required(Kind::Boolean));
            }
            all.scope = all.scope.with("contact", Shape::required(Kind::Object(contact)));
        }
        all.with_now()
    }

    /// The schema of what an owner of steps has: `christmas/signup-handler`, `event NAME`.
    fn payload_of(&self, owner: &str) -> Option<Arc<Schema>> {
        if let Some(event) = owner.strip_prefix("event ") {
            return self.rules.schemas.get(event).cloned();
        }
        if let Some(record) = owner.strip_prefix("record ") {
            return self.rules.records.get(record)?.schema.clone();
        }
        let endpoint = self.rules.endpoints.iter().find(|one| one.full_name() == owner)?;
        endpoint.payload.clone()
    }
}

/// Whether this is all that is left of a path behind the name.
fn is_ending(rest: &str) -> bool {
    matches!(rest, ".md" | ".html" | ".mjml")
}

/// What a record is, where rules know it.
fn shape_of(study: &Study, record: &str) -> Option<Shape> {
    let scope = &study.rules.records.get(record)?.scope;
    Some(Shape::required(if scope.open { Kind::Any } else { Kind::Object(scope.names.clone()) }))
}

/// The path of an event knows the event's own name and nothing else.
fn names_of_event() -> InScope {
    let fields = ["name", "slug"].map(|name| (name.to_owned(), Shape::required(Kind::Text)));
    let event = Shape::required(Kind::Object(fields.into_iter().collect()));
    InScope { scope: Scope::default().with("event", event), ..InScope::default() }
}
