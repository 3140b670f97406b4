//! What handlers return, and how it reaches the peer.

use crate::{
    BodyError, Content, Counters, Deferred, IntoBody, Outgoing, Protocol, Protocols, Refusal, ReplyCache,
    RouteId, request::Origin,
};
use bevy_ecs::prelude::*;
use portcullis_core::{Closing, OutboxWriter, Traffic};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a handler made of a request. One that sometimes answers and sometimes does not returns this.
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

/// What a handler may return: a reply, a `Result` of one, nothing, a [`Deferred`], [`NoReply`], or an [`Answer`] whole.
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
#[doc(hidden)]
pub struct FallibleNever;
#[doc(hidden)]
pub struct Whole;
#[doc(hidden)]
pub struct FallibleWhole;

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

impl<E: Into<Refusal> + 'static> IntoAnswer<FallibleNever> for Result<NoReply, E> {
    type Reply = ();

    fn into_answer(self) -> Answer<()> {
        self.map_or_else(|error| Answer::Refused(error.into()), |NoReply| Answer::Silent)
    }
}

impl<R: IntoBody + 'static> IntoAnswer<Whole> for Answer<R> {
    type Reply = R;

    fn into_answer(self) -> Self {
        self
    }
}

impl<R: IntoBody + 'static, E: Into<Refusal> + 'static> IntoAnswer<FallibleWhole> for Result<Answer<R>, E> {
    type Reply = R;

    fn into_answer(self) -> Answer<R> {
        self.unwrap_or_else(|error| Answer::Refused(error.into()))
    }
}

/// What answers are written with. Kept, for making one costs more than using it.
pub(crate) struct Writer {
    pub(crate) outboxes: OutboxWriter,
    pub(crate) caches: QueryState<&'static mut ReplyCache>,
    /// An answer on its way into a cache and an outbox.
    frame: Vec<u8>,
    /// The request that is being handled, while its answer is to be kept, and there is none.
    pub(crate) owed: Option<Owed>,
    /// Whether a protocol has acted on an answer, in whatever way.
    pub(crate) acted: bool,
}

/// A request that its session waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owed {
    pub(crate) session: Entity,
    pub(crate) id: u64,
    pub(crate) run: u64,
}

impl FromWorld for Writer {
    fn from_world(world: &mut World) -> Self {
        Self {
            outboxes: OutboxWriter::from_world(world),
            caches: world.query(),
            frame: Vec::new(),
            owed: None,
            acted: false,
        }
    }
}

/// A larger buffer for an answer is given back.
const FRAME_CAPACITY: usize = 64 * 1024;

impl Writer {
    /// Gives an answer to who asked. The message is not moved on its way, for the reason of [`Origin`].
    fn say(
        &mut self,
        world: &mut World,
        protocol: &dyn Protocol,
        origin: &Origin,
        message: &Outgoing<'_>,
    ) -> Result<(), BodyError> {
        if let Some(owed) = self.owed {
            return self.keep(world, protocol, origin, owed, message);
        }
        if protocol.take_answer(world, origin.connection, message) {
            self.acted = true;
            return Ok(());
        }
        let write = |out: &mut Vec<u8>| append(out, |out| protocol.write(out, *message));
        // A connection that is gone needs no answer.
        self.outboxes.write(world, origin.connection, write).unwrap_or(Ok(()))
    }

    /// Keeps the answer, and gives it to who asked last, if that one is still there.
    #[inline(never)]
    fn keep(
        &mut self,
        world: &mut World,
        protocol: &dyn Protocol,
        origin: &Origin,
        Owed { session, id, run }: Owed,
        message: &Outgoing<'_>,
    ) -> Result<(), BodyError> {
        self.frame.clear();
        // What an error or a panic leaves is cleared next time.
        protocol.write(&mut self.frame, *message)?;
        self.owed = None;
        let waits = match self.caches.get_mut(world, session) {
            Ok(mut cache) => cache.answer(id, run, origin.connection, &self.frame),
            // With the session all that it kept is gone. The connection may have been unbound before.
            Err(_) => Some(origin.connection),
        };
        if let Some(connection) = waits {
            self.send(world, connection);
        }
        self.give_back();
        Ok(())
    }

    /// Sends an answer once more.
    pub(crate) fn resend(&mut self, world: &mut World, connection: Entity, session: Entity, id: u64) {
        let Ok(mut cache) = self.caches.get_mut(world, session) else { return };
        self.frame.clear();
        cache.resend(id, &mut self.frame);
        self.send(world, connection);
        self.give_back();
    }

