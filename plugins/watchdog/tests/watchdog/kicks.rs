use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Cause, Close, Forward};
use portcullis_watchdog::{AgentTemplate, Kick, Kicked};

#[test]
fn the_reason_of_a_kick_is_flushed_before_the_socket_closes() {
    let mut server = Server::started();
    server.record::<Kicked>();
    let listener = server.world().spawn_empty().id();
    let socket = server.connect(listener);
    server.world().trigger(Kick::new(socket.connection(), "afk"));
    server.run();
    assert_eq!(socket.read(), b"afk");
    assert!(socket.is_closed());
    assert_eq!(server.causes(), [Cause::Kicked]);
    let kicked = &server.told::<Kicked>()[0];
    assert_eq!((kicked.entity, kicked.reason.as_ref()), (socket.connection(), "afk"));
}

#[test]
fn whoever_is_kicked_twice_is_kicked_once() {
    let mut server = Server::started();
    server.record::<Kicked>();
    let listener = server.world().spawn_empty().id();
    let socket = server.connect(listener);
    // Without a flush between the two, and once more from within.
    server.app.add_observer(|kicked: On<Kicked>, mut commands: Commands| {
        commands.trigger(Kick::new(kicked.entity, "third"));
    });
    server.world().trigger(Kick::new(socket.connection(), "first"));
    server.world().trigger(Kick::new(socket.connection(), "second"));
    server.run();
    server.world().trigger(Kick::new(socket.connection(), "gone"));
    server.run();
    assert_eq!(server.told::<Kicked>().len(), 1);
    assert_eq!(socket.read(), b"first");
    assert_eq!(server.causes(), [Cause::Kicked]);
}

#[test]
fn a_connection_that_is_closing_is_not_kicked() {
    let mut server = Server::started();
    server.record::<Kicked>();
    let listener = server.world().spawn_empty().id();
    let socket = server.connect(listener);
    server.world().trigger(Close::new(socket.connection(), Cause::Requested));
    server.world().trigger(Kick::new(socket.connection(), "late"));
    server.run();
    assert!(server.told::<Kicked>().is_empty());
    assert_eq!(server.causes(), [Cause::Requested]);
}

#[test]
fn an_agent_is_kicked_with_all_its_connections() {
    let mut server = Server::new();
    server.record::<Kicked>();
    let listener = server.world().spawn(AgentTemplate::new(|| ())).id();
    let sockets = [server.connect(listener), server.connect(listener), server.connect(listener)];
    let shared = server.world().spawn_empty().id();
    for socket in &sockets[..2] {
        server.world().trigger(Forward { entity: socket.connection(), agent: shared });
    }
    server.run();
    server.world().trigger(Kick::new(shared, "both of you"));
    server.run();
    assert_eq!(server.told::<Kicked>().len(), 2);
    assert!(sockets[0].is_closed() && sockets[1].is_closed() && !sockets[2].is_closed());
}

#[test]
fn a_kick_of_nobody_comes_to_nothing() {
    let mut server = Server::new();
    server.record::<Kicked>();
    let entity = server.world().spawn_empty().id();
    server.world().trigger(Kick::new(entity, "who?"));
    server.run();
    assert!(server.told::<Kicked>().is_empty());
}
