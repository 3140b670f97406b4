//! The dispatcher: runs each packet's handler, in order, and sees that each request gets its one answer.

use crate::{
    Bad, Counters, Handled, Outcome, Outcomes, Packet, Packets, Protocols, Refusal, RouteId, Speaks, TimeLog,
    answer::{Owed, Writer},
    filter::Filters,
    handler::{Call, Handler, bad, refuse},
    packets::{ReadBuffer, Verdict},
    reply_cache::Asked,
    request::Origin,
    time_log,
};
use bevy_ecs::{change_detection::CheckChangeTicks, prelude::*};
use portcullis_core::{BoundTo, Clock, Closing, ForwardedTo, Kick, TimeSource};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// The handlers, by route.
#[derive(Resource)]
pub(crate) struct Dispatcher {
    handlers: Vec<Option<Box<dyn Handler>>>,
    pub(crate) filters: Filters,
    /// What is looked up for each packet; a query finds it without looking up types.
    connections:
        QueryState<(&'static Speaks, Option<&'static ForwardedTo>, Option<&'static BoundTo>, Has<Closing>)>,
    writer: Writer,
    /// Whom the last packet came from, if nothing has changed since: packets of one read follow each other.
    latest: Option<Peer>,
}

/// What there is to know of a connection. Whole words, for the reason of [`Origin`].
#[derive(Clone, Copy)]
struct Peer {
    connection: Entity,
    agent: Option<Entity>,
    session: Option<Entity>,
    speaks: u64,
}

impl FromWorld for Dispatcher {
    fn from_world(world: &mut World) -> Self {
        Self {
            handlers: Vec::new(),
            filters: Filters::default(),
            connections: world.query(),
            writer: Writer::from_world(world),
            latest: None,
        }
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
        let mut watch = Stopwatch::of(world);
        world.resource_scope(|world, mut dispatcher: Mut<Dispatcher>| {
            // Anything may have happened since the last run.
            dispatcher.latest = None;
            let mut rest = packets.list.drain(..);
            let mut handling = None;
            // What handlers do is caught, and answered, where they are run. This is for the game's code around them: no
            // packet but its own is lost. Around them all, for it costs something.
            while catch_unwind(AssertUnwindSafe(|| {
                for packet in rest.by_ref() {
                    let (connection, route, kind) = (packet.connection, packet.route, packet.kind);
                    handling = Some((connection, route, kind));
                    let outcome = dispatcher.handle(world, &protocols, packet, &packets.buffers);
                    counters.count(outcome);
                    outcomes.0.push(Handled { connection, route, kind, outcome });
                    if let Some(watch) = &mut watch {
                        watch.lap();
                    }
                }
            }))
            .is_err()
            {
                dispatcher.writer.settle(world, false);
                let Some((connection, route, kind)) = handling.take() else { continue };
                let outcome = Outcome::Failed;
                counters.count(outcome);
                outcomes.0.push(Handled { connection, route, kind, outcome });
                if let Some(watch) = &mut watch {
                    watch.lap();
                }
            }
        });
        world.resource_mut::<Counters>().add(&counters);
        if let Some(watch) = watch {
            time_log::note(world, &outcomes.0, watch.laps);
        }
    }
    packets.clear();
    *world.resource_mut::<Packets>() = packets;
    *world.resource_mut::<Outcomes>() = outcomes;
}

/// Measures each packet of a run, where somebody wants to know.
struct Stopwatch {
    source: TimeSource,
    last: Duration,
    laps: Vec<Duration>,
}

impl Stopwatch {
    fn of(world: &mut World) -> Option<Self> {
        let laps = std::mem::take(&mut world.get_resource_mut::<TimeLog>()?.spent);
        let source = world.resource::<Clock>().source().clone();
        Some(Self { last: source.now(), source, laps })
    }

    fn lap(&mut self) {
        let now = self.source.now();
        self.laps.push(now.saturating_sub(self.last));
        self.last = now;
    }
}

impl Dispatcher {
    fn handle(
        &mut self,
        world: &mut World,
        protocols: &Protocols,
        packet: Packet,
        buffers: &[ReadBuffer],
    ) -> Outcome {
        let known = self.latest.take().filter(|peer| peer.connection == packet.connection);
        let Some(peer) = known.or_else(|| self.look_up(world, packet.connection)) else {
            return Outcome::Dropped;
        };
        let Peer { agent, session, .. } = peer;
        let speaks = Speaks(peer.speaks as u8);
        let Some(protocol) = protocols.get(speaks) else { return Outcome::Dropped };
        let (read, span) = packet.parts(buffers);
        let call = Call {
            protocol,
            origin: Origin::new(packet.connection, packet.route, speaks, packet.kind, read.received),
            agent,
            buffer: &read.bytes,
            span,
        };
        let kept = session.zip(call.origin.id());
        if let Some(verdict) = packet.verdict {
            return self.turn_away(world, &call, kept, *verdict);
        }
        if let Some((session, id)) = kept
            && let Ok(mut cache) = self.writer.caches.get_mut(world, session)
        {
            let run = match cache.ask(id, packet.connection, speaks) {
                Asked::New(run) => run,
                asked => return self.asked_before(world, &call, (session, id), asked),
            };
            self.writer.owed = Some(Owed { session, id, run });
        }
        let outcome = self.pass_on(world, &call);
        if self.writer.owed.is_some() {
            self.writer.settle(world, outcome == Outcome::Deferred);
        }
        let acted = std::mem::take(&mut self.writer.acted) || !self.filters.is_empty();
        if !acted && matches!(outcome, Outcome::Done | Outcome::Deferred | Outcome::Refused(_)) {
            let handler = self.handlers.get(call.origin.route().index());
            let leaves = handler
                .is_some_and(|handler| handler.as_ref().is_some_and(|handler| handler.leaves_connections()));
            self.latest = leaves.then_some(peer);
        }
        outcome
    }

