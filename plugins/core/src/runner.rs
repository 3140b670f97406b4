//! The event-driven runner: sleeps until there is input or a tick is due, and never spins.

use crate::{ActiveDriver, Ingress, Intake, Lateness};
use bevy_app::{App, AppExit, PluginsState};
use bevy_ecs::prelude::*;
use std::time::{Duration, Instant};

/// How often `Main` runs: 20 times a second unless set otherwise. One fixed step of `bevy_time` is one tick.
#[derive(Resource, Clone, Copy, Debug)]
pub struct TickRate(pub Duration);

impl TickRate {
    /// So many ticks a second.
    ///
    /// # Panics
    /// When `hz` is not a positive number.
    pub fn from_hz(hz: f64) -> Self {
        Self(Duration::from_secs_f64(1.0 / hz))
    }
}

impl Default for TickRate {
    fn default() -> Self {
        Self::from_hz(20.0)
    }
}

/// Ticks that may be made up for after a stall; older ones are skipped, the phase is kept.
const MAX_LATE_TICKS: u32 = 5;

/// Runs the app until it exits: [`Ingress`] whenever there is input, `Main` at the tick rate.
///
/// Deadlines are absolute, so ticks do not drift. After a stall of more than five ticks the missed ones are skipped.
pub fn run(mut app: App) -> AppExit {
    // Whoever wants to look at the app before it runs has finished it already.
    if app.plugins_state() != PluginsState::Cleaned {
        while app.plugins_state() == PluginsState::Adding {
            std::thread::yield_now();
        }
        app.finish();
        app.cleanup();
    }
    let intake = app.world().resource::<Intake>().clone();
    let mut next_tick = Instant::now();
    // When the next tick would be due if none were skipped.
    let mut due = next_tick;
    loop {
        let now = Instant::now();
        if now >= next_tick {
            app.world_mut().resource_mut::<Lateness>().0 = now.saturating_duration_since(due);
            app.update();
            if let Some(exit) = app.should_exit() {
                return exit;
            }
            let step = app.world().resource::<TickRate>().0;
            due = next_tick + step;
            next_tick = following_tick(next_tick, step, Instant::now());
        }
        if intake.is_empty() {
            let world = app.world_mut();
            world.resource_scope(|_, mut driver: Mut<ActiveDriver>| driver.0.wait(&intake, Some(next_tick)));
        }
        if !intake.is_empty() {
            app.world_mut().run_schedule(Ingress);
            if let Some(exit) = app.should_exit() {
                return exit;
            }
        }
    }
}

fn following_tick(due: Instant, step: Duration, now: Instant) -> Instant {
    let next = due + step;
    let late = now.saturating_duration_since(next);
    if late <= step * MAX_LATE_TICKS {
        return next;
    }
    let missed = late.as_nanos() / step.as_nanos().max(1);
    next + step * u32::try_from(missed).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, CorePlugin};
    use bevy_app::Update;

    const STEP: Duration = Duration::from_millis(50);

    #[test]
    fn ticks_do_not_drift() {
        let start = Instant::now();
        assert_eq!(following_tick(start, STEP, start + Duration::from_millis(9)), start + STEP);
        assert_eq!(following_tick(start, STEP, start + Duration::from_millis(120)), start + STEP);
    }

    #[test]
    fn a_tick_knows_how_late_it_is() {
        const STALL: Duration = Duration::from_millis(20);
        const STEP: Duration = Duration::from_millis(1);
        fn tick(
            mut ticks: Local<u32>,
            late: Res<Lateness>,
            clock: Res<Clock>,
            mut exit: MessageWriter<AppExit>,
        ) {
            if *ticks > 0 {
                exit.write(if late.0 >= STALL - STEP { AppExit::Success } else { AppExit::error() });
            }
            *ticks += 1;
            while clock.source().now() < clock.now() + STALL {
                std::hint::spin_loop();
            }
        }
        let mut app = App::new();
        app.add_plugins(CorePlugin::default()).insert_resource(TickRate(STEP)).add_systems(Update, tick);
        assert_eq!(app.run(), AppExit::Success, "the ticks that were skipped count too");
    }

    #[test]
    fn a_long_stall_skips_ticks_and_keeps_the_phase() {
        let start = Instant::now();
        let next = following_tick(start, STEP, start + Duration::from_millis(1020));
        assert_eq!(next, start + STEP * 20);
    }
}
