//! Addresses and networks that are not let in.

use crate::{InvalidNetwork, Networks, networks::normal};
use bevy_ecs::prelude::*;
use ipnet::IpNet;
use portcullis_core::{Admitted, Cause, Close, Connection};
use std::{
    ops::{Deref, DerefMut},
    str::FromStr,
};

/// The [`Networks`] that are not let in. A change holds for connections that come from then on: to close who is in as
/// well, trigger [`Deny`].
#[derive(Resource, Clone, Debug, Default, PartialEq, Eq)]
pub struct DenyList(pub Networks);

impl Deref for DenyList {
    type Target = Networks;

    fn deref(&self) -> &Networks {
        &self.0
    }
}

impl DerefMut for DenyList {
    fn deref_mut(&mut self) -> &mut Networks {
        &mut self.0
    }
}

impl FromIterator<IpNet> for DenyList {
    fn from_iter<T: IntoIterator<Item = IpNet>>(networks: T) -> Self {
        Self(networks.into_iter().collect())
    }
}

/// As [`Networks`].
impl FromStr for DenyList {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        text.parse().map(Self)
    }
}

/// Request: put a network on the [`DenyList`], and close its connections with [`Cause::Refused`].
#[derive(Event, Clone, Copy, Debug)]
pub struct Deny {
    /// The network; a single address is one of its own: see [`parse_network`](crate::parse_network).
    pub network: IpNet,
}

/// Looks at all connections, once for each request of the operator.
pub(crate) fn deny(
    event: On<Deny>,
    mut list: ResMut<DenyList>,
    connections: Query<(Entity, &Connection), With<Admitted>>,
    mut commands: Commands,
) {
    let network = normal(event.network);
    list.add(network);
    for (entity, connection) in &connections {
        if network.contains(&connection.peer.ip().to_canonical()) {
            commands.trigger(Close::new(entity, Cause::Refused));
        }
    }
}
