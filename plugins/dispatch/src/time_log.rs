//! How long handlers take.

use crate::{Handled, RouteId, Routes};
use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use std::time::Duration;

/// Measures handlers: keeps a [`TimeLog`], and logs those that are slow. Without it no time is read.
///
/// A time is that from one packet to the next: filters of the route, decoding, the handler, its answer and its commands.
/// A deferred answer counts until the handler returned.
#[derive(Clone, Copy, Debug)]
pub struct TimeLogPlugin {
    /// Handlers that take longer are logged: as a warning the first, second, fourth … time, as debug otherwise. Default
    /// 20 ms: less than a tick, more than a handler should need.
    pub slower_than: Duration,
}

impl Default for TimeLogPlugin {
    fn default() -> Self {
        Self { slower_than: Duration::from_millis(20) }
    }
}

impl Plugin for TimeLogPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(TimeLog { slower_than: self.slower_than, ..TimeLog::default() });
    }
}

/// What handlers have taken, by route. There when [`TimeLogPlugin`] was added.
#[derive(Resource, Debug, Default)]
pub struct TimeLog {
    /// Handlers that take longer are logged.
    pub slower_than: Duration,
    routes: Vec<RouteTimes>,
    /// What the packets of one run took; kept for its memory.
    pub(crate) spent: Vec<Duration>,
}

/// What the handler of a route has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteTimes {
    /// How many packets it had.
    pub count: u64,
    /// What they took together.
    pub total: Duration,
    /// What the longest took.
    pub max: Duration,
    /// How many took longer than [`TimeLog::slower_than`].
    pub slow: u64,
}

impl TimeLog {
    /// What a route's handler has taken so far.
    pub fn get(&self, route: RouteId) -> RouteTimes {
        self.routes.get(route.index()).copied().unwrap_or_default()
    }

    /// All routes that had packets.
    pub fn iter(&self) -> impl Iterator<Item = (RouteId, &RouteTimes)> {
        let routes = self.routes.iter().enumerate().map(|(index, times)| (RouteId(index as u32), times));
        routes.filter(|(_, times)| times.count > 0)
    }

    fn note(&mut self, routes: &Routes, handled: &Handled, took: Duration) {
        let index = handled.route.index();
        if self.routes.len() <= index {
            self.routes.resize_with(index + 1, RouteTimes::default);
        }
        let times = &mut self.routes[index];
        times.count += 1;
        times.total += took;
        times.max = times.max.max(took);
        if took <= self.slower_than {
            return;
        }
        times.slow += 1;
        let route = routes.name(handled.route);
        // A peer that knows a slow route must not fill the log.
        if times.slow.is_power_of_two() {
            tracing::warn!(route, ?took, times = times.slow, "a handler was slow");
        } else {
            tracing::debug!(route, ?took, connection = %handled.connection, "a handler was slow");
        }
    }
}

/// Takes what was measured in one run.
pub(crate) fn note(world: &mut World, handled: &[Handled], spent: Vec<Duration>) {
    world.resource_scope(|world, mut log: Mut<TimeLog>| {
        let routes = world.resource::<Routes>();
        for (handled, took) in handled.iter().zip(&spent) {
            log.note(routes, handled, *took);
        }
        log.spent = spent;
        log.spent.clear();
    });
}
