//! Logging out.

use crate::{Session, Uid, unbind};
use bevy_ecs::prelude::*;
use portcullis_core::{Bindings, Cause, Close};

/// Request: end a session. Its connections are closed with [`Cause::Requested`], its agents are despawned with it.
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct Logout {
    /// The session.
    #[event_target]
    pub session: Entity,
}

/// Fact: a session is over, by a [`Logout`] or because nobody came back to it. Told when all its connections are
/// unbound; of one that was [begun](crate::begin), and that nobody came to, nothing was told before. It still exists while observers run, with its agents; then all are despawned.
#[derive(EntityEvent, Clone, Debug)]
pub struct LoggedOut {
    /// The session.
    #[event_target]
    pub session: Entity,
    /// The user.
    pub uid: Uid,
}

/// The session is on its way out: a login of its user begins another.
#[derive(Component, Clone, Copy, Debug)]
#[component(storage = "SparseSet")]
pub(crate) struct LoggingOut;

pub(crate) fn logout(event: On<Logout>, mut commands: Commands) {
    let session = event.session;
    // In a command, so that of two logouts in one go the second sees what the first has done.
    commands.queue(move |world: &mut World| log_out(world, session));
}

fn log_out(world: &mut World, session: Entity) {
    let Ok(mut entity) = world.get_entity_mut(session) else { return };
    let Some(uid) = entity.get::<Session>().map(|session| session.uid.clone()) else { return };
    if entity.contains::<LoggingOut>() {
        return;
    }
    entity.insert(LoggingOut);
    for connection in connections(world, session) {
        world.commands().trigger(Close::new(connection, Cause::Requested));
    }
    world.flush();
    // Here, and not by the despawn below, so that the session can still be asked when `Unbound` is told.
    for connection in connections(world, session) {
        unbind(world, connection);
    }
    world.commands().trigger(LoggedOut { session, uid });
    world.commands().entity(session).try_despawn();
    world.flush();
}

fn connections(world: &World, session: Entity) -> Vec<Entity> {
    world.get::<Bindings>(session).into_iter().flat_map(RelationshipTarget::iter).collect()
}
