use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{
    Authenticated, Cause, Closed, Forward, InboundLimit, MaxFrame, Opened, Start, Traffic,
};
use portcullis_gate::{GatePlugin, PreLoginBudget, Trust, Untrusted};
use portcullis_net::memory::MemorySocket;

fn frame(len: u16) -> Vec<u8> {
    let mut frame = len.to_be_bytes().to_vec();
    frame.resize(usize::from(len) + 2, b'x');
    frame
}

fn limits(server: &Server, socket: &MemorySocket) -> (usize, usize) {
    let connection = server.app.world().entity(socket.connection());
    (connection.get::<MaxFrame>().unwrap().0, connection.get::<InboundLimit>().unwrap().0)
}

#[test]
fn a_stranger_lives_on_a_budget_and_an_agent_ends_it() {
    let mut server = Server::new(GatePlugin::default());
    let listener = server.world().spawn(MaxFrame(10_000)).id();
    let socket = server.connect(listener, "10.0.0.1:7");
    server.run();
    assert_eq!(limits(&server, &socket), (4096, 16 * 1024));
    let agent = server.world().spawn_empty().id();
    server.world().trigger(Forward { entity: socket.connection(), agent });
    server.run();
    assert_eq!(limits(&server, &socket), (10_000, 64 * 1024));
    assert!(server.app.world().get::<Untrusted>(socket.connection()).is_none());
}

#[test]
fn a_login_ends_it_and_so_does_trust() {
    let mut server = Server::new(GatePlugin::default());
    let listener = server.world().spawn_empty().id();
    let sockets = [server.connect(listener, "10.0.0.1:7"), server.connect(listener, "10.0.0.2:7")];
    server.run();
    server.world().trigger(Authenticated { entity: sockets[0].connection() });
    server.world().trigger(Trust { entity: sockets[1].connection() });
    server.run();
    assert!(sockets.iter().all(|socket| limits(&server, socket) == (65_535, 64 * 1024)));
}

#[test]
fn a_budget_never_gives_more_than_the_listener() {
    let mut server = Server::new(GatePlugin::default());
    let small = server.world().spawn((MaxFrame(100), InboundLimit(1000))).id();
    let own = server.world().spawn(PreLoginBudget { max_frame: 50, held: 60 }).id();
    let sockets = [server.connect(small, "10.0.0.1:7"), server.connect(own, "10.0.0.2:7")];
    server.run();
    assert_eq!(limits(&server, &sockets[0]), (100, 1000));
    assert_eq!(limits(&server, &sockets[1]), (50, 60));
}

#[test]
fn a_stranger_who_sends_a_large_frame_is_closed() {
    let mut server = Server::new(GatePlugin::default());
    server.record::<Closed>();
    server.app.add_observer(|opened: On<Opened>, mut commands: Commands| {
        commands.trigger(Start { entity: opened.entity });
    });
    let listener = server.world().spawn_empty().id();
    let socket = server.connect(listener, "10.0.0.1:7");
    socket.write(&frame(4096));
    server.run();
    assert!(server.told::<Closed>().is_empty());
    socket.write(&frame(4097));
    server.run();
    assert_eq!(server.told::<Closed>()[0].cause, Cause::FrameTooLarge);
}

#[test]
fn what_a_forwarded_peer_sent_before_is_read_with_the_limits_of_the_listener() {
    let mut server = Server::new(GatePlugin::default());
    let agent = server.world().spawn_empty().id();
    server.app.add_observer(move |opened: On<Opened>, mut commands: Commands| {
        commands.trigger(Forward { entity: opened.entity, agent });
    });
    let listener = server.world().spawn_empty().id();
    let socket = server.connect(listener, "10.0.0.1:7");
    socket.write(&frame(60_000));
    server.run();
    assert_eq!(server.app.world().get::<Traffic>(socket.connection()).unwrap().received, 1);
}
