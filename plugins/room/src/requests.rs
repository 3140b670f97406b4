//! Requests, and what else ends a membership.

use crate::{
    AutoClose, Departure, Join, JoinRefused, Leave, RoomError, RoomKey, Rooms,
    members::{self, leave_all},
    room,
};
use bevy_ecs::{prelude::*, world::DeferredWorld};
use portcullis_core::{Agents, Closing};
use portcullis_session::LoggedOut;

pub(crate) fn join(event: On<Join>, mut commands: Commands) {
    let Join { member, room } = event.event().clone();
    // In a command, so that of two joins in one go the second sees what the first has done.
    commands.queue(move |world: &mut World| {
        if let Err(why) = try_join(world, &room, member) {
            tracing::debug!(%member, ?room, %why, "not joined");
            world.trigger(JoinRefused { member, why });
            world.flush();
        }
    });
}

fn try_join(world: &mut World, room: &RoomKey, member: Entity) -> Result<bool, RoomError> {
    let room = match room {
        RoomKey::Id(room) => *room,
        RoomKey::Name(name) => match world.resource::<Rooms>().get(name) {
            Some(room) => room,
            None => {
                let room = room::open(world, name)?;
                // Before anybody is in it: observers may have the first member leave at once.
                if let Ok(mut room) = world.get_entity_mut(room) {
                    room.insert(AutoClose);
                }
                room
            }
        },
    };
    members::join(world, room, member)
}

pub(crate) fn leave(event: On<Leave>, mut commands: Commands) {
    let Leave { member, room } = event.event().clone();
    commands.queue(move |world: &mut World| {
        let room = match room {
            RoomKey::Id(room) => Some(room),
            RoomKey::Name(name) => world.resource::<Rooms>().get(&name),
        };
        if let Some(room) = room {
            members::leave(world, room, member);
        }
    });
}

/// A connection that is closing can be told nothing: it has left, and so have the agents that go with it.
pub(crate) fn on_closing(event: On<Add<Closing>>, world: DeferredWorld) {
    leave_with_agents(world, event.entity, Departure::Closed);
}

pub(crate) fn on_logged_out(event: On<LoggedOut>, world: DeferredWorld) {
    leave_with_agents(world, event.session, Departure::LoggedOut);
}

fn leave_with_agents(mut world: DeferredWorld, entity: Entity, why: Departure) {
    let agents = world.get::<Agents>(entity).into_iter().flat_map(RelationshipTarget::iter);
    let agents: Vec<Entity> = agents.collect();
    leave_all(&mut world, entity, why);
    for agent in agents {
        leave_all(&mut world, agent, why);
    }
}
