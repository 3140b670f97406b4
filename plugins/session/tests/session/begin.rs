//! Sessions that begin before their user is connected.

use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Agents, BelongsTo};
use portcullis_session::{
    Linger, Lingering, LoggedIn, LoggedOut, LoginRefusal, Logout, Session, SessionLinger, SessionPlugin,
    Sessions, begin, begin_with, bind, resume,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn it_has_no_connection_and_lingers_from_the_start() {
    let mut server = Server::new(SessionPlugin::default());
    server.advance(3 * SECOND);
    let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
    let entity = server.app.world().entity(session);
    assert_eq!(entity.get::<Lingering>().unwrap().until, Some(33 * SECOND));
    assert_eq!(entity.get::<Linger>(), Some(&Linger(30 * SECOND)));
    let ann = entity.get::<Session>().unwrap();
    assert_eq!((ann.uid().as_str(), ann.server().as_str(), ann.subid()), ("ann", "arena", 1));
    assert_eq!(ann.logged_in_at(), 3 * SECOND);
    assert!(server.told().is_empty(), "nobody has logged in");
}

#[test]
fn it_is_logged_out_when_nobody_comes() {
    let mut server = Server::new(SessionPlugin::default());
    server.begin("ann", "arena", 30 * SECOND).unwrap();
    server.advance(30 * SECOND - Duration::from_millis(1));
    assert!(server.told().is_empty() && server.at("arena", "ann").is_some());
    server.advance(Duration::from_millis(1));
    assert_eq!(server.told(), ["ann out"]);
    assert_eq!(server.at("arena", "ann"), None);
}

#[test]
fn it_waits_for_ever_when_it_is_told_to() {
    let mut server = Server::new(SessionPlugin::default());
    let session = server.begin("ann", "arena", Duration::MAX).unwrap();
    assert_eq!(server.app.world().get::<Lingering>(session).unwrap().until, None);
    server.advance(1_000_000_000 * SECOND);
    assert_eq!(server.at("arena", "ann"), Some(session));
    // Its connections may come and go, too.
    let socket = server.connect();
    assert_eq!(server.resume(&socket, session), Ok(()));
    server.close(&socket);
    server.advance(1_000_000_000 * SECOND);
    assert_eq!(server.at("arena", "ann"), Some(session));
}

#[test]
fn one_that_may_not_wait_is_there_until_the_next_tick() {
    let mut server = Server::new(SessionPlugin::default());
    let (came, missed) =
        (server.begin("ann", "", Duration::ZERO).unwrap(), server.begin("bob", "", Duration::ZERO).unwrap());
    let socket = server.connect_unticked();
    assert!(server.app.world().get_entity(missed).is_ok());
    server.resume(&socket, came).unwrap();
    server.run();
    assert_eq!((server.session("ann"), server.session("bob")), (Some(came), None));
    server.close(&socket);
    assert_eq!(server.session("ann"), None);
}

#[test]
fn its_first_connection_logs_in_and_later_ones_resume() {
    let mut server = Server::new(SessionPlugin::default());
    let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
    for round in 0..3 {
        let socket = server.connect();
        server.resume(&socket, session).unwrap();
        assert!(server.app.world().get::<Lingering>(session).is_none());
        let told = server.told();
        if round == 0 {
            assert_eq!(told, ["authenticated", "logged in"]);
        } else {
            assert_eq!(told, ["authenticated", "logged in again", "resumed"]);
        }
        server.close(&socket);
        assert_eq!(server.told(), ["peer_closed", "unbound", "detached"]);
        server.advance(20 * SECOND);
    }
}

#[test]
fn a_login_without_a_server_finds_it_at_the_unnamed_one_only() {
    let mut server = Server::new(SessionPlugin::default());
    let (here, there) =
        (server.begin("ann", "", 30 * SECOND).unwrap(), server.begin("ann", "arena", 30 * SECOND).unwrap());
    assert_ne!(here, there);
    let socket = server.login("ann");
    assert_eq!(server.bound_to(&socket), Some(here));
    assert_eq!(server.told(), ["authenticated", "logged in"], "it is the first, and does not resume");
    assert!(server.app.world().get::<Lingering>(there).is_some());
}

#[test]
fn the_same_user_begins_once_at_each_server() {
    let mut server = Server::new(SessionPlugin::default());
    let east = server.begin("ann", "east", SECOND).unwrap();
    assert_eq!(server.begin("ann", "east", 9 * SECOND), Err(LoginRefusal::HasSession));
    assert_eq!(server.app.world().get::<Linger>(east), Some(&Linger(SECOND)), "it stays as it was");
    let west = server.begin("ann", "west", SECOND).unwrap();
    assert_ne!(east, west);
    let sessions = server.app.world().resource::<Sessions>();
    assert_eq!((sessions.at("east", "ann"), sessions.at("west", "ann")), (Some(east), Some(west)));
    assert_eq!((sessions.get("ann"), sessions.at("north", "ann"), sessions.len()), (None, None, 2));
    assert_eq!(sessions.of("ann").collect::<Vec<_>>(), [east, west]);
    // So does one who has logged in over a connection.
    let _socket = server.login("bob");
    assert_eq!(server.begin("bob", "", SECOND), Err(LoginRefusal::HasSession));
}

#[test]
fn the_end_of_one_is_not_that_of_the_same_user_elsewhere() {
    let mut server = Server::new(SessionPlugin::default());
    let (east, west) =
        (server.begin("ann", "east", SECOND).unwrap(), server.begin("ann", "west", 9 * SECOND).unwrap());
    let socket = server.connect();
    server.resume(&socket, west).unwrap();
    server.world().trigger(Logout { session: east });
    server.run();
    assert_eq!((server.at("east", "ann"), server.bound_to(&socket)), (None, Some(west)));
    assert!(!socket.is_closed());
}

#[test]
fn subids_count_from_one_at_each_server_and_never_come_twice() {
    let mut server = Server::new(SessionPlugin::default());
    let mut numbers = Vec::new();
    for name in ["east", "west", "east", "", "east"] {
        let session = server.begin("ann", name, SECOND).unwrap();
        numbers.push(server.app.world().get::<Session>(session).unwrap().subid());
        server.world().trigger(Logout { session });
        server.world().flush();
    }
    assert_eq!(numbers, [1, 1, 2, 1, 3]);
    // Those who log in over a connection are counted among them.
    let socket = server.connect();
    let session = server.bind(&socket, "bob").unwrap();
    assert_eq!(server.app.world().get::<Session>(session).unwrap().subid(), 2);
}

#[test]
fn an_observer_that_logs_out_what_begins_leaves_nothing() {
    let mut server = Server::new(SessionPlugin::default());
    server.app.add_observer(|event: On<Add<Session>>, mut commands: Commands| {
        commands.trigger(Logout { session: event.entity });
    });
    let entities = server.count_entities();
    for _ in 0..500 {
        let session = server.begin("ann", "arena", Duration::from_secs(1_000_000)).unwrap();
        assert!(server.app.world().get_entity(session).is_err());
        let socket = server.connect();
        assert_eq!(server.resume(&socket, session), Err(LoginRefusal::NoSession));
        server.close(&socket);
    }
    assert_eq!((server.at("arena", "ann"), server.count_entities()), (None, entities));
    assert!(!server.told().contains(&"logged in".to_owned()));
}

#[test]
fn an_observer_that_begins_another_is_refused_and_does_no_harm() {
    #[derive(Resource, Default)]
    struct Outcomes(Vec<Result<Entity, LoginRefusal>>);
    let mut server = Server::new(SessionPlugin::default());
    server.app.init_resource::<Outcomes>().add_observer(|_: On<Add<Session>>, mut commands: Commands| {
        commands.queue(|world: &mut World| {
            let outcome = begin(world, "ann", "arena", SECOND);
            world.resource_mut::<Outcomes>().0.push(outcome);
        });
    });
    let session = server.begin("ann", "arena", SECOND).unwrap();
    assert_eq!(server.app.world().resource::<Outcomes>().0, [Err(LoginRefusal::HasSession)]);
    assert_eq!(
        (server.at("arena", "ann"), server.app.world().resource::<Sessions>().len()),
        (Some(session), 1)
    );
}

#[test]
fn an_observer_that_brings_the_connection_at_once_is_served() {
    let mut server = Server::new(SessionPlugin::default());
    let socket = server.connect();
    let connection = socket.connection();
    server.app.add_observer(move |event: On<Add<Session>>, mut commands: Commands| {
        let session = event.entity;
        commands.queue(move |world: &mut World| resume(world, connection, session).unwrap());
    });
    let session = server.begin("ann", "arena", SECOND).unwrap();
    assert_eq!(server.bound_to(&socket), Some(session));
    server.advance(60 * SECOND);
    assert_eq!(server.told(), ["authenticated", "logged in"]);
}

#[test]
fn a_user_may_begin_anew_while_the_end_of_the_old_is_told() {
    let mut server = Server::new(SessionPlugin::default());
    let old = server.begin("ann", "arena", SECOND).unwrap();
    server.app.add_observer(|event: On<LoggedOut>, mut commands: Commands| {
        let uid = event.uid.clone();
        commands.queue(|world: &mut World| {
            begin(world, uid, "arena", 60 * SECOND).unwrap();
        });
    });
    server.advance(SECOND);
    let new = server.at("arena", "ann").unwrap();
    assert_ne!(new, old);
    assert_eq!(server.app.world().get::<Session>(new).unwrap().subid(), 2);
    assert_eq!(server.app.world().resource::<Sessions>().len(), 1);
}

#[test]
fn agents_wait_with_it_and_go_with_it() {
    let mut server = Server::new(SessionPlugin::default());
    let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
    let agent = server.world().spawn(BelongsTo(session)).id();
    assert_eq!(server.app.world().get::<Agents>(session).unwrap().iter().collect::<Vec<_>>(), [agent]);
    server.advance(30 * SECOND);
    assert!(server.app.world().get_entity(agent).is_err());
}

#[test]
fn whoever_unbinds_its_first_connection_makes_the_next_one_resume() {
    let mut server = Server::new(SessionPlugin { linger: SessionLinger(SECOND), ..SessionPlugin::default() });
    let session = server.begin("ann", "", 30 * SECOND).unwrap();
    let socket = server.connect();
    let connection = socket.connection();
    #[derive(Resource, Default)]
    struct Heard(Vec<bool>);
    server
        .app
        .init_resource::<Heard>()
        .add_observer(|event: On<LoggedIn>, mut heard: ResMut<Heard>| heard.0.push(event.resumed));
    bind(server.world(), connection, "ann").unwrap();
    server.unbind(&socket);
    assert_eq!(server.app.world().get::<Lingering>(session).unwrap().until, Some(30 * SECOND));
    bind(server.world(), connection, "ann").unwrap();
    assert_eq!(server.app.world().resource::<Heard>().0, [false, true]);
}

#[test]
#[should_panic(expected = "duplicate components")]
fn what_the_session_has_by_itself_does_not_go_beside_it() {
    let mut server = Server::new(SessionPlugin::default());
    let _ = begin_with(server.world(), "ann", "arena", Duration::MAX, Linger(5 * SECOND));
}
