//! The dispatcher: runs each packet's handler, in order, and sees that each request gets its one answer.

use crate::{
    Answer, Bad, Content, FromBody, IntoAnswer, IntoBody, OnBad, Packet, PacketKind, Packets, Protocol,
    Protocols, RawRequest, Received, Refusal, Request, RouteId, Routes, Speaks,
    answer::{write_refusal, write_reply},
    packets::{ReadBuffer, Verdict},
    request::Origin,
};
use bevy_ecs::{
    change_detection::CheckChangeTicks,
    prelude::*,
    system::{RunSystemError, System, SystemIn},
};
use bytes::Bytes;
use portcullis_core::{Close, Closing, ForwardedTo, Traffic};
use std::{
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What has become of all packets since the start.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Handled as asked; deferred ones included.
    pub handled: u64,
    /// Refused by a handler, a filter, or a dropped responder.
    pub refused: u64,
    /// The handler panicked, or could not be run.
    pub failed: u64,
    /// Deferred answers that did not come in time.
    pub timed_out: u64,
    /// The route is known to nobody.
    pub unknown: u64,
    /// The body did not fit the route.
    pub undecodable: u64,
    /// Dropped by a filter, or because the connection was closing.
    pub dropped: u64,
}

/// What became of one packet, for systems after [`Dispatch`](portcullis_core::IngressSystems::Dispatch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handled {
    /// Who sent it.
    pub connection: Entity,
    /// Where it went.
    pub route: RouteId,
    /// Whether an answer was wanted.
    pub kind: PacketKind,
    /// What came of it.
    pub outcome: Outcome,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Handled as asked.
    Done,
    /// A responder will answer.
    Deferred,
    /// Refused, with this code.
    Refused(u16),
    /// The handler panicked, or could not be run.
    Failed,
    /// The route is known to nobody.
    Unknown,
    /// The body did not fit the route.
    Undecodable,
    /// Dropped by a filter, or because the connection was closing.
    Dropped,
}

/// What became of the packets of this run, in order: the place for filters that look back.
#[derive(Resource, Debug, Default)]
pub struct Outcomes(pub(crate) Vec<Handled>);

impl Outcomes {
    /// One for each packet.
    pub fn iter(&self) -> impl Iterator<Item = &Handled> {
        self.0.iter()
    }
}

/// The handlers, by route.
#[derive(Resource)]
pub(crate) struct Dispatcher {
    handlers: Vec<Option<Box<dyn Handler>>>,
    /// What is looked up for each packet; a query finds it without looking up types.
    connections: QueryState<(&'static Speaks, Option<&'static ForwardedTo>, Has<Closing>)>,
}

impl FromWorld for Dispatcher {
    fn from_world(world: &mut World) -> Self {
        Self { handlers: Vec::new(), connections: world.query() }
    }
}

impl Dispatcher {
    /// Sets a route's handler. Gives false when it had one.
    pub(crate) fn set(&mut self, route: RouteId, handler: Box<dyn Handler>) -> bool {
        if self.handlers.len() <= route.index() {
            self.handlers.resize_with(route.index() + 1, || None);
        }
        self.handlers[route.index()].replace(handler).is_none()
    }
}

/// Runs the packets of this run.
pub(crate) fn dispatch(world: &mut World) {
    let mut outcomes = std::mem::take(&mut *world.resource_mut::<Outcomes>());
    outcomes.0.clear();
    let mut packets = std::mem::take(&mut *world.resource_mut::<Packets>());
    if !packets.list.is_empty() {
        let protocols = world.resource::<Protocols>().clone();
        let mut counters = Counters::default();
        world.resource_scope(|world, mut dispatcher: Mut<Dispatcher>| {
            for packet in packets.list.drain(..) {
                let (connection, route, kind) = (packet.connection, packet.route, packet.kind);
                let outcome = dispatcher.handle(world, &protocols, packet, &packets.buffers);
                counters.count(outcome);
                outcomes.0.push(Handled { connection, route, kind, outcome });
            }
        });
        world.resource_mut::<Counters>().add(&counters);
    }
    packets.clear();
    *world.resource_mut::<Packets>() = packets;
    *world.resource_mut::<Outcomes>() = outcomes;
}

