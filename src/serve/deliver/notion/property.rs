//! The columns of a Notion database, and how a record's fields become their values. Pure:
//! what Notion said about the database goes in, JSON that it accepts comes out.

use serde_json::{Map, Value, json};

/// The longest text of one piece, in UTF-16 units as Notion counts.
const PIECE: usize = 2_000;
/// The most pieces of one text, and the most values of one multi-select.
const PIECES: usize = 100;

/// The types of properties that a record can fill. All others (relations, formulas, files,
/// people) are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Title,
    RichText,
    Email,
    Number,
    Checkbox,
    Date,
    Select,
    MultiSelect,
    Status,
    Url,
    PhoneNumber,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Title,
        Self::RichText,
        Self::Email,
        Self::Number,
        Self::Checkbox,
        Self::Date,
        Self::Select,
        Self::MultiSelect,
        Self::Status,
        Self::Url,
        Self::PhoneNumber,
    ];

    /// Notion's word, both for the type and for the key of its value.
    fn word(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::RichText => "rich_text",
            Self::Email => "email",
            Self::Number => "number",
            Self::Checkbox => "checkbox",
            Self::Date => "date",
            Self::Select => "select",
            Self::MultiSelect => "multi_select",
            Self::Status => "status",
            Self::Url => "url",
            Self::PhoneNumber => "phone_number",
        }
    }

    /// The value as a property of this type holds it; none where it does not fit. A null
    /// empties the property.
    fn encode(self, value: &Value) -> Option<Value> {
        let text = text_of(value);
        let inner = match self {
            Self::Title | Self::RichText => json!(
                pieces(&text)
                    .into_iter()
                    .map(|piece| json!({"text": {"content": piece}}))
                    .collect::<Vec<_>>()
            ),
            Self::Checkbox => match (value, text.to_ascii_lowercase().as_str()) {
                (Value::Bool(on), _) => json!(on),
                (Value::Null, _) | (_, "false" | "no") => json!(false),
                (_, "true" | "yes") => json!(true),
                _ => return None,
            },
            Self::MultiSelect => json!(options(value)),
            _ if text.trim().is_empty() => Value::Null,
            Self::Email | Self::Url | Self::PhoneNumber => json!(text.trim()),
            Self::Number => match value {
                Value::Number(_) => value.clone(),
                _ => text.trim().parse::<f64>().ok().filter(|number| number.is_finite())?.into(),
            },
            Self::Date => json!({"start": date(text.trim())?}),
            Self::Select | Self::Status => json!({"name": option(&text)}),
        };
        Some(json!({ self.word(): inner }))
    }
}

/// One column.
#[derive(Clone, Debug)]
struct Property {
    name: String,
    kind: Kind,
}

/// A database as Notion describes it: where its pages live and what they can hold.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The id of the data source.
    pub(super) source: String,
    properties: Vec<Property>,
}

/// A record as a page.
#[derive(Debug)]
pub(super) struct Page {
    /// What every write sets.
    pub(super) properties: Map<String, Value>,
    /// What a new page gets besides.
    pub(super) at_first: Map<String, Value>,
    /// The filter that finds the record's page.
    pub(super) filter: Value,
    /// Fields that do not fit their property.
    pub(super) misfits: Vec<String>,
}

