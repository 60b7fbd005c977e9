//! Finished work that is older than `queue keep` is removed every hour. What is removed cannot
//! be brought back, so a clock that was set far ahead is not believed at once: whoever set it
//! wrongly has a day to set it right.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::app::App;
use super::journal::Kind;
use crate::base::Moment;

/// How often.
const EVERY: Duration = Duration::from_hours(1);
/// A clock that is ahead of the time that has passed by more than this is doubted, and for so
/// long.
const DAY: i64 = 24 * 3_600_000;

/// Removes what is old until `stop` turns true.
pub(super) async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut belief = Belief::new(app.moment());
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let now = app.moment();
        let doubted = belief.doubted.is_some();
        if belief.in_clock(now) {
            once(&app, now.wall).await;
        } else if !doubted {
            let text = "the clock was set more than a day ahead: old work is cleaned away only \
                        once it has stayed so for a day, or after a restart";
            app.journal.say(Kind::Warning, text);
        }
    }
}

async fn once(app: &App, now: i64) {
    let keep = app.live.load().rules.queue.keep.to_duration();
    let before = now - i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    if let Err(error) = app.store.purge(before, now).await {
        app.journal.say(Kind::Warning, &format!("old work could not be cleaned away: {error}"));
    }
}

/// Whether the clock is believed.
struct Belief {
    /// When it was last.
    at: Moment,
    /// Since when it is not, by the time that passes.
    doubted: Option<i64>,
}

impl Belief {
    /// A process believes the clock with which it starts.
    fn new(at: Moment) -> Self {
        Self { at, doubted: None }
    }

    fn in_clock(&mut self, now: Moment) -> bool {
        let is_far_ahead = now.set_since(self.at) > DAY;
        let since = *self.doubted.get_or_insert(now.passing);
        if is_far_ahead && now.passing.saturating_sub(since) < DAY {
            return false;
        }
        *self = Self::new(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use bytes::Bytes;
    use tokio::time::Instant;

    use super::*;
    use crate::base::{Clock, SourceMap, Timestamp, time};
    use crate::language;
    use crate::model::Lookup;
    use crate::model::commit::Commit;
    use crate::model::queue::{Execution, ExecutionState};
    use crate::serve::app::Options;
    use crate::serve::journal::Voice;
    use crate::serve::settings;
    use crate::serve::settings::Live;
    use crate::store::{ExecutionFilter, MemoryStore};

    const BEGIN: i64 = 1_764_583_800_000;

    /// Follows tokio's clock, and can be set.
    #[derive(Debug)]
    struct SetClock(Instant, AtomicI64);

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            time::from_millis(BEGIN + self.passing() + self.1.load(Ordering::Relaxed))
        }

        fn passing(&self) -> i64 {
            i64::try_from(self.0.elapsed().as_millis()).unwrap()
        }
    }

    /// Nothing is set.
    struct Nothing;

    impl Lookup for Nothing {
        fn env(&self, _: &str) -> Option<String> {
            None
        }

        fn file(&self, _: &str) -> Result<String, String> {
            Err(String::from("no files here"))
        }
    }

    /// Rules that leave `keep` as it is.
    fn live() -> Arc<Live> {
        let mut sources = SourceMap::new();
        sources.add("rules/a.kdl", String::from("server listen=\"127.0.0.1:8080\"\n"));
        let (rules, found) = language::analyze(&sources);
        let rules = rules.unwrap_or_else(|| panic!("{found:?}"));
        Arc::new(settings::resolve(Arc::new(rules), &Nothing, 1).unwrap())
    }

    /// A server with a call that has ended, its clock, and what keeps it running.
    async fn serving() -> (Arc<App>, Arc<SetClock>, watch::Sender<bool>) {
        let clock = Arc::new(SetClock(Instant::now(), AtomicI64::new(0)));
        let app = Arc::new(App::new(
            Arc::new(MemoryStore::new(BEGIN)),
            live(),
            Arc::<SetClock>::clone(&clock),
            Voice::silent(),
            Options::default(),
        ));
        let execution = Execution {
            id: app.new_id(),
            namespace: "website".into(),
            flow: "booking".into(),
            at: BEGIN,
            rules: "r1".into(),
            person: None,
            labels: vec![],
            reply_status: 200,
            reply: "{}".into(),
            logs: vec![],
            state: ExecutionState::Success,
            remote: None,
        };
        let execution = Some((execution, Bytes::from_static(b"{}")));
        app.store.commit(Commit { now: BEGIN, execution, ..Commit::default() }).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(run(Arc::clone(&app), stopped));
        (app, clock, stop)
    }

    async fn kept(app: &App) -> usize {
        app.store.executions(ExecutionFilter::default(), 0, 9).await.unwrap().total
    }

    async fn pass(hours: u64) {
        tokio::time::sleep(Duration::from_hours(hours) + Duration::from_secs(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_far_ahead_removes_nothing_for_a_day() {
        let (app, clock, _stop) = serving().await;
        pass(2).await;
        clock.1.store(400 * DAY, Ordering::Relaxed);
        pass(23).await;
        assert_eq!(kept(&app).await, 1);
        // Somebody notices, and sets it right.
        clock.1.store(0, Ordering::Relaxed);
        pass(48).await;
        assert_eq!(kept(&app).await, 1);
        clock.1.store(400 * DAY, Ordering::Relaxed);
        pass(26).await;
        assert_eq!(kept(&app).await, 0, "it has stayed so");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_keep_is_removed() {
        let (app, _clock, _stop) = serving().await;
        pass(30 * 24 - 1).await;
        assert_eq!(kept(&app).await, 1);
        pass(2).await;
        assert_eq!(kept(&app).await, 0);
    }
}
