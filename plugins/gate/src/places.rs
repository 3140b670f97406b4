//! The places that admitted connections take, counted by listener and by address.
//!
//! A place is an immutable component: its hooks keep the counts, so they cannot differ from what exists. The world's
//! relationships cannot tell: a listener's [`Accepted`](portcullis_core::Accepted) holds the refused too, until their
//! sockets are gone.

use bevy_ecs::{lifecycle::HookContext, prelude::*, world::DeferredWorld};
use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
};

/// The place of one admitted connection.
#[derive(Component, Clone, Copy, Debug)]
#[component(immutable, on_insert = taken, on_discard = left)]
pub(crate) struct Place {
    pub(crate) listener: Option<Entity>,
    pub(crate) neighbourhood: IpAddr,
}

/// How many places are taken at each listener and by each address. What has none is not held.
#[derive(Resource, Debug, Default)]
pub(crate) struct Places {
    listeners: HashMap<Entity, usize>,
    addresses: HashMap<IpAddr, usize>,
}

impl Places {
    pub(crate) fn of_listener(&self, listener: Entity) -> usize {
        self.listeners.get(&listener).copied().unwrap_or(0)
    }

    pub(crate) fn of_address(&self, neighbourhood: IpAddr) -> usize {
        self.addresses.get(&neighbourhood).copied().unwrap_or(0)
    }
}

/// What counts as one address for whoever counts by addresses: an IPv4 address, or an IPv6 /64, of which one customer has
/// all.
///
/// ```
/// use portcullis_gate::neighbourhood;
///
/// assert_eq!(neighbourhood("2001:db8::1:2:3:4".parse()?), neighbourhood("2001:db8::5:6:7:8".parse()?));
/// assert_eq!(neighbourhood("::ffff:192.0.2.1".parse()?), "192.0.2.1".parse::<std::net::IpAddr>()?);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        other => other,
    }
}

fn taken(mut world: DeferredWorld, context: HookContext) {
    let Some(place) = world.get::<Place>(context.entity).copied() else { return };
    let Some(mut places) = world.get_resource_mut::<Places>() else { return };
    *places.addresses.entry(place.neighbourhood).or_default() += 1;
    if let Some(listener) = place.listener {
        *places.listeners.entry(listener).or_default() += 1;
    }
}

fn left(mut world: DeferredWorld, context: HookContext) {
    let Some(place) = world.get::<Place>(context.entity).copied() else { return };
    let Some(mut places) = world.get_resource_mut::<Places>() else { return };
    take_one(&mut places.addresses, &place.neighbourhood);
    if let Some(listener) = place.listener {
        take_one(&mut places.listeners, &listener);
    }
}

fn take_one<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(listener: Entity, address: &str) -> Place {
        Place { listener: Some(listener), neighbourhood: neighbourhood(address.parse().unwrap()) }
    }

    #[test]
    fn counts_follow_the_components_and_nothing_stays_behind() {
        let mut world = World::new();
        world.init_resource::<Places>();
        let listener = world.spawn_empty().id();
        let first = world.spawn(place(listener, "192.0.2.1")).id();
        let second = world.spawn(place(listener, "::ffff:192.0.2.1")).id();
        let count = |world: &World| world.resource::<Places>().of_address("192.0.2.1".parse().unwrap());
        assert_eq!(count(&world), 2);
        world.entity_mut(first).insert(place(listener, "192.0.2.2"));
        assert_eq!(count(&world), 1);
        assert_eq!(world.resource::<Places>().of_listener(listener), 2);
        world.despawn(first);
        world.despawn(second);
        let places = world.resource::<Places>();
        assert!(places.listeners.is_empty() && places.addresses.is_empty());
    }

    #[test]
    fn an_ipv6_subscriber_is_one_address() {
        let of = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_ne!(of("::1"), of("::2"));
    }
}
