use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Framing, Opened};
use portcullis_gate::{CloseListener, GatePlugin, PauseListener, ResumeListener};
use portcullis_net::{Listener, ListenerHandle, NetPlugin};
use std::{
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

fn handle(server: &Server, listener: Entity) -> Option<&ListenerHandle> {
    server.app.world().get::<ListenerHandle>(listener)
}

fn serve_until(server: &mut Server, what: &str, done: impl Fn(&Server) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done(server) {
        assert!(Instant::now() < deadline, "{what} did not happen");
        server.app.update();
        std::thread::yield_now();
    }
}

#[test]
fn listeners_are_paused_resumed_closed_and_reopened() {
    let mut server = Server::new(GatePlugin::default());
    server.app.add_plugins(NetPlugin::default());
    let settings = Listener::new("127.0.0.1:0".parse().unwrap(), Framing::BE16);
    let listener = server.world().spawn(settings.clone()).id();
    server.app.update();
    let address: SocketAddr = handle(&server, listener).unwrap().address();

    server.world().trigger(PauseListener { entity: listener });
    assert!(handle(&server, listener).unwrap().is_paused());
    let _held = TcpStream::connect(address).unwrap();
    server.world().trigger(ResumeListener { entity: listener });
    serve_until(&mut server, "the held connection", |server| server.told::<Opened>().len() == 1);

    server.world().trigger(CloseListener { entity: listener });
    server.world().flush();
    assert!(handle(&server, listener).is_none());
    serve_until(&mut server, "the close", |_| TcpStream::connect(address).is_err());
    let connection = server.told::<Opened>()[0].entity;
    assert!(server.app.world().get_entity(connection).is_ok(), "connections stay");

    server.world().entity_mut(listener).insert(settings);
    server.world().flush();
    let address = handle(&server, listener).unwrap().address();
    let before = server.told::<Opened>().len();
    let _again = TcpStream::connect(address).unwrap();
    serve_until(&mut server, "the reopening", |server| server.told::<Opened>().len() > before);
}

#[test]
fn requests_for_what_is_no_listener_come_to_nothing() {
    let mut server = Server::new(GatePlugin::default());
    let entity = server.world().spawn_empty().id();
    server.world().trigger(PauseListener { entity });
    server.world().trigger(ResumeListener { entity });
    server.world().trigger(CloseListener { entity });
    server.run();
}