impl Dispatcher {
    fn handle(
        &mut self,
        world: &mut World,
        protocols: &Protocols,
        packet: Packet,
        buffers: &[ReadBuffer],
    ) -> Outcome {
        // New archetypes are rare; where the lookup misses one, it is made again in full.
        let found = match self.connections.get_manual(world, packet.connection) {
            Ok(found) => Ok(found),
            Err(_) => self.connections.get(world, packet.connection),
        };
        let Ok((&speaks, forwarded, false)) = found else { return Outcome::Dropped };
        let agent = forwarded.map(|forwarded| forwarded.0);
        let Some(protocol) = protocols.get(speaks) else { return Outcome::Dropped };
        let (read, span) = packet.parts(buffers);
        let call = Call {
            protocol,
            origin: Origin::new(packet.connection, packet.route, speaks, packet.kind, read.received),
            agent,
            buffer: &read.bytes,
            span,
        };
        if let Some(verdict) = packet.verdict {
            let Verdict::Refuse(refusal) = *verdict else { return Outcome::Dropped };
            write_refusal(world, protocol, &call.origin, &refusal);
            return Outcome::Refused(refusal.code);
        }
        match self.handlers.get_mut(packet.route.index()) {
            Some(Some(handler)) => handler.call(world, &call),
            _ => bad(world, &call, Bad::UnknownRoute, "nobody handles this route"),
        }
    }

    pub(crate) fn check_change_ticks(&mut self, check: CheckChangeTicks) {
        self.handlers.iter_mut().flatten().for_each(|handler| handler.check_change_ticks(check));
    }
}

impl Counters {
    fn count(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Done | Outcome::Deferred => &mut self.handled,
            Outcome::Refused(_) => &mut self.refused,
            Outcome::Failed => &mut self.failed,
            Outcome::Unknown => &mut self.unknown,
            Outcome::Undecodable => &mut self.undecodable,
            Outcome::Dropped => &mut self.dropped,
        };
        *counter += 1;
    }

    fn add(&mut self, more: &Self) {
        self.handled += more.handled;
        self.refused += more.refused;
        self.failed += more.failed;
        self.unknown += more.unknown;
        self.undecodable += more.undecodable;
        self.dropped += more.dropped;
    }
}

/// One packet on its way into a handler.
pub(crate) struct Call<'a> {
    protocol: &'a dyn Protocol,
    origin: Origin,
    agent: Option<Entity>,
    buffer: &'a Bytes,
    span: (usize, usize),
}

impl Call<'_> {
    fn body<T: FromBody>(&self) -> Result<T, crate::BodyError> {
        T::from_body(self.protocol, self.origin.route(), self.buffer, self.span)
    }
}

/// A route's handler, whatever its types.
pub(crate) trait Handler: Send + Sync + 'static {
    fn call(&mut self, world: &mut World, call: &Call<'_>) -> Outcome;

    fn check_change_ticks(&mut self, _check: CheckChangeTicks) {}
}

/// A system of ours and what it has done: it is run with a borrowed input, and outlives its panics.
struct Owned<S> {
    system: S,
    panics: u64,
}

/// How a run of a handler's system ended, before its answer was written.
enum Ran<O> {
    Done(O),
    Failed,
}

impl<S: System> Owned<S> {
    fn run(&mut self, input: SystemIn<'_, S>, world: &mut World) -> Ran<S::Out> {
        let system = &mut self.system;
        match catch_unwind(AssertUnwindSafe(|| system.run_without_applying_deferred(input, world))) {
            Ok(Ok(output)) => Ran::Done(output),
            Ok(Err(error)) => {
                let error = match error {
                    RunSystemError::Failed(error) => error,
                    RunSystemError::Skipped(error) => error.into(),
                };
                tracing::error!(handler = %self.system.name(), "a handler could not be run: {error}");
                Ran::Failed
            }
            Err(_panic) => {
                self.panicked();
                Ran::Failed
            }
        }
    }

    /// After the answer is written: what the handler asks for by commands, a kick perhaps, comes after it. After a
    /// panic too, so that commands it had queued are not left for the next request to apply.
    fn apply(&mut self, world: &mut World) {
        let system = &mut self.system;
        if catch_unwind(AssertUnwindSafe(|| system.apply_deferred(world))).is_err() {
            self.panicked();
        }
    }

    fn panicked(&mut self) {
        self.panics += 1;
        // A peer that knows how to make it panic must not fill the log.
        if self.panics.is_power_of_two() {
            tracing::error!(handler = %self.system.name(), times = self.panics, "a handler panicked");
        }
    }
}

/// A system that handles requests one by one.
pub(crate) struct SystemHandler<S, A> {
    owned: Owned<S>,
    _answer: PhantomData<fn() -> A>,
}

impl<S, A> SystemHandler<S, A> {
    pub(crate) fn new(system: S) -> Self {
        Self { owned: Owned { system, panics: 0 }, _answer: PhantomData }
    }
}

