//! Who is in which room: two sets that are each other's mirror, kept by whichever side goes first.
//!
//! Bevy's relationships tie one to many; here both sides are many. An entity for each membership, tied to both, would cost
//! an entity and two relationships a member, and one more step for each member of each broadcast.

use crate::{AutoClose, Departure, Joined, Left, RoomError, RoomLimits};
use bevy_ecs::{entity::EntityIndexSet, lifecycle::HookContext, prelude::*, world::DeferredWorld};
use portcullis_core::Closing;

/// The members of a room: connections, agents and sessions.
#[derive(Component, Debug, Default)]
#[component(on_discard = dismiss)]
pub struct Members(EntityIndexSet);

/// The rooms a member is in. On every entity that has been a member.
#[derive(Component, Debug, Default)]
#[component(on_discard = depart)]
pub struct MemberOf(EntityIndexSet);

/// How many members a room may have.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxMembers(pub usize);

/// In how many rooms a member may be.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxRooms(pub usize);

macro_rules! set {
    ($type:ident, $item:literal) => {
        impl $type {
            #[doc = concat!("The ", $item, "s, in the order of their coming as long as nobody went.")]
            pub fn iter(&self) -> impl ExactSizeIterator<Item = Entity> {
                self.0.iter().copied()
            }

            #[doc = concat!("Whether this ", $item, " is among them.")]
            pub fn contains(&self, entity: Entity) -> bool {
                self.0.contains(&entity)
            }

            /// How many there are.
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether there is none.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }
    };
}

set!(Members, "member");
set!(MemberOf, "room");

/// Puts a member into a room. Gives whether it is new there; then [`Joined`] has been told.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_dispatch::{Refusal, Request};
/// use portcullis_room::{AutoClose, Members, join, open};
///
/// /// A handler that answers with who is there. Peers choose the names, so rooms with nobody in them are not kept.
/// fn enter(request: Request<String>, world: &mut World) -> Result<usize, Refusal> {
///     let room = open(world, &request.body)?;
///     world.entity_mut(room).insert(AutoClose);
///     join(world, room, request.connection)?;
///     Ok(world.get::<Members>(room).map_or(0, Members::len))
/// }
/// ```
///
/// # Errors
/// When there is no such room or member, the member is a connection that is closing, or a limit is reached. The limits
/// are those of [`MaxMembers`], [`MaxRooms`] and [`RoomLimits`]. A room that nobody is in then is closed if it has
/// [`AutoClose`].
pub fn join(world: &mut World, room: Entity, member: Entity) -> Result<bool, RoomError> {
    enter(world, room, member).inspect_err(|_| close_if_empty(world, room))
}

fn enter(world: &mut World, room: Entity, member: Entity) -> Result<bool, RoomError> {
    let limits = *world.resource::<RoomLimits>();
    let there = world.get_entity(room).map_err(|_| RoomError::NoSuchRoom)?;
    let members = there.get::<Members>().ok_or(RoomError::NoSuchRoom)?;
    if members.contains(member) {
        return Ok(false);
    }
    if members.len() >= there.get::<MaxMembers>().map_or(limits.members, |max| max.0) {
        return Err(RoomError::Full);
    }
    let mut entity = world.get_entity_mut(member).map_err(|_| RoomError::Gone(member))?;
    if entity.contains::<Closing>() {
        return Err(RoomError::Gone(member));
    }
    let rooms = entity.get::<MemberOf>().map_or(0, MemberOf::len);
    if rooms >= entity.get::<MaxRooms>().map_or(limits.rooms, |max| max.0) {
        return Err(RoomError::TooManyRooms);
    }
    match entity.get_mut::<MemberOf>() {
        Some(mut rooms) => {
            rooms.0.insert(room);
        }
        None => {
            entity.insert(MemberOf([room].into_iter().collect()));
        }
    }
    if let Some(mut members) = world.get_mut::<Members>(room) {
        members.0.insert(member);
    }
    world.trigger(Joined { room, member });
    world.flush();
    Ok(true)
}

/// Takes a member out of a room. Gives whether it was there; then [`Left`] has been told.
pub fn leave(world: &mut World, room: Entity, member: Entity) -> bool {
    let left = part(&mut world.into(), room, member, Departure::Asked);
    world.flush();
    left
}

/// Closes a room: all have left, then it is despawned. Gives whether there was such a room.
///
/// A room that is despawned otherwise closes too, but is gone when [`Left`] is told.
pub fn close(world: &mut World, room: Entity) -> bool {
    if !world.get_entity(room).is_ok_and(|room| room.contains::<Members>()) {
        return false;
    }
    dismiss_all(&mut world.into(), room);
    world.flush();
    // Observers may have done it already.
    if let Ok(room) = world.get_entity_mut(room) {
        room.despawn();
    }
    true
}

/// Takes a member out of all its rooms.
pub(crate) fn leave_all(world: &mut DeferredWorld, member: Entity, why: Departure) {
    while let Some(room) = world.get::<MemberOf>(member).and_then(|rooms| rooms.0.last().copied()) {
        part(world, room, member, why);
    }
}

/// Ends one membership on both sides, and tells of it when the world is next flushed.
fn part(world: &mut DeferredWorld, room: Entity, member: Entity, why: Departure) -> bool {
    let was_in = world.get_mut::<MemberOf>(member).is_some_and(|mut rooms| rooms.0.swap_remove(&room));
    if let Some(mut members) = world.get_mut::<Members>(room) {
        members.0.swap_remove(&member);
    }
    if was_in {
        world.trigger(Left { room, member, why });
        if why != Departure::RoomClosed {
            world.commands().queue(move |world: &mut World| close_if_empty(world, room));
        }
    }
    was_in
}

/// In a command, so that who joins meanwhile keeps the room open.
fn close_if_empty(world: &mut World, room: Entity) {
    let over = world.get_entity(room).is_ok_and(|room| {
        room.contains::<AutoClose>() && room.get::<Members>().is_some_and(Members::is_empty)
    });
    if over {
        world.despawn(room);
    }
}

/// The member goes, from wherever it is despawned.
fn depart(mut world: DeferredWorld, context: HookContext) {
    leave_all(&mut world, context.entity, Departure::Despawned);
}

/// The room goes, from wherever it is despawned.
fn dismiss(mut world: DeferredWorld, context: HookContext) {
    dismiss_all(&mut world, context.entity);
}

fn dismiss_all(world: &mut DeferredWorld, room: Entity) {
    while let Some(member) = world.get::<Members>(room).and_then(|members| members.0.last().copied()) {
        part(world, room, member, Departure::RoomClosed);
    }
}