    fn look_up(&mut self, world: &mut World, connection: Entity) -> Option<Peer> {
        // New archetypes are rare; where the lookup misses one, it is made again in full.
        let found = match self.connections.get_manual(world, connection) {
            Ok(found) => Ok(found),
            Err(_) => self.connections.get(world, connection),
        };
        let Ok((&speaks, forwarded, bound, false)) = found else { return None };
        let (agent, session) = (forwarded.map(|forwarded| forwarded.0), bound.map(|bound| bound.0));
        Some(Peer { connection, agent, session, speaks: speaks.0.into() })
    }

    /// To the handler, past the filters of its route.
    #[inline]
    fn pass_on(&mut self, world: &mut World, call: &Call<'_>) -> Outcome {
        if !self.filters.is_empty()
            && let Some(outcome) = self.filter(world, call)
        {
            return outcome;
        }
        match self.handlers.get_mut(call.origin.route().index()) {
            Some(Some(handler)) => handler.call(world, &mut self.writer, call),
            _ => bad(world, &mut self.writer, call, Bad::UnknownRoute, "nobody handles this route"),
        }
    }

    /// A request that its session knows, or does not want to know.
    #[inline(never)]
    fn asked_before(
        &mut self,
        world: &mut World,
        call: &Call<'_>,
        (session, id): (Entity, u64),
        asked: Asked,
    ) -> Outcome {
        let refusal = match asked {
            Asked::New(_) | Asked::OnItsWay => return Outcome::Deferred,
            Asked::Again => {
                self.writer.resend(world, call.origin.connection, session, id);
                return Outcome::Done;
            }
            Asked::Conflict => {
                let message = "the id of a request that is not answered yet";
                return bad(world, &mut self.writer, call, Bad::IdInUse, message);
            }
            Asked::TooMany => Refusal::new(Refusal::TOO_MANY, "too many requests wait for an answer"),
            Asked::Forgotten => Refusal::new(Refusal::GONE, "the answer is not kept any more"),
        };
        refuse(world, &mut self.writer, call, &refusal)
    }

    /// Out of line, as [`filter`](Self::filter) is: most packets pass, and are handled the faster for it.
    #[inline(never)]
    fn turn_away(
        &mut self,
        world: &mut World,
        call: &Call<'_>,
        kept: Option<(Entity, u64)>,
        verdict: Verdict,
    ) -> Outcome {
        let asked = kept.and_then(|(session, id)| {
            let mut cache = self.writer.caches.get_mut(world, session).ok()?;
            let (connection, speaks) = (call.origin.connection, call.origin.speaks());
            let owed = cache.was_let_in(id, speaks) && !matches!(verdict, Verdict::Drop);
            owed.then(|| ((session, id), cache.ask(id, connection, speaks)))
        });
        let (refusal, reason) = match verdict {
            Verdict::Drop => return Outcome::Dropped,
            Verdict::Refuse(refusal) => (refusal, None),
            Verdict::Kick { refusal, reason } => (refusal, Some(reason)),
        };
        let outcome = match asked {
            // There is one answer for each id, and not a refusal beside it.
            Some((kept, asked)) => self.asked_before(world, call, kept, asked),
            None => refuse(world, &mut self.writer, call, &refusal),
        };
        if let Some(reason) = reason {
            world.trigger(Kick::new(call.origin.connection, reason));
            world.flush();
        }
        outcome
    }

    /// What becomes of a packet that does not get past the filters of its route.
    #[inline(never)]
    fn filter(&mut self, world: &mut World, call: &Call<'_>) -> Option<Outcome> {
        if let Some(outcome) = self.filters.check(world, &mut self.writer, call) {
            return Some(outcome);
        }
        // Who lets a packet pass may have shown its sender out all the same.
        let open = world.get_entity(call.origin.connection).is_ok_and(|peer| !peer.contains::<Closing>());
        (!open).then_some(Outcome::Dropped)
    }

    pub(crate) fn check_change_ticks(&mut self, check: CheckChangeTicks) {
        self.filters.check_change_ticks(check);
        self.handlers.iter_mut().flatten().for_each(|handler| handler.check_change_ticks(check));
    }
}
