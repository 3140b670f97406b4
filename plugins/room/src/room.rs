//! The room entity, and how it is found.

use crate::{Members, RoomError};
use bevy_ecs::{lifecycle::HookContext, prelude::*, world::DeferredWorld};
use std::{collections::HashMap, sync::Arc};

/// A group of members, by name. [`close`](crate::close) it, or despawn it.
///
/// Made by [`open`] only, so that there is one of each name. What a game knows of it stands beside it.
#[derive(Component, Debug)]
#[component(immutable, on_insert = enter, on_discard = forget)]
#[require(Members)]
pub struct Room {
    name: Arc<str>,
}

impl Room {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The room is despawned when its last member leaves, or when a join fails and nobody is in it.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct AutoClose;

/// What rooms and members are allowed that have no policy of their own.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// Members of one room, unless it has its own [`MaxMembers`](crate::MaxMembers). Default 10,000: as many as a server
    /// has connections by default.
    pub members: usize,
    /// Rooms of one member, unless it has its own [`MaxRooms`](crate::MaxRooms). Default 64: what a peer may make us keep.
    pub rooms: usize,
    /// Bytes of a room's name. Default 64: peers choose names.
    pub name: usize,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self { members: 10_000, rooms: 64, name: 64 }
    }
}

/// The rooms by name. Kept by the rooms themselves: it cannot differ from what exists.
#[derive(Resource, Debug, Default)]
pub struct Rooms(HashMap<Arc<str>, Entity>);

impl Rooms {
    /// The room of this name.
    pub fn get(&self, name: &str) -> Option<Entity> {
        self.0.get(name).copied()
    }

    /// All rooms, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Entity)> {
        self.0.iter().map(|(name, &room)| (&**name, room))
    }

    /// How many rooms there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The room of this name, made when it is new. It stays until it is closed, or, with [`AutoClose`], until its last
/// member leaves.
///
/// # Errors
/// When the name is empty, or longer than [`RoomLimits::name`].
pub fn open(world: &mut World, name: &str) -> Result<Entity, RoomError> {
    if let Some(room) = world.resource::<Rooms>().get(name) {
        return Ok(room);
    }
    let longest = world.resource::<RoomLimits>().name;
    if name.is_empty() || name.len() > longest {
        return Err(RoomError::BadName(longest));
    }
    Ok(world.spawn(Room { name: name.into() }).id())
}

fn enter(mut world: DeferredWorld, context: HookContext) {
    let Some(name) = world.get::<Room>(context.entity).map(|room| Arc::clone(&room.name)) else { return };
    if let Some(mut rooms) = world.get_resource_mut::<Rooms>() {
        rooms.0.insert(name, context.entity);
    }
}

fn forget(mut world: DeferredWorld, context: HookContext) {
    let Some(name) = world.get::<Room>(context.entity).map(|room| Arc::clone(&room.name)) else { return };
    if let Some(mut rooms) = world.get_resource_mut::<Rooms>()
        && rooms.get(&name) == Some(context.entity)
    {
        rooms.0.remove(&name);
    }
}
