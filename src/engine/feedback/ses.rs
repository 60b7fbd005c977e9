//! Reports of Amazon SES, as they stand within a notification of SNS: events of a
//! configuration set (`eventType`) or notifications of an identity (`notificationType`), which
//! look the same otherwise.

use serde_json::Value;

use super::{Fate, MOST, Notice, Report, address, at, job, job_of_headers, why};
use crate::base::Id;
use crate::payload;

pub(super) fn report(notification: &Value) -> Report {
    // Amazon also publishes a sentence, to say that publishing works.
    let Ok(body) = &payload::parse(at(notification, &["Message"]).as_bytes()) else {
        return Report::ignored("its message is no JSON");
    };
    let event = at(body, &["eventType"]);
    let kind = if event.is_empty() { at(body, &["notificationType"]) } else { event };
    let people = |part: &str, list: &str| -> Vec<&Value> {
        let list = body.get(part).and_then(|part| part.get(list)).and_then(Value::as_array);
        list.into_iter().flatten().take(MOST).collect()
    };
    let notices = match kind {
        "Bounce" => {
            let bounced = people("bounce", "bouncedRecipients").into_iter();
            bounced.filter_map(|person| bounce(body, person)).collect()
        }
        // A person took the message out of the spam folder.
        "Complaint" if at(body, &["complaint", "complaintFeedbackType"]) == "not-spam" => {
            return Report::ignored("the person said that it is no spam");
        }
        "Complaint" => {
            let told = at(body, &["complaint", "complaintFeedbackType"]);
            let people = people("complaint", "complainedRecipients").into_iter();
            let notice = |person: &Value| {
                notice(body, Fate::Complaint, at(person, &["emailAddress"]), why([told]))
            };
            people.filter_map(notice).collect()
        }
        "Delivery" => {
            let people = people("delivery", "recipients").into_iter().filter_map(Value::as_str);
            let notice = |person| notice(body, Fate::Delivered, person, String::new());
            people.filter_map(notice).collect()
        }
        _ => return Report::ignored(format!("nothing follows from {kind:?}")),
    };
    Report::about(notices)
}

fn bounce(body: &Value, person: &Value) -> Option<Notice> {
    let said = at(person, &["diagnosticCode"]);
    // 5.4.4 is a domain without a mail server, which SES calls transient.
    let nowhere = said.contains("5.4.4") || at(person, &["status"]) == "5.4.4";
    let fate = match at(body, &["bounce", "bounceType"]) {
        "Permanent" => Fate::HardBounce,
        "Transient" if nowhere => Fate::HardBounce,
        _ => Fate::SoftBounce,
    };
    let told = why([at(body, &["bounce", "bounceSubType"]), said]);
    notice(body, fate, at(person, &["emailAddress"]), told)
}

fn notice(body: &Value, fate: Fate, person: &str, why: String) -> Option<Notice> {
    Some(Notice { fate, address: address(person)?, job: sent_by(body), why })
}

/// The job that sent it: by its tag, by our own `Message-ID`, which SES keeps in the headers.
fn sent_by(body: &Value) -> Option<Id> {
    let mail = body.get("mail")?;
    let tag = mail.get("tags").and_then(|tags| tags.get("job")).and_then(|job| job.get(0));
    let tag = tag.and_then(Value::as_str).unwrap_or_default();
    job(tag)
        .or_else(|| job(at(mail, &["commonHeaders", "messageId"])))
        .or_else(|| job_of_headers(mail.get("headers")))
        .or_else(|| job(at(mail, &["messageId"])))
}
