//! What mail providers report, in a rehearsal.

use bytes::Bytes;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::happened::What;
use super::{Rehearsal, RehearsalError, said, whole};
use crate::base::Id;
use crate::engine::{Reply, feedback};
use crate::model::rules::FeedbackType;
use crate::serve::feedback::{Received, take};

impl Rehearsal {
    /// A mail provider reports to `feedback/NAME`, and what is due at once is done. Whoever it
    /// is, the report has the form of `generic`, and each is a new one.
    ///
    /// # Errors
    /// There is no such feedback, or the rehearsal cannot go on.
    pub fn report(
        &mut self,
        name: &str,
        body: &Map<String, Value>,
    ) -> Result<Reply, RehearsalError> {
        let id = self.app.new_id();
        self.reported(id, name, body, Some(FeedbackType::Generic), Some(id.to_string()))
    }

    /// A report that was recorded, in the provider's own form.
    pub(super) fn report_again(
        &mut self,
        id: Id,
        name: &str,
        body: &Map<String, Value>,
    ) -> Result<Reply, RehearsalError> {
        self.reported(id, name, body, None, None)
    }

    fn reported(
        &mut self,
        id: Id,
        name: &str,
        body: &Map<String, Value>,
        form: Option<FeedbackType>,
        known_as: Option<String>,
    ) -> Result<Reply, RehearsalError> {
        let live = self.app.live.load_full();
        let rule = live.rules.feedback.iter().find(|known| known.full_name() == name);
        let rule = rule.ok_or_else(|| RehearsalError::Unknown(format!("feedback `{name}`")))?;
        let body = whole(body);
        let found = feedback::report(form.unwrap_or(rule.kind), &body);
        let name = format!("post {name}");
        if found.notices.is_empty() {
            let text = format!("ignored: {}", found.ignored);
            return Ok(self.turned_away(id, name, 200, said(&text)));
        }
        let bytes = Bytes::from(body.to_string());
        let of_body = || hex::encode(Sha256::digest(&bytes));
        let report = known_as.or(found.id).unwrap_or_else(of_body);
        let received = Received {
            rules: &live.rules,
            feedback: rule,
            id,
            report: &report,
            body: &bytes,
            remote: None,
        };
        self.calls += 1;
        self.runtime.block_on(take(&self.app, &received, &found.notices))?;
        let reply = Reply { status: 200, body: feedback::reply(id) };
        self.note(id, What::Reply { call: name, reply: reply.clone() });
        self.work(Some(self.now()))?;
        Ok(reply)
    }
}
