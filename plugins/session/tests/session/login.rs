use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Bindings, Cause, Close, Closing};
use portcullis_net::memory::MemorySocket;
use portcullis_session::{Login, MultiLogin, Session, SessionPlugin};
use std::time::Duration;

#[test]
fn a_login_makes_a_session_and_binds_the_connection() {
    let mut server = Server::new(SessionPlugin::default());
    server.advance(Duration::from_secs(7));
    let socket = server.login("ann");
    assert_eq!(server.told(), ["authenticated", "logged in"]);
    let session = server.session("ann").unwrap();
    assert_eq!(server.bound_to(&socket), Some(session));
    let ann = server.app.world().get::<Session>(session).unwrap();
    assert_eq!((ann.uid().as_str(), ann.logged_in_at()), ("ann", Duration::from_secs(7)));
    let other = server.login("bob");
    assert_ne!(server.bound_to(&other), Some(session));
}

#[test]
fn who_comes_again_takes_the_place() {
    let mut server = Server::new(SessionPlugin::default());
    let old = server.login("ann");
    let session = server.session("ann").unwrap();
    let new = server.login("ann");
    assert!(old.is_closed() && !new.is_closed());
    assert_eq!(server.bound_to(&new), Some(session), "the session stays, and its agents with it");
    let told = server.told();
    let expected = ["authenticated", "logged in", "authenticated", "logged in again", "replaced", "unbound"];
    assert_eq!(told, expected);
    let bindings = server.app.world().get::<Bindings>(session).unwrap();
    assert_eq!(bindings.iter().collect::<Vec<_>>(), [new.connection()]);
}

#[test]
fn of_two_logins_in_one_go_the_later_stays() {
    let mut server = Server::new(SessionPlugin::default());
    let sockets = [server.connect(), server.connect(), server.connect()];
    for socket in &sockets {
        server.world().trigger(Login::new(socket.connection(), "ann"));
    }
    server.run();
    assert_eq!(sockets.each_ref().map(MemorySocket::is_closed), [true, true, false]);
    assert_eq!(server.told().iter().filter(|told| *told == "replaced").count(), 2);
}

#[test]
fn who_comes_again_can_be_refused() {
    let mut server =
        Server::new(SessionPlugin { multi_login: MultiLogin::Refuse, ..SessionPlugin::default() });
    let old = server.login("ann");
    let new = server.login("ann");
    assert_eq!(server.told(), ["authenticated", "logged in", "in_use"]);
    assert!(!old.is_closed() && !new.is_closed(), "what the refused is told is the protocol's to say");
    assert_eq!(server.bound_to(&new), None);
    server.close(&old);
    server.world().trigger(Login::new(new.connection(), "ann"));
    server.run();
    assert!(server.bound_to(&new).is_some());
}

#[test]
fn both_can_be_allowed() {
    let mut server =
        Server::new(SessionPlugin { multi_login: MultiLogin::Allow(usize::MAX), ..SessionPlugin::default() });
    let sockets = [server.login("ann"), server.login("ann")];
    let session = server.session("ann");
    assert!(sockets.iter().all(|socket| server.bound_to(socket) == session));
    server.told();
    server.close(&sockets[0]);
    assert_eq!(server.told(), ["peer_closed", "unbound"]);
    assert_eq!(server.session("ann"), session);
    server.close(&sockets[1]);
    assert_eq!(server.told(), ["peer_closed", "unbound", "detached", "ann out"]);
}

#[test]
fn a_connection_logs_in_once() {
    let mut server = Server::new(SessionPlugin::default());
    let socket = server.login("ann");
    for uid in ["bob", "ann"] {
        server.world().trigger(Login::new(socket.connection(), uid));
        server.run();
    }
    let told = server.told();
    assert_eq!(told, ["authenticated", "logged in", "already_logged_in", "already_logged_in"]);
    assert_eq!((server.bound_to(&socket), server.session("bob")), (server.session("ann"), None));
}

#[test]
fn who_is_closing_does_not_log_in() {
    let mut server = Server::new(SessionPlugin::default());
    let socket = server.connect();
    server.world().trigger(Close::new(socket.connection(), Cause::Requested));
    server.world().trigger(Login::new(socket.connection(), "ann"));
    server.run();
    server.world().trigger(Login::new(socket.connection(), "ann"));
    server.run();
    assert_eq!(server.told(), ["requested"]);
    assert_eq!(server.session("ann"), None);
}

#[test]
fn a_game_that_logs_the_replaced_user_out_gets_a_new_session() {
    let mut server = Server::new(SessionPlugin::default());
    let _old = server.login("ann");
    let before = server.session("ann").unwrap();
    server.app.add_observer(move |_: On<Add<Closing>>, mut commands: Commands| {
        commands.trigger(portcullis_session::Logout { session: before });
    });
    let new = server.login("ann");
    let after = server.session("ann").unwrap();
    assert_ne!(after, before);
    assert_eq!(server.bound_to(&new), Some(after));
    assert!(server.app.world().get_entity(before).is_err());
}
