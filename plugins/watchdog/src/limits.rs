//! How long a connection may take for what. A limit of [`Duration::MAX`], or none at all, is off.

use bevy_ecs::prelude::*;
use portcullis_core::{AcceptedBy, Opened};
use std::time::Duration;

/// How long the handshake of a connection may take, from its opening on, if it is
/// [`Handshaking`](portcullis_core::Handshaking) then. Default 5 seconds: several round trips of a bad mobile network.
///
/// Like all limits here: put it beside a listener for its connections, or insert it on one connection at any time.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct HandshakeLimit(pub Duration);

impl Default for HandshakeLimit {
    fn default() -> Self {
        Self(Duration::from_secs(5))
    }
}

/// How long it may take, from the opening on, until a connection is forwarded to an agent or is
/// [authenticated](portcullis_core::Authenticated). Default 10 seconds: a login service that is slow still answers.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct LoginLimit(pub Duration);

impl Default for LoginLimit {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

/// How long nothing may come from a connection. Complete frames count, and pings and pongs of a WebSocket, by which
/// browsers and proxies keep it open. Default 60 seconds: twice the heartbeat that most clients keep.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct IdleLimit(pub Duration);

impl Default for IdleLimit {
    fn default() -> Self {
        Self(Duration::from_secs(60))
    }
}

/// How long a peer that agreed to send heartbeats may stay silent, counted from when this was inserted on. None by
/// default: a protocol that has heartbeats inserts it when the peer has learnt of them, and tells of each by
/// [`LastHeartbeat`].
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
#[require(LastHeartbeat)]
pub struct HeartbeatLimit {
    /// How long.
    pub within: Duration,
    /// Whether heartbeats alone count, as in Pomelo. Otherwise whatever comes shows that the peer is alive, as in
    /// Pitaya: a peer that is busy asking is not taken for dead because it forgot to say so.
    pub strict: bool,
}

/// When the last heartbeat came, as time of the clock. The protocol writes it.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastHeartbeat(pub Duration);

/// How often [`HeartbeatDue`] is told of a connection: first an interval after this was inserted, then without drift.
/// Beats a stalled server has missed are skipped. Zero is off.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct HeartbeatInterval(pub Duration);

/// Fact: it is time for a heartbeat; the protocol that observes this writes it.
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct HeartbeatDue {
    /// The connection.
    pub entity: Entity,
}

/// The limits of connections whose listener has none of its own. A change holds for connections opened from then on.
#[derive(Resource, Clone, Copy, Debug, Default)]
pub struct WatchdogDefaults {
    /// Default 5 seconds.
    pub handshake: HandshakeLimit,
    /// Default 10 seconds.
    pub login: LoginLimit,
    /// Default 60 seconds.
    pub idle: IdleLimit,
    /// Default none: a protocol that has heartbeats says how often.
    pub heartbeat: Option<HeartbeatInterval>,
}

/// Gives a new connection its limits. What another observer of [`Opened`] has inserted stays.
pub(crate) fn set(
    event: On<Opened>,
    connections: Query<&AcceptedBy>,
    listeners: Query<(
        Option<&HandshakeLimit>,
        Option<&LoginLimit>,
        Option<&IdleLimit>,
        Option<&HeartbeatInterval>,
    )>,
    defaults: Res<WatchdogDefaults>,
    mut commands: Commands,
) {
    let listener = connections.get(event.entity).and_then(|accepted| listeners.get(accepted.0));
    let (handshake, login, idle, heartbeat) = listener.unwrap_or_default();
    let mut connection = commands.entity(event.entity);
    connection.try_insert_if_new((
        handshake.copied().unwrap_or(defaults.handshake),
        login.copied().unwrap_or(defaults.login),
        idle.copied().unwrap_or(defaults.idle),
    ));
    if let Some(heartbeat) = heartbeat.copied().or(defaults.heartbeat) {
        connection.try_insert_if_new(heartbeat);
    }
}
