//! The ways in which the originals lose track of who is who (Pomelo's issues 196, 355, 579, 745, 894; Pitaya's 251,
//! 313, 452): each has a name here.

use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Bindings, Cause, Close};
use portcullis_session::{
    Detached, KickUser, LoggedIn, Login, LoginRefusal, Logout, MultiLogin, SessionLinger, SessionPlugin,
    Unbind,
};
use std::time::Duration;

fn replacing() -> Server {
    Server::new(SessionPlugin::default())
}

#[test]
fn duplicate_login_the_dead_connection_does_not_keep_the_user_out() {
    let mut server = replacing();
    let dead = server.login("ann");
    let new = server.connect();
    let session = server.bind(&new, "ann").unwrap();
    assert_eq!(server.session("ann"), Some(session));
    server.run();
    assert!(dead.is_closed() && !new.is_closed());
}

#[test]
fn duplicate_login_the_refused_one_leaves_no_trace() {
    let mut server =
        Server::new(SessionPlugin { multi_login: MultiLogin::Refuse, ..SessionPlugin::default() });
    let old = server.login("ann");
    let session = server.session("ann").unwrap();
    let new = server.connect();
    assert_eq!(server.bind(&new, "ann"), Err(LoginRefusal::InUse));
    assert_eq!(
        server.app.world().get::<Bindings>(session).unwrap().iter().collect::<Vec<_>>(),
        [old.connection()]
    );
    // It may still be somebody else, or come back when the other is gone, though its socket may not be yet.
    server.world().trigger(Close::new(old.connection(), Cause::PeerClosed));
    server.world().flush();
    assert_eq!(server.bind(&new, "ann"), Ok(session));
    server.run();
    assert_eq!((server.bound_to(&new), server.session("ann")), (Some(session), Some(session)));
}

#[test]
fn the_old_connection_dies_after_the_new_one_is_bound() {
    let mut server = replacing();
    let old = server.login("ann");
    let new = server.connect();
    let session = server.bind(&new, "ann").unwrap();
    server.told();
    // The old socket is there until its farewell has been sent; its end comes late.
    assert_eq!(server.bound_to(&old), Some(session));
    server.run();
    assert_eq!(server.told(), ["replaced", "unbound"], "nobody is detached");
    assert_eq!((server.bound_to(&new), server.session("ann")), (Some(session), Some(session)));
}

#[test]
fn the_old_connection_dies_after_its_session_was_replaced_by_another() {
    let mut server = replacing();
    let (old, new) = (server.login("ann"), server.connect());
    let first = server.session("ann").unwrap();
    server.world().trigger(Close::new(old.connection(), Cause::PeerClosed));
    server.world().trigger(Logout { session: first });
    let second = server.bind(&new, "ann").unwrap();
    assert_ne!(first, second);
    assert!(server.app.world().get_entity(old.connection()).is_ok(), "its farewell has not been sent yet");
    server.run();
    assert_eq!((server.bound_to(&new), server.session("ann")), (Some(second), Some(second)));
}

#[test]
fn unbinding_compares_the_entity() {
    let mut server = replacing();
    let (old, new) = (server.login("ann"), server.connect());
    let session = server.bind(&new, "ann").unwrap();
    server.told();
    // Late, and more than once: it is the old connection's binding that ends, never the user's.
    assert_eq!(server.unbind(&old), Some(session));
    assert_eq!(server.unbind(&old), None);
    server.world().trigger(Unbind { entity: old.connection() });
    server.world().despawn(old.connection());
    server.run();
    assert_eq!(server.told(), ["unbound"]);
    assert_eq!((server.bound_to(&new), server.session("ann")), (Some(session), Some(session)));
    assert!(!new.is_closed());
}

