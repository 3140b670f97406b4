//! What clients get wrong, and what comes of it.

use crate::{Blacklist, ClientRecord, Manners, strikes::Strikes};
use bevy_ecs::prelude::*;
use portcullis_core::{AcceptedBy, Cause, Clock, Close, Closing, Connection, Opened};
use portcullis_gate::neighbourhood;
use std::{net::IpAddr, time::Duration};

/// Bodies that nobody could read, by the address they came from.
#[derive(Resource, Debug)]
pub struct Offences(Strikes<IpAddr>);

/// How long an offence is remembered.
const WINDOW: Duration = Duration::from_secs(600);
/// Addresses that are remembered.
const ADDRESSES: usize = 10_000;

impl Default for Offences {
    fn default() -> Self {
        Self(Strikes::new(WINDOW, ADDRESSES))
    }
}

impl Offences {
    /// How many connections from this [neighbourhood] were closed for bodies that nobody could read, within the last ten minutes.
    pub fn of(&self, address: IpAddr, now: Duration) -> u32 {
        self.0.count(&neighbourhood(address), now)
    }
}

/// A body that nobody can read counts against its role, and its address.
pub(crate) fn count(
    event: On<Add<Closing>>,
    connections: Query<(&Closing, &Connection, &ClientRecord)>,
    clock: Res<Clock>,
    mut offences: ResMut<Offences>,
    mut blacklist: ResMut<Blacklist>,
) {
    let Ok((closing, connection, record)) = connections.get(event.entity) else { return };
    if closing.cause != Cause::Undecodable {
        return;
    }
    offences.0.strike(neighbourhood(connection.peer.ip()), clock.now());
    // Role 0 is whoever has not logged in: it is nobody, and never banned.
    if let Some(ban) = blacklist.offend(record.role, clock.unix()) {
        tracing::info!(role = record.role, ?ban, "a role was banned for bodies that nobody can read");
    }
}

/// Whoever has sent too many is not let in for a while. Loopback is exempt, as from the gate's limits: behind it may be a
/// proxy.
pub(crate) fn turn_away(
    event: On<Opened>,
    connections: Query<(&Connection, &AcceptedBy)>,
    listeners: Query<&Manners>,
    clock: Res<Clock>,
    offences: Res<Offences>,
    mut commands: Commands,
) {
    // The listener's, for it is not sure that the connection has them by now.
    let Ok((connection, accepted)) = connections.get(event.entity) else { return };
    let Ok(manners) = listeners.get(accepted.0) else { return };
    let address = connection.peer.ip();
    if !address.is_loopback() && offences.of(address, clock.now()) > manners.offences {
        commands.trigger(Close::new(event.entity, Cause::Refused));
    }
}

/// Connections that are closed for what they sent, after what they sent before it was handled.
#[derive(Resource, Debug, Default)]
pub(crate) struct Offenders(pub(crate) Vec<(Entity, Cause)>);

pub(crate) fn close_offenders(mut offenders: ResMut<Offenders>, mut commands: Commands) {
    for (entity, cause) in offenders.0.drain(..) {
        commands.trigger(Close::new(entity, cause));
    }
}
