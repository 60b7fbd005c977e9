//! Reports of anybody else: `{"type": "bounce", "email": "…", "job": "…", "hard": true}`.

use serde_json::Value;

use super::{Fate, Notice, Report, address, at, job, why};

pub(super) fn report(body: &Value) -> Report {
    let fate = match at(body, &["type"]) {
        "delivered" => Fate::Delivered,
        "bounce" if body.get("hard").and_then(Value::as_bool) == Some(true) => Fate::HardBounce,
        "bounce" => Fate::SoftBounce,
        "complaint" => Fate::Complaint,
        "unsubscribe" => Fate::Unsubscribed,
        kind => return Report::ignored(format!("nothing follows from {kind:?}")),
    };
    let Some(address) = address(at(body, &["email"])) else { return Report::about(Vec::new()) };
    let job = job(at(body, &["job"])).or_else(|| job(at(body, &["message_id"])));
    Report::about(vec![Notice { fate, address, job, why: why([at(body, &["reason"])]) }])
}