#[test]
fn a_kick_and_a_bind_in_one_go_are_done_in_their_order() {
    let mut server = replacing();
    let (old, new) = (server.login("ann"), server.connect());
    server.world().trigger(KickUser::new("ann", "make room"));
    server.world().trigger(Login::new(new.connection(), "ann"));
    server.run();
    assert!(old.is_closed() && !new.is_closed());
    assert_eq!(server.bound_to(&new), server.session("ann"));
    let told = server.told();
    assert!(told.contains(&"kicked".to_owned()) && !told.contains(&"replaced".to_owned()));

    let newer = server.connect();
    server.world().trigger(Login::new(newer.connection(), "ann"));
    server.world().trigger(KickUser::new("ann", "everybody out"));
    server.run();
    assert!(new.is_closed() && newer.is_closed());
    assert_eq!(server.session("ann"), None);
}

#[test]
fn a_kick_and_a_bind_under_refusal_leave_the_newcomer() {
    let mut server =
        Server::new(SessionPlugin { multi_login: MultiLogin::Refuse, ..SessionPlugin::default() });
    let (old, new) = (server.login("ann"), server.connect());
    server.world().trigger(KickUser::new("ann", "make room"));
    server.world().flush();
    let session = server.bind(&new, "ann").unwrap();
    server.run();
    assert!(old.is_closed());
    assert_eq!((server.bound_to(&new), server.session("ann")), (Some(session), Some(session)));
}

#[test]
fn a_connection_that_logs_in_again_and_again_is_bound_once() {
    let mut server =
        Server::new(SessionPlugin { multi_login: MultiLogin::Allow(usize::MAX), ..SessionPlugin::default() });
    let (socket, other) = (server.connect(), server.login("ann"));
    for _ in 0..10 {
        server.bind(&socket, "ann").unwrap();
        server.bind(&socket, "ann").unwrap();
        server.unbind(&socket);
        server.bind(&socket, "ann").unwrap();
    }
    let session = server.session("ann").unwrap();
    let bound: Vec<Entity> = server.app.world().get::<Bindings>(session).unwrap().iter().collect();
    assert_eq!(bound, [other.connection(), socket.connection()]);
}

#[test]
fn two_who_replace_each_other_in_turn_end_with_one() {
    let mut server = replacing();
    let sockets: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for socket in &sockets {
        server.bind(socket, "ann").unwrap();
    }
    server.run();
    assert_eq!(sockets.iter().filter(|socket| !socket.is_closed()).count(), 1);
    assert_eq!(server.bound_to(&sockets[19]), server.session("ann"));
}

#[test]
fn a_rival_that_logs_in_while_the_older_is_closed_is_replaced_too() {
    let mut server = replacing();
    let _old = server.login("ann");
    let (new, rival) = (server.connect(), server.connect());
    let connection = rival.connection();
    server.app.add_observer(move |_: On<Add<portcullis_core::Closing>>, mut commands: Commands| {
        commands.trigger(Login::new(connection, "ann"));
    });
    let session = server.bind(&new, "ann").unwrap();
    server.run();
    assert!(rival.is_closed() && !new.is_closed());
    assert_eq!(server.bound_to(&new), Some(session));
}

#[test]
fn who_comes_back_while_the_loss_is_told_is_not_logged_out() {
    let linger = SessionLinger(Duration::from_secs(30));
    let mut server = Server::new(SessionPlugin { linger, ..SessionPlugin::default() });
    let (old, new) = (server.login("ann"), server.connect());
    let session = server.session("ann").unwrap();
    let connection = new.connection();
    server.app.add_observer(move |_: On<Detached>, mut commands: Commands| {
        commands.trigger(Login::new(connection, "ann"));
    });
    server.close(&old);
    server.advance(Duration::from_secs(60));
    assert_eq!((server.bound_to(&new), server.session("ann")), (Some(session), Some(session)));
}

#[test]
fn a_session_that_is_ended_while_its_login_is_told_leaves_nothing() {
    let mut server = replacing();
    server.app.add_observer(|event: On<LoggedIn>, mut commands: Commands| {
        commands.trigger(Logout { session: event.session });
    });
    let socket = server.login("ann");
    assert!(socket.is_closed());
    assert_eq!((server.session("ann"), server.bound_to(&socket)), (None, None));
}
