//! Showing somebody out.

use crate::{Bindings, Cause, Close, Closing, Connection, Forwards};
use bevy_ecs::prelude::*;
use std::borrow::Cow;

/// Request: close a connection, those forwarded to an agent, or those bound to a session, and say why. Ignored when it
/// is closing already.
///
/// The reason travels in [`Closing`]; a protocol that can say it writes it, and it is sent before the socket closes.
/// Agents and sessions are not ended by this: what becomes of one without a connection is for others to say.
#[derive(EntityEvent, Clone, Debug)]
pub struct Kick {
    /// The connection, the agent, or the session.
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

pub(crate) fn kick(event: On<Kick>, mut commands: Commands) {
    let Kick { entity, reason } = event.event().clone();
    // In a command, so that it sees what was asked for before it in the same go: a login, or another kick.
    commands.queue(move |world: &mut World| {
        for connection in connections(world, entity) {
            close(world, connection, reason.clone());
        }
    });
}

/// Whom a kick of this entity means.
fn connections(world: &World, entity: Entity) -> Vec<Entity> {
    let Ok(target) = world.get_entity(entity) else { return Vec::new() };
    let itself = target.contains::<Connection>().then_some(entity);
    let of_agent = target.get::<Forwards>().into_iter().flat_map(RelationshipTarget::iter);
    let of_session = target.get::<Bindings>().into_iter().flat_map(RelationshipTarget::iter);
    itself.into_iter().chain(of_agent).chain(of_session).collect()
}

fn close(world: &mut World, entity: Entity, reason: Cow<'static, str>) {
    let open = world
        .get_entity(entity)
        .is_ok_and(|connection| connection.contains::<Connection>() && !connection.contains::<Closing>());
    if open {
        world.trigger(Close { entity, cause: Cause::Kicked, reason: Some(reason.clone()) });
        world.flush();
        world.trigger(Kicked { entity, reason });
    }
}