impl Layout {
    /// Reads Notion's description of a data source.
    ///
    /// # Errors
    /// A sentence that says what is missing in it.
    pub(super) fn read(source: String, described: &Value) -> Result<Self, String> {
        let properties: Vec<Property> = described["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, property)| {
                let word = property["type"].as_str()?;
                let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word)?;
                Some(Property { name: name.clone(), kind })
            })
            .collect();
        if properties.iter().any(|property| property.kind == Kind::Title) {
            Ok(Self { source, properties })
        } else {
            Err(String::from("Notion's description of the database names no title property"))
        }
    }

    /// Fits a record into the database. The page is found by the record's e-mail address
    /// where the database has an e-mail property and the record an address, otherwise by
    /// its title, which then is the record's id.
    pub(super) fn page(&self, id: &str, fields: &Map<String, Value>) -> Page {
        let mut properties = Map::new();
        let mut misfits = Vec::new();
        let mut email = None;
        for (field, value) in fields {
            let Some(property) = self.property(field) else { continue };
            let Some(encoded) = property.kind.encode(value) else {
                misfits.push(format!("`{field}` is not a {}", property.kind.word()));
                continue;
            };
            if property.kind == Kind::Email && !encoded["email"].is_null() {
                // Several addresses: the one that is plainly called "email" counts.
                if email.is_none() || plain(&property.name) == "email" {
                    email = Some((property.name.clone(), encoded.clone()));
                }
            }
            properties.insert(property.name.clone(), encoded);
        }
        let by_id = || {
            let property = self.of_kind(Kind::Email).filter(|_| id.contains('@'))?;
            Some((property.name.clone(), json!({ "email": id })))
        };
        let mut at_first = Map::new();
        let title = self.of_kind(Kind::Title).map_or("title", |property| &property.name);
        let titled = Kind::Title.encode(&json!(id)).unwrap_or_default();
        let filter = if let Some((name, value)) = email.or_else(by_id) {
            let filter = json!({"property": name, "email": {"equals": value["email"]}});
            properties.insert(name, value);
            if !properties.contains_key(title) {
                at_first.insert(title.to_owned(), titled);
            }
            filter
        } else {
            properties.insert(title.to_owned(), titled);
            json!({"property": title, "title": {"equals": id}})
        };
        Page { properties, at_first, filter, misfits }
    }

    /// The property that a field fills: of exactly its name, or else of its name without
    /// regard to case, spaces and underscores.
    fn property(&self, field: &str) -> Option<&Property> {
        let exact = self.properties.iter().find(|property| property.name == field);
        exact.or_else(|| {
            let wanted = plain(field);
            self.properties.iter().find(|property| plain(&property.name) == wanted)
        })
    }

    fn of_kind(&self, kind: Kind) -> Option<&Property> {
        self.properties.iter().find(|property| property.kind == kind)
    }
}

/// A name without what does not count when names are compared.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|character| !character.is_whitespace() && *character != '_')
        .flat_map(char::to_lowercase)
        .collect()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A text in pieces that Notion accepts, never cut within a character.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut room = 0;
    for character in text.chars() {
        if character.len_utf16() > room {
            if pieces.len() == PIECES {
                break;
            }
            pieces.push(String::new());
            room = PIECE;
        }
        room -= character.len_utf16();
        if let Some(piece) = pieces.last_mut() {
            piece.push(character);
        }
    }
    pieces
}

/// The name of an option: Notion allows no comma and 100 characters.
fn option(text: &str) -> String {
    text.trim().replace(',', " ").chars().take(100).collect()
}

/// The options of a multi-select: a list's items, or a text's parts between commas.
fn options(value: &Value) -> Vec<Value> {
    let texts: Vec<String> = match value {
        Value::Array(items) => items.iter().map(text_of).collect(),
        other => text_of(other).split(',').map(str::to_owned).collect(),
    };
    texts
        .iter()
        .map(|text| option(text))
        .filter(|name| !name.is_empty())
        .take(PIECES)
        .map(|name| json!({ "name": name }))
        .collect()
}

