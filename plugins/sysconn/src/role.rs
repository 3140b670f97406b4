//! The role: the agent of a player, and who it is.

use crate::wire::messages::RoleInfo;
use bevy_ecs::prelude::*;
use portcullis_core::BelongsTo;
use portcullis_session::{Logout, Session};

/// The name of the server at which sessions of roles are, so that a role's number is nobody else's name.
pub const SERVER: &str = "sysconn";

/// The agent of a role that is online: it belongs to the role's session, and its connection is forwarded to it. What is
/// known of the role stands beside it as [`RoleInfo`], which the game changes as it plays: whoever takes the role over is
/// told what it is by then. The game's own components belong here too; insert them when this is added.
///
/// When this agent is despawned its connection is closed with
/// [`Cause::AgentLost`](portcullis_core::Cause::AgentLost), and the session ends: the original's role process that dies. When
/// its connection is lost it stays, as long as its session [lingers](portcullis_session::Lingering).
#[derive(Component, Clone, Debug, PartialEq, Eq)]
#[component(immutable)]
#[require(RoleInfo)]
pub struct Role {
    /// Its number. Not 0.
    pub id: u32,
    /// The account it is of, as the login said it.
    pub account: Box<str>,
}

/// A session without its role is nobody's.
pub(crate) fn died(
    event: On<Remove<Role>>,
    roles: Query<&BelongsTo>,
    sessions: Query<(), With<Session>>,
    mut commands: Commands,
) {
    if let Ok(&BelongsTo(session)) = roles.get(event.entity)
        && sessions.contains(session)
    {
        // Behind what closes the connections of the agent, which has a word for it.
        commands.trigger(Logout { session });
    }
}
