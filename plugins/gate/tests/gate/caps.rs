use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Admitted, Cause, Close};
use portcullis_gate::{
    AcceptRates, GatePlugin, MaxClients, MaxConnections, PerAddressLimit, Refusal, Refusals,
};

fn admitted(server: &mut Server) -> usize {
    let world = server.world();
    world.query_filtered::<(), With<Admitted>>().iter(world).len()
}

fn refused(server: &Server, why: Refusal) -> u64 {
    server.app.world().resource::<Refusals>().count(why)
}

#[test]
fn max_clients_is_exact_under_churn() {
    let mut server = Server::new(GatePlugin::default());
    let listener = server.world().spawn(MaxClients(8)).id();
    let other = server.world().spawn_empty().id();
    let mut sockets = Vec::new();
    for round in 0..50_usize {
        // More than there is room for, and in one batch.
        sockets.extend((0..12).map(|i| server.connect(listener, &format!("10.0.{round}.{i}:7"))));
        let neighbour = server.connect(other, &format!("10.9.0.{round}:7"));
        server.run();
        assert_eq!(admitted(&mut server), 9, "eight here, and one at the other listener");
        sockets.retain(|socket| server.is_there(socket));
        assert_eq!(sockets.len(), 8);
        for socket in sockets.drain(..1 + round % 8) {
            server.world().trigger(Close::new(socket.connection(), Cause::Requested));
        }
        server.world().trigger(Close::new(neighbour.connection(), Cause::Requested));
        server.run();
        assert_eq!(admitted(&mut server), sockets.len());
    }
}

#[test]
fn max_clients_can_be_changed_while_the_server_runs() {
    let mut server = Server::new(GatePlugin::default());
    let listener = server.world().spawn(MaxClients(2)).id();
    let sockets: Vec<_> = (1..4).map(|i| server.connect(listener, &format!("10.0.0.{i}:7"))).collect();
    server.run();
    assert_eq!(admitted(&mut server), 2);
    server.world().entity_mut(listener).insert(MaxClients(1));
    let _late = server.connect(listener, "10.0.0.9:7");
    server.run();
    assert_eq!(admitted(&mut server), 2, "who is in stays");
    server.world().entity_mut(listener).insert(MaxClients(3));
    let _later = server.connect(listener, "10.0.0.10:7");
    server.run();
    assert_eq!(admitted(&mut server), 3);
    assert!(server.is_there(&sockets[0]));
}

#[test]
fn a_closing_connection_keeps_its_place_until_its_socket_is_gone() {
    let mut server = Server::new(GatePlugin::default());
    let listener = server.world().spawn(MaxClients(1)).id();
    let first = server.connect(listener, "10.0.0.1:7");
    server.run();
    server.world().trigger(Close::new(first.connection(), Cause::Requested));
    server.world().flush();
    // Both in one run: the socket of the first is still open when the second is looked at.
    let second = server.connect(listener, "10.0.0.2:7");
    server.run();
    assert!(second.is_closed());
    assert_eq!(refused(&server, Refusal::ListenerFull), 1);
    let third = server.connect(listener, "10.0.0.3:7");
    server.run();
    assert!(server.is_there(&third));
}

#[test]
fn the_server_has_a_cap_over_all_listeners() {
    let gate = GatePlugin { max_connections: MaxConnections(3), ..GatePlugin::default() };
    let mut server = Server::new(gate);
    let listeners = [server.world().spawn(MaxClients(3)).id(), server.world().spawn_empty().id()];
    let _sockets: Vec<_> =
        (0..6).map(|i| server.connect(listeners[i % 2], &format!("10.0.0.{i}:7"))).collect();
    server.run();
    assert_eq!(admitted(&mut server), 3);
    assert_eq!(refused(&server, Refusal::Full), 3);
}

#[test]
fn one_address_has_so_many_connections_and_no_more() {
    let mut server = Server::new(GatePlugin { rates: AcceptRates::UNLIMITED, ..GatePlugin::default() });
    let listener = server.world().spawn_empty().id();
    let crowd: Vec<_> =
        (0..70).map(|i| server.connect(listener, &format!("192.0.2.1:{}", 1000 + i))).collect();
    let _mapped = server.connect(listener, "[::ffff:192.0.2.1]:7");
    let _other = server.connect(listener, "192.0.2.2:7");
    server.run();
    assert_eq!(admitted(&mut server), 65);
    assert_eq!(refused(&server, Refusal::AddressLimit), 7);
    crowd[0].reset();
    server.run();
    let again = server.connect(listener, "192.0.2.1:9");
    server.run();
    assert!(server.is_there(&again));
}

#[test]
fn an_ipv6_subscriber_counts_as_one_address() {
    let per_address = PerAddressLimit { remote: Some(2), loopback: None };
    let mut server = Server::new(GatePlugin { per_address, ..GatePlugin::default() });
    let listener = server.world().spawn_empty().id();
    let _sockets: Vec<_> =
        (1..6).map(|i| server.connect(listener, &format!("[2001:db8:0:1::{i}]:7"))).collect();
    let _other = server.connect(listener, "[2001:db8:0:2::1]:7");
    server.run();
    assert_eq!(admitted(&mut server), 3);
}

#[test]
fn loopback_is_not_limited_unless_asked_for() {
    let mut server = Server::new(GatePlugin::default());
    let listener = server.world().spawn_empty().id();
    let peers = ["127.0.0.1:7", "[::1]:7", "[::ffff:127.0.0.1]:7"];
    let _sockets: Vec<_> = (0..300).map(|i| server.connect(listener, peers[i % 3])).collect();
    server.run();
    assert_eq!(admitted(&mut server), 300);
    server.world().resource_mut::<PerAddressLimit>().loopback = Some(100);
    let _late = server.connect(listener, peers[1]);
    server.run();
    assert_eq!(admitted(&mut server), 300);
    assert_eq!(refused(&server, Refusal::AddressLimit), 1);
}
