use crate::server::Server;
use portcullis_core::BelongsTo;
use portcullis_session::{Lingering, Logout, SessionLinger, SessionPlugin};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn lingering(linger: Duration) -> Server {
    Server::new(SessionPlugin { linger: SessionLinger(linger), ..SessionPlugin::default() })
}

#[test]
fn a_session_ends_with_its_last_connection_by_default() {
    let mut server = Server::new(SessionPlugin::default());
    let socket = server.login("ann");
    server.close(&socket);
    let told = server.told();
    assert_eq!(told, ["authenticated", "logged in", "peer_closed", "unbound", "detached", "ann out"]);
    assert_eq!(server.session("ann"), None);
}

#[test]
fn who_comes_back_in_time_finds_the_session_and_its_agent() {
    let mut server = lingering(30 * SECOND);
    let socket = server.login("ann");
    let session = server.session("ann").unwrap();
    let agent = server.world().spawn(BelongsTo(session)).id();
    server.close(&socket);
    assert_eq!(server.app.world().get::<Lingering>(session).unwrap().until, Some(30 * SECOND));
    server.advance(29 * SECOND);
    let again = server.login("ann");
    assert_eq!(server.bound_to(&again), Some(session));
    let told = server.told();
    let came_back = ["authenticated", "logged in again", "resumed"];
    assert_eq!(told[2..], [&["peer_closed", "unbound", "detached"], &came_back[..]].concat());
    server.advance(1000 * SECOND);
    assert!(server.app.world().get_entity(agent).is_ok() && server.told().is_empty());
}

#[test]
fn who_does_not_is_logged_out_with_the_agent() {
    let mut server = lingering(30 * SECOND);
    let socket = server.login("ann");
    let session = server.session("ann").unwrap();
    let agent = server.world().spawn(BelongsTo(session)).id();
    server.close(&socket);
    server.advance(30 * SECOND - Duration::from_millis(1));
    assert!(server.session("ann").is_some());
    server.advance(Duration::from_millis(1));
    assert_eq!(server.told().last().unwrap(), "ann out");
    assert!(server.app.world().get_entity(agent).is_err());
}

#[test]
fn each_time_the_session_waits_as_long() {
    let mut server = lingering(30 * SECOND);
    for _ in 0..5 {
        let socket = server.login("ann");
        server.close(&socket);
        server.advance(20 * SECOND);
    }
    assert!(!server.told().contains(&"ann out".to_owned()));
    server.advance(10 * SECOND);
    assert_eq!(server.told(), ["ann out"]);
}

#[test]
fn a_wait_that_was_cut_short_does_not_shorten_the_next() {
    let mut server = lingering(30 * SECOND);
    let socket = server.login("ann");
    server.close(&socket);
    server.advance(20 * SECOND);
    let socket = server.login("ann");
    server.close(&socket);
    server.advance(15 * SECOND);
    assert!(server.session("ann").is_some());
    server.advance(15 * SECOND);
    assert_eq!(server.session("ann"), None);
}

#[test]
fn a_shorter_linger_holds_for_who_leaves_from_then_on() {
    let mut server = lingering(300 * SECOND);
    let socket = server.login("ann");
    server.close(&socket);
    let socket = server.login("ann");
    server.world().insert_resource(SessionLinger(10 * SECOND));
    server.close(&socket);
    server.advance(10 * SECOND);
    assert_eq!(server.session("ann"), None);
    server.advance(300 * SECOND);
    assert_eq!(server.told().iter().filter(|told| *told == "ann out").count(), 1);
}

#[test]
fn a_session_may_wait_for_ever_and_is_ended_by_a_logout() {
    let mut server = lingering(Duration::MAX);
    let socket = server.login("ann");
    server.close(&socket);
    server.advance(1_000_000 * SECOND);
    let session = server.session("ann").unwrap();
    server.world().trigger(Logout { session });
    server.run();
    assert_eq!(server.session("ann"), None);
}
