//! Leaving a mailing list. The link in an e-mail carries a token that only we can make;
//! opening it (which link scanners do) shows a page with buttons, and only a button's POST, or
//! the mail program's one-click POST (RFC 8058), changes anything.
//!
//! One click leaves everything: whoever presses "unsubscribe" in their mail program wants no
//! more of these e-mails, and the page lets them take back as much of it as they like. Running
//! sequences are not ended by it: their e-mails are skipped visibly, their other steps go on,
//! and who comes back is where they would be.

mod form;
mod page;
mod token;

use http_body_util::{BodyExt as _, Limited};
use hyper::Method;
use hyper::http::request::Parts;

use self::form::Wish;
pub(super) use self::page::not_ours;
pub use self::token::Token;
use super::answer::{self, Answer};
use super::body::Arriving;
use crate::base::{Id, Secret};
use crate::mail::{self, Words};
use crate::model::commit::{Commit, Write};
use crate::model::queue::{Counted, Fingerprint, Suppression, Tally, Task, suppression};
use crate::model::rules::{MailKind, locale};
use crate::model::setting::Rate;
use crate::serve::app::App;
use crate::serve::clock;
use crate::serve::journal::Kind;
use crate::store::StoreError;

/// Where unsubscribe links lead.
pub const PATH: &str = "/unsubscribe/";
/// Requests of one client. Large mail providers send the clicks of many people from a few
/// addresses.
pub(super) const RATE: Rate = Rate { count: 3000, per_millis: 60_000 };
/// The flag that holds the key with which tokens are made.
const KEY_FLAG: &str = "unsubscribe key";
/// The largest form, in bytes.
const MAX_FORM: usize = 4096;

/// The store's own key for tokens, made when it is first needed. Whoever asks meanwhile waits
/// for that one: a second key would make the links of the first invalid.
///
/// # Errors
/// The store cannot be read or written.
pub async fn key(app: &App) -> Result<Secret, StoreError> {
    app.unsubscribe_key.get_or_try_init(|| find_or_make_key(app)).await.cloned()
}

async fn find_or_make_key(app: &App) -> Result<Secret, StoreError> {
    if let Some(key) = app.store.flag(KEY_FLAG).await? {
        return Ok(Secret::new(key));
    }
    let key = clock::new_secret();
    let write = Write::Flag { name: KEY_FLAG.to_owned(), value: Some(key.clone()) };
    app.store
        .commit(Commit { now: app.millis(), writes: vec![write], own: true, ..Commit::default() })
        .await?;
    Ok(Secret::new(key))
}

/// The link in one e-mail.
#[must_use]
pub fn link(public_url: &str, key: &Secret, token: &Token) -> String {
    format!("{public_url}{PATH}{}", token.seal(key))
}

/// Answers a request below [`PATH`]. Its query may name the language of the page: `lang=de`.
pub(super) async fn answer(app: &App, path: &str, parts: &Parts, body: Arriving) -> Answer {
    let Parts { method, headers, uri, .. } = parts;
    let words = words_of(uri.query().unwrap_or_default());
    let Ok(key) = key(app).await else {
        return answer::error(503, answer::CANNOT_STORE);
    };
    let Some(token) = path.strip_prefix(PATH).and_then(|token| Token::open(&key, token)) else {
        return page::not_ours(words);
    };
    match *method {
        Method::GET | Method::HEAD => {}
        Method::POST => {
            let Ok(body) = Limited::new(body, MAX_FORM).collect().await else {
                return page::not_understood(words);
            };
            let Some(wish) = Wish::read(headers, &body.to_bytes()) else {
                return page::not_understood(words);
            };
            if grant(app, &token, wish).await.is_err() {
                return answer::error(503, answer::CANNOT_STORE);
            }
        }
        _ => return answer::wrong_method(&["GET".to_owned(), "POST".to_owned()]),
    }
    let Ok(entries) = app.store.suppressions(&token.person).await else {
        return answer::error(503, answer::CANNOT_STORE);
    };
    let live = app.live.load();
    let about =
        live.rules.sequences.get(&token.sequence).and_then(|sequence| sequence.about.clone());
    let about = about.unwrap_or_else(|| page::readable(&token.sequence));
    page::preferences(words, &token.person, &token.sequence, &about, &entries)
}

