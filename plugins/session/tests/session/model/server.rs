//! The real thing: asked by systems that nobody has ordered, and heard by observers.

use super::{Action, Fact, Id, NEVER, Outcome, POLICIES, Policy, SERVERS, Seen, TICKET_LIFE, USERS};
use bevy_app::{App, PreUpdate, Update};
use bevy_ecs::{entity::EntityHashMap, prelude::*};
use portcullis_core::{Bindings, Cause, Clock, Close, Connection, Start};
use portcullis_session::{
    Detached, KickUser, Linger, Lingering, LoggedIn, LoggedOut, Login, LoginRefused, Logout, MultiLogin,
    Resumed, Session, SessionLinger, SessionPlugin, Sessions, TicketLife, Unbind, Unbound, begin, bind,
    issue_ticket, redeem_ticket, resume,
};
use portcullis_testkit::{RawClient, TestServer, Transport};
use portcullis_watchdog::{IdleLimit, LoginLimit};
use std::{collections::BTreeMap, time::Duration};

pub const QUEUES: usize = 4;
const NAMES: [&str; SERVERS] = ["", "east", "west"];

/// What has happened, in the order in which it did.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    Did {
        action: Action,
        /// Whether somebody's time is up who has not been logged out yet.
        due_left: bool,
        outcome: Outcome,
    },
    /// The end of a connection.
    Died(usize),
    Told(Option<Id>, Fact),
}

#[derive(Resource, Default)]
struct Log(Vec<Entry>);

#[derive(Resource, Default)]
struct Queues([Vec<Action>; QUEUES]);

/// Numbers for entities, and back: also for those that are gone.
#[derive(Resource, Default)]
struct Numbers {
    peers: Vec<Entity>,
    peer: EntityHashMap<usize>,
    ids: EntityHashMap<Id>,
    sessions: BTreeMap<Id, Entity>,
    tickets: Vec<String>,
}

pub struct Real {
    server: TestServer,
    listeners: Vec<Entity>,
    clients: Vec<RawClient>,
    looks: usize,
}

impl Real {
    pub fn new(seed: u64, linger: u64, policy: Policy) -> Self {
        let session = SessionPlugin { multi_login: multi_login(policy), linger: SessionLinger(time(linger)) };
        let mut server = TestServer::builder()
            .transport(Transport::Memory)
            .tick(Duration::from_secs(1))
            .seed(seed)
            .set(session)
            .plugin(build)
            .build();
        let limits = (LoginLimit(Duration::MAX), IdleLimit(Duration::MAX));
        let listeners = POLICIES.map(|policy| {
            let mut world = server.world_mut();
            let mut listener = world.spawn(limits);
            if let Some(policy) = policy {
                listener.insert(multi_login(policy));
            }
            listener.id()
        });
        Self { server, listeners: listeners.to_vec(), clients: Vec::new(), looks: 0 }
    }

    pub fn connections(&self) -> usize {
        self.clients.len()
    }

    /// Half of those who have a policy have it from the listener.
    pub fn connect(&mut self, policy: usize) {
        let own = self.clients.len().is_multiple_of(2);
        let client = self.server.connect_raw(self.listeners[if own { 0 } else { policy }]);
        let entity = client.entity();
        let mut world = self.server.world_mut();
        if let (true, Some(policy)) = (own, POLICIES[policy]) {
            world.entity_mut(entity).insert(multi_login(policy));
        }
        world.trigger(Start { entity });
        world.flush();
        let mut numbers = world.resource_mut::<Numbers>();
        let number = numbers.peers.len();
        numbers.peers.push(entity);
        numbers.peer.insert(entity, number);
        drop(world);
        self.clients.push(client);
    }

    pub fn drop_connection(&mut self, peer: usize) {
        self.clients[peer].close();
    }

    /// Has this asked for in the next tick.
    pub fn ask(&mut self, queue: usize, action: Action) {
        self.server.world_mut().resource_mut::<Queues>().0[queue].push(action);
    }

    pub fn tick(&mut self) {
        self.server.tick();
    }

