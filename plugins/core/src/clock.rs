//! Time as a resource. No system of the pipeline reads a clock of its own.

use bevy_ecs::prelude::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The moment the current schedule run began, as time since the server started.
#[derive(Resource, Clone, Debug)]
pub struct Clock {
    source: TimeSource,
    now: Duration,
}

impl Clock {
    /// A clock over this source.
    pub fn new(source: TimeSource) -> Self {
        let now = source.now();
        Self { source, now }
    }

    /// Time since the server started. Constant during one run of a schedule.
    pub fn now(&self) -> Duration {
        self.now
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
