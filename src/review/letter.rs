//! One e-mail, made as the server would make it: the same decision fills it in, the same
//! code draws and packs it. Only the person is made up, and the link that would unsubscribe
//! them unsubscribes nobody.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::{Id, Timestamp, time};
use crate::engine::{self, Due, Pick, StepDecision, World};
use crate::mail::{self, MailRequest, Packing};
use crate::model::Context;
use crate::model::queue::Places;
use crate::model::queue::{Email, Enrolment, EnrolmentState};
use crate::model::rules::{MailKind, RuleSet, Sender, Sequence, SequenceAction, SequenceStep};
use crate::model::scope::example_of_fields;
use crate::model::{Attachment, Content, in_language};

/// Where unsubscribe links of previews lead: a token that was made for nobody.
const INERT: &str = "/unsubscribe/preview";

/// What people look at first stands first among the headers; the others keep their order.
const FIRST: &[&str] = &["From", "To", "Subject"];

/// The rules and the moment in which e-mails are made.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The rules.
    pub rules: &'a RuleSet,
    /// The outside address, without a trailing slash.
    pub public_url: &'a str,
    /// The moment that is now.
    pub at: Timestamp,
    /// What the message's own id is made from.
    pub id: Id,
}

/// An e-mail whose tags are filled in.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Whom it goes to.
    pub to: String,
    /// The subject as the rules give it.
    pub subject: String,
    /// What it says and brings along.
    pub content: Content,
    /// Marketing or transactional.
    pub kind: MailKind,
    /// The service that sends it.
    pub via: Option<String>,
    /// Why these values would keep it from being sent, if they would.
    pub withheld: Option<String>,
}

/// A finished e-mail, in the forms in which people look at one.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its headers without those that only say how it is packed, unfolded and readable.
    pub headers: Vec<(String, String)>,
    /// The HTML document.
    pub html: String,
    /// What lists of e-mails show beside the subject.
    pub preheader: Option<String>,
    /// The files that come along, besides the images that the HTML shows.
    pub attachments: Vec<Arc<Attachment>>,
    /// The message, with its subject and plain text.
    pub email: Email,
    /// The same as its mail provider takes it; none where a mail server takes the message.
    pub wire: Option<Email>,
}

