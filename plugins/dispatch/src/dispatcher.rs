//! The dispatcher: runs each packet's handler, in order, and sees that each request gets its one answer.

use crate::{
    Bad, Counters, Handled, Outcome, Outcomes, Packet, Packets, Protocols, RouteId, Speaks,
    handler::{Call, Handler, bad, refuse},
    packets::{ReadBuffer, Verdict},
    request::Origin,
};
use bevy_ecs::{change_detection::CheckChangeTicks, prelude::*};
use portcullis_core::{Closing, ForwardedTo, OutboxWriter};

/// The handlers, by route.
#[derive(Resource)]
pub(crate) struct Dispatcher {
    handlers: Vec<Option<Box<dyn Handler>>>,
    /// What is looked up for each packet; a query finds it without looking up types.
    connections: QueryState<(&'static Speaks, Option<&'static ForwardedTo>, Has<Closing>)>,
    outboxes: OutboxWriter,
}

impl FromWorld for Dispatcher {
    fn from_world(world: &mut World) -> Self {
        Self { handlers: Vec::new(), connections: world.query(), outboxes: OutboxWriter::from_world(world) }
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
            return refuse(world, &mut self.outboxes, &call, &refusal);
        }
        match self.handlers.get_mut(packet.route.index()) {
            Some(Some(handler)) => handler.call(world, &mut self.outboxes, &call),
            _ => bad(world, &mut self.outboxes, &call, Bad::UnknownRoute, "nobody handles this route"),
        }
    }

    pub(crate) fn check_change_ticks(&mut self, check: CheckChangeTicks) {
        self.handlers.iter_mut().flatten().for_each(|handler| handler.check_change_ticks(check));
    }
}
