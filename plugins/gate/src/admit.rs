//! The decision about each new connection.

use crate::{
    AcceptRates, AdmitOnly, DenyList, MaxClients, MaxConnections, PerAddressLimit, PreLoginBudget, Refusal,
    Refusals, Refused, Untrusted,
    budget::DefaultBudget,
    places::{Place, Places, neighbourhood},
    rates::Newcomers,
};
use bevy_ecs::prelude::*;
use portcullis_core::{
    AcceptedBy, Admitted, Arriving, Cause, Clock, Close, Closing, Connection, Draining, InboundLimit,
    MaxFrame, Opened,
};
use std::net::IpAddr;

/// One after another, in the order they were accepted: each admission is complete, with all that observers of
/// [`Opened`] asked for, before the next is looked at.
pub(crate) fn admit(world: &mut World, admitted: &mut QueryState<(), With<Admitted>>) {
    if world.resource::<Arriving>().0.is_empty() {
        return;
    }
    for entity in std::mem::take(&mut world.resource_mut::<Arriving>().0) {
        let open = admitted.iter(world).len();
        let Some(newcomer) = Newcomer::find(world, entity) else { continue };
        let peer = newcomer.connection.peer;
        let refusal = newcomer.refusal(world, open);
        let bundle = (Admitted, newcomer.place(), newcomer.untrusted(world));
        // Last, for it counts those who would be let in.
        match refusal.or_else(|| too_fast(world, peer.ip())) {
            Some(why) => {
                tracing::debug!(connection = %entity, %peer, %why, "refused");
                refuse(world, entity, why);
            }
            None => {
                world.entity_mut(entity).insert(bundle);
                // As a command: should an observer panic, the error handler hears of it and the next are admitted.
                world.commands().trigger(Opened { entity });
                world.flush();
            }
        }
    }
}

fn too_fast(world: &mut World, address: IpAddr) -> Option<Refusal> {
    let (rates, now) = (*world.resource::<AcceptRates>(), world.resource::<Clock>().now());
    let admitted = world.resource_mut::<Newcomers>().admit(&rates, address, now);
    (!admitted).then_some(Refusal::TooFast)
}

fn refuse(world: &mut World, entity: Entity, why: Refusal) {
    world.resource_mut::<Refusals>().add(why);
    world.commands().trigger(Refused { entity, why });
    world.commands().trigger(Close::new(entity, Cause::Refused));
    world.flush();
}

/// A connection that waits, and the listener whose policies hold for it.
struct Newcomer<'w> {
    entity: EntityRef<'w>,
    connection: &'w Connection,
    listener: Option<EntityRef<'w>>,
}

impl<'w> Newcomer<'w> {
    /// None when it was closed before it was looked at: its end is on the way, and nobody has to hear of it.
    fn find(world: &'w World, entity: Entity) -> Option<Self> {
        let entity = world.get_entity(entity).ok()?;
        if entity.contains::<Closing>() && !world.contains_resource::<Draining>() {
            return None;
        }
        let connection = entity.get()?;
        let listener = entity.get::<AcceptedBy>().and_then(|accepted| world.get_entity(accepted.0).ok());
        Some(Self { entity, connection, listener })
    }

    fn place(&self) -> Place {
        let neighbourhood = neighbourhood(self.connection.peer.ip());
        Place { listener: self.listener.map(|listener| listener.id()), neighbourhood }
    }

    fn refusal(&self, world: &World, open: usize) -> Option<Refusal> {
        let address = self.connection.peer.ip().to_canonical();
        let places = world.resource::<Places>();
        let only = self.listener.and_then(|listener| listener.get::<AdmitOnly>());
        let max_clients = self.listener.and_then(|listener| listener.get::<MaxClients>());
        let at_listener = self.listener.map_or(0, |listener| places.of_listener(listener.id()));
        let per_address = world.resource::<PerAddressLimit>();
        let max_of_address = if address.is_loopback() { per_address.loopback } else { per_address.remote };

        if world.contains_resource::<Draining>() {
            Some(Refusal::ShuttingDown)
        } else if world.resource::<DenyList>().contains(address) {
            Some(Refusal::Denied)
        } else if only.is_some_and(|only| !only.0.contains(address)) {
            Some(Refusal::NotReady)
        } else if open >= world.resource::<MaxConnections>().0 {
            Some(Refusal::Full)
        } else if max_clients.is_some_and(|max| at_listener >= max.0) {
            Some(Refusal::ListenerFull)
        } else if max_of_address.is_some_and(|max| places.of_address(neighbourhood(address)) >= max) {
            Some(Refusal::AddressLimit)
        } else {
            None
        }
    }

    fn untrusted(&self, world: &World) -> impl Bundle + use<> {
        let own = self.listener.and_then(|listener| listener.get::<PreLoginBudget>());
        let budget = own.copied().unwrap_or(world.resource::<DefaultBudget>().0);
        let max_frame = self.entity.get::<MaxFrame>().copied().unwrap_or_default();
        let inbound = self.entity.get::<InboundLimit>().copied().unwrap_or_default();
        Untrusted::on(budget, max_frame, inbound)
    }
}
