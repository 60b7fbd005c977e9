//! Single values: whether what stands there is of the type that belongs there, and how to
//! write it where it is not. Texts are looked at by [`super::forms`].

use super::forms::{fault, is_variable};
use super::tree::{Data, Node, Value};
use super::vocabulary::Type;
use super::{codes, mends};
use crate::base::{Delay, Diagnostic, Sink};
use crate::model::setting::{FromText, Network};

/// Checks a value that stands as it is.
pub(super) fn check(value: &Value, kind: Type, sink: &mut Sink) {
    let mend = || mends::of_kind(value, kind);
    match kind {
        Type::Any => {}
        Type::Boolean => {
            if value.boolean().is_none() {
                sink.push(wrong(value, "yes or no", "write #true or #false").mend(mend()));
            }
        }
        Type::Number => {
            if !matches!(value.data, Data::Integer(_) | Data::Float(_)) {
                let help = digits_help(value).unwrap_or("write a number, such as 10 or 2.5");
                sink.push(wrong(value, "a number", help).mend(mend()));
            }
        }
        Type::Whole(least, most) => whole(value, least, most, sink),
        Type::Secret => sink.push(secret_in_file(value)),
        _ => match &value.data {
            Data::Text(text) => {
                if let Some((code, message, help)) = fault(text, kind) {
                    sink.push(
                        Diagnostic::error(code, message, value.span)
                            .label("this")
                            .help(help)
                            .mend(mend()),
                    );
                }
            }
            Data::Integer(number) if matches!(kind, Type::Duration) => sink.push(wrong(
                value,
                "a wait with its unit",
                &format!("write \"{number}s\", \"{number}min\" or \"{number}h\""),
            )),
            _ => sink.push(wrong(value, "a text", "write it in quotation marks").mend(mend())),
        },
    }
}

/// Checks the text behind an annotation.
pub(super) fn check_as(value: &Value, kind: Type, sink: &mut Sink) {
    check(&Value { annotation: None, ..value.clone() }, kind, sink);
}

/// Checks the name in `(env)"NAME"`.
pub(super) fn variable(value: &Value, sink: &mut Sink) {
    check_as(value, Type::Variable, sink);
}

/// Checks a `default=`: a text that becomes the type that stands there.
pub(super) fn fallback(node: &Node, value: &Value, kind: Type, sink: &mut Sink) {
    match (&value.data, kind) {
        (_, Type::HeaderValue) => header_value(node, value, sink),
        (Data::Text(text), Type::Boolean) => {
            if let Err(help) = bool::from_text(text) {
                sink.push(wrong(value, "yes or no", &help));
            }
        }
        (Data::Text(text), Type::Duration) => {
            if let Err(help) = Vec::<Delay>::from_text(text) {
                sink.push(
                    Diagnostic::error(codes::BAD_DURATION, "this is not a wait", value.span)
                        .help(help),
                );
            }
        }
        (Data::Text(text), Type::Network) => {
            if let Err(help) = Vec::<Network>::from_text(text) {
                sink.push(
                    Diagnostic::error(codes::BAD_NETWORK, "this is not a network", value.span)
                        .help(help),
                );
            }
        }
        _ => check(value, kind, sink),
    }
}

/// Checks a header's value: plain where the header's name does not speak of a secret.
pub(super) fn header_value(node: &Node, value: &Value, sink: &mut Sink) {
    let name = node.title().unwrap_or_default().to_ascii_lowercase();
    let secret = ["auth", "cookie", "key", "token", "secret", "password", "signature"];
    if secret.iter().any(|part| name.contains(part)) {
        sink.push(secret_in_file(value));
    } else {
        check(value, Type::Name, sink);
    }
}

fn secret_in_file(value: &Value) -> Diagnostic {
    Diagnostic::error(codes::SECRET_IN_FILE, "a secret does not belong in a rule file", value.span)
        .label("readable by everybody who reads the file")
        .help("write (env)\"NAME\" and set NAME in the environment or in .env")
}

fn wrong(value: &Value, wanted: &str, help: &str) -> Diagnostic {
    Diagnostic::error(
        codes::WRONG_TYPE,
        format!("{} stands where {wanted} belongs", value.data.word()),
        value.span,
    )
    .label(format!("not {wanted}"))
    .help(help)
}

fn whole(value: &Value, least: i64, most: i64, sink: &mut Sink) {
    match value.data {
        Data::Integer(number) if !(i128::from(least)..=i128::from(most)).contains(&number) => {
            sink.push(
                Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    format!("{number} is outside {least} to {most}"),
                    value.span,
                )
                .help(format!("write a whole number from {least} to {most}")),
            );
        }
        Data::Integer(_) => {}
        _ => {
            let range = format!("write a whole number from {least} to {most}");
            let mend = mends::of_kind(value, Type::Whole(least, most));
            let help = digits_help(value).unwrap_or(&range);
            sink.push(wrong(value, "a whole number", help).mend(mend));
        }
    }
}

/// How to write a number that stands in quotation marks.
fn digits_help(value: &Value) -> Option<&'static str> {
    value.text()?.parse::<f64>().is_ok().then_some("write it without quotation marks")
}

/// The name in `$NAME` or `${NAME}`, as shells write it.
pub(super) fn shell_variable(value: &Value) -> Option<&str> {
    let rest = value.text()?.strip_prefix('$')?;
    let name = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(rest);
    is_variable(name).then_some(name)
}

/// A setting that is written as shells would read it.
pub(super) fn looks_up(value: &Value, name: &str) -> Diagnostic {
    Diagnostic::error(
        codes::WRONG_TYPE,
        format!("`{}` is not looked up", value.text().unwrap_or_default()),
        value.span,
    )
    .label("stays as it is written")
    .help(format!("write (env)\"{name}\""))
    .fix(value.span, format!("(env)\"{name}\""))
}
