//! A step of a sequence whose time has come: it is decided once more, rendered, and stored
//! as what will be sent, before the first attempt. The next step is queued in the same
//! write.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::Deliver;
use super::attempt::Before;
use super::send::captured;
use crate::base::{Id, Secret, time};
use crate::engine::{self, Due, Pick, StepDecision};
use crate::mail::{self, MailRequest, Packing};
use crate::model::commit::{Assumption, IdempotencyKey, NextStep, Write};
use crate::model::queue::{
    CAPTURED, Enrolment, EnrolmentState, Fingerprint, Job, Leased, Places, Task, Transition,
};
use crate::model::rules::{Event, MailKind, Sender, Sequence, locale};
use crate::model::{Call, Content, Origin, in_language};
use crate::serve::app::{Accepted, object};
use crate::serve::enclosures;
use crate::serve::ingress::{click, unsubscribe};
use crate::serve::journal::Kind;
use crate::serve::people;
use crate::serve::settings::Live;
use crate::store::{Finish, StoreError};

/// What a step needs to see.
pub(super) struct Scene {
    enrolment: Enrolment,
    /// The sequence that the person follows, where it is not the one of now.
    began_with: Option<Arc<Sequence>>,
    step: String,
    payload: Map<String, Value>,
    contact: Option<Map<String, Value>>,
    suppressed: Vec<String>,
    places: Places,
    /// With what unsubscribe links are sealed.
    key: Secret,
}

impl Scene {
    /// Where this person leaves the list, by an e-mail of this job.
    pub(super) fn unsubscribe_url(&self, live: &Live, job: &Job) -> String {
        let own = job.is_seed().then(|| job.target.to_lowercase());
        let left = unsubscribe::Token {
            job: job.id,
            sequence: self.enrolment.sequence.clone(),
            person: own.unwrap_or_else(|| self.enrolment.person.clone()),
        };
        unsubscribe::link(&live.public_url, &self.key, &left)
    }

    /// The sequence and the step.
    pub(super) fn names(&self) -> (&str, &str) {
        (&self.enrolment.sequence, &self.step)
    }
}

impl Deliver {
    /// Decides a due step. An e-mail is rendered and goes on to be sent under the same lease.
    pub(super) async fn step(&self, live: &Live, leased: Leased) -> Before {
        let Task::Step { sequence, key, enrolment, step } = &leased.job.task else {
            return Before::Go(Box::new(leased));
        };
        let scene = match self.scene(live, (sequence, key), Some(*enrolment), step).await {
            Ok(Ok(scene)) => scene,
            Ok(Err(why)) => {
                self.end(&leased.job, leased.lease, Transition::Cancelled(why), None, Vec::new())
                    .await;
                return Before::Over;
            }
            Err(error) => {
                self.give_back(&leased, &error).await;
                return Before::Over;
            }
        };
        let decision = self.decide(live, &leased.job, &scene);
        let advance = self.advance(live, &scene);
        match decision {
            StepDecision::Skip(why) => self.leave_out(&leased, why, advance).await,
            StepDecision::Stop(why) => {
                let stop = stop(&scene.enrolment, &why);
                self.leave_out(&leased, why, vec![stop]).await
            }
            StepDecision::Later(due, why) => {
                self.put_off(&leased.job, leased.lease, due, &why).await;
                Before::Over
            }
            StepDecision::Event(event, payload) => {
                self.timed_event(live, &leased, &scene, event, payload, advance).await
            }
            StepDecision::Email { subject, content, kind, via, expires } => {
                let job = Job {
                    lane: via.unwrap_or_else(|| engine::OUTBOX.to_owned()),
                    expires: Some(expires),
                    target: scene.enrolment.to.clone(),
                    ..leased.job.clone()
                };
                let files: Vec<_> = content.files().cloned().collect();
                let locale = content.locale.clone().unwrap_or_default();
                let pick = Pick { variant: content.variant.clone(), locale: Some(locale) };
                match self.render(live, &job, &scene, subject, content, kind) {
                    Ok(task) => {
                        let mut writes = advance;
                        writes.extend(self.seeds(live, &job, &scene, &pick).await);
                        writes.extend(self.cap(live, &job, &scene));
                        let job = Job { task, ..job };
                        writes.extend(enclosures::keep(&job, &files));
                        self.go(live, leased, job, writes).await
                    }
                    Err(why) => {
                        let failed = Transition::Failed(format!("could not be made: {why}"));
                        self.end(&leased.job, leased.lease, failed, None, advance).await;
                        Before::Over
                    }
                }
            }
        }
    }

