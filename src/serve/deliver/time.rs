//! The wall clock, which says when work is due and may be set. It is looked at twice a second,
//! and before anything is written that waits for time to pass: what waits is then moved along,
//! and what is written afterwards goes by the clock as it is set now.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{RwLock, RwLockReadGuard};

use super::{Deliver, millis};
use crate::base::Moment;
use crate::serve::journal::Kind;
use crate::store::{ClockSet, StoreError};

/// How often a wait looks at the wall clock: overdue work begins within a second.
const GLANCE: Duration = Duration::from_millis(500);
/// A clock that differs by no more than this is being adjusted, not set.
const ADJUSTED: i64 = 1_000;
/// A call takes its moment when it comes and is written when it is decided, which may take as
/// long as this, in milliseconds: until then one may come that goes by the clock of before.
const LATECOMERS: i64 = 64_000;

/// What is known of the clock.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// When it was last seen to be right, or what waits was last moved along with it.
    looked: Mutex<Option<Moment>>,
    /// A clock that was set back not long ago.
    back: Mutex<Option<Back>>,
    /// Held for reading from when a moment is taken until it is written with its job. Whoever
    /// moves what waits does it while nobody holds it.
    stamping: RwLock<()>,
}

/// A clock that was set back: what is written later and goes by the old one lies ahead of it.
/// It is looked for again after one second, two, four, and so on.
#[derive(Clone, Copy, Debug)]
struct Back {
    set: ClockSet,
    /// When it was minded, by the clock that nobody sets.
    minded: i64,
    /// When latecomers are looked for next, by the same clock.
    next: i64,
}

impl Watched {
    fn looked(&self) -> MutexGuard<'_, Option<Moment>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn back(&self) -> MutexGuard<'_, Option<Back>> {
        self.back.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deliver {
    /// Resolves when so much time has passed, or when the clock was set.
    pub(super) async fn wait(&self, wait: Duration) {
        let began = self.app.moment();
        loop {
            let now = self.app.moment();
            let left = wait.saturating_sub(millis(now.passing.saturating_sub(began.passing)));
            let is_late = self.watched.back().is_some_and(|back| back.next <= now.passing);
            if left.is_zero() || is_late || is_set(now.set_since(began)) {
                return;
            }
            tokio::time::sleep(left.min(GLANCE)).await;
        }
    }

    /// Moves what waits for time to pass along with a clock that was set: a retry must neither
    /// stall nor come early by as much. What is planned for a moment waits for that moment.
    /// Answers what time it is.
    pub(super) async fn mind_the_clock(&self) -> Result<Moment, StoreError> {
        if let Some(now) = self.glance() {
            return Ok(now);
        }
        let _alone = self.watched.stamping.write().await;
        let now = self.app.moment();
        let looked = *self.watched.looked();
        // Another may have minded it meanwhile.
        if let Some(then) = looked.filter(|then| is_set(now.set_since(*then))) {
            self.move_along(then, now).await?;
        }
        *self.watched.looked() = Some(now);
        Ok(now)
    }

    /// Looks at the clock; answers what time it is, none if it was set since the last look.
    fn glance(&self) -> Option<Moment> {
        let mut looked = self.watched.looked();
        let now = self.app.moment();
        if looked.is_some_and(|then| is_set(now.set_since(then))) {
            return None;
        }
        *looked = Some(now);
        Some(now)
    }

    async fn move_along(&self, then: Moment, now: Moment) -> Result<(), StoreError> {
        let by = now.set_since(then);
        let set =
            ClockSet { by, since: then.wall.saturating_add(by), now: now.wall, latecomers: None };
        *self.watched.back() = None;
        let moved = self.app.store.clock_was_set(set).await?;
        self.app.gates.keep_anew();
        let way = if by < 0 { "back" } else { "ahead" };
        let text = format!(
            "the clock was set {way} by {} s; {moved} waiting deliveries go on as if it had not",
            by.saturating_abs() / 1_000
        );
        self.app.journal.say(Kind::Warning, &text);
        let (minded, next) = (now.passing, now.passing.saturating_add(ADJUSTED));
        *self.watched.back() = (by < 0).then_some(Back { set, minded, next });
        Ok(())
    }

    /// Moves what was written since a clock was set back and still goes by the old one: calls
    /// that came before it was set. (One that goes by a clock of the past is due at once.)
    pub(super) async fn mind_latecomers(&self) -> Result<(), StoreError> {
        let Some(back) = *self.watched.back() else { return Ok(()) };
        let now = self.app.moment();
        if now.passing < back.next {
            return Ok(());
        }
        let passed = now.passing.saturating_sub(back.minded);
        let over = passed > LATECOMERS;
        let next = back.minded.saturating_add(passed.saturating_mul(2));
        // Also when the store cannot do it now: it is asked for again, and not without end.
        *self.watched.back() = (!over).then_some(Back { next, ..back });
        let set = ClockSet { now: now.wall, latecomers: Some(LATECOMERS), ..back.set };
        self.app.store.clock_was_set(set).await.map(drop)
    }

    /// Until this is dropped, moments may be taken and written with jobs: that the clock was
    /// set before has been minded, and that it is set meanwhile will be minded afterwards. Whoever
    /// holds it must not ask for another: who moves what waits would stand between the two.
    pub(super) async fn steady(&self) -> RwLockReadGuard<'_, ()> {
        loop {
            let minded = self.mind_the_clock().await;
            let held = self.watched.stamping.read().await;
            // What the store cannot do now it is asked for again at the next look.
            if minded.is_err() || self.glance().is_some() {
                return held;
            }
        }
    }
}

fn is_set(by: i64) -> bool {
    by.saturating_abs() > ADJUSTED
}
