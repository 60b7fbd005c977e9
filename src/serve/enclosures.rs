//! Files that come with e-mails. A waiting message names its files by their hashes
//! ([`crate::mail::complete`]). They are kept in the store from the first e-mail that names
//! them until the last one is forgotten; those of the rules that run are at hand anyway.

use std::sync::{Arc, Mutex, PoisonError};

use crate::mail;
use crate::model::Attachment;
use crate::model::commit::Write;
use crate::model::queue::{Job, Task};
use crate::model::rules::RuleSet;
use crate::store::{Store, StoreError};

/// Bytes of coded files that are kept in memory, of rules from before.
const MOST: usize = 64 * 1024 * 1024;

/// A file in base64, by its hash.
type File = (String, Arc<str>);

/// Files that were fetched from the store, newest last.
#[derive(Debug, Default)]
pub struct Enclosures {
    fetched: Mutex<Vec<File>>,
}

impl Enclosures {
    /// The files that a waiting message names, by their hashes: those of these rules, and
    /// those from before out of the store. What is nowhere is left out.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn of(
        &self,
        rules: &RuleSet,
        store: &dyn Store,
        message: &[u8],
    ) -> Result<Vec<File>, StoreError> {
        let mut files = Vec::new();
        for hash in mail::waits_for(message) {
            let known = in_rules(rules, hash).or_else(|| self.fetched(hash));
            let file = match known {
                Some(file) => Some(file),
                // Seldom needed, so not a part of every attempt.
                None => Box::pin(self.fetch(store, hash)).await?,
            };
            files.extend(file.map(|file| (hash.to_owned(), file)));
        }
        Ok(files)
    }

    fn fetched(&self, hash: &str) -> Option<Arc<str>> {
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let known = fetched.iter().find(|(known, _)| known == hash);
        known.map(|(_, file)| Arc::clone(file))
    }

    /// Fetches a file from the store and keeps it. The oldest go when there are too many.
    async fn fetch(&self, store: &dyn Store, hash: &str) -> Result<Option<Arc<str>>, StoreError> {
        let Some(bytes) = store.file(hash).await? else { return Ok(None) };
        let Ok(text) = String::from_utf8(bytes) else { return Ok(None) };
        let file: Arc<str> = text.into();
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.push((hash.to_owned(), Arc::clone(&file)));
        let mut bytes: usize = fetched.iter().map(|(_, file)| file.len()).sum();
        while bytes > MOST && fetched.len() > 1 {
            bytes -= fetched.remove(0).1.len();
        }
        Ok(Some(file))
    }
}

/// What keeps the files that this e-mail names, of those that came with its content.
pub fn keep(job: &Job, content: &[Arc<Attachment>]) -> Vec<Write> {
    let Task::Email(email) = &job.task else { return Vec::new() };
    let write = |hash: &str| {
        let file = content.iter().find(|file| file.hash == hash)?;
        let coded = Arc::clone(file.encoded.as_ref()?);
        Some(Write::File { job: job.id, hash: hash.to_owned(), coded })
    };
    mail::waits_for(&email.message).into_iter().filter_map(write).collect()
}

/// A file that the rules send along.
fn in_rules(rules: &RuleSet, hash: &str) -> Option<Arc<str>> {
    let steps = rules.sequences.values().flat_map(|sequence| &sequence.steps);
    let texts = steps.flat_map(|step| step.action.wordings()).map(|said| said.body);
    let mut files = texts.flat_map(|text| text.images.iter().chain(&text.attachments));
    files.find(|file| file.hash == hash)?.encoded.clone()
}
