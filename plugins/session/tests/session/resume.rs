//! Connections that come to a session that is there.

use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Bindings, BoundTo, Cause, Close, Closing};
use portcullis_session::{
    Detached, Kick, Lingering, LoggedIn, LoggedOut, LoginRefusal, Logout, MultiLogin, REPLACED, Session,
    SessionLinger, SessionPlugin, Unbind, Unbound, resume,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn server(multi_login: MultiLogin) -> Server {
    Server::new(SessionPlugin { multi_login, ..SessionPlugin::default() })
}

#[test]
fn a_session_that_is_over_cannot_be_resumed() {
    let mut server = server(MultiLogin::Replace);
    let session = server.begin("ann", "arena", SECOND).unwrap();
    let socket = server.connect();
    server.advance(SECOND);
    server.told();
    let thing = server.world().spawn_empty().id();
    for session in [session, thing, Entity::PLACEHOLDER] {
        assert_eq!(server.resume(&socket, session), Err(LoginRefusal::NoSession));
    }
    assert_eq!(server.bound_to(&socket), None);
    assert!(server.told().is_empty() && !socket.is_closed());
}

#[test]
fn nor_can_one_that_is_being_logged_out() {
    #[derive(Resource, Default)]
    struct Outcomes(Vec<Result<(), LoginRefusal>>);
    let mut server = server(MultiLogin::Allow(9));
    let (bound, new) = (server.connect(), server.connect());
    let session = server.begin("ann", "arena", SECOND).unwrap();
    server.resume(&bound, session).unwrap();
    server.app.init_resource::<Outcomes>();
    let connections = [bound.connection(), new.connection()];
    let attempt = move |commands: &mut Commands| {
        for connection in connections {
            commands.queue(move |world: &mut World| {
                let outcome = resume(world, connection, session);
                world.resource_mut::<Outcomes>().0.push(outcome);
            });
        }
    };
    server
        .app
        .add_observer(move |_: On<Unbound>, mut commands: Commands| attempt(&mut commands))
        .add_observer(move |_: On<LoggedOut>, mut commands: Commands| attempt(&mut commands));
    server.world().trigger(Logout { session });
    server.run();
    let outcomes = &server.app.world().resource::<Outcomes>().0;
    // The one that was bound is closing.
    let expected = [Err(LoginRefusal::NotOpen), Err(LoginRefusal::NoSession)];
    assert_eq!(*outcomes, [expected, expected].concat());
    assert!(bound.is_closed() && !new.is_closed() && server.bound_to(&new).is_none());
}

#[test]
fn resuming_twice_over_one_connection_changes_nothing() {
    let mut server = server(MultiLogin::Refuse);
    let socket = server.connect();
    let session = server.begin("ann", "arena", SECOND).unwrap();
    let other = server.begin("bob", "arena", SECOND).unwrap();
    server.resume(&socket, session).unwrap();
    server.told();
    assert_eq!(server.resume(&socket, session), Ok(()));
    assert_eq!(server.resume(&socket, other), Err(LoginRefusal::AlreadyLoggedIn));
    assert_eq!(server.bound_to(&socket), Some(session));
    assert!(server.told().is_empty());
}

#[test]
fn a_connection_that_is_not_open_resumes_nothing() {
    let mut server = server(MultiLogin::Replace);
    let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
    let socket = server.connect();
    server.world().trigger(Close::new(socket.connection(), Cause::Requested));
    assert_eq!(server.resume(&socket, session), Err(LoginRefusal::NotOpen));
    assert_eq!(server.app.world().get::<Lingering>(session).unwrap().until, Some(30 * SECOND));
    // It is still the first who comes.
    let socket = server.connect();
    server.told();
    server.resume(&socket, session).unwrap();
    assert_eq!(server.told(), ["authenticated", "logged in"]);
}

#[test]
fn a_takeover_closes_the_first_connection_and_detaches_nobody() {
    let mut server = server(MultiLogin::Replace);
    let session = server.begin("ann", "arena", Duration::ZERO).unwrap();
    let (old, new) = (server.connect_unticked(), server.connect_unticked());
    server.resume(&old, session).unwrap();
    server.told();
    server.resume(&new, session).unwrap();
    // All at once: when it returns, the one is bound, and the other closing.
    assert_eq!(server.bound_to(&new), Some(session));
    let closing = server.app.world().get::<Closing>(old.connection()).unwrap();
    assert_eq!((closing.cause, closing.reason.as_deref()), (Cause::Replaced, Some(REPLACED)));
    server.run();
    assert!(old.is_closed() && !new.is_closed());
    assert_eq!(server.told(), ["authenticated", "logged in again", "replaced", "unbound"]);
    assert_eq!(server.bound_to(&new), Some(session));
}

/// skynet's msgserver forgets the connection of a user when the *older* of two closes, so that a later logout does not
/// close the newer one, which stays, and is answered with errors.
#[test]
fn the_late_close_of_the_older_connection_does_not_end_the_newer() {
    for end in 0..4 {
        let mut server = server(if end == 0 { MultiLogin::Allow(2) } else { MultiLogin::Replace });
        let session = server.begin("ann", "arena", Duration::ZERO).unwrap();
        let (old, new) = (server.connect_unticked(), server.connect_unticked());
        server.resume(&old, session).unwrap();
        server.resume(&new, session).unwrap();
        let entity = old.connection();
        match end {
            0 => server.close(&old),
            1 => server.world().trigger(Unbind { entity }),
            2 => assert!(server.world().despawn(entity)),
            _ => {}
        }
        server.run();
        let told = server.told();
        assert_eq!(told.iter().filter(|told| *told == "unbound").count(), 1, "end {end}");
        assert!(!told.contains(&"detached".to_owned()) && !told.contains(&"ann out".to_owned()));
        assert_eq!((server.bound_to(&new), server.at("arena", "ann")), (Some(session), Some(session)));
        let bound: Vec<Entity> = server.app.world().get::<Bindings>(session).unwrap().iter().collect();
        assert_eq!(bound, [new.connection()]);

        server.world().trigger(Logout { session });
        server.run();
        assert!(new.is_closed(), "the logout reaches the newer one");
        assert_eq!(server.told(), ["unbound", "ann out", "requested"]);
    }
}

#[test]
fn a_kick_after_a_takeover_reaches_the_newer_connection() {
    let mut server = server(MultiLogin::Replace);
    let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
    let (old, new) = (server.connect(), server.connect());
    server.resume(&old, session).unwrap();
    server.resume(&new, session).unwrap();
    server.run();
    server.world().trigger(Kick::new(session, "out"));
    server.run();
    assert!(new.is_closed());
    assert_eq!(server.told().last().unwrap(), "detached");
}

#[test]
fn where_a_second_connection_is_refused_the_first_notices_nothing() {
    for policy in [MultiLogin::Refuse, MultiLogin::Allow(1)] {
        let mut server = server(policy);
        let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
        let (old, new) = (server.connect(), server.connect());
        server.resume(&old, session).unwrap();
        server.told();
        assert_eq!(server.resume(&new, session), Err(LoginRefusal::InUse));
        assert_eq!((server.bound_to(&old), server.bound_to(&new)), (Some(session), None));
        assert!(server.told().is_empty() && !new.is_closed());
        server.close(&old);
        assert_eq!(server.resume(&new, session), Ok(()));
    }
}

#[test]
fn a_takeover_does_not_end_the_session_though_the_older_connection_goes_at_once() {
    let mut server = server(MultiLogin::Replace);
    let session = server.begin("ann", "arena", Duration::ZERO).unwrap();
    let (old, new) = (server.connect_unticked(), server.connect_unticked());
    server.resume(&old, session).unwrap();
    server.app.add_observer(|event: On<Add<Closing>>, mut commands: Commands| {
        commands.entity(event.entity).despawn();
    });
    server.told();
    assert_eq!(server.resume(&new, session), Ok(()));
    server.run();
    assert_eq!(server.told(), ["unbound", "authenticated", "logged in again"]);
    assert_eq!(server.bound_to(&new), Some(session));
}

#[test]
fn a_takeover_by_one_who_goes_meanwhile_ends_as_if_all_had_gone() {
    let mut server = server(MultiLogin::Replace);
    let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
    let (old, new) = (server.connect(), server.connect());
    server.resume(&old, session).unwrap();
    let connection = new.connection();
    server.app.add_observer(move |event: On<Add<Closing>>, mut commands: Commands| {
        commands.entity(event.entity).despawn();
        commands.entity(connection).try_despawn();
    });
    server.told();
    assert_eq!(server.resume(&new, session), Err(LoginRefusal::NotOpen));
    assert_eq!(server.told(), ["unbound", "detached"]);
    server.advance(30 * SECOND);
    assert_eq!(server.told(), ["ann out"]);
}

#[test]
fn an_observer_that_logs_the_session_out_during_a_takeover_has_its_way() {
    let mut server = server(MultiLogin::Replace);
    let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
    let (old, new) = (server.connect(), server.connect());
    server.resume(&old, session).unwrap();
    server.app.add_observer(move |_: On<Add<Closing>>, mut commands: Commands| {
        commands.trigger(Logout { session });
    });
    assert_eq!(server.resume(&new, session), Err(LoginRefusal::NoSession));
    server.run();
    assert!(old.is_closed() && !new.is_closed());
    assert_eq!(server.at("arena", "ann"), None);
}

/// Whatever an observer does to the binding while it is being made, nothing is told of a login that was none, and the
/// session waits on as it has waited.
#[test]
fn a_binding_that_is_undone_while_it_is_made_leaves_the_session_as_it_was() {
    for end in 0..4 {
        let mut server = server(MultiLogin::Replace);
        let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
        let first = server.connect();
        server.resume(&first, session).unwrap();
        server.close(&first);
        server.advance(10 * SECOND);
        let (socket, until) = (server.connect(), server.app.world().get::<Lingering>(session).copied());
        let undo = move |entity: Entity, commands: &mut Commands| match end {
            0 | 2 => commands.trigger(Unbind { entity }),
            _ => commands.entity(entity).despawn(),
        };
        let connection = socket.connection();
        let observer = if end < 2 {
            let observer =
                move |event: On<Add<BoundTo>>, mut commands: Commands| undo(event.entity, &mut commands);
            Observer::new(observer)
        } else {
            Observer::new(move |_: On<Remove<Lingering>>, mut commands: Commands| {
                undo(connection, &mut commands);
            })
        };
        let observer = server.world().spawn(observer).id();
        server.told();
        let refusal = if end % 2 == 0 { LoginRefusal::NoSession } else { LoginRefusal::NotOpen };
        assert_eq!(server.resume(&socket, session), Err(refusal), "end {end}");
        assert_eq!(server.told(), [""; 0], "end {end}");
        assert_eq!(server.app.world().get::<Lingering>(session).copied(), until, "end {end}");
        server.world().despawn(observer);
        server.advance(30 * SECOND);
        assert_eq!(server.told(), ["ann out"], "end {end}");
    }
}

#[test]
fn facts_come_in_pairs_though_an_observer_undoes_what_it_hears() {
    let mut server = server(MultiLogin::Replace);
    let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
    let first = server.connect();
    server.resume(&first, session).unwrap();
    server.close(&first);
    server.app.add_observer(|event: On<portcullis_core::Authenticated>, mut commands: Commands| {
        commands.trigger(Unbind { entity: event.entity });
    });
    server.app.add_observer(|event: On<LoggedIn>, mut commands: Commands| {
        commands.trigger(Unbind { entity: event.connection });
    });
    let socket = server.connect();
    server.told();
    assert_eq!(server.resume(&socket, session), Ok(()));
    assert_eq!(server.told(), ["authenticated", "logged in again", "resumed", "unbound", "detached"]);
}

#[test]
fn who_comes_back_while_the_loss_is_told_is_not_logged_out_though_nobody_may_linger() {
    let mut server = server(MultiLogin::Replace);
    let (old, new) = (server.login("ann"), server.connect());
    let (session, connection) = (server.session("ann").unwrap(), new.connection());
    server.app.add_observer(move |event: On<Detached>, mut commands: Commands| {
        let session = event.session;
        commands.queue(move |world: &mut World| {
            let _ = resume(world, connection, session);
        });
    });
    server.close(&old);
    assert_eq!((server.bound_to(&new), server.session("ann")), (Some(session), Some(session)));
    server.close(&new);
    assert_eq!(server.session("ann"), None);
}

#[test]
fn who_comes_back_in_the_very_last_moment_is_not_logged_out() {
    // Asked for before the deadline was looked at, and done after it.
    let mut outcomes = Vec::new();
    for before in [true, false] {
        let linger = SessionLinger(30 * SECOND);
        let mut server = Server::new(SessionPlugin { linger, ..SessionPlugin::default() });
        let (old, new) = (server.login("ann"), server.connect());
        let (session, connection) = (server.session("ann").unwrap(), new.connection());
        server.close(&old);
        let come_back = move |mut commands: Commands| {
            commands.queue(move |world: &mut World| {
                let _ = resume(world, connection, session);
            });
        };
        let watch = portcullis_core::TickSystems::Watch;
        let system = if before {
            come_back.before_ignore_deferred(watch)
        } else {
            come_back.after_ignore_deferred(watch)
        };
        server.app.add_systems(bevy_app::PreUpdate, system);
        server.advance_once(30 * SECOND);
        server.run();
        outcomes.push(server.bound_to(&new) == Some(session));
        assert_eq!(server.told().contains(&"ann out".to_owned()), !outcomes[outcomes.len() - 1]);
    }
    assert_eq!(outcomes, [true, false]);
}

#[test]
fn an_observer_that_panics_while_a_binding_is_made_does_not_keep_the_session_for_ever() {
    let mut server = server(MultiLogin::Replace);
    let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
    let socket = server.connect();
    let observer = Observer::new(|_: On<Add<BoundTo>>| panic!("on purpose"));
    let observer = server.world().spawn(observer).id();
    let attempt = std::panic::AssertUnwindSafe(|| server.resume(&socket, session));
    assert!(std::panic::catch_unwind(attempt).is_err());
    server.world().despawn(observer);
    server.run();
    server.close(&socket);
    server.advance(30 * SECOND);
    assert_eq!(server.at("arena", "ann"), None);
}

#[test]
fn an_observer_that_binds_the_connection_first_does_no_harm() {
    let mut server = server(MultiLogin::Replace);
    let socket = server.connect();
    let connection = socket.connection();
    server.app.add_observer(move |event: On<Add<Session>>, mut commands: Commands| {
        let session = event.entity;
        commands.queue(move |world: &mut World| resume(world, connection, session).unwrap());
    });
    let session = server.bind(&socket, "ann").unwrap();
    assert_eq!((server.bound_to(&socket), server.session("ann")), (Some(session), Some(session)));
    assert_eq!(server.told().iter().filter(|told| told.starts_with("logged in")).count(), 1);
}
