//! Lifecycle events, in pairs: requests in the imperative, which may come to nothing, and facts in the past tense.

use crate::Cause;
use bevy_ecs::prelude::*;
use std::{borrow::Cow, time::Duration};

/// Request: close this connection after what is queued has been sent. Ignored when it is closing already.
#[derive(EntityEvent, Clone, Debug)]
pub struct Close {
    /// The connection.
    pub entity: Entity,
    /// Why.
    pub cause: Cause,
    /// What the peer is told, where the protocol can say it.
    pub reason: Option<Cow<'static, str>>,
}

impl Close {
    /// A close for this cause, without words.
    pub fn new(entity: Entity, cause: Cause) -> Self {
        Self { entity, cause, reason: None }
    }
}

/// Fact: the gate let a connection in. It is not read yet: [`Forward`] or [`Start`] it.
#[derive(EntityEvent, Clone, Debug)]
pub struct Opened {
    /// The connection.
    pub entity: Entity,
}

/// Fact: a connection that was opened is over. The entity still exists while observers run, then it is despawned.
#[derive(EntityEvent, Clone, Debug)]
pub struct Closed {
    /// The connection.
    pub entity: Entity,
    /// Why.
    pub cause: Cause,
}

/// Request: begin to read a connection that has no agent.
#[derive(EntityEvent, Clone, Debug)]
pub struct Start {
    /// The connection.
    pub entity: Entity,
}

/// Request: hand a connection's packets to an agent from now on, and begin to read it.
#[derive(EntityEvent, Clone, Debug)]
pub struct Forward {
    /// The connection.
    pub entity: Entity,
    /// The agent.
    pub agent: Entity,
}

/// Fact: a connection has a (new) agent.
#[derive(EntityEvent, Clone, Debug)]
pub struct Forwarded {
    /// The connection.
    pub entity: Entity,
    /// The agent.
    pub agent: Entity,
}

/// Fact: the peer has proved who it is: at login, or by a protocol's own means.
#[derive(EntityEvent, Clone, Debug)]
pub struct Authenticated {
    /// The connection.
    pub entity: Entity,
}

/// Fact: a peer does not take what it is sent. Told at 64 KiB, then at each doubling; with 0 when all was sent after
/// that (skynet's `warning`).
#[derive(EntityEvent, Clone, Debug)]
pub struct Backlogged {
    /// The connection.
    pub entity: Entity,
    /// Bytes unsent.
    pub bytes: usize,
}

/// Request: read again what was read from files, certificates and dictionaries, without dropping anybody. Whoever
/// cannot read its file logs an error and keeps what it has.
#[derive(Event, Clone, Debug)]
pub struct Reload;

/// Request: stop accepting, close all connections, then end the app.
#[derive(Event, Clone, Debug)]
pub struct Shutdown;

/// Fact: the server is shutting down; listeners close now.
#[derive(Event, Clone, Debug)]
pub struct ShuttingDown {
    /// The time of the [`Clock`](crate::Clock) at which the app ends whatever is still open.
    pub deadline: Duration,
}
