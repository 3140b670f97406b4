//! What dispatch asks of a protocol: to read a body, and to write an answer or a push.

use crate::{Refusal, RouteId};
use bevy_ecs::prelude::*;
use portcullis_core::Cause;
use std::{fmt, sync::Arc};
use thiserror::Error;

/// A protocol's codec for bodies and messages. Framing, handshakes and heartbeats are its plugin's systems; what
/// remains here is what handlers need, so that one handler serves every protocol.
pub trait Protocol: Send + Sync + 'static {
    /// The name in logs.
    fn name(&self) -> &'static str;

    /// Gives `read` a deserializer over the body of a request to this route.
    ///
    /// # Errors
    /// When the body does not hold what `read` wants.
    fn read(
        &self,
        route: RouteId,
        body: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BodyError>;

    /// Whether this body, of a request to this route, is JSON that can be read where it lies. Default false.
    ///
    /// Where this says so, what parses as the handler's type is taken without asking [`read`](Self::read): no type is
    /// erased, which saves most of the time. What does not parse is given to `read`, which tolerates it or says what is
    /// wrong; so the two must agree on what parses.
    fn is_json(&self, _route: RouteId, _body: &[u8]) -> bool {
        false
    }

    /// Appends one whole frame, or nothing where the protocol has no words for it.
    ///
    /// # Errors
    /// When the value cannot be encoded; what was appended by then is cut off by the caller.
    fn write(&self, out: &mut Vec<u8>, message: Outgoing<'_>) -> Result<(), BodyError>;

    /// Takes an answer for itself, in place of its peer, and gives true: what the handler of a handshake answers may be for
    /// the protocol to act on. Default false: the answer is [written](Self::write).
    ///
    /// It is not asked about answers that a session [keeps](crate::ReplyCache).
    fn take_answer(&self, _world: &mut World, _connection: Entity, _answer: &Outgoing<'_>) -> bool {
        false
    }

    /// What happens to a peer that sent something wrong. Default: it is answered.
    fn on_bad(&self, _bad: Bad) -> OnBad {
        OnBad::Answer
    }
}

/// Something to say to a peer.
#[derive(Clone, Copy)]
pub enum Outgoing<'a> {
    /// The answer to a request.
    Reply {
        /// The route of the request.
        route: RouteId,
        /// The id the peer gave it.
        id: u64,
        /// The answer.
        body: Content<'a>,
    },
    /// The error answer to a request.
    Refusal {
        /// The route of the request.
        route: RouteId,
        /// The id the peer gave it.
        id: u64,
        /// Why.
        refusal: &'a Refusal,
    },
    /// A message nobody asked for.
    Push {
        /// Its route.
        route: RouteId,
        /// What it says.
        body: Content<'a>,
    },
}

/// A body that is to be encoded, or is already.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// To be encoded as the protocol does.
    Value(&'a dyn Encode),
    /// The bytes themselves.
    Raw(&'a [u8]),
}

/// A value that is to be encoded, whatever its type: by any serializer of serde's, or straight as JSON.
pub trait Encode: erased_serde::Serialize {
    /// Appends the value as JSON without spaces: what a serializer of `serde_json` makes of it, in a fraction of the
    /// time, for the type is not erased.
    ///
    /// # Errors
    /// When the value has no JSON form, such as a map with keys that are no text.
    fn write_json(&self, out: &mut Vec<u8>) -> Result<(), BodyError>;
}

impl<T: serde::Serialize> Encode for T {
    fn write_json(&self, out: &mut Vec<u8>) -> Result<(), BodyError> {
        serde_json::to_writer(out, self).map_err(BodyError::new)
    }
}

erased_serde::serialize_trait_object!(Encode);

/// A body could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct BodyError(pub String);

impl BodyError {
    /// An error that says this.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

/// What a peer got wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// The route is known to nobody.
    UnknownRoute,
    /// The body does not fit the route.
    Undecodable,
    /// The id is that of another request, which is not answered yet, and which the peer has asked again before: see
    /// [`ReplyCache`](crate::ReplyCache). The peer cannot tell their answers apart.
    IdInUse,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnBad {
    /// The request is answered with a refusal of the usual code, [`Refusal::NOT_FOUND`] or [`Refusal::BAD_REQUEST`]; a
    /// notify is dropped. One of [`Bad::IdInUse`] is dropped too: the answer to the first with its id is on its way, and
    /// the peer must not have two. It counts as refused with [`Refusal::CONFLICT`].
    Answer,
    /// As [`Answer`](Self::Answer), with this code.
    Refuse(u16),
    /// Nothing is said.
    Ignore,
    /// The connection is closed.
    Close(Cause),
}

/// A protocol's number in this app. On a listener: what its connections speak. On a connection: what it speaks.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct Speaks(pub(crate) u8);

/// The protocols of the app.
#[derive(Resource, Clone, Default)]
pub struct Protocols {
    list: Arc<[Arc<dyn Protocol>]>,
}

impl Protocols {
    /// Adds a protocol.
    ///
    /// # Panics
    /// When there are 256 already.
    pub fn add(&mut self, protocol: impl Protocol) -> Speaks {
        let speaks = Speaks(u8::try_from(self.list.len()).expect("an app has at most 256 protocols"));
        self.list = self.list.iter().cloned().chain([Arc::new(protocol) as Arc<dyn Protocol>]).collect();
        speaks
    }

    /// The protocol of a connection.
    pub fn get(&self, speaks: Speaks) -> Option<&dyn Protocol> {
        self.list.get(usize::from(speaks.0)).map(|protocol| &**protocol)
    }
}
