//! Reports of Resend: `{"type": "email.bounced", "data": {…}}`. Tags are sent as a list and
//! come back as an object.

use serde_json::Value;

use super::{Fate, Notice, Report, address, at, job, job_of_headers, why};

pub(super) fn report(body: &Value) -> Report {
    let kind = at(body, &["type"]);
    let Some(data) = body.get("data") else {
        return Report::ignored("it is no event of Resend");
    };
    let told = |part: &str| why([at(data, &[part, "type"]), at(data, &[part, "message"])]);
    let (fate, why) = match kind {
        "email.delivered" => (Fate::Delivered, String::new()),
        "email.bounced" => (bounce(data), told("bounce")),
        "email.complained" => (Fate::Complaint, String::new()),
        "email.suppressed" => (suppressed(data), told("suppressed")),
        _ => return Report::ignored(format!("nothing follows from {kind:?}")),
    };
    // Which of several recipients is meant is not said; our e-mails have one.
    let mut to = match data.get("to") {
        Some(Value::Array(to)) => to.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(to)) => vec![to.as_str()],
        _ => Vec::new(),
    };
    if to.len() > 1 {
        return Report::ignored("it was sent to several people at once, so none of them is meant");
    }
    let Some(address) = to.pop().and_then(address) else { return Report::about(Vec::new()) };
    let tag = at(data, &["tags", "job"]);
    let job = job(tag).or_else(|| job_of_headers(data.get("headers")));
    Report::about(vec![Notice { fate, address, job, why }])
}

/// Resend reports bounces that are for good, and says so where they are not.
fn bounce(data: &Value) -> Fate {
    match at(data, &["bounce", "type"]) {
        "Transient" | "Undetermined" => Fate::SoftBounce,
        _ => Fate::HardBounce,
    }
}

/// Resend did not send it, because of what it was told about the address before.
fn suppressed(data: &Value) -> Fate {
    let told = [at(data, &["suppressed", "type"]), at(data, &["suppressed", "reason"])];
    if told.iter().any(|text| text.to_ascii_lowercase().contains("complain")) {
        Fate::Complaint
    } else {
        Fate::HardBounce
    }
}
