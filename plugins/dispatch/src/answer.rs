//! What handlers return, and how it reaches the peer.

use crate::{
    BodyError, Content, Counters, Deferred, IntoBody, Outgoing, Protocol, Protocols, Refusal, RouteId,
    request::Origin,
};
use bevy_ecs::prelude::*;
use portcullis_core::{Closing, OutboxWriter, Traffic};
use std::panic::{AssertUnwindSafe, catch_unwind};

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

/// Writes a reply to the outbox. A reply that cannot be encoded becomes an error reply, and gives false.
pub(crate) fn write_reply(
    world: &mut World,
    outboxes: &mut OutboxWriter,
    protocol: &dyn Protocol,
    origin: &Origin,
    body: Content<'_>,
) -> bool {
    let Some(id) = origin.id() else { return true };
    let message = Outgoing::Reply { route: origin.route(), id, body };
    let written =
        outboxes.write(world, origin.connection, |out| append(out, |out| protocol.write(out, message)));
    // A connection that is gone needs no answer.
    let Ok(Err(error)) = written else { return true };
    tracing::debug!(protocol = protocol.name(), %error, "a reply could not be encoded");
    count_send_error(world, origin.connection);
    write_refusal(world, outboxes, protocol, origin, &Refusal::internal());
    false
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
        tracing::debug!(protocol = protocol.name(), %error, "a refusal could not be encoded");
        count_send_error(world, origin.connection);
    }
}

/// What could not be said is counted, not shouted: peers decide how often it happens.
pub(crate) fn count_send_error(world: &mut World, connection: Entity) {
    if let Some(mut traffic) = world.get_mut::<Traffic>(connection) {
        traffic.send_errors += 1;
    }
}

/// Appends one message whole or not at all, also where what writes it panics: code of the game may write it.
pub(crate) fn append(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), BodyError>,
) -> Result<(), BodyError> {
    let mut whole = Whole { start: out.len(), out, done: false };
    write(whole.out).inspect(|()| whole.done = true)
}

/// As [`append`], and a panic is an error.
pub(crate) fn append_caught(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), BodyError>,
) -> Result<(), BodyError> {
    catch_unwind(AssertUnwindSafe(|| append(out, write)))
        .unwrap_or_else(|_panic| Err(BodyError::new("what was to write it panicked")))
}

/// Cuts back what was not written to its end.
struct Whole<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    done: bool,
}

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.out.truncate(self.start);
        }
    }
}

/// Fact: a deferred answer was given, by its [`Responder`](crate::Responder) or because it did not come in time. What
/// was answered at once is in [`Outcomes`](crate::Outcomes).
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct AnsweredLate {
    /// Who had asked.
    #[event_target]
    pub connection: Entity,
    /// What.
    pub route: RouteId,
    /// The code it was refused with; none for a reply.
    pub refused: Option<u16>,
}

/// Answers a request from outside its handler.
pub(crate) fn answer_late(world: &mut World, origin: &Origin, answer: Result<&dyn IntoBody, &Refusal>) {
    let protocols = world.resource::<Protocols>().clone();
    let Some(protocol) = protocols.get(origin.speaks()) else { return };
    // Who is gone needs no answer; who has been told goodbye could not understand one.
    if world.get_entity(origin.connection).map_or(true, |connection| connection.contains::<Closing>()) {
        return;
    }
    let outboxes = &mut OutboxWriter::from_world(world);
    let mut reply = |body: &dyn IntoBody| {
        let write = || write_reply(world, outboxes, protocol, origin, body.content());
        catch_unwind(AssertUnwindSafe(write)).unwrap_or_else(|_panic| {
            write_refusal(world, outboxes, protocol, origin, &Refusal::internal());
            false
        })
    };
    let refused = match answer {
        Ok(body) if reply(body) => None,
        Ok(_) => {
            world.resource_mut::<Counters>().failed += 1;
            Some(Refusal::INTERNAL)
        }
        Err(refusal) => {
            world.resource_mut::<Counters>().refused += 1;
            write_refusal(world, outboxes, protocol, origin, refusal);
            Some(refusal.code)
        }
    };
    world.trigger(AnsweredLate { connection: origin.connection, route: origin.route(), refused });
    world.flush();
}
