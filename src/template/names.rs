//! The filters, tests and functions that a template may use: a closed list, so that a
//! misspelt one is found when the rules are read and not when the e-mail is due.

/// Our own filters, then minijinja's. Left out are those that would let a value through
/// unescaped (`safe`, `escape`), that print insides (`pprint`), and that make much text
/// out of little (`format`, `indent`).
pub(super) const FILTERS: &[&str] = &[
    "number",
    "date",
    "time",
    "default",
    "d",
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "dictsort",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
    "zip",
];

/// Filters that answer with a number, so that the answer may be multiplied.
pub(super) const NUMERIC_FILTERS: &[&str] =
    &["abs", "count", "float", "int", "length", "round", "sum"];

/// Minijinja's filters that are taken away.
pub(super) const REMOVED_FILTERS: &[&str] = &["safe", "escape", "e", "pprint", "format", "indent"];

/// The tests that may follow `is`.
pub(super) const TESTS: &[&str] = &[
    "defined",
    "undefined",
    "none",
    "boolean",
    "odd",
    "even",
    "divisibleby",
    "number",
    "integer",
    "int",
    "float",
    "string",
    "sequence",
    "iterable",
    "mapping",
    "startingwith",
    "endingwith",
    "lower",
    "upper",
    "sameas",
    "eq",
    "equalto",
    "ne",
    "lt",
    "lessthan",
    "le",
    "gt",
    "greaterthan",
    "ge",
    "in",
    "true",
    "false",
];

/// The functions that may be called.
pub(super) const FUNCTIONS: &[&str] = &["range", "dict"];

/// Minijinja's functions that are taken away.
pub(super) const REMOVED_FUNCTIONS: &[&str] = &["debug", "namespace"];
