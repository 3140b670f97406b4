//! Answers that come later: from a tokio task, another system, another tick.

use crate::{
    Counters, IntoBody, Refusal, ReplyCache, Request, RouteId, RouteSet, Routes,
    answer::{Owed, answer_late},
    request::Origin,
};
use bevy_ecs::{prelude::*, system::SystemParam};
use portcullis_core::{BoundTo, Clock, DeadlineQueue, Funnel};
use std::{
    fmt,
    marker::PhantomData,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A handler returns this when a [`Responder`] answers in its place.
#[must_use = "return it from the handler, or the request is answered twice"]
#[derive(Debug)]
pub struct Deferred<R> {
    _reply: PhantomData<fn() -> R>,
}

/// How long a deferred answer may take, and how many one connection may have outstanding.
#[derive(Resource, Clone, Copy, Debug)]
pub struct DeferLimits {
    /// After this the request is answered with [`Refusal::TIMEOUT`]. Default 10 seconds. Routes may have
    /// [their own](crate::AppDispatchExt::set_timeout).
    pub deadline: Duration,
    /// Requests of one connection that may wait for an answer; more are refused with [`Refusal::TOO_MANY`].
    /// Default 64.
    pub per_connection: usize,
}

impl Default for DeferLimits {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10), per_connection: 64 }
    }
}

/// How long deferred answers of some routes may take.
#[derive(Resource, Debug, Default)]
pub(crate) struct Timeouts(Vec<(RouteSet, Duration)>);

impl Timeouts {
    pub(crate) fn set(&mut self, routes: RouteSet, timeout: Duration) {
        self.0.push((routes, timeout));
    }

    /// The last that was set for this route.
    fn of(&self, routes: &Routes, route: RouteId) -> Option<Duration> {
        self.0.iter().rev().find(|(set, _)| routes.contains(*set, route)).map(|&(_, timeout)| timeout)
    }
}

/// Takes a request's answer into one's own hands, as a system parameter.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_dispatch::{Defer, Deferred, Refusal, Request};
///
/// fn slow(request: Request<String>, mut defer: Defer) -> Result<Deferred<usize>, Refusal> {
///     let (deferred, responder) = defer.begin(&request)?;
///     let text = request.body;
///     std::thread::spawn(move || responder.reply(text.len()));
///     Ok(deferred)
/// }
/// ```
#[derive(SystemParam)]
pub struct Defer<'w, 's> {
    funnel: Res<'w, Funnel>,
    clock: Res<'w, Clock>,
    limits: Res<'w, DeferLimits>,
    timeouts: Res<'w, Timeouts>,
    routes: Res<'w, Routes>,
    waiting: ResMut<'w, WaitingAnswers>,
    outstanding: Query<'w, 's, (&'static mut Outstanding, Option<&'static BoundTo>)>,
    caches: Query<'w, 's, &'static ReplyCache>,
}

impl Defer<'_, '_> {
    /// What the handler returns, and what answers in its place.
    ///
    /// # Errors
    /// When the connection has too many requests waiting already.
    pub fn begin<T, R: IntoBody + Send + 'static>(
        &mut self,
        request: &Request<T>,
    ) -> Result<(Deferred<R>, Responder<R>), Refusal> {
        let (mut outstanding, bound) = self.outstanding.get_mut(request.connection)?;
        let place = outstanding.0.get_or_insert_default();
        if Arc::strong_count(place) > self.limits.per_connection {
            return Err(Refusal::new(Refusal::TOO_MANY, "too many requests wait for an answer"));
        }
        let owed = bound.zip(request.origin.id()).and_then(|(&BoundTo(session), id)| {
            let run = self.caches.get(session).ok()?.run(id)?;
            Some(Owed { session, id, run })
        });
        let ticket = Arc::new(Ticket {
            origin: request.origin,
            owed,
            answered: AtomicBool::new(false),
            _place: Arc::clone(place),
        });
        let timeout = self.timeouts.of(&self.routes, request.origin.route()).unwrap_or(self.limits.deadline);
        // A timeout without an end has none.
        if let Some(due) = self.clock.now().checked_add(timeout) {
            self.waiting.push(due, Arc::downgrade(&ticket));
        }
        let responder = Responder { ticket, funnel: self.funnel.clone(), _reply: PhantomData };
        Ok((Deferred { _reply: PhantomData }, responder))
    }
}

/// The requests of a connection that wait for an answer: as many as there are other holders of the count.
#[derive(Component, Debug, Default)]
pub struct Outstanding(Option<Arc<()>>);

/// When which deferred answer is due.
#[derive(Resource, Default)]
pub struct WaitingAnswers {
    queue: DeadlineQueue<Weak<Ticket>>,
    /// The length at which the queue is cleared of those that were answered.
    sweep_at: usize,
}

