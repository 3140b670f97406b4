//! The connection entity: what each connection carries, and how it is tied to others.

use crate::{Cause, Outbox};
use bevy_ecs::{entity::EntityHashSet, lifecycle::HookContext, prelude::*, world::DeferredWorld};
use std::{borrow::Cow, fmt, net::SocketAddr, sync::Arc, time::Duration};

/// A network connection. It lives from accept until its socket is closed; the entity is its id everywhere.
#[derive(Component, Clone, Debug)]
#[component(immutable)]
#[require(Outbox, Traffic, MaxFrame, InboundLimit, OutboxLimit)]
pub struct Connection {
    /// The peer's address.
    pub peer: SocketAddr,
    /// Our address.
    pub local: SocketAddr,
    /// What carries the bytes: `"tcp"`, `"ws"`, `"tls"`, `"wss"`, `"memory"` … Where the first bytes decide, it changes
    /// once they have come.
    pub transport: &'static str,
    /// When it was accepted, as time of the [`Clock`](crate::Clock).
    pub opened_at: Duration,
}

/// What has gone through a connection.
#[derive(Component, Clone, Debug, Default)]
pub struct Traffic {
    /// Complete frames received.
    pub received: u64,
    /// Frames written.
    pub sent: u64,
    /// Bytes received in complete frames, headers included.
    pub bytes_received: u64,
    /// Bytes handed to the transport.
    pub bytes_sent: u64,
    /// Frames and requests that could not be understood.
    pub bad_requests: u64,
    /// Answers and pushes that could not be encoded.
    pub send_errors: u64,
    /// When the last complete frame, or a WebSocket's ping or pong, came, as time of the [`Clock`](crate::Clock).
    pub last_received: Duration,
}

/// The gate let this connection in; [`Opened`](crate::Opened) was told of it, and [`Closed`](crate::Closed) will be.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct Admitted;

/// A protocol's handshake is going on: the protocol inserts this when the connection is opened, and removes it. Until then
/// nothing is told to the peer that it did not ask for.
#[derive(Component, Clone, Copy, Debug, Default)]
#[component(storage = "SparseSet")]
pub struct Handshaking;

/// Its protocol has put off what the peer has sent to the next run: until this is removed, the end of the peer's side is not
/// acted on, for what was sent before the end is handled before the end.
///
/// Only for what goes on by itself: whoever waits for something that may be long in coming lets the connection end.
#[derive(Component, Clone, Copy, Debug, Default)]
#[component(storage = "SparseSet")]
pub struct PutOff;

/// The connection is closing: no more of its packets are handled, what is queued is sent, then the socket closes.
///
/// Insert it by [`Close`](crate::Close). A protocol says its farewell when this is added.
#[derive(Component, Clone, Debug)]
#[component(immutable, storage = "SparseSet")]
pub struct Closing {
    /// Why.
    pub cause: Cause,
    /// What the peer is told, where the protocol can say it.
    pub reason: Option<Cow<'static, str>>,
}

/// The I/O side of a connection. Without it there is no connection: when it goes, by a despawn from wherever, the
/// socket is closed at once.
#[derive(Component, Clone)]
#[component(immutable, on_discard = Self::hang_up)]
pub struct Link(pub Arc<dyn Line>);

impl Link {
    fn hang_up(world: DeferredWorld, context: HookContext) {
        if let Some(link) = world.get::<Self>(context.entity) {
            link.0.close(Duration::ZERO, Cause::Requested.close_code());
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

/// What the world may ask of a transport, for one connection. All calls return at once.
pub trait Line: Send + Sync + 'static {
    /// Begins to read. Until then nothing is read, and no close is noticed.
    fn start(&self);
    /// Takes all of `bytes`, leaving an empty buffer, and returns how many bytes the peer has not yet taken.
    ///
    /// Those are charged to the [`Budget`](crate::Budget). Where it has no room, the transport drops them, and ends the
    /// connection with [`Cause::Shed`].
    fn send(&self, bytes: &mut Vec<u8>) -> usize;
    /// Gives back the room that these delivered frames took.
    fn delivered(&self, frames: usize, bytes: usize);
    /// The largest payload of a frame, and how many bytes may be held undelivered before reading pauses.
    fn limit(&self, max_frame: usize, max_held: usize);
    /// Sends what is queued for at most this long, then closes, with this [close code](Cause::close_code) where the
    /// transport has them. Zero drops what is queued, before it returns.
    fn close(&self, flush_within: Duration, code: u16);
    /// The peer took too long over its handshake: told before [`close`](Self::close), for transports that say so in words
    /// of their own.
    fn timed_out(&self) {}
    /// Bytes that are held for this peer, as charged to the [`Budget`](crate::Budget): what it has not taken, and what it
    /// has sent of something incomplete. Most by this number are closed when they are too many in all.
    fn held(&self) -> usize {
        0
    }
    /// The world knows the transport now: what it sends from here on is wrapped as the transport wants it.
    fn established(&self) {}
}

/// The largest frame payload this peer may send, in bytes. Default 65,535: what a 2-byte length can say.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct MaxFrame(pub usize);

impl Default for MaxFrame {
    fn default() -> Self {
        Self(65_535)
    }
}

/// Bytes of one connection that may wait for the world before its socket is read no more. Default 64 KiB.
///
/// 64 frames are the limit in number. A read that crosses either mark is still delivered whole.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct InboundLimit(pub usize);

impl Default for InboundLimit {
    fn default() -> Self {
        Self(64 * 1024)
    }
}

/// Unsent bytes at which a connection is closed as a slow consumer. Default 1 MiB.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimit(pub usize);

impl Default for OutboxLimit {
    fn default() -> Self {
        Self(1024 * 1024)
    }
}

/// The listener that accepted this connection.
#[derive(Component, Clone, Copy, Debug)]
#[relationship(relationship_target = Accepted)]
pub struct AcceptedBy(pub Entity);

/// The open connections a listener has accepted.
#[derive(Component, Debug, Default)]
#[relationship_target(relationship = AcceptedBy)]
pub struct Accepted(EntityHashSet);

/// The agent that handles this connection's packets. Insert it by [`Forward`](crate::Forward).
#[derive(Component, Clone, Copy, Debug)]
#[relationship(relationship_target = Forwards)]
pub struct ForwardedTo(pub Entity);

/// The connections that are forwarded to an agent.
#[derive(Component, Debug, Default)]
#[relationship_target(relationship = ForwardedTo)]
pub struct Forwards(Vec<Entity>);

/// Who an agent plays for: a session, or, where there is no login, the connection itself.
#[derive(Component, Clone, Copy, Debug)]
#[relationship(relationship_target = Agents)]
#[require(Agent)]
pub struct BelongsTo(pub Entity);

/// The agents of a session or connection. They are despawned with it.
#[derive(Component, Debug, Default)]
#[relationship_target(relationship = BelongsTo, linked_spawn)]
pub struct Agents(Vec<Entity>);

/// The player, in the hands of the game: the game's own components stand beside it.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct Agent;

/// The session a connection is bound to, from login on.
#[derive(Component, Clone, Copy, Debug)]
#[relationship(relationship_target = Bindings)]
pub struct BoundTo(pub Entity);

/// The connections of a session. It outlives them.
#[derive(Component, Debug, Default)]
#[relationship_target(relationship = BoundTo)]
pub struct Bindings(Vec<Entity>);
