//! The kinds of handlers: systems for typed requests, systems for raw bytes, streams.

use crate::{
    Answer, Bad, BodyError, Content, FromBody, IntoAnswer, IntoBody, OnBad, Outcome, Protocol, RawRequest,
    Received, Refusal, Request, Routes,
    answer::{Writer, write_refusal, write_reply},
    request::Origin,
};
use bevy_ecs::{
    change_detection::CheckChangeTicks,
    prelude::*,
    system::{RunSystemError, System},
};
use bytes::Bytes;
use portcullis_core::{Close, Closing, Traffic};
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
    pub(crate) fn body<T: FromBody>(&self) -> Result<T, BodyError> {
        T::from_body(self.protocol, self.origin.route(), self.buffer, self.span)
    }
}

/// A route's handler, whatever its types.
pub(crate) trait Handler: Send + Sync + 'static {
    fn call(&mut self, world: &mut World, writer: &mut Writer, call: &Call<'_>) -> Outcome;

    /// Whether a connection is, after a call, what it was before: still open, of the same session and agent.
    fn leaves_connections(&self) -> bool {
        false
    }

    fn check_change_ticks(&mut self, _check: CheckChangeTicks) {}
}

/// A system of ours and what it has done: it is run with a borrowed input, and outlives its panics.
pub(crate) struct Owned<S> {
    pub(crate) system: S,
    /// The route it handles, or the routes it filters: the names of systems are there in debug builds only.
    routes: Box<str>,
    panics: u64,
    /// Whether it may ask for something by commands, or do it itself.
    acts: bool,
}

impl<S: System> Owned<S> {
    /// The system has been initialised; whether it takes the world was told then.
    pub(crate) fn new(system: S, exclusive: bool, routes: &str) -> Self {
        let acts = exclusive || system.has_deferred();
        Self { system, routes: routes.into(), panics: 0, acts }
    }

    /// Whether it changes data at most, and neither entities nor how they are tied.
    fn only_reads_and_writes(&self) -> bool {
        !self.acts
    }

    /// Runs the system, and what of the game's code stands around it: bodies that are read and written. Gives nothing
    /// when one of them panicked, or the system could not be run.
    pub(crate) fn catch<R>(&mut self, run: impl FnOnce(&mut S) -> Result<R, RunSystemError>) -> Option<R> {
        let system = &mut self.system;
        match catch_unwind(AssertUnwindSafe(|| run(system))) {
            Ok(Ok(output)) => Some(output),
            Ok(Err(error)) => {
                let error = match error {
                    RunSystemError::Failed(error) => error,
                    RunSystemError::Skipped(error) => error.into(),
                };
                tracing::error!(routes = &*self.routes, "a handler could not be run: {error}");
                None
            }
            Err(_panic) => {
                self.panicked();
                None
            }
        }
    }

    /// After the answer is written: what the handler asks for by commands, a kick perhaps, comes after it. After a
    /// panic too, so that commands it had queued are not left for the next request to apply.
    pub(crate) fn apply(&mut self, world: &mut World) {
        if !self.acts {
            return;
        }
        let system = &mut self.system;
        if catch_unwind(AssertUnwindSafe(|| system.apply_deferred(world))).is_err() {
            self.panicked();
        }
    }

    fn panicked(&mut self) {
        self.panics += 1;
        // A peer that knows how to make it panic must not fill the log.
        if self.panics.is_power_of_two() {
            tracing::error!(routes = &*self.routes, times = self.panics, "a handler panicked");
        }
    }
}

/// A system that handles requests one by one.
pub(crate) struct SystemHandler<S, A> {
    owned: Owned<S>,
    /// It takes the world, and may have closed its connection when it returns.
    exclusive: bool,
    _answer: PhantomData<fn() -> A>,
}

impl<S: System, A> SystemHandler<S, A> {
    pub(crate) fn new(system: S, exclusive: bool, route: &str) -> Self {
        Self { owned: Owned::new(system, exclusive, route), exclusive, _answer: PhantomData }
    }
}

impl<T, S, A> Handler for SystemHandler<S, A>
where
    T: FromBody,
    S: System<In = Request<T>>,
    S::Out: IntoAnswer<A>,
    A: 'static,
{
    fn call(&mut self, world: &mut World, writer: &mut Writer, call: &Call<'_>) -> Outcome {
        let exclusive = self.exclusive;
        let answered = self.owned.catch(|system| {
            let body = match call.body::<T>() {
                Ok(body) => body,
                Err(error) => return Ok(bad(world, writer, call, Bad::Undecodable, &error.0)),
            };
            let request =
                Request { connection: call.origin.connection, agent: call.agent, body, origin: call.origin };
            let output = system.run_without_applying_deferred(request, world)?;
            if exclusive && is_over(world, writer, call) {
                return Ok(Outcome::Dropped);
            }
            Ok(match output.into_answer() {
                Answer::Reply(reply) => {
                    written(write_reply(world, writer, call.protocol, &call.origin, reply.content()))
                }
                Answer::Refused(refusal) => refuse(world, writer, call, &refusal),
                Answer::Deferred => Outcome::Deferred,
                Answer::Silent => Outcome::Done,
            })
        });
        let outcome = answered.unwrap_or_else(|| fail_open(world, writer, call));
        self.owned.apply(world);
        outcome
    }

    fn leaves_connections(&self) -> bool {
        self.owned.only_reads_and_writes()
    }

    fn check_change_ticks(&mut self, check: CheckChangeTicks) {
        self.owned.system.check_change_tick(check);
    }
}

