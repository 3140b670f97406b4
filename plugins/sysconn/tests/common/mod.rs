//! A world without sockets, and what is written in it.

use bevy_ecs::prelude::*;
use portcullis_core::{Connection, DirtyOutboxes, Outbox};
use portcullis_sysconn::{ClientRecord, wire::Response};
use std::{net::SocketAddr, time::Duration};

pub fn world() -> World {
    let mut world = World::new();
    world.init_resource::<DirtyOutboxes>();
    world
}

/// A connection without the record of this protocol.
pub fn foreign() -> Connection {
    let (peer, local) = (SocketAddr::from(([127, 0, 0, 1], 7)), SocketAddr::from(([127, 0, 0, 1], 8)));
    Connection { peer, local, transport: "memory", opened_at: Duration::ZERO }
}

pub fn client(world: &mut World) -> Entity {
    world.spawn((foreign(), ClientRecord::default())).id()
}

/// The bytes that wait for a connection.
pub fn written(world: &World, connection: Entity) -> Vec<u8> {
    world.get::<Outbox>(connection).unwrap().bytes().to_vec()
}

/// A push, as it is on the wire.
pub fn message(command: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Response { error: 0, flag: 0, command, body }.write(&mut out);
    out
}
