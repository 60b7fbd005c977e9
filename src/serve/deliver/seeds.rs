//! Seeds: the sender's own mailboxes, which get a copy of each wording of an e-mail when it is
//! sent for the first time after it was changed. A copy is a job of its own: nothing that
//! becomes of it touches the person's e-mail, and nothing is counted for it.

use sha2::{Digest as _, Sha256};

use super::Deliver;
use super::step::Scene;
use crate::base::Id;
use crate::engine::{self, Pick, StepDecision};
use crate::model::commit::Write;
use crate::model::queue::{Job, SEED, Task};
use crate::model::rules::{Said, locale};
use crate::serve::enclosures;
use crate::serve::settings::Live;

/// A copy that could not be sent for so long is not sent any more, in milliseconds.
const LATEST: i64 = 86_400_000;
/// Copies that two people's e-mails make within so long are one, in milliseconds.
const SAME: i64 = 3_600_000;
/// Copies leave behind everything that people wait for.
const BEHIND: i64 = 1_000;

impl Deliver {
    /// The copies that go out with an e-mail, if it says something that they have not seen.
    /// Whatever stands in the way of a copy leaves it out.
    pub(super) async fn seeds(
        &self,
        live: &Live,
        job: &Job,
        scene: &Scene,
        pick: &Pick,
    ) -> Vec<Write> {
        let seeds = live.rules.sender.as_ref().map_or(&[][..], |sender| &sender.seeds);
        let Some((flag, hash)) = (!seeds.is_empty()).then(|| wording(live, scene, pick)).flatten()
        else {
            return Vec::new();
        };
        match self.app.store.flag(&flag).await {
            Ok(seen) if seen.as_ref() != Some(&hash) => {}
            Ok(_) | Err(_) => return Vec::new(),
        }
        let copy = |to: &String| self.copy(live, job, scene, pick, (to, &hash)).unwrap_or_default();
        let copies: Vec<Write> = seeds.iter().flat_map(copy).collect();
        std::iter::once(Write::Flag { name: flag, value: Some(hash) }).chain(copies).collect()
    }

    /// The e-mail once more for one mailbox, with a link to unsubscribe that is nobody else's.
    fn copy(
        &self,
        live: &Live,
        job: &Job,
        scene: &Scene,
        pick: &Pick,
        (to, hash): (&str, &str),
    ) -> Option<Vec<Write>> {
        let now = self.app.millis();
        let hour = Id::new(now - now.rem_euclid(SAME), &[0; 10]);
        let id = hour.derive(&format!("seed {to} {hash}"));
        let copy = Job {
            priority: job.priority.saturating_sub(BEHIND),
            expires: Some(now.saturating_add(LATEST)),
            target: to.to_owned(),
            // By a name of their own, copies do not count among what people get.
            event_type: format!("{SEED} {}", job.event_type),
            entity_type: Some(SEED.to_owned()),
            ..Job::new(id, job.execution, job.lane.clone(), job.task.clone(), now)
        };
        let link = scene.unsubscribe_url(live, &copy);
        let due = self.due(&copy, scene, &link);
        let made = engine::draft(&self.app.world(live), &due, pick).ok()?;
        let StepDecision::Email { subject, content, kind, .. } = made else { return None };
        let subject = format!("[Seed] {subject}");
        let files: Vec<_> = content.files().cloned().collect();
        let mut task = self.render(live, &copy, scene, subject, content, kind).ok()?;
        if let Task::Email(email) = &mut task {
            // It is not being handed over yet.
            email.handed = None;
        }
        let copy = Job { task, ..copy };
        let kept = enclosures::keep(&copy, &files);
        Some(kept.into_iter().chain([Write::Enqueue(copy)]).collect())
    }
}

/// Where it is written down which words of a wording were seen, and a hash over its words now.
fn wording(live: &Live, scene: &Scene, pick: &Pick) -> Option<(String, String)> {
    let (sequence, step) = scene.names();
    let found = live.rules.sequences.get(sequence)?;
    let rule = found.steps.iter().find(|one| one.name == step)?;
    let language = pick.locale.as_deref().and_then(locale);
    let said = rule.action.said(pick.variant.as_deref(), language.as_deref())?;
    let names = [sequence, step, said.variant.unwrap_or_default(), said.locale.unwrap_or_default()];
    Some((format!("seeded {}", names.join("\u{1f}")), words(said)))
}

/// A hash over everything that a wording says and brings along, before it is filled in.
fn words(said: Said<'_>) -> String {
    let body = said.body;
    let templates = [
        Some(&**said.subject),
        Some(&*body.template),
        body.page.as_deref(),
        body.preheader.as_deref(),
        body.plain.as_ref().map(|plain| &plain.template),
        body.layout.as_ref().map(|layout| &layout.page),
    ];
    let mut hash = Sha256::new();
    for template in templates {
        hash.update(template.map_or("", |template| template.source()));
        hash.update([0]);
    }
    for file in body.images.iter().chain(&body.attachments) {
        hash.update(&file.hash);
    }
    hex::encode(&hash.finalize()[..16])
}
