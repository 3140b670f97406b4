//! What can be wrong with a request about rooms.

use bevy_ecs::prelude::*;
use portcullis_dispatch::Refusal;
use thiserror::Error;

/// Why a room was not opened, or not joined. In a handler `?` makes a [`Refusal`] of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RoomError {
    /// There is no such room, or not any more.
    #[error("there is no such room")]
    NoSuchRoom,
    /// The member does not exist, or is a connection that is closing.
    #[error("who is to join is gone: {0}")]
    Gone(Entity),
    /// The room has as many members as it may.
    #[error("the room is full")]
    Full,
    /// The member is in as many rooms as it may.
    #[error("in too many rooms")]
    TooManyRooms,
    /// Names have at least one byte, and at most so many.
    #[error("a room's name has 1 to {0} bytes")]
    BadName(usize),
}

impl From<RoomError> for Refusal {
    fn from(error: RoomError) -> Self {
        let code = match error {
            RoomError::NoSuchRoom => Self::NOT_FOUND,
            RoomError::Gone(_) => Self::CONFLICT,
            RoomError::Full | RoomError::TooManyRooms => Self::TOO_MANY,
            RoomError::BadName(_) => Self::BAD_REQUEST,
        };
        // The entity is ours to know, not the peer's.
        match error {
            RoomError::Gone(_) => Self::new(code, "who is to join is gone"),
            _ => Self::new(code, error.to_string()),
        }
    }
}
