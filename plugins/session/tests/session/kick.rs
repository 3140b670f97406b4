use crate::server::Server;
use portcullis_core::{Cause, Closing, Forward};
use portcullis_net::memory::MemorySocket;
use portcullis_session::{Kick, KickUser, Logout, MultiLogin, SessionLinger, SessionPlugin};
use std::time::Duration;

fn server() -> Server {
    Server::new(SessionPlugin { multi_login: MultiLogin::Allow(usize::MAX), ..SessionPlugin::default() })
}

#[test]
fn a_user_is_kicked_over_all_connections_and_nobody_else_is() {
    let mut server = server();
    let (sockets, bystander) = ([server.login("ann"), server.login("ann")], server.login("bob"));
    server.told();
    server.world().trigger(KickUser::new("ann", "maintenance"));
    server.world().flush();
    for socket in &sockets {
        let closing = server.app.world().get::<Closing>(socket.connection()).unwrap();
        assert_eq!((closing.cause, closing.reason.as_deref()), (Cause::Kicked, Some("maintenance")));
    }
    server.run();
    assert!(sockets.iter().all(MemorySocket::is_closed) && !bystander.is_closed());
    let told = server.told();
    assert_eq!(told[..2], ["maintenance", "maintenance"]);
    assert_eq!(told.last().unwrap(), "ann out");
}

#[test]
fn a_session_can_be_kicked_by_its_entity() {
    let mut server = server();
    let (sockets, bystander) = ([server.login("ann"), server.login("ann")], server.login("bob"));
    let session = server.session("ann").unwrap();
    server.world().trigger(Kick::new(session, String::from("by name")));
    server.world().trigger(Kick::new(session, "once more"));
    server.run();
    assert!(sockets.iter().all(MemorySocket::is_closed) && !bystander.is_closed());
    let told = server.told();
    assert_eq!(told.iter().filter(|told| *told == "by name").count(), 2, "each is told once");
    assert!(!told.contains(&"once more".to_owned()));
}

#[test]
fn a_connection_that_is_forwarded_and_bound_is_kicked_once() {
    let mut server = server();
    let socket = server.login("ann");
    let (entity, session) = (socket.connection(), server.session("ann").unwrap());
    // A game may let the session itself play.
    server.world().trigger(Forward { entity, agent: session });
    server.world().flush();
    server.world().trigger(Kick::new(session, "both"));
    server.run();
    assert_eq!(server.told().iter().filter(|told| *told == "both").count(), 1);
}

#[test]
fn a_kick_of_a_user_who_is_not_there_comes_to_nothing() {
    let mut server = server();
    let socket = server.login("ann");
    server.told();
    server.world().trigger(KickUser::new("bob", "who?"));
    server.run();
    assert!(server.told().is_empty() && !socket.is_closed());
}

#[test]
fn who_is_kicked_may_come_back_to_the_session_until_it_is_logged_out() {
    let linger = SessionLinger(Duration::from_secs(30));
    let mut server = Server::new(SessionPlugin { linger, ..SessionPlugin::default() });
    let _kicked = server.login("ann");
    let session = server.session("ann").unwrap();
    server.world().trigger(KickUser::new("ann", "think it over"));
    server.run();
    let again = server.login("ann");
    assert_eq!(server.bound_to(&again), Some(session));
    server.world().trigger(KickUser::new("ann", "enough"));
    server.world().trigger(Logout { session });
    server.run();
    assert_eq!(server.session("ann"), None);
    assert_eq!(server.told().iter().filter(|told| *told == "requested").count(), 0, "the kick came first");
}