    pub fn take_log(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.server.world_mut().resource_mut::<Log>().0)
    }

    /// What the entities say; and the index says the same.
    pub fn seen(&mut self) -> BTreeMap<Id, Seen> {
        let mut world = self.server.world_mut();
        let world = &mut *world;
        let mut sessions = world.query::<(Entity, &Session, Option<&Bindings>, Option<&Lingering>)>();
        let (index, numbers) = (world.resource::<Sessions>(), world.resource::<Numbers>());
        let mut seen = BTreeMap::new();
        let mut of = [0; USERS];
        for (entity, session, bindings, lingering) in sessions.iter(world) {
            let (server, uid) = (session.server().as_str(), session.uid().as_str());
            assert_eq!(index.at(server, uid), Some(entity), "{uid} at {server}");
            let bindings = bindings.into_iter().flat_map(RelationshipTarget::iter);
            let until = |lingering: &Lingering| lingering.until.map_or(NEVER, |until| until.as_secs());
            let one = Seen {
                uid: uid.parse().unwrap(),
                began: session.logged_in_at().as_secs(),
                bound: bindings.map(|connection| numbers.peer[&connection]).collect(),
                until: lingering.map(until),
            };
            of[one.uid] += 1;
            assert!(seen.insert(id(session), one).is_none(), "no number comes twice");
        }
        // Each user in turn.
        let uid = self.looks % USERS;
        self.looks += 1;
        assert_eq!(index.of(&uid.to_string()).count(), of[uid]);
        assert_eq!((index.len(), index.is_empty()), (seen.len(), seen.is_empty()));
        seen
    }

    /// Nothing is left of anybody once all are out.
    pub fn finish(mut self) {
        self.server.check_invariants();
        let mut world = self.server.world_mut();
        let sessions: Vec<Entity> = world.resource::<Numbers>().sessions.values().copied().collect();
        for session in sessions {
            world.trigger(Logout { session });
            world.flush();
        }
        assert!(world.resource::<Sessions>().is_empty());
        drop(world);
        self.server.settle();
        self.server.check_invariants();
    }
}

fn build(app: &mut App) {
    app.init_resource::<Log>()
        .init_resource::<Queues>()
        .init_resource::<Numbers>()
        .insert_resource(TicketLife(Duration::from_secs(TICKET_LIFE)))
        .add_systems(PreUpdate, ask::<0>)
        .add_systems(Update, (ask::<1>, ask::<2>, ask::<3>))
        .add_observer(|event: On<Add<Session>>, sessions: Query<&Session>, mut numbers: ResMut<Numbers>| {
            let id = id(sessions.get(event.entity).unwrap());
            assert!(numbers.sessions.insert(id, event.entity).is_none(), "no number comes twice");
            numbers.ids.insert(event.entity, id);
        })
        .add_observer(|event: On<Remove<Connection>>, numbers: Res<Numbers>, mut log: ResMut<Log>| {
            log.0.push(Entry::Died(numbers.peer[&event.entity]));
        })
        .add_observer(|event: On<LoggedIn>, numbers: Res<Numbers>, log: ResMut<Log>| {
            let fact = Fact::LoggedIn { peer: numbers.peer[&event.connection], resumed: event.resumed };
            tell(log, &numbers, event.session, fact);
        })
        .add_observer(|event: On<Resumed>, numbers: Res<Numbers>, log: ResMut<Log>| {
            tell(log, &numbers, event.session, Fact::Resumed(numbers.peer[&event.connection]));
        })
        .add_observer(|event: On<Unbound>, numbers: Res<Numbers>, log: ResMut<Log>| {
            tell(log, &numbers, event.session, Fact::Unbound(numbers.peer[&event.connection]));
        })
        .add_observer(|event: On<Detached>, numbers: Res<Numbers>, log: ResMut<Log>| {
            tell(log, &numbers, event.session, Fact::Detached);
        })
        .add_observer(|event: On<LoggedOut>, numbers: Res<Numbers>, log: ResMut<Log>| {
            tell(log, &numbers, event.session, Fact::LoggedOut);
        })
        .add_observer(|event: On<LoginRefused>, numbers: Res<Numbers>, mut log: ResMut<Log>| {
            log.0.push(Entry::Told(None, Fact::Refused(numbers.peer[&event.entity], event.why)));
        });
}