/// A day or a time with an offset, as Notion takes them both.
fn date(text: &str) -> Option<&str> {
    let is_time = text.parse::<jiff::Timestamp>().is_ok();
    let is_day = text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
    (is_time || is_day).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::{Kind, Layout, pieces};
    use serde_json::{Value, json};

    fn layout(properties: &[(&str, &str)]) -> Layout {
        let properties: serde_json::Map<String, Value> = properties
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), json!({"name": name, "type": kind})))
            .collect();
        Layout::read(String::from("s"), &json!({ "properties": properties })).unwrap()
    }

    fn fill(layout: &Layout, id: &str, fields: &Value) -> super::Page {
        layout.page(id, fields.as_object().unwrap())
    }

    #[test]
    fn names_match_without_regard_to_case_spaces_and_underscores() {
        let layout = layout(&[("Name", "title"), ("First Name", "rich_text"), ("E_mail", "email")]);
        let fields = json!({"first_name": "Sarah", "email": "s@example.com", "shoe": 44});
        let page = fill(&layout, "s@example.com", &fields);
        assert_eq!(
            Value::Object(page.properties),
            json!({
                "First Name": {"rich_text": [{"text": {"content": "Sarah"}}]},
                "E_mail": {"email": "s@example.com"},
            })
        );
        assert_eq!(
            page.filter,
            json!({"property": "E_mail", "email": {"equals": "s@example.com"}})
        );
        assert_eq!(
            Value::Object(page.at_first),
            json!({"Name": {"title": [{"text": {"content": "s@example.com"}}]}})
        );
    }

    #[test]
    fn without_an_address_the_title_is_the_id() {
        let layout = layout(&[("Name", "title"), ("Email", "email")]);
        let page = fill(&layout, "lead-7", &json!({"name": "Sarah", "email": null}));
        assert_eq!(page.filter, json!({"property": "Name", "title": {"equals": "lead-7"}}));
        assert_eq!(page.properties["Name"]["title"][0]["text"]["content"], "lead-7");
        assert_eq!(page.properties["Email"], json!({"email": null}));
    }

    #[test]
    fn an_id_that_is_an_address_stands_in_for_a_missing_field() {
        let layout = layout(&[("Name", "title"), ("Contact", "email")]);
        let page = fill(&layout, "s@example.com", &json!({"name": "Sarah"}));
        assert_eq!(page.filter["email"]["equals"], "s@example.com");
        assert_eq!(page.properties["Contact"], json!({"email": "s@example.com"}));
        assert!(page.at_first.is_empty());
    }

    #[test]
    fn every_type_takes_what_fits_and_refuses_the_rest() {
        for (kind, value, expected) in [
            (Kind::Number, json!(4.5), Some(json!({"number": 4.5}))),
            (Kind::Number, json!("12"), Some(json!({"number": 12.0}))),
            (Kind::Number, json!("a dozen"), None),
            (Kind::Number, json!("inf"), None),
            (Kind::Number, json!(null), Some(json!({"number": null}))),
            (Kind::Checkbox, json!(true), Some(json!({"checkbox": true}))),
            (Kind::Checkbox, json!("Yes"), Some(json!({"checkbox": true}))),
            (Kind::Checkbox, json!(null), Some(json!({"checkbox": false}))),
            (Kind::Checkbox, json!(3), None),
            (Kind::Date, json!("2025-12-01"), Some(json!({"date": {"start": "2025-12-01"}}))),
            (
                Kind::Date,
                json!("2025-12-01T10:30:00Z"),
                Some(json!({"date": {"start": "2025-12-01T10:30:00Z"}})),
            ),
            (Kind::Date, json!("tomorrow"), None),
            (Kind::Date, json!(""), Some(json!({"date": null}))),
            (Kind::Select, json!("a, b"), Some(json!({"select": {"name": "a  b"}}))),
            (Kind::Status, json!("Done"), Some(json!({"status": {"name": "Done"}}))),
            (
                Kind::MultiSelect,
                json!(["x", "y,z", ""]),
                Some(json!({"multi_select": [{"name": "x"}, {"name": "y z"}]})),
            ),
            (
                Kind::MultiSelect,
                json!("x, y"),
                Some(json!({"multi_select": [{"name": "x"}, {"name": "y"}]})),
            ),
            (Kind::Url, json!("https://example.com"), Some(json!({"url": "https://example.com"}))),
            (Kind::PhoneNumber, json!(""), Some(json!({"phone_number": null}))),
            (
                Kind::RichText,
                json!({"a": 1}),
                Some(json!({"rich_text": [{"text": {"content": "{\"a\":1}"}}]})),
            ),
            (Kind::Title, json!(null), Some(json!({"title": []}))),
        ] {
            assert_eq!(kind.encode(&value), expected, "{kind:?} of {value}");
        }
    }

    #[test]
    fn a_field_that_does_not_fit_is_named_and_left_out() {
        let layout = layout(&[("Name", "title"), ("Age", "number"), ("Owner", "people")]);
        let page = fill(&layout, "1", &json!({"age": "old", "owner": "me"}));
        assert_eq!(page.misfits, ["`age` is not a number"]);
        assert_eq!(page.properties.len(), 1);
    }

    #[test]
    fn long_texts_are_split_where_notion_wants_it() {
        let split = pieces(&"\u{1f600}".repeat(1_500));
        assert_eq!(
            split.iter().map(|piece| piece.chars().count()).collect::<Vec<_>>(),
            [1_000, 500]
        );
        assert_eq!(pieces(&"a".repeat(2_001)).len(), 2);
        assert_eq!(pieces(&"a".repeat(1_000_000)).len(), 100);
        assert!(pieces("").is_empty());
    }
}