impl Scene<'_> {
    /// Fills an e-mail in, in the variant and the language that are picked.
    ///
    /// # Errors
    /// Why it could not be made with this payload.
    pub fn draft(
        &self,
        sequence: &Sequence,
        step: &SequenceStep,
        payload: &Map<String, Value>,
        pick: &Pick,
    ) -> Result<Draft, String> {
        let enrolment = self.enrolment(sequence, payload)?;
        let unsubscribe_url = self.unsubscribe_url();
        let contact = self.rules.records.get("contact");
        let contact = contact.map(|record| example_of_fields(&record.scope.names));
        let due = Due {
            enrolment: &enrolment,
            began_with: None,
            step: &step.name,
            planned: time::millis(self.at),
            payload,
            contact: contact.as_ref(),
            suppressed: &[],
            places: &Places::default(),
            job: enrolment.job_id(&step.name),
            unsubscribe_url: &unsubscribe_url,
            forced: false,
            now: self.at,
        };
        let world = World::alone(self.rules, 1);
        let StepDecision::Email { subject, content, kind, via, .. } =
            engine::draft(&world, &due, pick)?
        else {
            return Err(format!("{} is no e-mail", step.name));
        };
        let withheld = match engine::step(&world, &due) {
            StepDecision::Skip(why) | StepDecision::Stop(why) => Some(why),
            _ => None,
        };
        Ok(Draft { to: enrolment.to, subject, content, kind, via, withheld })
    }

    fn unsubscribe_url(&self) -> String {
        format!("{}{INERT}", self.public_url)
    }

    /// A person who has just begun the sequence.
    fn enrolment(
        &self,
        sequence: &Sequence,
        payload: &Map<String, Value>,
    ) -> Result<Enrolment, String> {
        let sender = self.rules.sender.as_ref();
        let own = sender.map_or(time::Zone::UTC, |sender| sender.zone.clone());
        let mut context = Context::new(payload, own.clone());
        context.set("now", Value::String(time::format_time(self.at)));
        let to = sequence.to.text(&context)?.trim().to_owned();
        let zone = match &sequence.zone {
            Some(zone) => zone.text(&context)?.trim().to_owned(),
            None => own.iana_name().unwrap_or("UTC").to_owned(),
        };
        let now = time::millis(self.at);
        Ok(Enrolment {
            id: self.id,
            sequence: sequence.name.clone(),
            key: to.to_lowercase(),
            person: to.to_lowercase(),
            to,
            zone,
            execution: self.id,
            payload: None,
            started: now,
            rules: sequence.edition.hash.clone(),
            plan: Vec::new(),
            next: 0,
            live: Vec::new(),
            state: EnrolmentState::Active,
            updated: now,
        })
    }

    /// Draws and packs a draft.
    ///
    /// # Errors
    /// Why no message could be made of it.
    pub fn letter(
        &self,
        sequence: &Sequence,
        step: &SequenceStep,
        draft: Draft,
    ) -> Result<Letter, String> {
        let nobody = Sender::nobody(sequence.span);
        let request = MailRequest {
            sequence: &sequence.name,
            name: &step.name,
            kind: draft.kind,
            sender: self.rules.sender.as_ref().unwrap_or(&nobody),
            to: &draft.to,
            subject: draft.subject,
            unsubscribe_url: (draft.kind == MailKind::Marketing)
                .then(|| in_language(&self.unsubscribe_url(), draft.content.locale.as_deref())),
            content: draft.content,
            message_id: self.id.to_string(),
            at: self.at,
        };
        let drawn = mail::draw(&request).map_err(|why| why.to_string())?;
        let html = drawn.html.clone();
        let service = match &step.action {
            SequenceAction::Email { via: Some(via), .. } => self.rules.services.get(via),
            _ => None,
        };
        let packing = service.map_or(Packing::Message, |service| Packing::of(service));
        let wire = (packing != Packing::Message)
            .then(|| mail::pack_as(&request, drawn.clone(), packing))
            .transpose()
            .map_err(|why| why.to_string())?;
        let email = mail::pack(&request, drawn).map_err(|why| why.to_string())?;
        let file =
            |hash: &str| request.content.files().find(|file| file.hash == hash)?.encoded.clone();
        let whole = |email: Email| match mail::complete(&email.message, file) {
            Ok(message) => Ok(Email { message: message.into_owned(), ..email }),
            Err(_) => Err(String::from("a file that comes with it is gone")),
        };
        let (email, wire) = (whole(email)?, wire.map(whole).transpose()?);
        let headers = headers(&email, request.sender);
        let Content { preheader, attachments, .. } = request.content;
        let preheader = preheader.filter(|words| !words.trim().is_empty());
        Ok(Letter { headers, html, preheader, attachments, email, wire })
    }
}

/// The headers of a message for people: what is coded for the wire is written out.
fn headers(email: &Email, sender: &Sender) -> Vec<(String, String)> {
    let message = String::from_utf8_lossy(&email.message);
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let packing = |name: &str| name.starts_with("Content-") || name == "MIME-Version";
    let mut found: Vec<(String, String)> = head
        .split("\r\n")
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| !packing(name))
        .map(|(name, value)| {
            let value = match (name, &sender.name) {
                ("Subject", _) => email.subject.clone(),
                ("To", _) => email.to.clone(),
                ("From", Some(shown)) => format!("{shown} <{}>", email.from),
                _ => value.to_owned(),
            };
            (name.to_owned(), value)
        })
        .collect();
    found.sort_by_key(|(name, _)| {
        FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len())
    });
    found
}
