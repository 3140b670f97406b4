//! What handlers return, and how it reaches the peer.

use crate::{Content, Counters, Deferred, IntoBody, Outgoing, Protocol, Protocols, Refusal, request::Origin};
use bevy_ecs::prelude::*;
use portcullis_core::{OutboxWriter, Traffic};

/// What a handler made of a request.
pub enum Answer<R> {
    /// The reply.
    Reply(R),
    /// An error reply.
    Refused(Refusal),
    /// Somebody holds the [`Responder`](crate::Responder).
    Deferred,
    /// None.
    Silent,
}

/// A handler returns this for a request that is not answered at all, as skynet's `quit` is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReply;

/// What a handler may return: a reply, a `Result` of one, nothing, a [`Deferred`], or [`NoReply`].
///
/// The marker keeps these apart; it is always inferred. A `Result` whose error can itself be serialized is ambiguous:
/// return a [`Refusal`], or an error that is only `Into<Refusal>`.
pub trait IntoAnswer<Marker>: 'static {
    /// The type of the reply.
    type Reply: IntoBody;

    /// The answer.
    fn into_answer(self) -> Answer<Self::Reply>;
}

#[doc(hidden)]
pub struct Plain;
#[doc(hidden)]
pub struct Fallible;
#[doc(hidden)]
pub struct Later;
#[doc(hidden)]
pub struct FallibleLater;
#[doc(hidden)]
pub struct Never;

impl<R: IntoBody + 'static> IntoAnswer<Plain> for R {
    type Reply = R;

    fn into_answer(self) -> Answer<R> {
        Answer::Reply(self)
    }
}

impl<R: IntoBody + 'static, E: Into<Refusal> + 'static> IntoAnswer<Fallible> for Result<R, E> {
    type Reply = R;

    fn into_answer(self) -> Answer<R> {
        self.map_or_else(|error| Answer::Refused(error.into()), Answer::Reply)
    }
}

impl<R: IntoBody + 'static> IntoAnswer<Later> for Deferred<R> {
    type Reply = R;

    fn into_answer(self) -> Answer<R> {
        Answer::Deferred
    }
}

impl<R: IntoBody + 'static, E: Into<Refusal> + 'static> IntoAnswer<FallibleLater> for Result<Deferred<R>, E> {
    type Reply = R;

    fn into_answer(self) -> Answer<R> {
        self.map_or_else(|error| Answer::Refused(error.into()), |_| Answer::Deferred)
    }
}

impl IntoAnswer<Never> for NoReply {
    type Reply = ();

    fn into_answer(self) -> Answer<()> {
        Answer::Silent
    }
}

/// Writes a reply to the outbox. A reply that cannot be encoded becomes an error reply.
pub(crate) fn write_reply(
    world: &mut World,
    outboxes: &mut OutboxWriter,
    protocol: &dyn Protocol,
    origin: &Origin,
    body: Content<'_>,
) {
    let Some(id) = origin.id() else { return };
    let message = Outgoing::Reply { route: origin.route(), id, body };
    let written =
        outboxes.write(world, origin.connection, |out| append(out, |out| protocol.write(out, message)));
    // A connection that is gone needs no answer.
    let Ok(Err(error)) = written else { return };
    tracing::warn!(protocol = protocol.name(), %error, "a reply could not be encoded");
    if let Some(mut traffic) = world.get_mut::<Traffic>(origin.connection) {
        traffic.send_errors += 1;
    }
    write_refusal(world, outboxes, protocol, origin, &Refusal::internal());
}

/// Writes an error reply, where the protocol has one.
pub(crate) fn write_refusal(
    world: &mut World,
    outboxes: &mut OutboxWriter,
    protocol: &dyn Protocol,
    origin: &Origin,
    refusal: &Refusal,
) {
    let Some(id) = origin.id() else { return };
    let message = Outgoing::Refusal { route: origin.route(), id, refusal };
    let written =
        outboxes.write(world, origin.connection, |out| append(out, |out| protocol.write(out, message)));
    if let Ok(Err(error)) = written {
        tracing::warn!(protocol = protocol.name(), %error, "a refusal could not be encoded");
    }
}

/// Appends one message whole or not at all.
pub(crate) fn append<E>(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    write(out).inspect_err(|_| out.truncate(start))
}

/// Answers a request from outside its handler.
pub(crate) fn answer_late(world: &mut World, origin: &Origin, answer: Result<&dyn IntoBody, &Refusal>) {
    let protocols = world.resource::<Protocols>().clone();
    let Some(protocol) = protocols.get(origin.speaks()) else { return };
    let outboxes = &mut OutboxWriter::from_world(world);
    match answer {
        Ok(body) => write_reply(world, outboxes, protocol, origin, body.content()),
        Err(refusal) => {
            world.resource_mut::<Counters>().refused += 1;
            write_refusal(world, outboxes, protocol, origin, refusal);
        }
    }
}
