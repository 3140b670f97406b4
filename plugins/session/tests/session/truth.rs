//! Whatever happens, in whatever order: the index is what exists, and facts come in pairs.

use crate::server::Server;
use bevy_ecs::prelude::*;
use fastrand::Rng;
use portcullis_core::{BoundTo, Cause, Close, Connection};
use portcullis_net::memory::MemorySocket;
use portcullis_session::{
    DefaultMultiLogin, Detached, KickUser, LoggedIn, LoggedOut, Login, Logout, MultiLogin, Resumed, Session,
    SessionLinger, SessionPlugin, Sessions, Unbind, Unbound,
};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

const USERS: [&str; 3] = ["ann", "bob", "cid"];
const SERVERS: [&str; 3] = ["", "east", "west"];

/// Which facts wait for their other half.
#[derive(Resource, Default)]
struct Ledger {
    bound: HashSet<(Entity, Entity)>,
    detached: HashSet<Entity>,
    /// Of all sessions there ever were.
    numbers: HashSet<(String, u64)>,
}

fn watch(app: &mut bevy_app::App) {
    app.init_resource::<Ledger>()
        .add_observer(|event: On<LoggedIn>, mut ledger: ResMut<Ledger>| {
            assert!(ledger.bound.insert((event.session, event.connection)), "bound twice");
        })
        .add_observer(|event: On<Unbound>, mut ledger: ResMut<Ledger>| {
            assert!(ledger.bound.remove(&(event.session, event.connection)), "unbound, and was not bound");
        })
        .add_observer(|event: On<Detached>, mut ledger: ResMut<Ledger>| {
            assert!(ledger.bound.iter().all(|&(session, _)| session != event.session), "detached, and bound");
            assert!(ledger.detached.insert(event.session), "detached twice");
        })
        .add_observer(|event: On<Resumed>, mut ledger: ResMut<Ledger>| {
            assert!(ledger.detached.remove(&event.session), "resumed, and was not detached");
        })
        .add_observer(|event: On<Add<Session>>, sessions: Query<&Session>, mut ledger: ResMut<Ledger>| {
            let session = sessions.get(event.entity).unwrap();
            let number = (session.server().to_string(), session.subid());
            assert!(ledger.numbers.insert(number), "no number comes twice");
        })
        .add_observer(|event: On<LoggedOut>, mut ledger: ResMut<Ledger>| {
            assert!(
                ledger.bound.iter().all(|&(session, _)| session != event.session),
                "logged out, and bound"
            );
            ledger.detached.remove(&event.session);
        });
}

/// What the entities say, and nothing else.
fn check(server: &mut Server) {
    let world = server.world();
    let mut sessions = world.query::<(Entity, &Session)>();
    let name = |session: &Session| (session.server().to_string(), session.uid().to_string());
    let users: HashMap<(String, String), Entity> =
        sessions.iter(world).map(|(entity, session)| (name(session), entity)).collect();
    assert_eq!(sessions.iter(world).count(), users.len(), "one session for each user at each server");
    let index = world.resource::<Sessions>();
    assert_eq!(index.len(), users.len());
    for server in SERVERS {
        for uid in USERS {
            let user = users.get(&(server.to_owned(), uid.to_owned())).copied();
            assert_eq!(index.at(server, uid), user);
            assert!(!server.is_empty() || index.get(uid) == user);
        }
    }
    for uid in USERS {
        let found: HashSet<Entity> = index.of(uid).collect();
        let expected = users.iter().filter(|(name, _)| name.1 == uid).map(|(_, &session)| session).collect();
        assert_eq!(found, expected);
    }
    let mut bindings = world.query_filtered::<(Entity, &BoundTo), With<Connection>>();
    let bound: HashSet<_> = bindings.iter(world).map(|(connection, bound)| (bound.0, connection)).collect();
    assert_eq!(bound, world.resource::<Ledger>().bound);
    assert!(bound.iter().all(|(session, _)| users.values().any(|known| known == session)));
}

fn any(world: &mut World, random: &mut Rng) -> Option<Entity> {
    let mut sessions = world.query_filtered::<Entity, With<Session>>();
    let sessions: Vec<Entity> = sessions.iter(world).collect();
    random.choice(sessions)
}

fn act(server: &mut Server, sockets: &mut Vec<MemorySocket>, random: &mut Rng) {
    let uid = USERS[random.usize(..USERS.len())];
    let name = SERVERS[random.usize(..SERVERS.len())];
    let socket = random.usize(..sockets.len().max(1));
    let connection = sockets.get(socket).map_or(Entity::PLACEHOLDER, MemorySocket::connection);
    let session = any(server.world(), random);
    let world = server.world();
    match (random.u8(..18), session) {
        (0 | 1, _) => {
            let socket = server.connect();
            sockets.push(socket);
        }
        (2..=4, _) => world.trigger(Login::new(connection, uid)),
        (5, _) => drop(portcullis_session::bind(world, connection, uid)),
        (6, _) => world.trigger(Unbind { entity: connection }),
        (7, _) => drop(portcullis_session::unbind(world, connection)),
        (8, _) => world.trigger(KickUser::new(uid, "out")),
        (9, _) => world.trigger(Close::new(connection, Cause::PeerClosed)),
        (10, Some(session)) => world.trigger(Logout { session }),
        (11, Some(session)) if random.u8(..4) == 0 => drop(world.despawn(session)),
        (12, _) if random.u8(..4) == 0 && !sockets.is_empty() => drop(world.despawn(connection)),
        (13, _) => {
            let policies =
                [MultiLogin::Replace, MultiLogin::Refuse, MultiLogin::Allow(2), MultiLogin::Allow(9)];
            world.insert_resource(DefaultMultiLogin(policies[random.usize(..4)]));
        }
        (14 | 15, _) => {
            let linger = Duration::from_secs(random.u64(..30));
            let _ = portcullis_session::begin(world, uid, name, linger);
        }
        (16 | 17, Some(session)) => {
            let _ = portcullis_session::resume(world, connection, session);
        }
        _ => server.advance(Duration::from_secs(random.u64(..20))),
    }
}

#[test]
fn the_index_and_the_facts_are_true_to_the_entities_whatever_happens() {
    for seed in 0..40 {
        let mut random = Rng::with_seed(seed);
        let linger = SessionLinger(Duration::from_secs(10 * (seed % 3)));
        let mut server = Server::new(SessionPlugin { linger, ..SessionPlugin::default() });
        watch(&mut server.app);
        let mut sockets = Vec::new();
        for _ in 0..200 {
            // Some in one go, some not.
            for _ in 0..random.usize(1..4) {
                act(&mut server, &mut sockets, &mut random);
            }
            server.world().flush();
            check(&mut server);
        }
        for socket in &sockets {
            server.close(socket);
        }
        server.advance(Duration::from_secs(3600));
        check(&mut server);
        let world = server.world();
        assert!(world.resource::<Sessions>().is_empty() && world.resource::<Ledger>().bound.is_empty());
    }
}