/// Shorter queues are not worth a look.
const SWEEP_AT_LEAST: usize = 1024;

impl WaitingAnswers {
    /// Deadlines may be far and answers come at once, as often as peers ask: so those that were answered are cleared away
    /// whenever the queue is twice as long as it was after the last time.
    fn push(&mut self, due: Duration, ticket: Weak<Ticket>) {
        if self.queue.len() >= self.sweep_at.max(SWEEP_AT_LEAST) {
            self.queue.retain(|ticket| ticket.strong_count() > 0);
            self.sweep_at = self.queue.len() * 2;
        }
        self.queue.push(due, ticket);
    }

    /// How many [`Responder`]s somebody holds whose deadline has not passed. It looks at each.
    pub fn in_flight(&self) -> usize {
        self.queue.iter().filter(|ticket| ticket.strong_count() > 0).count()
    }
}

#[derive(Debug)]
pub(crate) struct Ticket {
    origin: Origin,
    /// Where its session keeps the answer.
    owed: Option<Owed>,
    answered: AtomicBool,
    _place: Arc<()>,
}

impl Ticket {
    /// True for the first who wants to answer.
    fn claim(&self) -> bool {
        !self.answered.swap(true, Ordering::SeqCst)
    }
}

/// Answers one request, once, from wherever it was taken. Dropped without an answer, it answers with an error.
pub struct Responder<R: IntoBody + Send + 'static> {
    ticket: Arc<Ticket>,
    funnel: Funnel,
    _reply: PhantomData<fn(R)>,
}

impl<R: IntoBody + Send + 'static> Responder<R> {
    /// Answers. Too late, after the deadline, it is dropped.
    pub fn reply(self, reply: R) {
        self.answer(Ok(reply));
    }

    /// Answers with an error.
    pub fn refuse(self, refusal: impl Into<Refusal>) {
        self.answer(Err(refusal.into()));
    }

    /// Answers with either.
    pub fn answer(self, answer: Result<R, Refusal>) {
        if self.ticket.claim() {
            self.post(answer);
        }
    }

    /// Whether the deadline has passed, so that nobody waits any more.
    pub fn is_late(&self) -> bool {
        self.ticket.answered.load(Ordering::SeqCst)
    }

    fn post(&self, answer: Result<R, Refusal>) {
        let ticket = Arc::clone(&self.ticket);
        self.funnel.post(move |world| {
            answer_late(
                world,
                &ticket.origin,
                ticket.owed,
                answer.as_ref().map(|body| body as &dyn IntoBody),
            );
        });
    }
}

impl<R: IntoBody + Send + 'static> Drop for Responder<R> {
    fn drop(&mut self) {
        if self.ticket.claim() {
            self.post(Err(Refusal::new(Refusal::INTERNAL, "the request was dropped without an answer")));
        }
    }
}

impl<R: IntoBody + Send + 'static> fmt::Debug for Responder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").field("origin", &self.ticket.origin).finish_non_exhaustive()
    }
}

/// Answers with an error what was not answered in time.
pub(crate) fn expire(world: &mut World) {
    let now = world.resource::<Clock>().now();
    while let Some(ticket) = world.resource_mut::<WaitingAnswers>().queue.pop_due(now) {
        if let Some(ticket) = ticket.upgrade()
            && ticket.claim()
        {
            world.resource_mut::<Counters>().timed_out += 1;
            let refusal = Refusal::new(Refusal::TIMEOUT, "the answer did not come in time");
            answer_late(world, &ticket.origin, ticket.owed, Err(&refusal));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DispatchPlugin, PacketKind, Protocols, Speaks};
    use bevy_app::App;
    use bevy_ecs::system::RunSystemOnce;
    use portcullis_core::CorePlugin;

    #[test]
    fn answers_that_were_given_do_not_wait_for_their_deadline() {
        let mut app = App::new();
        app.add_plugins((CorePlugin::default(), DispatchPlugin)).init_resource::<Protocols>();
        let connection = app.world_mut().spawn(Outstanding::default()).id();
        let route = app.world_mut().resource_mut::<Routes>().intern("shop.buy");
        let kind = PacketKind::Request(1);
        let origin = Origin::new(connection, route, Speaks(0), kind, Duration::ZERO);
        let ask = move |mut defer: Defer| {
            for _ in 0..10_000 {
                let request = Request { connection, agent: None, body: (), origin };
                let Ok((_, responder)) = defer.begin::<_, ()>(&request) else { panic!("too many wait") };
                assert!(responder.ticket.claim());
            }
        };
        assert!(app.world_mut().run_system_once(ask).is_ok());
        assert!(app.world().resource::<WaitingAnswers>().queue.len() <= 2 * SWEEP_AT_LEAST);
    }
}
