//! Logging in.

use crate::{Uid, bind};
use bevy_ecs::prelude::*;
use portcullis_core::BoundTo;
use thiserror::Error;

/// Request: bind a connection to the session of a user, whose identity the caller has proved.
///
/// Ends in [`LoggedIn`] or [`LoginRefused`], or in neither when the connection is closing, or gone. For those who must
/// know at once there is [`bind`], which is the same, save that it gives a connection that is bound already its session
/// when the user is the same, where this, for want of another fact, refuses.
#[derive(EntityEvent, Clone, Debug)]
pub struct Login {
    /// The connection.
    pub entity: Entity,
    /// The user.
    pub uid: Uid,
}

impl Login {
    /// A login of this user.
    pub fn new(connection: Entity, uid: impl Into<Uid>) -> Self {
        Self { entity: connection, uid: uid.into() }
    }
}

/// Fact: a user has logged in; the connection is bound to the session, until [`Unbound`](crate::Unbound) is told.
#[derive(EntityEvent, Clone, Debug)]
pub struct LoggedIn {
    /// The session.
    #[event_target]
    pub session: Entity,
    /// The connection.
    pub connection: Entity,
    /// Whether the session was there already: its user came back, took over from another connection, or joined it.
    pub resumed: bool,
}

/// Fact: a [`Login`] came to nothing. The connection stays; what its peer is told is the protocol's to say.
#[derive(EntityEvent, Clone, Debug)]
pub struct LoginRefused {
    /// The connection.
    pub entity: Entity,
    /// The user.
    pub uid: Uid,
    /// Why.
    pub why: LoginRefusal,
}

/// Why a login came to nothing. [`LoginRefusal::label`] is a stable word to count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum LoginRefusal {
    /// The user is logged in over as many connections as [`MultiLogin`](crate::MultiLogin) allows.
    #[error("the user is logged in over another connection")]
    InUse,
    /// The connection is bound to a session already; it has to be [unbound](crate::unbind) first.
    #[error("the connection is logged in already")]
    AlreadyLoggedIn,
    /// The user has a session already, where a new one was asked for.
    #[error("the user is logged in already")]
    HasSession,
    /// There is no such session any more.
    #[error("the session is over")]
    NoSession,
    /// The connection is closing, or gone, or the gate has not let it in.
    #[error("the connection is not open")]
    NotOpen,
}

impl LoginRefusal {
    /// A stable label: lower case, words joined by `_`.
    pub fn label(self) -> &'static str {
        match self {
            Self::InUse => "in_use",
            Self::AlreadyLoggedIn => "already_logged_in",
            Self::HasSession => "has_session",
            Self::NoSession => "no_session",
            Self::NotOpen => "not_open",
        }
    }
}

pub(crate) fn login(event: On<Login>, mut commands: Commands) {
    let Login { entity, uid } = event.event().clone();
    // In a command, so that of two logins in one go the second sees what the first has done.
    commands.queue(move |world: &mut World| {
        let was_bound = world.get::<BoundTo>(entity).is_some();
        let why = match bind(world, entity, uid.clone()) {
            Ok(_) if was_bound => LoginRefusal::AlreadyLoggedIn,
            Ok(_) | Err(LoginRefusal::NotOpen) => return,
            Err(why) => why,
        };
        world.trigger(LoginRefused { entity, uid, why });
    });
}