    /// Stores the rendered e-mail; then it may be sent, unless nobody is there to send it.
    async fn go(&self, live: &Live, leased: Leased, job: Job, advance: Vec<Write>) -> Before {
        let unsent = advance.iter().filter(|write| matches!(write, Write::Advance { .. })).cloned();
        let unsent: Vec<Write> = unsent.collect();
        if let Some(why) = captured(live, &job.lane, self.app.options.dev) {
            let become_mail = Transition::Become(Box::new(job.clone()));
            let stored = self.end(&job, leased.lease, become_mail, None, advance).await;
            if stored == Finish::Done {
                self.app
                    .journal
                    .say(Kind::Captured, &format!("{}: to {} ({why})", job.event_type, job.target));
                let captured = Transition::Cancelled(CAPTURED.to_owned());
                self.end(&job, leased.lease, captured, None, Vec::new()).await;
            } else if let Finish::Capped(free) = stored {
                self.capped(&leased, free, job.expires, unsent).await;
            }
            return Before::Over;
        }
        let become_mail = Transition::Become(Box::new(job.clone()));
        match self.end(&job, leased.lease, become_mail, None, advance).await {
            Finish::Done => Before::Go(Box::new(Leased { job, ..leased })),
            Finish::Stale | Finish::Stopped => Before::Over,
            Finish::Capped(free) => {
                self.capped(&leased, free, job.expires, unsent).await;
                Before::Over
            }
        }
    }

    /// The place that a marketing e-mail needs where there are caps.
    fn cap(&self, live: &Live, job: &Job, scene: &Scene) -> Option<Write> {
        let sequence = live.rules.sequences.get(&scene.enrolment.sequence)?;
        let (mut limits, keep) = engine::place(&self.app.world(live), sequence)?;
        // What a person asked for by hand is counted, and goes out all the same.
        if job.by_hand {
            limits.clear();
        }
        let who = Fingerprint::of(&scene.enrolment.person);
        Some(Write::TakePlace { who, job: job.id, at: self.app.millis(), limits, keep })
    }

    /// Another e-mail to the same person has taken the last place meanwhile.
    async fn capped(&self, leased: &Leased, free: i64, latest: Option<i64>, advance: Vec<Write>) {
        match engine::put_off(free, latest.unwrap_or(i64::MAX)) {
            StepDecision::Skip(why) => drop(self.leave_out(leased, why, advance).await),
            _ => self.put_off(&leased.job, leased.lease, free, "capped").await,
        }
    }

    async fn leave_out(&self, leased: &Leased, why: String, writes: Vec<Write>) -> Before {
        self.end(&leased.job, leased.lease, Transition::Cancelled(why), None, writes).await;
        Before::Over
    }

    /// The store could not be read: the step waits a moment and is tried again.
    pub(super) async fn give_back(&self, leased: &Leased, error: &StoreError) {
        self.app.journal.say(Kind::Warning, &format!("{}: {error}", leased.job.event_type));
        let again = self.app.millis() + 1_000;
        // If even that fails the lease runs out by itself.
        let _ = self.app.store.release(vec![(leased.lease, again)]).await;
    }

    /// What a step means at this moment.
    fn decide(&self, live: &Live, job: &Job, scene: &Scene) -> StepDecision {
        let unsubscribe_url = scene.unsubscribe_url(live, job);
        engine::step(&self.app.world(live), &self.due(job, scene, &unsubscribe_url))
    }

    /// What a decision about a step sees.
    pub(super) fn due<'a>(&self, job: &Job, scene: &'a Scene, unsubscribe_url: &'a str) -> Due<'a> {
        Due {
            enrolment: &scene.enrolment,
            began_with: scene.began_with.as_deref(),
            step: &scene.step,
            planned: job.planned,
            payload: &scene.payload,
            contact: scene.contact.as_ref(),
            suppressed: &scene.suppressed,
            places: &scene.places,
            job: job.id,
            unsubscribe_url,
            // What a person asked for again by hand has no limit of lateness.
            forced: job.by_hand,
            now: self.app.now(),
        }
    }

