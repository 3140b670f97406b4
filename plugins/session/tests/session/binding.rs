use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Bindings, BoundTo, Cause, Close};
use portcullis_session::{
    Lingering, LoggedIn, Login, LoginRefusal, Logout, MultiLogin, Session, SessionLinger, SessionPlugin,
    Unbind, Unbound, bind,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn lingering() -> Server {
    Server::new(SessionPlugin { linger: SessionLinger(30 * SECOND), ..SessionPlugin::default() })
}

#[test]
fn a_bind_gives_the_session_at_once_and_tells_what_a_login_tells() {
    let mut server = Server::new(SessionPlugin::default());
    let socket = server.connect();
    let session = server.bind(&socket, "ann").unwrap();
    assert_eq!(server.told(), ["authenticated", "logged in"]);
    assert_eq!((server.bound_to(&socket), server.session("ann")), (Some(session), Some(session)));
}

#[test]
fn binding_the_same_user_again_changes_nothing() {
    let mut server = Server::new(SessionPlugin::default());
    let socket = server.connect();
    let session = server.bind(&socket, "ann").unwrap();
    server.told();
    assert_eq!(server.bind(&socket, "ann"), Ok(session));
    assert!(server.told().is_empty());
    assert_eq!(server.app.world().get::<Bindings>(session).unwrap().len(), 1);
}

#[test]
fn a_bind_to_another_user_is_refused_and_the_old_binding_stays() {
    let mut server = Server::new(SessionPlugin::default());
    let socket = server.connect();
    let session = server.bind(&socket, "ann").unwrap();
    server.told();
    assert_eq!(server.bind(&socket, "bob"), Err(LoginRefusal::AlreadyLoggedIn));
    assert_eq!((server.bound_to(&socket), server.session("bob")), (Some(session), None));
    assert!(server.told().is_empty(), "the caller knows");
}

#[test]
fn after_an_unbind_the_connection_may_be_anyones() {
    let mut server = Server::new(SessionPlugin::default());
    let socket = server.connect();
    let ann = server.bind(&socket, "ann").unwrap();
    assert_eq!(server.unbind(&socket), Some(ann));
    assert_eq!(server.told()[2..], ["unbound", "detached", "ann out"]);
    assert_eq!((server.bound_to(&socket), server.session("ann")), (None, None));
    let bob = server.bind(&socket, "bob").unwrap();
    server.run();
    assert!(!socket.is_closed());
    assert_eq!(server.session("bob"), Some(bob));
}

#[test]
fn an_unbind_of_nobody_comes_to_nothing() {
    let mut server = Server::new(SessionPlugin::default());
    let socket = server.connect();
    let gone = server.login("ann");
    server.close(&gone);
    server.told();
    assert_eq!((server.unbind(&socket), server.unbind(&gone)), (None, None));
    for socket in [&socket, &gone] {
        server.world().trigger(Unbind { entity: socket.connection() });
    }
    server.run();
    assert!(server.told().is_empty());
}

#[test]
fn a_session_that_was_unbound_lingers_as_one_whose_connection_closed() {
    let mut server = lingering();
    let (old, new) = (server.login("ann"), server.connect());
    let session = server.session("ann").unwrap();
    server.world().trigger(Unbind { entity: old.connection() });
    server.run();
    assert_eq!(server.app.world().get::<Lingering>(session).unwrap().until, Some(30 * SECOND));
    server.advance(29 * SECOND);
    assert_eq!(server.bind(&new, "ann"), Ok(session));
    let told = server.told();
    assert_eq!(told[2..], ["unbound", "detached", "authenticated", "logged in again", "resumed"]);
    server.unbind(&new);
    server.advance(30 * SECOND);
    assert_eq!(server.told(), ["unbound", "detached", "ann out"]);
    assert!(!old.is_closed() && !new.is_closed());
}

#[test]
fn one_of_two_connections_unbound_detaches_nobody() {
    let mut server =
        Server::new(SessionPlugin { multi_login: MultiLogin::Allow(usize::MAX), ..SessionPlugin::default() });
    let sockets = [server.login("ann"), server.login("ann")];
    let session = server.session("ann");
    server.told();
    server.unbind(&sockets[0]);
    assert_eq!(server.told(), ["unbound"]);
    assert_eq!((server.bound_to(&sockets[1]), server.session("ann")), (session, session));
}

#[test]
fn who_is_not_open_is_not_bound() {
    let mut server = Server::new(SessionPlugin::default());
    let (closing, gone) = (server.connect(), server.connect());
    server.close(&gone);
    server.world().trigger(Close::new(closing.connection(), Cause::Requested));
    server.world().flush();
    let thing = server.world().spawn_empty().id();
    assert_eq!(server.bind(&closing, "ann"), Err(LoginRefusal::NotOpen));
    assert_eq!(server.bind(&gone, "ann"), Err(LoginRefusal::NotOpen));
    assert_eq!(bind(server.world(), thing, "ann"), Err(LoginRefusal::NotOpen));
    assert_eq!(server.session("ann"), None);
}

#[test]
fn each_login_is_unbound_once_whatever_ends_it() {
    let mut server = lingering();
    for end in 0..5 {
        let socket = server.connect();
        let session = server.bind(&socket, "ann").unwrap();
        server.told();
        let world = server.world();
        match end {
            0 => world.trigger(Unbind { entity: socket.connection() }),
            1 => world.trigger(Close::new(socket.connection(), Cause::Requested)),
            2 => world.trigger(Logout { session }),
            3 => assert!(world.despawn(socket.connection())),
            _ => assert!(world.despawn(session)),
        }
        server.run();
        let unbound = server.told().iter().filter(|told| *told == "unbound").count();
        assert_eq!(unbound, 1, "end {end}");
        server.advance(60 * SECOND);
    }
}

#[test]
fn who_hears_of_an_unbinding_finds_it_done_and_the_session_there() {
    #[derive(Resource, Default)]
    struct Heard(Vec<(String, bool, bool)>);
    let mut server = Server::new(SessionPlugin::default());
    server.app.init_resource::<Heard>().add_observer(
        |event: On<Unbound>,
         sessions: Query<(&Session, Has<Bindings>)>,
         bound: Query<&BoundTo>,
         mut heard: ResMut<Heard>| {
            let (session, has_bindings) = sessions.get(event.session).unwrap();
            let bound = bound.contains(event.connection);
            heard.0.push((session.uid().to_string(), has_bindings, bound));
        },
    );
    for (uid, end) in [("ann", 0), ("bob", 1), ("cid", 2)] {
        let socket = server.connect();
        let session = server.bind(&socket, uid).unwrap();
        match end {
            0 => drop(server.unbind(&socket)),
            1 => server.close(&socket),
            _ => server.world().trigger(Logout { session }),
        }
        server.run();
    }
    let heard = &server.app.world().resource::<Heard>().0;
    assert_eq!(*heard, ["ann", "bob", "cid"].map(|uid| (uid.to_owned(), false, false)));
}

#[test]
fn requests_in_one_go_are_done_in_their_order() {
    let mut server = Server::new(SessionPlugin::default());
    let socket = server.connect();
    let entity = socket.connection();
    let world = server.world();
    world.trigger(Login::new(entity, "ann"));
    world.trigger(Unbind { entity });
    world.trigger(Login::new(entity, "bob"));
    server.run();
    assert_eq!((server.session("ann"), server.session("bob")), (None, server.bound_to(&socket)));
    assert!(server.session("bob").is_some());
}

#[test]
fn an_observer_that_unbinds_who_logs_in_has_the_last_word() {
    let mut server = Server::new(SessionPlugin::default());
    server.app.add_observer(|event: On<LoggedIn>, mut commands: Commands| {
        commands.trigger(Unbind { entity: event.connection });
    });
    let socket = server.connect();
    assert!(server.bind(&socket, "ann").is_ok());
    assert_eq!((server.bound_to(&socket), server.session("ann")), (None, None));
    assert_eq!(server.told(), ["authenticated", "logged in", "unbound", "detached", "ann out"]);
}

#[test]
fn an_observer_of_the_new_session_that_closes_the_connection_leaves_nothing() {
    let mut server = Server::new(SessionPlugin::default());
    let socket = server.connect();
    let connection = socket.connection();
    server.app.add_observer(move |_: On<Add<Session>>, mut commands: Commands| {
        commands.trigger(Close::new(connection, Cause::Requested));
    });
    assert_eq!(server.bind(&socket, "ann"), Err(LoginRefusal::NotOpen));
    server.run();
    assert_eq!(server.session("ann"), None);
    assert!(socket.is_closed());
}
