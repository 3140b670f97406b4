//! How many may be in at once. All caps can be changed while the server runs; who is in already stays.

use bevy_ecs::prelude::*;

/// Connections the whole server serves at once. Default 10,000: about what the usual limits of open files allow after
/// they have been raised once; beyond it, memory per connection should have been looked at.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxConnections(pub usize);

impl Default for MaxConnections {
    fn default() -> Self {
        Self(10_000)
    }
}

/// Connections a listener serves at once, as a component beside it. Exactly so many, and not one fewer, as skynet's
/// `maxclient` does. Without it only [`MaxConnections`] holds.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxClients(pub usize);

/// Connections of one address that are served at once; `None` means as many as there is room for.
///
/// An IPv6 address counts together with its /64, which is what one subscriber has. An IPv4 address that was mapped
/// into IPv6 counts as IPv4.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerAddressLimit {
    /// For addresses of other machines. Default 64: a school or a provider's shared address fits, one machine cannot
    /// take the server.
    pub remote: Option<usize>,
    /// For this machine's loopback addresses. Default `None`: proxies, bots and tests come from there.
    pub loopback: Option<usize>,
}

impl Default for PerAddressLimit {
    fn default() -> Self {
        Self { remote: Some(64), loopback: None }
    }
}
