//! The dispatcher: runs each packet's handler, in order, and sees that each request gets its one answer.

use crate::{
    Bad, Counters, Handled, Outcome, Outcomes, Packet, Packets, Protocols, RouteId, Speaks, TimeLog,
    filter::Filters,
    handler::{Call, Handler, bad, refuse},
    packets::{ReadBuffer, Verdict},
    request::Origin,
    time_log,
};
use bevy_ecs::{change_detection::CheckChangeTicks, prelude::*};
use portcullis_core::{Clock, Closing, ForwardedTo, Kick, OutboxWriter, TimeSource};
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
    connections: QueryState<(&'static Speaks, Option<&'static ForwardedTo>, Has<Closing>)>,
    outboxes: OutboxWriter,
}

impl FromWorld for Dispatcher {
    fn from_world(world: &mut World) -> Self {
        Self {
            handlers: Vec::new(),
            filters: Filters::default(),
            connections: world.query(),
            outboxes: OutboxWriter::from_world(world),
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
            return self.turn_away(world, &call, *verdict);
        }
        if !self.filters.is_empty()
            && let Some(outcome) = self.filter(world, &call)
        {
            return outcome;
        }
        match self.handlers.get_mut(packet.route.index()) {
            Some(Some(handler)) => handler.call(world, &mut self.outboxes, &call),
            _ => bad(world, &mut self.outboxes, &call, Bad::UnknownRoute, "nobody handles this route"),
        }
    }

    /// Out of line, as [`filter`](Self::filter) is: most packets pass, and are handled the faster for it.
    #[inline(never)]
    fn turn_away(&mut self, world: &mut World, call: &Call<'_>, verdict: Verdict) -> Outcome {
        match verdict {
            Verdict::Drop => Outcome::Dropped,
            Verdict::Refuse(refusal) => refuse(world, &mut self.outboxes, call, &refusal),
            Verdict::Kick { refusal, reason } => {
                let outcome = refuse(world, &mut self.outboxes, call, &refusal);
                world.trigger(Kick::new(call.origin.connection, reason));
                world.flush();
                outcome
            }
        }
    }

    /// What becomes of a packet that does not get past the filters of its route.
    #[inline(never)]
    fn filter(&mut self, world: &mut World, call: &Call<'_>) -> Option<Outcome> {
        if let Some(outcome) = self.filters.check(world, &mut self.outboxes, call) {
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
