//! The graceful end: stop accepting, tell clients, flush, close, exit.

use crate::{Cause, Clock, Close, Closing, Connection, Shutdown, ShuttingDown};
use bevy_app::{App, AppExit, Last};
use bevy_ecs::prelude::*;
use std::time::Duration;

/// How long a shutdown waits for connections to drain. Default 10 seconds.
#[derive(Resource, Clone, Copy, Debug)]
pub struct DrainLimit(pub Duration);

impl Default for DrainLimit {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

/// The server is shutting down; there is no way back.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Draining {
    /// The time of the [`Clock`] at which the app ends whatever is still open.
    pub deadline: Duration,
}

pub(crate) fn build(app: &mut App) {
    app.init_resource::<DrainLimit>()
        .add_observer(begin)
        .add_systems(Last, exit_when_drained.run_if(resource_exists::<Draining>));
}

fn begin(
    _: On<Shutdown>,
    clock: Res<Clock>,
    limit: Res<DrainLimit>,
    draining: Option<Res<Draining>>,
    connections: Query<Entity, With<Connection>>,
    mut commands: Commands,
) {
    if draining.is_some() {
        return;
    }
    let deadline = clock.now() + limit.0;
    tracing::info!(connections = connections.iter().len(), "shutting down");
    commands.insert_resource(Draining { deadline });
    commands.trigger(ShuttingDown { deadline });
    for entity in &connections {
        commands.trigger(Close::new(entity, Cause::Shutdown));
    }
}

/// Connections that were accepted before the listeners closed, but arrived after, are closed here too.
fn exit_when_drained(
    draining: Res<Draining>,
    clock: Res<Clock>,
    late: Query<Entity, (With<Connection>, Without<Closing>)>,
    connections: Query<(), With<Connection>>,
    mut commands: Commands,
    mut exit: MessageWriter<AppExit>,
) {
    for entity in &late {
        commands.trigger(Close::new(entity, Cause::Shutdown));
    }
    if connections.is_empty() || clock.now() >= draining.deadline {
        tracing::info!(open = connections.iter().len(), "stopped");
        exit.write(AppExit::Success);
    }
}
