//! Handing a connection to its agent.

use crate::{Close, Closing, Connection, Forward, Forwarded, ForwardedTo, Link, Start};
use bevy_ecs::prelude::*;
use std::sync::Arc;

/// Begins to read a connection, for protocols whose peers speak first: by a command, and unless it has an agent by then,
/// which it would lose, and with which it is being read already.
pub fn start_unless_forwarded(commands: &mut Commands, connection: Entity) {
    commands.queue(move |world: &mut World| {
        if !world.get_entity(connection).is_ok_and(|connection| connection.contains::<ForwardedTo>()) {
            world.trigger(Start { entity: connection });
        }
    });
}

pub(crate) fn start(event: On<Start>, connections: Query<&Link, Without<Closing>>, mut commands: Commands) {
    if let Ok(link) = connections.get(event.entity) {
        link.0.start();
        commands.entity(event.entity).remove::<ForwardedTo>();
    }
}

pub(crate) fn forward(
    event: On<Forward>,
    connections: Query<&Link, (With<Connection>, Without<Closing>)>,
    agents: Query<()>,
    mut commands: Commands,
) {
    let &Forward { entity, agent } = event.event();
    let Ok(link) = connections.get(entity) else { return };
    if !agents.contains(agent) {
        tracing::warn!(%entity, %agent, "a connection cannot be forwarded to an agent that does not exist");
        commands.trigger(Close::new(entity, crate::Cause::Requested));
        return;
    }
    commands.entity(entity).insert(ForwardedTo(agent));
    commands.trigger(Forwarded { entity, agent });
    // After what observers of `Forwarded` do, which may set the limits of the first read.
    let line = Arc::clone(&link.0);
    commands.queue(move |_: &mut World| line.start());
}