    /// Looks at the conditions of an e-mail again before another attempt at it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) async fn unwanted(
        &self,
        live: &Live,
        job: &Job,
    ) -> Result<Option<(Transition, Vec<Write>)>, StoreError> {
        let (Task::Email(email), Some((sequence, key))) = (&job.task, &job.enrolment) else {
            return Ok(None);
        };
        let scene = self.scene(live, (sequence, key), None, &email.name).await?;
        let scene = match scene {
            Ok(scene) => scene,
            Err(why) => return Ok(Some((Transition::Cancelled(why), Vec::new()))),
        };
        Ok(match self.decide(live, job, &scene) {
            StepDecision::Skip(why) => Some((Transition::Cancelled(why), Vec::new())),
            StepDecision::Stop(why) => {
                let stop = stop(&scene.enrolment, &why);
                Some((Transition::Cancelled(why), vec![stop]))
            }
            StepDecision::Later(due, why) => Some((Transition::Later { due, why }, Vec::new())),
            StepDecision::Email { .. } | StepDecision::Event(..) => None,
        })
    }

    /// Fetches what a step needs; the inner error says why there is nothing to do.
    pub(super) async fn scene(
        &self,
        live: &Live,
        (sequence, key): (&str, &str),
        id: Option<Id>,
        step: &str,
    ) -> Result<Result<Scene, String>, StoreError> {
        let store = &self.app.store;
        let Some(enrolment) = store
            .enrolment(sequence, key)
            .await?
            .filter(|found| id.is_none_or(|id| found.id == id))
        else {
            return Ok(Err(String::from("the person has begun the sequence anew")));
        };
        if let Some(why) = enrolment.state.ended_by() {
            return Ok(Err(format!("stopped: {why}")));
        }
        let began_with = self.app.editions.followed(&**store, &live.rules, &enrolment).await?;
        let payload = people::payload(&**store, &enrolment).await?;
        let mut contact = store.record("contact", &enrolment.to).await?;
        if contact.is_none() && enrolment.to != enrolment.person {
            contact = store.record("contact", &enrolment.person).await?;
        }
        let now = self.app.millis();
        let mut suppressed = store.suppressions(&enrolment.person).await?;
        suppressed.retain(|entry| entry.covers(sequence) && !entry.is_over(now));
        let places = store.places(&enrolment.person).await?;
        let key = unsubscribe::key(&self.app).await?;
        Ok(Ok(Scene {
            step: step.to_owned(),
            payload,
            contact: contact.map(|record| object(&record.fields)),
            suppressed: suppressed.into_iter().map(|entry| entry.reason).collect(),
            began_with,
            places,
            key,
            enrolment,
        }))
    }

    /// What moves the enrolment on, unless this step was reached before.
    pub(super) fn advance(&self, live: &Live, scene: &Scene) -> Vec<Write> {
        let enrolment = &scene.enrolment;
        if enrolment.upcoming().is_none_or(|(name, _)| *name != scene.step) {
            return Vec::new();
        }
        let step = enrolment.plan.get(enrolment.next as usize + 1).map(|(name, _)| {
            let world = self.app.world(live);
            let sequence = live.rules.sequences.get(&enrolment.sequence);
            let step =
                sequence.and_then(|sequence| sequence.steps.iter().find(|step| step.name == *name));
            // A step that the rules no longer have still comes due, to be skipped visibly.
            let (lane, priority) =
                step.map_or((engine::OUTBOX.to_owned(), 0), |step| world.lane(step));
            NextStep { lane, priority }
        });
        vec![Write::Advance {
            sequence: enrolment.sequence.clone(),
            key: enrolment.key.clone(),
            enrolment: enrolment.id,
            from: enrolment.next,
            step,
        }]
    }

    pub(super) fn render(
        &self,
        live: &Live,
        job: &Job,
        scene: &Scene,
        subject: String,
        content: Content,
        kind: MailKind,
    ) -> Result<Task, String> {
        // What stays in the outbox needs no sender: a first rule file may do without one.
        let stays = captured(live, &job.lane, self.app.options.dev);
        let place = || live.rules.sequences.get(&scene.enrolment.sequence).map(|found| found.span);
        let unnamed = stays.and_then(|_| place()).map(Sender::nobody);
        let declared = live.rules.sender.as_ref();
        let sender = declared.or(unnamed.as_ref()).ok_or("the rules declare no `sender`")?;
        let unsubscribe_url = match kind {
            MailKind::Transactional => None,
            MailKind::Marketing => {
                let link = scene.unsubscribe_url(live, job);
                Some(in_language(&link, content.locale.as_deref()))
            }
        };
        let request = MailRequest {
            sequence: &scene.enrolment.sequence,
            name: &scene.step,
            kind,
            sender,
            to: &job.target,
            subject,
            content,
            unsubscribe_url,
            message_id: job.id.to_string(),
            at: self.app.now(),
        };
        let service = live.services.get(&job.lane);
        let packing = service.map_or(Packing::Message, |service| Packing::of(&service.rule));
        let draw = if self.app.options.plain { mail::draw_plain } else { mail::draw };
        let tracked = live.rules.sequences.get(&scene.enrolment.sequence);
        let tracked = tracked.filter(|sequence| sequence.tracks_clicks && !job.is_seed());
        let said = tracked.and_then(|sequence| {
            let step = sequence.steps.iter().find(|step| step.name == scene.step)?;
            let language = request.content.locale.as_deref().and_then(locale);
            step.action.said(request.content.variant.as_deref(), language.as_deref())
        });
        let email = draw(&request).and_then(|mut drawn| {
            if let Some(said) = &said {
                let (page, key) = (&drawn.html, &scene.key);
                drawn.html = click::counted(page, &live.public_url, key, job.id, said.body);
            }
            mail::pack_as(&request, drawn, packing)
        });
        let mut email = email.map_err(|error| error.to_string())?;
        email.handed = (packing != Packing::Message).then(|| self.app.millis());
        Ok(Task::Email(email))
    }

    /// Queues a timed event. The key makes that happen once even if the step is done twice.
    async fn timed_event(
        &self,
        live: &Live,
        leased: &Leased,
        scene: &Scene,
        event: Arc<Event>,
        payload: Map<String, Value>,
        advance: Vec<Write>,
    ) -> Before {
        let now = self.app.now();
        let call = Call {
            id: engine::timed_event(leased.job.id),
            at: now,
            origin: Origin::Event { event: Arc::clone(&event) },
            payload,
        };
        let body = Bytes::from(Value::Object(call.payload.clone()).to_string());
        let key = IdempotencyKey {
            endpoint: format!("sequence/{}", event.name),
            key: leased.job.id.to_string(),
            body: [0; 32],
            expires: time::millis(now) + 30 * 86_400_000,
        };
        // Nothing is queued for a person who was stopped at this moment.
        let still_in = Assumption::Enrolment {
            sequence: scene.enrolment.sequence.clone(),
            key: scene.enrolment.key.clone(),
            seen: Some((scene.enrolment.id, scene.enrolment.state == EnrolmentState::Active)),
        };
        let transition =
            match self.app.accept_while(live, &call, body, vec![key], &[still_in]).await {
                Ok(Accepted::Done(..) | Accepted::Replayed(..)) => Transition::Sent,
                Ok(Accepted::Refused(reply)) => {
                    let why = reply.body["message"].as_str().unwrap_or("the rules refused it");
                    Transition::Failed(format!("refused: {why}"))
                }
                Ok(Accepted::KeyReused) => Transition::Failed("it was queued before".into()),
                Ok(Accepted::Crowded(_)) => {
                    self.give_back(leased, &StoreError::Full).await;
                    return Before::Over;
                }
                Err(error) => {
                    self.give_back(leased, &error).await;
                    return Before::Over;
                }
            };
        self.end(&leased.job, leased.lease, transition, None, advance).await;
        Before::Over
    }
}

/// What ends an enrolment at one of its own steps.
fn stop(enrolment: &Enrolment, why: &str) -> Write {
    Write::Stop {
        sequence: enrolment.sequence.clone(),
        person: enrolment.person.clone(),
        key: Some(enrolment.key.clone()),
        reason: why.to_owned(),
    }
}