/// Our words in the language that a query names.
fn words_of(query: &str) -> &'static Words {
    let named = query.split('&').find_map(|pair| pair.strip_prefix("lang="));
    mail::words(named.and_then(locale).as_deref())
}

/// Does what somebody wishes; what is so already stays as it is.
async fn grant(app: &App, token: &Token, wish: Wish) -> Result<(), StoreError> {
    let before = app.store.suppressions(&token.person).await?;
    let (writes, what) = match wish {
        Wish::LeaveAll => (leave(app, token, None, &before).await?, "unsubscribed"),
        Wish::LeaveThis => {
            let this = Some(token.sequence.clone());
            (leave(app, token, this, &before).await?, "unsubscribed from one sequence")
        }
        Wish::JoinAll => (join(&before, |_| true), "subscribed again"),
        Wish::JoinThis => {
            let this = Some(&token.sequence);
            (join(&before, |entry| entry.sequence.as_ref() == this), "subscribed again")
        }
    };
    if !writes.is_empty() {
        let commit = Commit { now: app.millis(), writes, own: true, ..Commit::default() };
        app.store.commit(commit).await?;
        app.journal.say(Kind::Skipped, &format!("{} {what}", token.person));
    }
    match wish {
        Wish::LeaveAll => app.settle(under_way(app, token, None).await?).await,
        Wish::LeaveThis => app.settle(under_way(app, token, Some(&token.sequence)).await?).await,
        Wish::JoinAll | Wish::JoinThis => {}
    }
    Ok(())
}

/// Marketing to a person that may have passed the look at the list before they left.
async fn under_way(app: &App, token: &Token, only: Option<&String>) -> Result<Vec<Id>, StoreError> {
    let live = app.live.load_full();
    let mut runs = app.store.enrolments_of(&token.person).await?;
    runs.retain(|run| {
        let rule = live.rules.sequences.get(&run.sequence);
        only.is_none_or(|only| run.sequence == *only)
            && rule.is_none_or(|rule| rule.kind == MailKind::Marketing)
    });
    let jobs = runs.iter().flat_map(|run| {
        let next = run.upcoming().map(|(step, _)| run.job_id(step));
        run.live.iter().copied().chain(next)
    });
    Ok(jobs.collect())
}

/// Puts a person on the list, and counts it for the e-mail in which the link was.
async fn leave(
    app: &App,
    token: &Token,
    sequence: Option<String>,
    before: &[Suppression],
) -> Result<Vec<Write>, StoreError> {
    let left = |entry: &Suppression| {
        entry.reason == suppression::UNSUBSCRIBED
            && (entry.sequence.is_none() || entry.sequence == sequence)
    };
    if before.iter().any(left) {
        return Ok(Vec::new());
    }
    let entry = Suppression {
        who: Fingerprint::of(&token.person),
        reason: suppression::UNSUBSCRIBED.to_owned(),
        sequence,
        note: String::from("by the link in an e-mail"),
        at: app.millis(),
    };
    let mut writes = vec![Write::Suppression(entry)];
    if let Some((job, _)) = app.store.job(token.job).await?
        && !job.is_seed()
        && let Task::Email(email) = job.task
    {
        let counted = Counted {
            sequence: email.sequence,
            step: email.name,
            variant: email.variant,
            what: Tally::Unsubscribed,
            reason: None,
        };
        writes.push(Write::TallyOnce { job: token.job, counted });
    }
    Ok(writes)
}

/// Takes a person off the list again, as far as being on it was their own word.
fn join(before: &[Suppression], which: impl Fn(&Suppression) -> bool) -> Vec<Write> {
    let lifted = before.iter().filter(|entry| entry.was_asked_for() && which(entry));
    lifted
        .map(|entry| Write::Unsuppress {
            who: entry.who,
            reason: entry.reason.clone(),
            sequence: entry.sequence.clone(),
        })
        .collect()
}