/// A system that handles bytes where they lie.
pub(crate) struct RawHandler<S> {
    owned: Owned<S>,
    /// As of a [`SystemHandler`].
    exclusive: bool,
    reply: Vec<u8>,
}

impl<S: System> RawHandler<S> {
    pub(crate) fn new(system: S, exclusive: bool, route: &str) -> Self {
        Self { owned: Owned::new(system, exclusive, route), exclusive, reply: Vec::new() }
    }
}

/// A reply buffer larger than this is given back.
const REPLY_CAPACITY: usize = 64 * 1024;

impl<S: System<In = RawRequest<'static>, Out = ()>> Handler for RawHandler<S> {
    fn call(&mut self, world: &mut World, writer: &mut Writer, call: &Call<'_>) -> Outcome {
        self.reply.clear();
        let body = &call.buffer[call.span.0..call.span.1];
        let (connection, agent) = (call.origin.connection, call.agent);
        let request = RawRequest { connection, agent, body, reply: &mut self.reply };
        let exclusive = self.exclusive;
        let ran = self.owned.catch(|system| system.run_without_applying_deferred(request, world));
        let outcome = match ran {
            Some(()) if exclusive && is_over(world, writer, call) => Outcome::Dropped,
            Some(()) => {
                // The length is read by itself: read in one with the pointer, as it would be, it stalls the processor,
                // for the handler has only just written it.
                let reply = &self.reply[..black_box(self.reply.len())];
                written(write_reply(world, writer, call.protocol, &call.origin, Content::Raw(reply)))
            }
            None => fail_open(world, writer, call),
        };
        self.owned.apply(world);
        if self.reply.capacity() > REPLY_CAPACITY {
            self.reply = Vec::new();
        }
        outcome
    }

    fn leaves_connections(&self) -> bool {
        self.owned.only_reads_and_writes()
    }

    fn check_change_ticks(&mut self, check: CheckChangeTicks) {
        self.owned.system.check_change_tick(check);
    }
}

/// Whether its peer has been told goodbye already, after which there is nothing to say. An answer that a session keeps is
/// kept all the same.
fn is_over(world: &World, writer: &Writer, call: &Call<'_>) -> bool {
    writer.owed.is_none() && world.get::<Closing>(call.origin.connection).is_some()
}

/// The answer to a request whose handler failed, unless its peer has been told goodbye.
fn fail_open(world: &mut World, writer: &mut Writer, call: &Call<'_>) -> Outcome {
    if is_over(world, writer, call) { Outcome::Dropped } else { fail(world, writer, call) }
}

/// A peer whose reply could not be written was told of a failure instead.
fn written(reply: bool) -> Outcome {
    if reply { Outcome::Done } else { Outcome::Failed }
}

pub(crate) fn refuse(world: &mut World, writer: &mut Writer, call: &Call<'_>, refusal: &Refusal) -> Outcome {
    write_refusal(world, writer, call.protocol, &call.origin, refusal);
    Outcome::Refused(refusal.code)
}

pub(crate) fn fail(world: &mut World, writer: &mut Writer, call: &Call<'_>) -> Outcome {
    write_refusal(world, writer, call.protocol, &call.origin, &Refusal::internal());
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
    fn leaves_connections(&self) -> bool {
        true
    }

    fn call(&mut self, world: &mut World, writer: &mut Writer, call: &Call<'_>) -> Outcome {
        if call.origin.wants_reply() {
            let refusal =
                Refusal::new(Refusal::BAD_REQUEST, "this route takes notifies, and answers nothing");
            return refuse(world, writer, call, &refusal);
        }
        // Code of the game reads it, and may panic.
        match catch_unwind(AssertUnwindSafe(|| call.body::<T>())) {
            Ok(Ok(body)) => {
                let (connection, agent, received) =
                    (call.origin.connection, call.agent, call.origin.received());
                world.write_message(Received { connection, agent, received, body });
                Outcome::Done
            }
            Ok(Err(error)) => bad(world, writer, call, Bad::Undecodable, &error.0),
            Err(_panic) => fail(world, writer, call),
        }
    }
}

/// A peer's mistake costs that peer its request, or its connection, as the protocol says.
pub(crate) fn bad(
    world: &mut World,
    writer: &mut Writer,
    call: &Call<'_>,
    bad: Bad,
    message: &str,
) -> Outcome {
    let (connection, route) = (call.origin.connection, call.origin.route());
    if let Some(mut traffic) = world.get_mut::<Traffic>(connection) {
        traffic.bad_requests += 1;
    }
    tracing::debug!(%connection, route = world.resource::<Routes>().name(route), message, "bad request");
    let usual = match bad {
        Bad::UnknownRoute => Refusal::NOT_FOUND,
        Bad::Undecodable => Refusal::BAD_REQUEST,
        Bad::IdInUse => Refusal::CONFLICT,
    };
    let code = match call.protocol.on_bad(bad) {
        // The answer to the first with this id is on its way, and there is one for each.
        OnBad::Answer | OnBad::Refuse(_) if bad == Bad::IdInUse => None,
        OnBad::Answer => Some(usual),
        OnBad::Refuse(code) => Some(code),
        OnBad::Ignore => None,
        OnBad::Close(cause) => {
            world.trigger(Close::new(connection, cause));
            world.flush();
            None
        }
    };
    if let Some(code) = code {
        let refusal = Refusal::new(code, message.to_owned());
        write_refusal(world, writer, call.protocol, &call.origin, &refusal);
    }
    match bad {
        Bad::UnknownRoute => Outcome::Unknown,
        Bad::Undecodable => Outcome::Undecodable,
        Bad::IdInUse => Outcome::Refused(Refusal::CONFLICT),
    }
}
