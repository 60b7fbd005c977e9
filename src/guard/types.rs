//! What type a part of a guard has, and which types can be compared.

use crate::model::Kind;

/// The type of a part of a guard.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    /// A type of the schema language.
    Of(Kind),
    /// `()`, the missing value.
    Missing,
}

impl Type {
    pub(super) const ANY: Self = Self::Of(Kind::Any);
    pub(super) const BOOLEAN: Self = Self::Of(Kind::Boolean);
    pub(super) const TEXT: Self = Self::Of(Kind::Text);

    /// The words for "`x` is …".
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::Missing => "a missing value",
            Self::Of(Kind::Text) => "a text",
            Self::Of(Kind::Integer) => "a whole number",
            Self::Of(Kind::Number) => "a number",
            Self::Of(Kind::Boolean) => "yes or no",
            Self::Of(Kind::Time) => "a time",
            Self::Of(Kind::Date) => "a date",
            Self::Of(Kind::List(_)) => "a list",
            Self::Of(Kind::Object(_)) => "an object",
            Self::Of(Kind::Any) => "anything",
        }
    }

    pub(super) fn is_any(&self) -> bool {
        matches!(self, Self::Of(Kind::Any))
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Of(Kind::Integer | Kind::Number | Kind::Any))
    }

    /// Whether it is a text on the wire that functions of text may take.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Of(Kind::Text | Kind::Date | Kind::Any))
    }

    pub(super) fn is_time(&self) -> bool {
        matches!(self, Self::Of(Kind::Time | Kind::Text | Kind::Any))
    }
}

/// Whether two values of these types can ever be equal.
pub(super) fn comparable(a: &Type, b: &Type) -> bool {
    if a.is_any() || b.is_any() {
        return true;
    }
    match (a, b) {
        (Type::Of(a), Type::Of(b)) => match (a, b) {
            (Kind::Integer | Kind::Number, Kind::Integer | Kind::Number)
            | (Kind::Text | Kind::Date, Kind::Text | Kind::Date)
            | (Kind::Time, Kind::Time | Kind::Text)
            | (Kind::Text, Kind::Time)
            | (Kind::Boolean, Kind::Boolean) => true,
            (Kind::List(a), Kind::List(b)) => {
                comparable(&Type::Of((**a).clone()), &Type::Of((**b).clone()))
            }
            _ => false,
        },
        _ => a == b,
    }
}

/// Whether `<` and its kin mean something for a type.
pub(super) fn has_order(kind: &Type) -> bool {
    matches!(
        kind,
        Type::Of(Kind::Integer | Kind::Number | Kind::Text | Kind::Time | Kind::Date | Kind::Any)
    )
}