impl<T, S, A> Handler for SystemHandler<S, A>
where
    T: FromBody,
    S: System<In = Request<T>>,
    S::Out: IntoAnswer<A>,
    A: 'static,
{
    fn call(&mut self, world: &mut World, call: &Call<'_>) -> Outcome {
        let body = match call.body::<T>() {
            Ok(body) => body,
            Err(error) => return bad(world, call, Bad::Undecodable, &error.0),
        };
        let request =
            Request { connection: call.origin.connection, agent: call.agent, body, origin: call.origin };
        let outcome = match self.owned.run(request, world) {
            Ran::Done(output) => match output.into_answer() {
                Answer::Reply(reply) => {
                    write_reply(world, call.protocol, &call.origin, reply.content());
                    Outcome::Done
                }
                Answer::Refused(refusal) => refuse(world, call, &refusal),
                Answer::Deferred => Outcome::Deferred,
                Answer::Silent => Outcome::Done,
            },
            Ran::Failed => fail(world, call),
        };
        self.owned.apply(world);
        outcome
    }

    fn check_change_ticks(&mut self, check: CheckChangeTicks) {
        self.owned.system.check_change_tick(check);
    }
}

/// A system that handles bytes where they lie.
pub(crate) struct RawHandler<S> {
    owned: Owned<S>,
    reply: Vec<u8>,
}

impl<S> RawHandler<S> {
    pub(crate) fn new(system: S) -> Self {
        Self { owned: Owned { system, panics: 0 }, reply: Vec::new() }
    }
}

/// A reply buffer larger than this is given back.
const REPLY_CAPACITY: usize = 64 * 1024;

impl<S: System<In = RawRequest<'static>, Out = ()>> Handler for RawHandler<S> {
    fn call(&mut self, world: &mut World, call: &Call<'_>) -> Outcome {
        self.reply.clear();
        let body = &call.buffer[call.span.0..call.span.1];
        let (connection, agent) = (call.origin.connection, call.agent);
        let request = RawRequest { connection, agent, body, reply: &mut self.reply };
        let outcome = match self.owned.run(request, world) {
            Ran::Done(()) => {
                write_reply(world, call.protocol, &call.origin, Content::Raw(&self.reply));
                Outcome::Done
            }
            Ran::Failed => fail(world, call),
        };
        self.owned.apply(world);
        if self.reply.capacity() > REPLY_CAPACITY {
            self.reply = Vec::new();
        }
        outcome
    }

    fn check_change_ticks(&mut self, check: CheckChangeTicks) {
        self.owned.system.check_change_tick(check);
    }
}

fn refuse(world: &mut World, call: &Call<'_>, refusal: &Refusal) -> Outcome {
    write_refusal(world, call.protocol, &call.origin, refusal);
    Outcome::Refused(refusal.code)
}

fn fail(world: &mut World, call: &Call<'_>) -> Outcome {
    write_refusal(world, call.protocol, &call.origin, &Refusal::internal());
    Outcome::Failed
}

/// A route that is read in batches.
pub(crate) struct StreamHandler<T>(PhantomData<fn() -> T>);

impl<T> StreamHandler<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: FromBody + Sync> Handler for StreamHandler<T> {
    fn call(&mut self, world: &mut World, call: &Call<'_>) -> Outcome {
        if call.origin.wants_reply() {
            let refusal =
                Refusal::new(Refusal::BAD_REQUEST, "this route takes notifies, and answers nothing");
            return refuse(world, call, &refusal);
        }
        match call.body::<T>() {
            Ok(body) => {
                let (connection, agent, received) =
                    (call.origin.connection, call.agent, call.origin.received());
                world.write_message(Received { connection, agent, received, body });
                Outcome::Done
            }
            Err(error) => bad(world, call, Bad::Undecodable, &error.0),
        }
    }
}

/// A peer's mistake costs that peer its request, or its connection, as the protocol says.
fn bad(world: &mut World, call: &Call<'_>, bad: Bad, message: &str) -> Outcome {
    let (connection, route) = (call.origin.connection, call.origin.route());
    if let Some(mut traffic) = world.get_mut::<Traffic>(connection) {
        traffic.bad_requests += 1;
    }
    tracing::debug!(%connection, route = world.resource::<Routes>().name(route), message, "bad request");
    match call.protocol.on_bad(bad) {
        OnBad::Answer => {
            let code = match bad {
                Bad::UnknownRoute => Refusal::NOT_FOUND,
                Bad::Undecodable => Refusal::BAD_REQUEST,
            };
            write_refusal(world, call.protocol, &call.origin, &Refusal::new(code, message.to_owned()));
        }
        OnBad::Ignore => {}
        OnBad::Close(cause) => {
            world.trigger(Close::new(connection, cause));
            world.flush();
        }
    }
    match bad {
        Bad::UnknownRoute => Outcome::Unknown,
        Bad::Undecodable => Outcome::Undecodable,
    }
}
