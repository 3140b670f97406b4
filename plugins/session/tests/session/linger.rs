use crate::server::Server;
use portcullis_core::BelongsTo;
use portcullis_session::{Linger, Lingering, Logout, SessionLinger, SessionPlugin};
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

fn waits_until(server: &Server) -> Option<Duration> {
    let session = server.session("ann")?;
    server.app.world().get::<Lingering>(session)?.until
}

#[test]
fn a_session_that_says_how_long_it_waits_does_not_ask_the_server() {
    let mut server = lingering(30 * SECOND);
    let (ann, _bob) = (server.login("ann"), server.login("bob"));
    let (session, other) = (server.session("ann").unwrap(), server.session("bob").unwrap());
    server.world().entity_mut(session).insert(Linger(5 * SECOND));
    server.close(&ann);
    server.world().trigger(portcullis_session::Kick::new(other, "out"));
    server.run();
    server.world().insert_resource(SessionLinger::default());
    server.advance(5 * SECOND);
    assert!(server.session("ann").is_none() && server.session("bob").is_some());
    server.advance(25 * SECOND);
    assert_eq!(server.session("bob"), None);
}

#[test]
fn one_that_changes_its_mind_is_heard_the_next_time() {
    let mut server = lingering(Duration::ZERO);
    let ann = server.login("ann");
    let session = server.session("ann").unwrap();
    for (seconds, next) in [(10, 30), (30, 20), (20, 20)] {
        server.world().entity_mut(session).insert(Linger(seconds * SECOND));
        let socket = server.connect();
        server.bind(&socket, "ann").unwrap();
        server.close(&socket);
        if seconds == 10 {
            server.close(&ann);
        }
        let until = waits_until(&server);
        assert_eq!(until, Some(server.now() + seconds * SECOND));
        server.world().entity_mut(session).insert(Linger(next * SECOND));
        assert_eq!(waits_until(&server), until, "it waits already");
        server.advance(9 * SECOND);
    }
    server.advance(11 * SECOND);
    assert_eq!(server.session("ann"), None);
}

#[test]
fn one_that_may_not_wait_is_over_at_once_though_the_others_are_not() {
    let mut server = lingering(Duration::MAX);
    let ann = server.login("ann");
    let session = server.session("ann").unwrap();
    server.world().entity_mut(session).insert(Linger(Duration::ZERO));
    server.told();
    server.unbind(&ann);
    assert_eq!(server.told(), ["unbound", "detached", "ann out"]);
}

#[test]
fn one_that_waits_for_ever_does_and_without_its_own_word_the_servers_holds_again() {
    let mut server = lingering(SECOND);
    let ann = server.login("ann");
    let session = server.session("ann").unwrap();
    server.world().entity_mut(session).insert(Linger(Duration::MAX));
    server.close(&ann);
    assert_eq!(server.app.world().get::<Lingering>(session).unwrap().until, None);
    server.advance(1_000_000 * SECOND);
    let ann = server.login("ann");
    assert_eq!(server.bound_to(&ann), Some(session));
    server.world().entity_mut(session).remove::<Linger>();
    server.close(&ann);
    server.advance(SECOND);
    assert_eq!(server.session("ann"), None);
}

#[test]
fn a_wait_can_be_made_longer_or_shorter_while_it_lasts() {
    let mut server = lingering(30 * SECOND);
    let ann = server.login("ann");
    let session = server.session("ann").unwrap();
    server.close(&ann);
    server.world().entity_mut(session).insert(Lingering { until: Some(60 * SECOND) });
    server.advance(59 * SECOND);
    assert_eq!(server.session("ann"), Some(session));
    server.world().entity_mut(session).insert(Lingering { until: None });
    server.advance(1000 * SECOND);
    let until = Some(server.now() + 2 * SECOND);
    server.world().entity_mut(session).insert(Lingering { until });
    server.advance(2 * SECOND);
    assert_eq!(server.session("ann"), None);
}

#[test]
fn who_has_come_back_is_not_logged_out_by_one_who_lets_him_wait_longer() {
    let mut server = lingering(30 * SECOND);
    let socket = server.login("ann");
    server.close(&socket);
    let session = server.session("ann").unwrap();
    // The game saw that the session lingers, and its word comes when the user is back already.
    let again = server.login("ann");
    server.told();
    server.world().entity_mut(session).insert(Lingering { until: Some(60 * SECOND) });
    server.advance(60 * SECOND);
    assert_eq!(server.told(), [""; 0]);
    assert_eq!((server.bound_to(&again), waits_until(&server)), (Some(session), None));
    // When the connection is lost, the session lingers as ever.
    server.close(&again);
    assert_eq!(server.told(), ["peer_closed", "unbound", "detached"]);
    assert_eq!(waits_until(&server), Some(90 * SECOND));
}
