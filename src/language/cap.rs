//! `cap`: how many marketing e-mails one person gets in a time, in `sender` for all of them
//! or in a `sequence` for its own.

use super::codes;
use super::reading::Reading;
use super::settings::delay;
use super::tree::{Node, Value};
use crate::base::Diagnostic;
use crate::model::rules::{Cap, MailKind};

/// The caps in a block. One that cannot be read is reported with the word.
pub(super) fn caps(reading: &mut Reading<'_>, node: &Node) -> Vec<Cap> {
    let mut caps = Vec::new();
    for child in node.all("cap") {
        let count = child.first().and_then(Value::whole);
        let (Some(count), Some(per)) = (count, delay(child, "per")) else { continue };
        if per.is_zero() {
            let span = child.prop("per").map_or(child.head(), |value| value.span);
            reading.push(
                Diagnostic::error(codes::OUT_OF_RANGE, "a cap needs a time to count in", span)
                    .help("write it like cap 1 per=\"12h\""),
            );
            continue;
        }
        caps.push(Cap { count, per });
    }
    caps
}

/// What people are owed is never held back: a cap in such a sequence does nothing.
pub(super) fn only_marketing(reading: &mut Reading<'_>, node: &Node, kind: MailKind) {
    let Some(cap) = node.child("cap").filter(|_| kind == MailKind::Transactional) else { return };
    reading.push(
        Diagnostic::warning(
            codes::MISPLACED,
            "a cap does nothing in a transactional sequence",
            cap.head(),
        )
        .label("never held back")
        .help("caps count and hold back marketing e-mail only; delete the line"),
    );
}
