//! Who sleeps until there is something to do.

use crate::Intake;
use bevy_ecs::prelude::*;
use std::time::Instant;

/// Moves bytes while the world waits. The transport that needs the ECS thread for its I/O installs its own.
pub trait Driver: Send + Sync + 'static {
    /// Blocks until the intake holds something or the moment has come.
    fn wait(&mut self, intake: &Intake, until: Option<Instant>);
    /// Does what I/O is possible without blocking; for apps that run their own loop.
    fn poll(&mut self);
    /// All dirty outboxes have been handed to their lines.
    fn flushed(&self);
}

/// The driver in charge.
#[derive(Resource)]
pub struct ActiveDriver(pub Box<dyn Driver>);

impl Default for ActiveDriver {
    /// Sleeps on the queue: for transports that have threads of their own, or none at all.
    fn default() -> Self {
        Self(Box::new(Sleeper))
    }
}

struct Sleeper;

impl Driver for Sleeper {
    fn wait(&mut self, intake: &Intake, until: Option<Instant>) {
        intake.wait(until);
    }

    fn poll(&mut self) {}

    fn flushed(&self) {}
}

pub(crate) fn poll_driver(mut driver: ResMut<ActiveDriver>) {
    driver.0.poll();
}
