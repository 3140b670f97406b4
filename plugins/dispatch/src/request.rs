//! What handlers and streams are given.

use crate::{PacketKind, RouteId, Speaks};
use bevy_ecs::{prelude::*, system::SystemInput};
use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

/// The first parameter of a handler: who asks, and what. It derefs to the body.
#[derive(Debug)]
pub struct Request<T> {
    /// Who asks.
    pub connection: Entity,
    /// The agent the connection is forwarded to.
    pub agent: Option<Entity>,
    /// When it was read from the socket, as time of the clock.
    pub received: Duration,
    /// What is asked.
    pub body: T,
    pub(crate) origin: Origin,
}

/// Where an answer has to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) connection: Entity,
    pub(crate) route: RouteId,
    pub(crate) speaks: Speaks,
    pub(crate) kind: PacketKind,
}

impl<T> Request<T> {
    /// Whether the peer waits for an answer; what a handler returns to a notify is dropped.
    pub fn wants_reply(&self) -> bool {
        matches!(self.origin.kind, PacketKind::Request(_))
    }

    /// The id the peer gave this request.
    pub fn id(&self) -> Option<u64> {
        match self.origin.kind {
            PacketKind::Request(id) => Some(id),
            PacketKind::Notify => None,
        }
    }
}

impl<T> Deref for Request<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.body
    }
}

impl<T> DerefMut for Request<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.body
    }
}

impl<T: 'static> SystemInput for Request<T> {
    type Param<'i> = Self;
    type Inner<'i> = Self;

    fn wrap(this: Self::Inner<'_>) -> Self::Param<'_> {
        this
    }
}

/// One item of a typed stream, read in batches by `MessageReader<Received<T>>`. It derefs to the body.
///
/// Items of one type keep the order in which each connection sent them; the order between *different* types is lost.
/// They live until the tick after they came, as all buffered messages of Bevy do.
#[derive(Message, Debug)]
pub struct Received<T: Send + Sync + 'static> {
    /// Who sent it.
    pub connection: Entity,
    /// The agent the connection is forwarded to.
    pub agent: Option<Entity>,
    /// When it was read from the socket, as time of the clock.
    pub received: Duration,
    /// What was sent.
    pub body: T,
}

impl<T: Send + Sync + 'static> Deref for Received<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.body
    }
}
