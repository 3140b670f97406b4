//! How far each connection has come, who its client is, and how it says goodbye.

use crate::{
    protocol::write_kick,
    service::{Dialect, Services},
    wire::handshake::{Family, Request},
};
use bevy_ecs::prelude::*;
use portcullis_core::{Cause, Close, CloseCode, Closing, Connection, Outboxes, start_unless_forwarded};
use portcullis_dispatch::Speaks;
use portcullis_watchdog::Handshaking;

/// How far a connection has come.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PomeloState {
    /// Its handshake has not come yet; everything else is ignored.
    Inited,
    /// Its handshake waits for the game's answer; everything it sends is ignored.
    Answering,
    /// It was answered; until it acknowledges that, everything else is ignored.
    WaitAck,
    /// It may ask.
    Working,
    /// It could ask, and broke the protocol: what it asked before is handled, and then it is closed.
    Broken,
    /// Its handshake was refused, or it broke the protocol in it. It is about to be closed.
    Closed,
}

/// What the client told of itself in its handshake.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct PomeloClient {
    /// What it is served as.
    pub family: Family,
    /// `sys.type`: `js-websocket`, or whatever the client calls itself.
    pub kind: Option<String>,
    /// `sys.version`.
    pub version: Option<String>,
    /// `sys.platform`, of clients of Pitaya's kind.
    pub platform: Option<String>,
    /// `sys.libVersion`, by which clients of Pitaya's kind are known.
    pub lib_version: Option<String>,
    /// `sys.clientBuildNumber`.
    pub build_number: Option<String>,
    /// `sys.clientVersion`.
    pub client_version: Option<String>,
}

impl PomeloClient {
    pub(crate) fn of(request: &Request) -> Self {
        let sys = &request.sys;
        Self {
            family: request.family(),
            kind: sys.kind.clone(),
            version: sys.version.clone(),
            platform: sys.platform.clone(),
            lib_version: sys.lib_version.clone(),
            build_number: sys.client_build_number.clone(),
            client_version: sys.client_version.clone(),
        }
    }
}

/// A connection that speaks our protocol is read at once: what it says first is the handshake.
pub(crate) fn greet(
    event: On<Add<Speaks>>,
    connections: Query<&Speaks, With<Connection>>,
    services: Res<Services>,
    mut commands: Commands,
) {
    let entity = event.entity;
    if !connections.get(entity).is_ok_and(|&speaks| services.get(speaks).is_some()) {
        return;
    }
    // Pomelo ends its WebSockets with 1000, whatever for.
    commands.entity(entity).insert((PomeloState::Inited, Handshaking, CloseCode(1000)));
    start_unless_forwarded(&mut commands, entity);
}

/// Tells a peer that it was shown out, where it can understand that: a client that has not done its handshake cannot.
///
/// As in Pomelo, whoever is kicked without a word is closed without a package; so is whoever misbehaved, unless it was
/// kicked for what it asked before that.
pub(crate) fn farewell(
    event: On<Add<Closing>>,
    connections: Query<(&PomeloState, &Closing)>,
    mut outboxes: Outboxes,
) {
    let Ok((PomeloState::Working | PomeloState::Broken, closing)) = connections.get(event.entity) else {
        return;
    };
    let reason = match (closing.cause, &closing.reason) {
        (Cause::Kicked | Cause::Replaced | Cause::Shutdown | Cause::Requested, Some(reason)) => reason,
        (Cause::Replaced | Cause::Shutdown, None) => closing.cause.label(),
        _ => return,
    };
    // A connection that is gone needs no farewell.
    let _ = outboxes.write(event.entity, |out| write_kick(out, reason));
}

/// Connections that are closed for what they sent, after what they sent before it was handled.
#[derive(Resource, Default)]
pub(crate) struct Offenders(pub(crate) Vec<(Entity, Cause)>);

pub(crate) fn close_offenders(mut offenders: ResMut<Offenders>, mut commands: Commands) {
    for (entity, cause) in offenders.0.drain(..) {
        commands.trigger(Close::new(entity, cause));
    }
}

impl PomeloState {
    /// Whether what it sends is not looked at any more.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Broken | Self::Closed)
    }

    /// What it is once it has broken the protocol.
    pub(crate) fn broken(self) -> Self {
        if self == Self::Working { Self::Broken } else { Self::Closed }
    }
}

/// What a connection of this dialect is, once its handshake has told.
pub(crate) fn settle(commands: &mut Commands, connection: Entity, client: PomeloClient, dialect: Dialect) {
    commands.entity(connection).insert((client, dialect.speaks));
}
