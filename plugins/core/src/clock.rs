//! Time as a resource. No system of the pipeline reads a clock of its own.

use bevy_ecs::prelude::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The moment the current schedule run began, as time since the server started.
#[derive(Resource, Clone, Debug)]
pub struct Clock {
    source: TimeSource,
    now: Duration,
    /// When the server started, since the Unix epoch.
    started: Duration,
}

impl Clock {
    /// A clock over this source.
    pub fn new(source: TimeSource) -> Self {
        let (now, started) = (source.now(), source.started());
        Self { source, now, started }
    }

    /// Time since the server started. Constant during one run of a schedule.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Time since the Unix epoch, for what leaves the server. Constant during one run of a schedule.
    ///
    /// The wall clock is read once, when this is made; from there on it is as steady as [`now`](Self::now), whatever
    /// is done to the wall clock. Manual time starts at [`MANUAL_START`].
    pub fn unix(&self) -> Duration {
        self.started.saturating_add(self.now)
    }

    /// Where this clock, and whoever stamps what comes from outside, reads the time.
    pub fn source(&self) -> &TimeSource {
        &self.source
    }

    /// Reads the source.
    pub fn update(&mut self) {
        self.now = self.source.now();
    }
}

/// When [manual time](TimeSource::Manual) starts, since the Unix epoch: 2026-01-01T00:00:00Z.
pub const MANUAL_START: Duration = Duration::from_secs(1_767_225_600);

/// Real time, or a test's own. Clones share it.
#[derive(Clone, Debug)]
pub enum TimeSource {
    /// Monotonic time since the given moment.
    Real(Instant),
    /// Nanoseconds that move only by [`TimeSource::advance`].
    Manual(Arc<AtomicU64>),
}

impl TimeSource {
    /// Real time, starting now.
    pub fn real() -> Self {
        Self::Real(Instant::now())
    }

    /// Time that stands still until it is told to move.
    pub fn manual() -> Self {
        Self::Manual(Arc::default())
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        match self {
            Self::Real(start) => start.elapsed(),
            Self::Manual(nanos) => Duration::from_nanos(nanos.load(Ordering::Relaxed)),
        }
    }

    /// When this started, since the Unix epoch, as far as the wall clock knows now.
    fn started(&self) -> Duration {
        match self {
            // A wall clock before 1970 is not set.
            Self::Real(start) => {
                let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                unix.saturating_sub(start.elapsed())
            }
            Self::Manual(_) => MANUAL_START,
        }
    }

    /// Moves manual time on; real time moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(nanos) = self {
            nanos.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

pub(crate) fn update_clock(mut clock: ResMut<Clock>) {
    clock.update();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_time_moves_with_the_clock_and_not_between_its_updates() {
        let time = TimeSource::manual();
        time.advance(Duration::from_millis(1500));
        let mut clock = Clock::new(time.clone());
        assert_eq!(clock.unix(), MANUAL_START + Duration::from_millis(1500));
        time.advance(Duration::from_secs(1));
        assert_eq!(clock.unix(), MANUAL_START + Duration::from_millis(1500));
        clock.update();
        assert_eq!(clock.unix(), MANUAL_START + Duration::from_millis(2500));
    }

    #[test]
    fn real_time_is_the_wall_clocks() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut clock = Clock::new(TimeSource::real());
        clock.update();
        let between = clock.unix();
        // A wall clock that is set meanwhile, or runs unevenly, is no mistake of ours.
        assert!(between.abs_diff(before) < Duration::from_secs(60), "{before:?} {between:?}");
    }
}
