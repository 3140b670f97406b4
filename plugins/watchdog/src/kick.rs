//! Showing somebody out.

use bevy_ecs::prelude::*;
use portcullis_core::{Cause, Close, Closing, Connection, Forwards};
use std::borrow::Cow;

/// Request: close a connection, or those forwarded to an agent, and say why. Ignored when it is closing already.
///
/// The reason travels in [`Closing`]; a protocol that can say it writes it, and it is sent before the socket closes.
#[derive(EntityEvent, Clone, Debug)]
pub struct Kick {
    /// The connection, or the agent.
    pub entity: Entity,
    /// What the peer is told.
    pub reason: Cow<'static, str>,
}

impl Kick {
    /// A kick for this reason.
    pub fn new(entity: Entity, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { entity, reason: reason.into() }
    }
}

/// Fact: a connection was kicked, and is closing. Told once, however often it is kicked.
#[derive(EntityEvent, Clone, Debug)]
pub struct Kicked {
    /// The connection.
    pub entity: Entity,
    /// What the peer is told.
    pub reason: Cow<'static, str>,
}

pub(crate) fn kick(
    event: On<Kick>,
    connections: Query<(), With<Connection>>,
    agents: Query<&Forwards>,
    mut commands: Commands,
) {
    let Kick { entity, reason } = event.event();
    let of_agent = agents.get(*entity).into_iter().flat_map(RelationshipTarget::iter);
    let itself = Some(*entity).filter(|&entity| connections.contains(entity));
    for entity in itself.into_iter().chain(of_agent) {
        let reason = reason.clone();
        // In a command, so that of two kicks in one go the second sees what the first has done.
        commands.queue(move |world: &mut World| close(world, entity, reason));
    }
}

fn close(world: &mut World, entity: Entity, reason: Cow<'static, str>) {
    let open = world.get_entity(entity).is_ok_and(|connection| !connection.contains::<Closing>());
    if open {
        world.trigger(Close { entity, cause: Cause::Kicked, reason: Some(reason.clone()) });
        world.flush();
        world.trigger(Kicked { entity, reason });
    }
}
