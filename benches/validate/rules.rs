//! Makes rules of a given size, with everything in them that marketers write: schemas,
//! guards, texts with tags, sequences, records, events.

use std::fmt::Write as _;

/// So many endpoints share a file, a schema and a sequence.
const SHARED: usize = 10;

/// Path and text of every file of a rule set with so many endpoints.
pub(crate) fn files(endpoints: usize) -> Vec<(String, String)> {
    let mut files = vec![(String::from("rules/settings.kdl"), settings())];
    for group in 0..endpoints.div_ceil(SHARED) {
        files.push((format!("rules/group-{group:03}.kdl"), rules(group)));
        files.push((format!("schemas/group-{group:03}.kdl"), schemas(group)));
        for number in 1..=3 {
            files.push((format!("rules/emails/follow-up-{group}-{number}.md"), email(number)));
        }
    }
    files
}

fn settings() -> String {
    String::from(
        r#"server listen="127.0.0.1:8080" {
    public-url "https://rules.example.com"
}
sender "Acme <hello@example.com>" {
    postal-address "1 Main Street, Springfield"
    time-zone "America/New_York"
}
service "n8n" {
    url "https://n8n.example.com"
    sign secret=(env)"N8N_SECRET"
    retry "5s" "30s" "5min"
}
service "mail" type="smtp" {
    url (env)"SMTP_URL" optional=#true
}
"#,
    )
}

fn rules(group: usize) -> String {
    let mut text = format!(
        r#"// Group {group}: what it sends, and ten endpoints with their sequence.
events to="n8n" path="/webhook/{{{{event.slug}}}}" {{
    event "changed_{group}" entity="lead" id="{{{{lead_id}}}}"
}}
webhooks "group-{group}" {{
    path "/group-{group}"
"#
    );
    for number in 0..SHARED {
        let _ = write!(
            text,
            r##"    endpoint "call-{number}" key=(env)"KEY_{group}_{number}" {{
        payload "lead_{group}"
        require #"status == "open" && (score == () || score >= 0.{number}5)"# else="Not yet."
        save "person_{group}" id="{{{{email}}}}" {{
            first_name "{{{{first_name | default('friend')}}}}"
        }}
        start "follow-up-{group}"
    }}
"##
        );
    }
    let _ = write!(
        text,
        r#"}}
sequence "follow-up-{group}" to="{{{{email}}}}" {{
    once-per "{{{{email}}}}"
    stop-when "contact.unsubscribed || contact.bounced"
    email "follow-up-{group}-1" after="1h" subject="Hello {{{{first_name | default('friend')}}}}"
    email "follow-up-{group}-2" after="3d" subject="About {{{{business_name}}}}"
    email "follow-up-{group}-3" after="7d" subject="Number {{{{lead_id | number}}}}"
    send "changed_{group}" after="8d"
}}
"#
    );
    text
}

fn schemas(group: usize) -> String {
    let mut text = String::new();
    for name in ["lead", "changed"] {
        let _ = write!(
            text,
            r#"schema "{name}_{group}" {{
    lead_id integer min=1 example=123
    email email example="sarah@example.com"
    first_name text optional example="Sarah"
    business_name text example="Sarah's Salon"
    score number optional min=0 max=1 example=0.85
    status text example="open"
}}
"#
        );
    }
    text
}

fn email(number: usize) -> String {
    format!(
        "Hi {{{{first_name | default('there')}}}},\n\n\
         This is e-mail {number} to {{{{business_name | upper}}}}, sent on {{{{now | date}}}}.\n\n\
         {{% if score %}}Your score is {{{{score | number}}}}.{{% endif %}}\n\n\
         [Look at it](https://www.example.com)\n"
    )
}
