use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Cause, Close, Closed, Closing, Connection, Opened, Outboxes, Shutdown};
use portcullis_gate::{GatePlugin, MaxClients, Refusal, Refusals, Refused};
use portcullis_net::memory::MemorySocket;

#[test]
fn a_refused_connection_is_never_opened_nor_closed() {
    let mut server = Server::new(GatePlugin::default());
    server.record::<Closed>();
    let listener = server.world().spawn(MaxClients(0)).id();
    let entities = count_entities(&mut server);
    let sockets: Vec<_> = (0..100).map(|i| server.connect(listener, &format!("10.0.0.{i}:7"))).collect();
    // Some end before the gate has said a word.
    for socket in &sockets[..50] {
        socket.reset();
    }
    server.run();
    assert!(sockets.iter().all(|socket| socket.is_closed() && !server.is_there(socket)));
    assert_eq!(server.told::<Refused>().len(), 100);
    assert!(server.told::<Opened>().is_empty() && server.told::<Closed>().is_empty());
    assert_eq!(count_entities(&mut server), entities);
}

#[test]
fn they_are_opened_in_the_order_they_came() {
    let mut server = Server::new(GatePlugin::default());
    let listener = server.world().spawn_empty().id();
    let sockets: Vec<_> = (0..100).map(|i| server.connect(listener, &format!("10.0.0.{i}:7"))).collect();
    server.run();
    let opened: Vec<Entity> = server.told::<Opened>().iter().map(|opened| opened.entity).collect();
    let came: Vec<Entity> = sockets.iter().map(MemorySocket::connection).collect();
    assert_eq!(opened, came);
}

#[test]
fn what_an_observer_of_the_refusal_writes_is_sent() {
    let mut server = Server::new(GatePlugin::default());
    server.app.add_observer(|refused: On<Refused>, mut outboxes: Outboxes| {
        let label = refused.why.label().as_bytes();
        outboxes.write(refused.entity, |out| out.extend_from_slice(label)).unwrap();
    });
    let listener = server.world().spawn(MaxClients(0)).id();
    let socket = server.connect(listener, "10.0.0.1:7");
    server.run();
    assert_eq!(socket.read(), b"listener_full");
    assert!(socket.is_closed());
}

#[test]
fn a_server_that_shuts_down_refuses_everybody() {
    let mut server = Server::new(GatePlugin::default());
    server.record::<Closed>();
    let listener = server.world().spawn_empty().id();
    let inside = server.connect(listener, "10.0.0.1:7");
    server.run();
    let queued = server.connect(listener, "10.0.0.2:7");
    server.funnel.post(|world| world.trigger(Shutdown));
    server.app.update();
    let late = server.connect(listener, "10.0.0.3:7");
    server.run();
    assert!([&inside, &queued, &late].into_iter().all(MemorySocket::is_closed));
    assert_eq!(server.app.world().resource::<Refusals>().count(Refusal::ShuttingDown), 2);
    let closed: Vec<_> = server.told::<Closed>().iter().map(|closed| (closed.entity, closed.cause)).collect();
    assert_eq!(closed, [(inside.connection(), Cause::Shutdown)]);
}

#[test]
fn who_is_closed_before_the_gate_looks_is_not_told_of() {
    let mut server = Server::new(GatePlugin::default());
    server.record::<Closed>();
    let listener = server.world().spawn_empty().id();
    let socket = server.connect(listener, "10.0.0.1:7");
    let connection = socket.connection();
    server.funnel.post(move |world| world.trigger(Close::new(connection, Cause::Requested)));
    server.run();
    assert!(socket.is_closed() && !server.is_there(&socket));
    assert!(server.told::<Opened>().is_empty());
    assert!(server.told::<Refused>().is_empty());
    assert!(server.told::<Closed>().is_empty());
}

#[test]
fn an_observer_that_panics_keeps_nobody_else_out() {
    let mut server = Server::new(GatePlugin::default());
    server.app.add_observer(|opened: On<Opened>, connections: Query<&Connection>| {
        assert_ne!(connections.get(opened.entity).unwrap().peer.port(), 666, "as it is meant to");
    });
    let listener = server.world().spawn_empty().id();
    let sockets = ["10.0.0.1:7", "10.0.0.2:666", "10.0.0.3:7"].map(|peer| server.connect(listener, peer));
    server.run();
    let world = server.app.world();
    assert!(sockets.iter().all(|socket| world.get::<Closing>(socket.connection()).is_none()));
    assert_eq!(server.told::<Opened>().last().unwrap().entity, sockets[2].connection());
}

fn count_entities(server: &mut Server) -> usize {
    let world = server.world();
    world.query::<Entity>().iter(world).count()
}
