//! Surplus values of a word, and what people usually mean by them: a property without its `=`,
//! a text of several words without quotation marks, or a line that was joined to this one.

use super::tree::{Node, Value};
use super::vocabulary::{self, Word};
use super::{codes, mends};
use crate::base::{Diagnostic, Span};

/// What people usually mean by surplus values: a property without its `=`, or a text of
/// several words without quotation marks.
pub(super) fn surplus(node: &Node, word: &Word, rest: &[Value]) -> Option<Diagnostic> {
    let surplus = rest.first().filter(|value| value.is_bare())?;
    let name = surplus.text()?;
    if word.properties.iter().any(|known| known.name == name) {
        let found = Diagnostic::error(codes::SYNTAX, format!("`{name}` needs a `=`"), surplus.span)
            .label("no `=` behind it")
            .help(format!("write {name}=\"…\", without spaces around the `=`"));
        // The value that follows is the property's, whatever stands between them.
        return Some(match rest.get(1).filter(|value| value.annotation.is_none()) {
            Some(value) => {
                let between = Span { end: value.span.start, ..surplus.span };
                found.fix(between, format!("{name}="))
            }
            None => found,
        });
    }
    let before = node.args.iter().chain(node.props.iter().map(|prop| &prop.value));
    let Some(first) = before
        .filter(|value| value.is_bare() && value.span.end < surplus.span.start)
        .max_by_key(|value| value.span.end)
    else {
        let found = Diagnostic::error(
            codes::TOO_MANY,
            format!("`{name}` stands on the line of another word"),
            second_line(node)?.span,
        );
        return Some(found.label("a line begins here").help("put it on a line of its own"));
    };
    let last = rest.iter().take_while(|value| value.is_bare()).last().unwrap_or(surplus);
    Some(
        Diagnostic::error(
            codes::UNQUOTED_TEXT,
            "a text of several words needs quotation marks",
            Span { end: last.span.end, ..first.span },
        )
        .label("not quoted")
        .help("put a `\"` before the first word and one behind the last")
        .mend(sentence(first, rest)),
    )
}

/// Where a second line begins that was joined to this one: a word of the language behind values
/// in quotation marks.
pub(super) fn second_line(node: &Node) -> Option<&Value> {
    let bare = node.args.iter().find(|value| value.is_bare())?;
    let word = bare.text()?;
    let behind = node.args.first().is_some_and(|first| first.span != bare.span);
    (behind && vocabulary::all().any(|known| known.name == word)).then_some(bare)
}

/// The words of a sentence in quotation marks, where nothing but one blank stands between
/// them and nothing else follows.
fn sentence(first: &Value, rest: &[Value]) -> Option<String> {
    let mut text = first.text()?.to_owned();
    let mut end = first.span.end;
    for value in rest {
        if !value.is_bare() || value.span.start != end + 1 {
            return None;
        }
        text.extend([" ", value.text()?]);
        end = value.span.end;
    }
    mends::quoted(&text)
}
