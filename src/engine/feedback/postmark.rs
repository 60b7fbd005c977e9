//! Reports of Postmark: one JSON object each, told apart by `RecordType`.

use serde_json::Value;

use super::{Fate, Notice, Report, address, at, job, why};

pub(super) fn report(body: &Value) -> Report {
    let kind = at(body, &["RecordType"]);
    let found = match kind {
        "Delivery" => Ok((Fate::Delivered, "Recipient", String::new())),
        "Bounce" => bounce(body).map(|fate| (fate, "Email", told(body))),
        "SpamComplaint" => Ok((Fate::Complaint, "Email", told(body))),
        "SubscriptionChange" => change(body).map(|fate| {
            (fate, "Recipient", why([at(body, &["SuppressionReason"]), at(body, &["Origin"])]))
        }),
        _ => Err(format!("nothing follows from {kind:?}")),
    };
    let mut report = match found {
        Err(why) => Report::ignored(why),
        Ok((fate, field, why)) => {
            let job = job(at(body, &["Metadata", "job"]));
            let address = address(at(body, &[field]));
            let notice = address.map(|address| Notice { fate, address, job, why });
            Report::about(notice.into_iter().collect())
        }
    };
    report.id = id(body, kind);
    report
}

/// A report that is made again says the same in these.
fn id(body: &Value, kind: &str) -> Option<String> {
    let message = at(body, &["MessageID"]);
    let number = body.get("ID").and_then(Value::as_i64).unwrap_or(0);
    let changed = at(body, &["ChangedAt"]);
    let told = !message.is_empty() || number != 0;
    (told && message.len() <= 100 && changed.len() <= 100)
        .then(|| format!("{kind} {message} {number} {changed}"))
}

fn told(body: &Value) -> String {
    why([at(body, &["Type"]), at(body, &["Details"])])
}

/// `Transient` is a delay: Postmark itself goes on trying. Whatever its type, an address that
/// Postmark has made inactive gets nothing any more.
fn bounce(body: &Value) -> Result<Fate, String> {
    match at(body, &["Type"]) {
        "SpamComplaint" => Ok(Fate::Complaint),
        "HardBounce" | "BadEmailAddress" | "ManuallyDeactivated" => Ok(Fate::HardBounce),
        _ if body.get("Inactive").and_then(Value::as_bool) == Some(true) => Ok(Fate::HardBounce),
        "SoftBounce" | "DnsError" | "SpamNotification" | "VirusNotification" | "DMARCPolicy" => {
            Ok(Fate::SoftBounce)
        }
        kind => Err(format!("nothing follows from a bounce of type {kind:?}")),
    }
}

fn change(body: &Value) -> Result<Fate, String> {
    if body.get("SuppressSending").and_then(Value::as_bool) != Some(true) {
        return Err(String::from(
            "Postmark sends to the address again; what stands on the list here stays",
        ));
    }
    Ok(match at(body, &["SuppressionReason"]) {
        "HardBounce" => Fate::HardBounce,
        "SpamComplaint" => Fate::Complaint,
        _ => Fate::Unsubscribed,
    })
}
