//! The kinds of handlers: systems for typed requests, systems for raw bytes, streams.

use crate::{
    Answer, Bad, BodyError, Content, FromBody, IntoAnswer, IntoBody, OnBad, Outcome, Protocol, RawRequest,
    Received, Refusal, Request, Routes,
    answer::{write_refusal, write_reply},
    request::Origin,
};
use bevy_ecs::{
    change_detection::CheckChangeTicks,
    prelude::*,
    system::{RunSystemError, System, SystemIn},
};
use bytes::Bytes;
use portcullis_core::{Close, OutboxWriter, Traffic};
use std::{
    hint::black_box,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// One packet on its way into a handler.
pub(crate) struct Call<'a> {
    pub(crate) protocol: &'a dyn Protocol,
    pub(crate) origin: Origin,
    pub(crate) agent: Option<Entity>,
    pub(crate) buffer: &'a Bytes,
    pub(crate) span: (usize, usize),
}

impl Call<'_> {
    fn body<T: FromBody>(&self) -> Result<T, BodyError> {
        T::from_body(self.protocol, self.origin.route(), self.buffer, self.span)
    }
}

/// A route's handler, whatever its types.
pub(crate) trait Handler: Send + Sync + 'static {
    fn call(&mut self, world: &mut World, outboxes: &mut OutboxWriter, call: &Call<'_>) -> Outcome;

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
    fn call(&mut self, world: &mut World, outboxes: &mut OutboxWriter, call: &Call<'_>) -> Outcome {
        let body = match call.body::<T>() {
            Ok(body) => body,
            Err(error) => return bad(world, outboxes, call, Bad::Undecodable, &error.0),
        };
        let request =
            Request { connection: call.origin.connection, agent: call.agent, body, origin: call.origin };
        let outcome = match self.owned.run(request, world) {
            Ran::Done(output) => match output.into_answer() {
                Answer::Reply(reply) => {
                    write_reply(world, outboxes, call.protocol, &call.origin, reply.content());
                    Outcome::Done
                }
                Answer::Refused(refusal) => refuse(world, outboxes, call, &refusal),
                Answer::Deferred => Outcome::Deferred,
                Answer::Silent => Outcome::Done,
            },
            Ran::Failed => fail(world, outboxes, call),
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
    fn call(&mut self, world: &mut World, outboxes: &mut OutboxWriter, call: &Call<'_>) -> Outcome {
        self.reply.clear();
        let body = &call.buffer[call.span.0..call.span.1];
        let (connection, agent) = (call.origin.connection, call.agent);
        let request = RawRequest { connection, agent, body, reply: &mut self.reply };
        let outcome = match self.owned.run(request, world) {
            Ran::Done(()) => {
                // The length is read by itself: read in one with the pointer, as it would be, it stalls the processor,
                // for the handler has only just written it.
                let reply = &self.reply[..black_box(self.reply.len())];
                write_reply(world, outboxes, call.protocol, &call.origin, Content::Raw(reply));
                Outcome::Done
            }
            Ran::Failed => fail(world, outboxes, call),
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

pub(crate) fn refuse(
    world: &mut World,
    outboxes: &mut OutboxWriter,
    call: &Call<'_>,
    refusal: &Refusal,
) -> Outcome {
    write_refusal(world, outboxes, call.protocol, &call.origin, refusal);
    Outcome::Refused(refusal.code)
}

fn fail(world: &mut World, outboxes: &mut OutboxWriter, call: &Call<'_>) -> Outcome {
    write_refusal(world, outboxes, call.protocol, &call.origin, &Refusal::internal());
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
    fn call(&mut self, world: &mut World, outboxes: &mut OutboxWriter, call: &Call<'_>) -> Outcome {
        if call.origin.wants_reply() {
            let refusal =
                Refusal::new(Refusal::BAD_REQUEST, "this route takes notifies, and answers nothing");
            return refuse(world, outboxes, call, &refusal);
        }
        match call.body::<T>() {
            Ok(body) => {
                let (connection, agent, received) =
                    (call.origin.connection, call.agent, call.origin.received());
                world.write_message(Received { connection, agent, received, body });
                Outcome::Done
            }
            Err(error) => bad(world, outboxes, call, Bad::Undecodable, &error.0),
        }
    }
}

/// A peer's mistake costs that peer its request, or its connection, as the protocol says.
pub(crate) fn bad(
    world: &mut World,
    outboxes: &mut OutboxWriter,
    call: &Call<'_>,
    bad: Bad,
    message: &str,
) -> Outcome {
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
            write_refusal(
                world,
                outboxes,
                call.protocol,
                &call.origin,
                &Refusal::new(code, message.to_owned()),
            );
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