    fn send(&mut self, world: &mut World, connection: Entity) {
        let frame = &self.frame;
        // One that is gone asks again when it has come back.
        let _ = self.outboxes.write_open(world, connection, |out| out.extend_from_slice(frame));
    }

    fn give_back(&mut self) {
        if self.frame.capacity() > FRAME_CAPACITY {
            self.frame = Vec::new();
        }
    }

    /// A request that is not answered now, nor later, may come again: skynet's `quit`, or one whose answer nobody could
    /// write.
    #[inline(never)]
    pub(crate) fn settle(&mut self, world: &mut World, is_deferred: bool) {
        if let Some(Owed { session, id, run }) = self.owed.take()
            && let Ok(mut cache) = self.caches.get_mut(world, session)
        {
            cache.settle(id, run, is_deferred);
        }
    }
}

/// The writer of answers from outside the dispatcher; none while it is in use.
#[derive(Resource, Default)]
pub(crate) struct LateWriter(Option<Writer>);

/// Answers with a reply. One that cannot be encoded becomes an error reply, and gives false.
pub(crate) fn write_reply(
    world: &mut World,
    writer: &mut Writer,
    protocol: &dyn Protocol,
    origin: &Origin,
    body: Content<'_>,
) -> bool {
    let Some(id) = origin.id() else { return true };
    let message = Outgoing::Reply { route: origin.route(), id, body };
    let Err(error) = writer.say(world, protocol, origin, &message) else { return true };
    tracing::debug!(protocol = protocol.name(), %error, "a reply could not be encoded");
    count_send_error(world, origin.connection);
    write_refusal(world, writer, protocol, origin, &Refusal::internal());
    false
}

/// Answers with an error, where the protocol has words for one.
pub(crate) fn write_refusal(
    world: &mut World,
    writer: &mut Writer,
    protocol: &dyn Protocol,
    origin: &Origin,
    refusal: &Refusal,
) {
    let Some(id) = origin.id() else { return };
    let message = Outgoing::Refusal { route: origin.route(), id, refusal };
    if let Err(error) = writer.say(world, protocol, origin, &message) {
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
    let mut whole = Undo { start: out.len(), out, done: false };
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
struct Undo<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    done: bool,
}

impl Drop for Undo<'_> {
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
    /// Who had asked. It does not exist any more when it is gone, and its session [keeps](ReplyCache) the answer.
    #[event_target]
    pub connection: Entity,
    /// What.
    pub route: RouteId,
    /// The code it was refused with; none for a reply.
    pub refused: Option<u16>,
}

/// Answers a request from outside its handler.
pub(crate) fn answer_late(
    world: &mut World,
    origin: &Origin,
    owed: Option<Owed>,
    answer: Result<&dyn IntoBody, &Refusal>,
) {
    let protocols = world.resource::<Protocols>().clone();
    let Some(protocol) = protocols.get(origin.speaks()) else { return };
    // Who is gone needs no answer; who has been told goodbye could not understand one. A session may be asked again.
    let gone =
        world.get_entity(origin.connection).map_or(true, |connection| connection.contains::<Closing>());
    if gone && owed.is_none() {
        return;
    }
    let kept = world.resource_mut::<LateWriter>().0.take();
    let mut writer = kept.unwrap_or_else(|| Writer::from_world(world));
    writer.owed = owed;
    let refused = write_late(world, &mut writer, protocol, origin, answer);
    writer.settle(world, false);
    world.resource_mut::<LateWriter>().0 = Some(writer);
    world.trigger(AnsweredLate { connection: origin.connection, route: origin.route(), refused });
    world.flush();
}

/// Writes it, and gives the code it was refused with. Code of the game may panic in it.
fn write_late(
    world: &mut World,
    writer: &mut Writer,
    protocol: &dyn Protocol,
    origin: &Origin,
    answer: Result<&dyn IntoBody, &Refusal>,
) -> Option<u16> {
    let mut caught = |refusal: Option<&Refusal>| {
        let write = || match (answer, refusal) {
            (Ok(body), None) => write_reply(world, writer, protocol, origin, body.content()),
            (Err(refusal), None) | (_, Some(refusal)) => {
                write_refusal(world, writer, protocol, origin, refusal);
                true
            }
        };
        catch_unwind(AssertUnwindSafe(write))
    };
    let written = caught(None).unwrap_or_else(|_panic| {
        let _ = caught(Some(&Refusal::internal()));
        false
    });
    let (counter, refused) = match answer {
        Ok(_) if written => return None,
        Ok(_) => (&mut world.resource_mut::<Counters>().failed, Refusal::INTERNAL),
        Err(refusal) => (&mut world.resource_mut::<Counters>().refused, refusal.code),
    };
    *counter += 1;
    Some(refused)
}
