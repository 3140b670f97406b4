//! Coming and going, in pairs: requests in the imperative, and facts in the past tense.

use crate::RoomError;
use bevy_ecs::prelude::*;
use std::{fmt, sync::Arc};

/// A room, by its entity or by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomKey {
    /// This one.
    Id(Entity),
    /// The one of this name.
    Name(Arc<str>),
}

impl From<Entity> for RoomKey {
    fn from(room: Entity) -> Self {
        Self::Id(room)
    }
}

impl From<&str> for RoomKey {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

/// Request: put a member into a room. Ends in [`Joined`] or [`JoinRefused`], or in neither when it is there already.
///
/// A room that is named and does not exist is opened, and [closes](crate::AutoClose) when its last member leaves.
#[derive(EntityEvent, Clone, Debug)]
pub struct Join {
    /// The connection, agent or session.
    #[event_target]
    pub member: Entity,
    /// The room.
    pub room: RoomKey,
}

impl Join {
    /// A join of this room.
    pub fn new(member: Entity, room: impl Into<RoomKey>) -> Self {
        Self { member, room: room.into() }
    }
}

/// Request: take a member out of a room. Nothing happens when it is not there.
#[derive(EntityEvent, Clone, Debug)]
pub struct Leave {
    /// The connection, agent or session.
    #[event_target]
    pub member: Entity,
    /// The room.
    pub room: RoomKey,
}

impl Leave {
    /// A leave of this room.
    pub fn new(member: Entity, room: impl Into<RoomKey>) -> Self {
        Self { member, room: room.into() }
    }
}

/// Fact: a room has a new member.
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct Joined {
    /// The room.
    #[event_target]
    pub room: Entity,
    /// The new member.
    pub member: Entity,
}

/// Fact: a [`Join`] came to nothing.
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct JoinRefused {
    /// Who was to join.
    #[event_target]
    pub member: Entity,
    /// Why.
    pub why: RoomError,
}

/// Fact: somebody is a member of a room no more. Told once for each [`Joined`].
///
/// The room does not have the member any more. Both exist while observers run, with their components, unless `why` says
/// otherwise.
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct Left {
    /// The room.
    #[event_target]
    pub room: Entity,
    /// Who was a member.
    pub member: Entity,
    /// Why.
    pub why: Departure,
}

/// Why somebody is a member no more. [`Departure::label`] is a stable word to count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Departure {
    /// It was asked for.
    Asked,
    /// The connection is closing: the member itself, or the one whose agent the member is.
    Closed,
    /// The session is over: the member itself, or the one whose agent the member is.
    LoggedOut,
    /// The member was despawned, and is gone.
    Despawned,
    /// The room is closed; if it was despawned rather than [closed](crate::close), it is gone.
    RoomClosed,
}

impl Departure {
    /// A stable label: lower case, words joined by `_`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Closed => "closed",
            Self::LoggedOut => "logged_out",
            Self::Despawned => "despawned",
            Self::RoomClosed => "room_closed",
        }
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
