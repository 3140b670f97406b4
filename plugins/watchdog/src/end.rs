//! Connections that end with who plays for them.

use bevy_ecs::prelude::*;
use portcullis_core::{AcceptedBy, Cause, Close, Forwards, Opened};

/// When the agent that a connection is forwarded to is despawned, the connection is closed with [`Cause::AgentLost`],
/// as where a player's process was linked to its socket's. Without it the connection stays, and nobody handles what it
/// sends. Put it beside a listener for its connections, or insert it on one at any time.
///
/// The other way round nothing is said here: an agent that [belongs to](portcullis_core::BelongsTo) its connection goes
/// with it, and one that belongs to a session stays as long as that.
///
/// To change agents, [forward](portcullis_core::Forward) the connection before the old one is despawned: an observer of
/// the despawn comes too late for that, for the despawn cuts the link. Whoever is closing already keeps its cause: a
/// kick, or a logout, which closes the connections before the agents go.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndWithAgent;

/// A new connection ends with its agent if its listener says so.
pub(crate) fn inherit(
    event: On<Opened>,
    connections: Query<&AcceptedBy>,
    listeners: Query<(), With<EndWithAgent>>,
    mut commands: Commands,
) {
    if connections.get(event.entity).is_ok_and(|accepted| listeners.contains(accepted.0)) {
        commands.entity(event.entity).try_insert(EndWithAgent);
    }
}

/// Before the agent goes, while it can still be told whose it was. What observes the removal of the agent's components
/// and queues a command finds the connections [`Closing`](portcullis_core::Closing).
pub(crate) fn end(
    event: On<Despawn<Forwards>>,
    agents: Query<&Forwards>,
    connections: Query<(), With<EndWithAgent>>,
    mut commands: Commands,
) {
    let forwarded = agents.get(event.entity).into_iter().flat_map(Forwards::iter);
    for connection in forwarded.filter(|&connection| connections.contains(connection)) {
        commands.trigger(Close::new(connection, Cause::AgentLost));
    }
}
