//! Files that come with e-mails, for as long as one of them may be waiting. A waiting message
//! names its files by their hashes ([`crate::mail::complete`]); here are those of the rules
//! that run and those of rules from before.

use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Attachment;
use crate::model::rules::RuleSet;

/// Bytes of coded files that are kept of rules from before.
const MOST: usize = 64 * 1024 * 1024;

/// The files of e-mails that were made since the start, newest last.
#[derive(Debug, Default)]
pub struct Enclosures {
    kept: Mutex<Vec<(String, Arc<str>)>>,
}

impl Enclosures {
    /// Keeps the files of an e-mail that was just made. The oldest go when there are too many.
    pub fn remember<'a>(&self, files: impl Iterator<Item = &'a Arc<Attachment>>) {
        let mut files = files.peekable();
        if files.peek().is_none() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for file in files {
            let Some(encoded) = &file.encoded else { continue };
            if !kept.iter().any(|(hash, _)| *hash == file.hash) {
                kept.push((file.hash.clone(), Arc::clone(encoded)));
            }
        }
        let mut bytes: usize = kept.iter().map(|(_, encoded)| encoded.len()).sum();
        while bytes > MOST && kept.len() > 1 {
            bytes -= kept.remove(0).1.len();
        }
    }

    /// A file in base64: one that was kept, or one of these rules.
    #[must_use]
    pub fn find(&self, rules: &RuleSet, hash: &str) -> Option<Arc<str>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().find(|(known, _)| known == hash);
        if let Some((_, encoded)) = known {
            return Some(Arc::clone(encoded));
        }
        drop(kept);
        of(rules).find(|file| file.hash == hash)?.encoded.clone()
    }
}

/// Every file that the rules send along.
fn of(rules: &RuleSet) -> impl Iterator<Item = &Arc<Attachment>> {
    let steps = rules.sequences.values().flat_map(|sequence| &sequence.steps);
    let texts = steps.flat_map(|step| step.action.wordings()).map(|said| said.body);
    texts.flat_map(|text| text.images.iter().chain(&text.attachments))
}
