//! What handlers and streams are given.

use crate::{PacketKind, RouteId, Speaks};
use bevy_ecs::{prelude::*, system::SystemInput};
use std::{
    fmt,
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
    /// What is asked.
    pub body: T,
    pub(crate) origin: Origin,
}

impl<T> Request<T> {
    /// Whether the peer waits for an answer; what a handler returns to a notify is dropped.
    pub fn wants_reply(&self) -> bool {
        self.origin.wants_reply()
    }

    /// The id the peer gave this request.
    pub fn id(&self) -> Option<u64> {
        self.origin.id()
    }

    /// When it was read from the socket, as time of the clock.
    pub fn received(&self) -> Duration {
        self.origin.received()
    }
}

/// Where an answer has to go.
///
/// All of it is whole words: requests are moved a few times on their way into a handler, and a processor stalls when it
/// reads as one word what was just written in pieces. That was a fifth of the time of a dispatch.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) connection: Entity,
    id: u64,
    received: u64,
    /// The route in the lower half, then the protocol, then whether an answer is wanted.
    key: u64,
}

impl Origin {
    pub(crate) fn new(
        connection: Entity,
        route: RouteId,
        speaks: Speaks,
        kind: PacketKind,
        received: Duration,
    ) -> Self {
        let (id, wants_reply) = match kind {
            PacketKind::Request(id) => (id, 1),
            PacketKind::Notify => (0, 0),
        };
        let key = route.index() as u64 | u64::from(speaks.0) << 32 | wants_reply << 40;
        Self { connection, id, received: received.as_nanos() as u64, key }
    }

    pub(crate) fn route(&self) -> RouteId {
        RouteId(self.key as u32)
    }

    pub(crate) fn speaks(&self) -> Speaks {
        Speaks((self.key >> 32) as u8)
    }

    pub(crate) fn wants_reply(&self) -> bool {
        self.key >> 40 != 0
    }

    pub(crate) fn id(&self) -> Option<u64> {
        self.wants_reply().then_some(self.id)
    }

    pub(crate) fn received(&self) -> Duration {
        Duration::from_nanos(self.received)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection, .. } = self;
        write!(f, "{connection} {:?} {:?}", self.route(), self.id())
    }
}

/// The first parameter of a raw handler: the body as it lies in the read buffer. Nothing is copied, counted or decoded,
/// which makes it the fastest way to serve a format of one's own.
///
/// ```
/// use bevy_app::App;
/// use portcullis_core::CorePlugin;
/// use portcullis_dispatch::{AppDispatchExt, DispatchPlugin, RawRequest};
///
/// fn echo(request: RawRequest) {
///     request.reply.extend_from_slice(request.body);
/// }
///
/// App::new().add_plugins((CorePlugin::default(), DispatchPlugin)).add_raw_handler("echo", echo);
/// ```
#[derive(Debug)]
pub struct RawRequest<'a> {
    /// Who asks.
    pub connection: Entity,
    /// The agent the connection is forwarded to.
    pub agent: Option<Entity>,
    /// What is asked.
    pub body: &'a [u8],
    /// What is answered: empty at first. A notify is not answered whatever is put here.
    pub reply: &'a mut Vec<u8>,
}

impl SystemInput for RawRequest<'_> {
    type Param<'i> = RawRequest<'i>;
    type Inner<'i> = RawRequest<'i>;

    fn wrap(this: Self::Inner<'_>) -> Self::Param<'_> {
        this
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
