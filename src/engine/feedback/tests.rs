//! Every row of the mapping, with payloads as the vendors' documentation shows them.

use serde_json::json;

use super::*;

const JOB: &str = "0123456789abcdefghijkl";

/// What a report says: fates with their addresses, none where it is ignored.
fn said(kind: FeedbackType, body: &Value) -> Vec<(Fate, String)> {
    let report = report(kind, body);
    assert_eq!(report.notices.is_empty(), !report.ignored.is_empty(), "{body}");
    report.notices.into_iter().map(|notice| (notice.fate, notice.address)).collect()
}

fn one(fate: Fate) -> Vec<(Fate, String)> {
    vec![(fate, String::from("sarah@example.com"))]
}

fn resend(kind: &str, more: &Value) -> Value {
    let mut data = json!({
        "broadcast_id": "8b146471-e88e-4322-86af-016cd36fd216",
        "created_at": "2026-02-22T23:41:11.894719+00:00",
        "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
        "from": "Acme <onboarding@resend.dev>",
        "to": ["Sarah@Example.com"],
        "subject": "Sending this example",
        "template_id": "43f68331-0622-4e15-8202-246a0388854b",
        "tags": { "category": "confirm_email", "job": JOB },
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        data[name] = value.clone();
    }
    json!({ "type": kind, "created_at": "2026-02-22T23:41:12.126Z", "data": data })
}

#[test]
fn resend_reports_what_its_documentation_shows() {
    let bounce = |kind: &str| json!({ "bounce": { "type": kind, "subType": "Suppressed", "message": "The recipient's email address is on the suppression list.", "diagnosticCode": ["smtp; 550 5.5.0 Requested action not taken"] } });
    let rows = [
        ("email.delivered", json!({}), one(Fate::Delivered)),
        ("email.bounced", bounce("Permanent"), one(Fate::HardBounce)),
        ("email.bounced", json!({}), one(Fate::HardBounce)),
        ("email.bounced", bounce("Transient"), one(Fate::SoftBounce)),
        ("email.bounced", bounce("Undetermined"), one(Fate::SoftBounce)),
        ("email.complained", json!({}), one(Fate::Complaint)),
        (
            "email.suppressed",
            json!({ "suppressed": { "type": "previous_bounce" } }),
            one(Fate::HardBounce),
        ),
        (
            "email.suppressed",
            json!({ "suppressed": { "type": "previous_complaint" } }),
            one(Fate::Complaint),
        ),
    ];
    for (kind, more, expected) in rows {
        assert_eq!(said(FeedbackType::Resend, &resend(kind, &more)), expected, "{kind} {more}");
    }
    for kind in [
        "email.sent",
        "email.delivery_delayed",
        "email.opened",
        "email.clicked",
        "email.failed",
        "email.scheduled",
        "contact.created",
        "domain.updated",
        "",
        "something.new",
    ] {
        assert!(said(FeedbackType::Resend, &resend(kind, &json!({}))).is_empty(), "{kind}");
    }
    let two = resend("email.bounced", &json!({ "to": ["a@example.com", "b@example.com"] }));
    assert!(report(FeedbackType::Resend, &two).ignored.contains("several people"));
    let found = report(FeedbackType::Resend, &resend("email.bounced", &bounce("Permanent")));
    assert_eq!(found.notices[0].job.unwrap().to_string(), JOB);
    assert_eq!(
        found.notices[0].why,
        "Permanent: The recipient's email address is on the suppression list."
    );
    let headers = json!({ "tags": null, "headers": [{ "name": "message-id", "value": format!("<{JOB}@example.com>") }] });
    let found = report(FeedbackType::Resend, &resend("email.delivered", &headers));
    assert_eq!(found.notices[0].job.unwrap().to_string(), JOB, "by our own Message-ID");
}

fn postmark(kind: &str, more: &Value) -> Value {
    let mut body = json!({
        "RecordType": kind,
        "ID": 692_560_173,
        "MessageStream": "outbound",
        "ServerID": 23,
        "MessageID": "2706ee8a-737c-4285-b032-ccd317af53ed",
        "Name": "Hard bounce",
        "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
        "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist.",
        "Email": "sarah@example.com",
        "Recipient": "sarah@example.com",
        "From": "notifications@example.com",
        "BouncedAt": "2026-05-23T14:48:00.0000000Z",
        "DumpAvailable": true,
        "CanActivate": true,
        "Metadata": { "job": JOB },
        "Inactive": false,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn postmark_reports_what_its_documentation_shows() {
    let kind = FeedbackType::Postmark;
    assert_eq!(said(kind, &postmark("Delivery", &json!({}))), one(Fate::Delivered));
    assert_eq!(
        said(
            kind,
            &postmark("SpamComplaint", &json!({ "Type": "SpamComplaint", "TypeCode": 512 }))
        ),
        one(Fate::Complaint)
    );
    let bounces = [
        ("HardBounce", Some(Fate::HardBounce)),
        ("BadEmailAddress", Some(Fate::HardBounce)),
        ("ManuallyDeactivated", Some(Fate::HardBounce)),
        ("SoftBounce", Some(Fate::SoftBounce)),
        ("DnsError", Some(Fate::SoftBounce)),
        ("SpamNotification", Some(Fate::SoftBounce)),
        ("VirusNotification", Some(Fate::SoftBounce)),
        ("DMARCPolicy", Some(Fate::SoftBounce)),
        ("SpamComplaint", Some(Fate::Complaint)),
        ("Transient", None),
        ("AutoResponder", None),
        ("AddressChange", None),
        ("OpenRelayTest", None),
        ("SomethingNew", None),
    ];
    for (bounce, fate) in bounces {
        let body = postmark("Bounce", &json!({ "Type": bounce }));
        assert_eq!(said(kind, &body), fate.map(one).unwrap_or_default(), "{bounce}");
    }
    for bounce in ["Transient", "SoftBounce", "Blocked", "SomethingNew"] {
        let body = postmark("Bounce", &json!({ "Type": bounce, "Inactive": true }));
        assert_eq!(said(kind, &body), one(Fate::HardBounce), "{bounce}, made inactive");
    }
    let changes = [
        (true, "HardBounce", Some(Fate::HardBounce)),
        (true, "SpamComplaint", Some(Fate::Complaint)),
        (true, "ManualSuppression", Some(Fate::Unsubscribed)),
        (false, "ManualSuppression", None),
    ];
    for (suppress, reason, fate) in changes {
        let change = json!({ "SuppressSending": suppress, "SuppressionReason": reason, "Origin": "Recipient", "ChangedAt": "2026-02-01T10:53:34.416071Z" });
        let body = postmark("SubscriptionChange", &change);
        assert_eq!(said(kind, &body), fate.map(one).unwrap_or_default(), "{reason}");
    }
    for record in ["Open", "Click", "Inbound", "SMTPApiError", ""] {
        assert!(said(kind, &postmark(record, &json!({}))).is_empty(), "{record}");
    }
    let found = report(kind, &postmark("Bounce", &json!({ "Type": "HardBounce" })));
    assert_eq!(found.notices[0].job.unwrap().to_string(), JOB);
    let again = report(kind, &postmark("Bounce", &json!({ "Type": "HardBounce", "Details": "x" })));
    assert_eq!(found.id, again.id, "what is sent again is the same report");
    assert_ne!(found.id, report(kind, &postmark("Delivery", &json!({}))).id);
}

fn ses(form: &str, kind: &str, part: &str, told: &Value) -> Value {
    let mut body = json!({
        "mail": {
            "timestamp": "2026-08-05T00:40:02.012Z",
            "source": "Sender Name <sender@example.com>",
            "sourceArn": "arn:aws:ses:us-east-1:123456789012:identity/sender@example.com",
            "sendingAccountId": "123456789012",
            "messageId": "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
            "destination": ["sarah@example.com"],
            "headersTruncated": false,
            "headers": [
                { "name": "From", "value": "Sender Name <sender@example.com>" },
                { "name": "Message-ID", "value": format!("<{JOB}@example.com>") },
            ],
            "tags": { "ses:configuration-set": ["ConfigSet"] },
        },
    });
    body[form] = json!(kind);
    body[part] = told.clone();
    notification(&body)
}

/// What SNS puts around it.
fn notification(body: &Value) -> Value {
    json!({ "Type": "Notification", "MessageId": "x", "Message": body.to_string() })
}

#[test]
fn ses_reports_what_its_documentation_shows_in_both_forms() {
    let kind = FeedbackType::Ses;
    let bounce = |bounce: &str, code: &str| {
        json!({
            "bounceType": bounce, "bounceSubType": "General",
            "bouncedRecipients": [{ "emailAddress": "Sarah@example.com", "action": "failed", "status": "5.1.1", "diagnosticCode": code }],
            "timestamp": "2026-08-05T00:41:02.669Z",
            "feedbackId": "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
            "reportingMTA": "dsn; mta.example.com",
        })
    };
    let complaint = |told: &str| json!({ "complainedRecipients": [{ "emailAddress": "sarah@example.com" }], "complaintFeedbackType": told, "userAgent": "Amazon SES Mailbox Simulator" });
    let delivery = json!({ "timestamp": "2026-10-19T23:21:04.133Z", "processingTimeMillis": 11893, "recipients": ["sarah@example.com"], "smtpResponse": "250 2.6.0 Message received" });
    for form in ["eventType", "notificationType"] {
        let rows = [
            (
                "Bounce",
                "bounce",
                bounce("Permanent", "smtp; 550 5.1.1 user unknown"),
                one(Fate::HardBounce),
            ),
            (
                "Bounce",
                "bounce",
                bounce("Transient", "smtp; 452 4.2.2 mailbox full"),
                one(Fate::SoftBounce),
            ),
            (
                "Bounce",
                "bounce",
                bounce("Transient", "smtp; 550 5.4.4 Invalid domain"),
                one(Fate::HardBounce),
            ),
            ("Bounce", "bounce", bounce("Undetermined", ""), one(Fate::SoftBounce)),
            ("Complaint", "complaint", complaint("abuse"), one(Fate::Complaint)),
            ("Delivery", "delivery", delivery.clone(), one(Fate::Delivered)),
        ];
        for (event, part, told, expected) in rows {
            let body = ses(form, event, part, &told);
            assert_eq!(said(kind, &body), expected, "{form} {event} {told}");
            assert_eq!(report(kind, &body).notices[0].job.unwrap().to_string(), JOB);
        }
        assert!(
            said(kind, &ses(form, "Complaint", "complaint", &complaint("not-spam"))).is_empty()
        );
        for event in [
            "Send",
            "Reject",
            "Open",
            "Click",
            "Rendering Failure",
            "DeliveryDelay",
            "Subscription",
            "",
        ] {
            assert!(said(kind, &ses(form, event, "x", &json!({}))).is_empty(), "{event}");
        }
    }
    let mut two = bounce("Permanent", "");
    two["bouncedRecipients"] =
        json!([{ "emailAddress": "a@example.com" }, { "emailAddress": "b@example.com" }, {}]);
    let found = said(kind, &ses("eventType", "Bounce", "bounce", &two));
    assert_eq!(found.len(), 2, "each of several recipients");
    let tagged = ses("eventType", "Delivery", "delivery", &delivery);
    let mut tagged: Value = serde_json::from_str(tagged["Message"].as_str().unwrap()).unwrap();
    tagged["mail"]["headers"] = json!(null);
    tagged["mail"]["tags"]["job"] = json!([JOB]);
    let tagged = notification(&tagged);
    assert_eq!(report(kind, &tagged).notices[0].job.unwrap().to_string(), JOB, "by its tag");
}

#[test]
fn anybody_else_reports_in_a_small_form() {
    let kind = FeedbackType::Generic;
    let rows = [
        (json!({ "type": "bounce", "hard": true }), Some(Fate::HardBounce)),
        (json!({ "type": "bounce", "hard": false }), Some(Fate::SoftBounce)),
        (json!({ "type": "bounce" }), Some(Fate::SoftBounce)),
        (json!({ "type": "complaint" }), Some(Fate::Complaint)),
        (json!({ "type": "delivered" }), Some(Fate::Delivered)),
        (json!({ "type": "unsubscribe", "new": [1] }), Some(Fate::Unsubscribed)),
        (json!({ "type": "opened" }), None),
        (json!({}), None),
    ];
    for (mut body, fate) in rows {
        body["email"] = json!(" Sarah@Example.com ");
        assert_eq!(said(kind, &body), fate.map(one).unwrap_or_default(), "{body}");
    }
    // Providers know a domain by its ASCII form, and we know the person by its own letters.
    let coded = json!({ "type": "complaint", "email": "Sarah@XN--MLLER-KVA.example" });
    assert_eq!(report(kind, &coded).notices[0].address, "sarah@müller.example");
    for named in [json!({ "job": JOB }), json!({ "message_id": format!("<{JOB}@example.com>") })] {
        let mut body = json!({ "type": "delivered", "email": "sarah@example.com" });
        body.as_object_mut().unwrap().extend(named.as_object().unwrap().clone());
        assert_eq!(report(kind, &body).notices[0].job.unwrap().to_string(), JOB);
    }
    for email in [json!("sarah"), json!("@"), json!("a b@example.com"), json!(7), json!(null)] {
        let body = json!({ "type": "bounce", "email": email });
        assert!(report(kind, &body).ignored.contains("no address"), "{email}");
    }
}

#[test]
fn what_a_mail_server_says_is_kept_short_and_on_one_line() {
    let reason = format!("550 no\r\nsuch\u{1b}[2J user {}", "x".repeat(5_000));
    let body = json!({ "type": "bounce", "email": "sarah@example.com", "reason": reason });
    let why = report(FeedbackType::Generic, &body).notices[0].why.clone();
    assert!(why.starts_with("550 no such [2J user xxx") && why.len() <= WHY, "{why:?}");
}

/// Values that take the places of those in honest reports, 20,000 times: nothing panics, and
/// whatever is understood has an address.
#[test]
fn whatever_is_sent_is_read_or_ignored() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut dice = move |sides: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % sides as u64).unwrap()
    };
    let strange = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("\u{0}"),
        json!("@"),
        json!("a@b"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({ "a": 1 }),
        json!("🎄<a@b>"),
        json!(["x", 1]),
        json!([{ "emailAddress": [] }]),
        json!(">a@b<"),
        json!("<a@b"),
    ];
    let bounce = json!({ "bounceType": "Permanent", "bouncedRecipients": [{ "emailAddress": "a@example.com" }] });
    let honest = [
        (
            FeedbackType::Resend,
            resend("email.bounced", &json!({ "bounce": { "type": "Permanent" } })),
        ),
        (FeedbackType::Postmark, postmark("Bounce", &json!({ "Type": "HardBounce" }))),
        (FeedbackType::Ses, ses("eventType", "Bounce", "bounce", &bounce)),
        (FeedbackType::Generic, json!({ "type": "bounce", "email": "a@example.com", "job": JOB })),
    ];
    let mut understood = 0;
    for _ in 0..20_000 {
        let (kind, mut body) = honest[dice(honest.len())].clone();
        let mut inner = body["Message"].as_str().and_then(|text| serde_json::from_str(text).ok());
        for _ in 0..=dice(3) {
            let spoilt = inner.as_mut().unwrap_or(&mut body);
            spoil(spoilt, &strange[dice(strange.len())], &mut dice);
        }
        if let Some(inner) = inner {
            body = notification(&inner);
        }
        let found = report(kind, &body);
        assert_eq!(found.notices.is_empty(), !found.ignored.is_empty());
        assert!(found.notices.iter().all(|notice| notice.address.contains('@')));
        understood += found.notices.len();
    }
    assert!(understood > 1_000, "{understood}: the spoilt reports are too spoilt");
}

/// Puts a value at some place within another.
fn spoil(body: &mut Value, value: &Value, dice: &mut impl FnMut(usize) -> usize) {
    let inner = match body {
        Value::Object(fields) if !fields.is_empty() => {
            let at = dice(fields.len());
            fields.values_mut().nth(at)
        }
        Value::Array(items) if !items.is_empty() => {
            let at = dice(items.len());
            items.get_mut(at)
        }
        _ => None,
    };
    match inner {
        Some(inner) if dice(3) > 0 => spoil(inner, value, dice),
        Some(inner) => *inner = value.clone(),
        None => *body = value.clone(),
    }
}