fn tell(mut log: ResMut<Log>, numbers: &Numbers, session: Entity, fact: Fact) {
    log.0.push(Entry::Told(Some(numbers.ids[&session]), fact));
}

/// Commands, and not an exclusive system: what others have asked for meanwhile comes in between.
fn ask<const QUEUE: usize>(mut queues: ResMut<Queues>, mut commands: Commands) {
    for action in queues.0[QUEUE].drain(..) {
        commands.queue(move |world: &mut World| {
            let due_left = is_due_left(world);
            let mut log = world.resource_mut::<Log>();
            let at = log.0.len();
            log.0.push(Entry::Did { action, due_left, outcome: Outcome::Nothing });
            let came = perform(world, action);
            world.flush();
            if let Entry::Did { outcome, .. } = &mut world.resource_mut::<Log>().0[at] {
                *outcome = came;
            }
        });
    }
}

fn is_due_left(world: &mut World) -> bool {
    let now = world.resource::<Clock>().now();
    let mut waiting = world.query::<(&Session, &Lingering)>();
    waiting.iter(world).any(|(session, lingering)| {
        session.logged_in_at() < now && lingering.until.is_some_and(|until| until <= now)
    })
}

fn perform(world: &mut World, action: Action) -> Outcome {
    let numbers = world.resource::<Numbers>();
    let connection = |peer: usize| numbers.peers[peer];
    let session = |id: Id| numbers.sessions.get(&id).copied().unwrap_or(Entity::PLACEHOLDER);
    match action {
        Action::Login { peer, uid } => world.trigger(Login::new(connection(peer), uid.to_string())),
        Action::Bind { peer, uid } => {
            let bound = bind(world, connection(peer), uid.to_string());
            return Outcome::Session(bound.map(|session| id(world.get(session).unwrap())));
        }
        Action::Begin { uid, server, linger } => {
            let begun = begin(world, uid.to_string(), NAMES[server], time(linger));
            return Outcome::Session(begun.map(|session| id(world.get(session).unwrap())));
        }
        Action::Resume { peer, id } => {
            let (connection, session) = (connection(peer), session(id));
            return Outcome::Session(resume(world, connection, session).map(|()| id));
        }
        Action::Issue { id } => {
            let ticket = issue_ticket(world, session(id));
            let issued = ticket.is_some();
            world.resource_mut::<Numbers>().tickets.extend(ticket.map(|ticket| ticket.token));
            return Outcome::Issued(issued);
        }
        Action::Redeem { peer, paper, broken } => {
            let connection = connection(peer);
            let mut token = numbers.tickets[paper].clone();
            if broken {
                // Another number, so that it would be the latest of all.
                token.replace_range(32..33, if token.as_bytes()[32] == b'A' { "B" } else { "A" });
            }
            let Ok(session) = redeem_ticket(world, &token) else { return Outcome::BadTicket };
            let id = id(world.get(session).unwrap());
            return Outcome::Session(resume(world, connection, session).map(|()| id));
        }
        Action::Unbind { peer } => world.trigger(Unbind { entity: connection(peer) }),
        Action::Kick { uid } => world.trigger(KickUser::new(uid.to_string(), "out")),
        Action::Close { peer } => world.trigger(Close::new(connection(peer), Cause::Requested)),
        Action::Logout { id } => world.trigger(Logout { session: session(id) }),
        Action::SetLinger { id, linger } => {
            if let Ok(mut session) = world.get_entity_mut(session(id)) {
                session.insert(Linger(time(linger)));
            }
        }
    }
    Outcome::Nothing
}

fn id(session: &Session) -> Id {
    let server = NAMES.iter().position(|&name| name == session.server().as_str());
    (server.unwrap(), session.subid())
}

fn time(seconds: u64) -> Duration {
    if seconds == NEVER { Duration::MAX } else { Duration::from_secs(seconds) }
}

fn multi_login(policy: Policy) -> MultiLogin {
    match policy {
        Policy::Replace => MultiLogin::Replace,
        Policy::Refuse => MultiLogin::Refuse,
        Policy::Two => MultiLogin::Allow(2),
    }
}
