//! How a connector is added to an app.

use crate::{
    AppSysconnExt, Blacklist, BlacklistPolicy, ClientCheck, ClientRecord, Pb, client_check,
    commands::{CommandTable, Logins, Modules, NOBODY},
    decode::{self, Talk},
    farewell,
    login::{self, Guesses},
    offences::{self, Offences, Offenders},
    protocol::SysconnProtocol,
    ready::{self, Said, Trusted},
    role,
    wire::{
        commands::{HEARTBEAT, RECONNECT},
        messages::Empty,
    },
};
use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use portcullis_core::{
    AcceptedBy, BelongsTo, BoundTo, Connection, ForwardedTo, Framing, Handshaking, Ingress, IngressSystems,
    MaxFrame, Opened, Outbox, start_unless_forwarded,
};
use portcullis_dispatch::{Protocols, Request, Routes, Speaks};
use portcullis_gate::{AdmitOnly, Networks};
use portcullis_net::{Listener, MessageKind};
use portcullis_session::{MultiLogin, Unbound};
use portcullis_watchdog::{EndWithAgent, HandshakeLimit, IdleLimit, LoginLimit};
use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

/// Serves the clients of a `sys_conn` over WebSocket. Add one for each address; they share commands, roles and blacklist.
///
/// Its timers are the original's, and components of its listener, so that they can be changed there or on one connection
/// while the server runs.
#[derive(Clone)]
pub struct SysconnPlugin {
    address: Option<SocketAddr>,
    handshake: Duration,
    idle: Duration,
    client_check: Duration,
    login: Duration,
    max_message: usize,
    manners: Manners,
    trusted: Networks,
    ready: bool,
    blacklist: Option<BlacklistPolicy>,
    configure: Vec<Arc<dyn Fn(&mut EntityWorldMut) + Send + Sync>>,
}

/// What a listener puts up with, on it and on its connections.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub(crate) struct Manners {
    pub(crate) linger: Duration,
    pub(crate) bad_requests: u64,
    pub(crate) early: u32,
    pub(crate) offences: u32,
}

impl Default for SysconnPlugin {
    /// No socket; the original's timers and limits; open.
    fn default() -> Self {
        Self {
            address: None,
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            client_check: Duration::from_secs(60),
            login: Duration::from_secs(300),
            max_message: 524_288,
            manners: Manners { linger: Duration::from_secs(60), bad_requests: 10, early: 100, offences: 20 },
            trusted: Networks::default(),
            ready: true,
            blacklist: None,
            configure: Vec::new(),
        }
    }
}

impl SysconnPlugin {
    /// Listens here. Port 0 takes a free one.
    ///
    /// # Panics
    /// When it is not an address: this is for addresses in the source. Configurations parse theirs to a `SocketAddr`.
    pub fn listen(address: impl ToSocketAddrs) -> Self {
        let mut addresses = address.to_socket_addrs().expect("an address as in `0.0.0.0:8005`");
        Self { address: addresses.next(), ..Self::default() }
    }

    /// How long the upgrade to WebSocket may take. Default 10 seconds: what the original has in mind, and never looks at.
    #[must_use]
    pub fn handshake(mut self, limit: Duration) -> Self {
        self.handshake = limit;
        self
    }

    /// How long nothing may come from a client, control frames included. Default 60 seconds.
    #[must_use]
    pub fn idle(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// How often it is looked whether anything has come since the last look. Default 60 seconds, which tells nothing that
    /// [`idle`](Self::idle) does not tell earlier; where that is longer, this is the limit.
    #[must_use]
    pub fn client_check(mut self, every: Duration) -> Self {
        self.client_check = every;
        self
    }

    /// How long a connection may go without a login, however lively it is. Default 300 seconds.
    #[must_use]
    pub fn login_deadline(mut self, limit: Duration) -> Self {
        self.login = limit;
        self
    }

    /// How long a role that has lost its connection waits for another. Default 60 seconds.
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.manners.linger = linger;
        self
    }

    /// The longest message of a client that is logged in, in bytes, and the longest body when it is inflated. Default
    /// 524,288, which the original names and never compares with.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// How many bad requests a client may send; one more ends its connection. Default 10. Bad are commands of modules that
    /// nobody has, and those their module [refuses](crate::Unknown::Refuse).
    #[must_use]
    pub fn bad_requests(mut self, most: u64) -> Self {
        self.manners.bad_requests = most;
        self
    }

    /// How many commands of a connection that is not logged in are dropped in silence; one more ends it. Default 100.
    #[must_use]
    pub fn early_commands(mut self, most: u32) -> Self {
        self.manners.early = most;
        self
    }

    /// How many connections of one address may be closed within ten minutes for bodies that nobody can read; while there
    /// are more it is not let in. Loopback always is. Default 20.
    #[must_use]
    pub fn offences(mut self, most: u32) -> Self {
        self.manners.offences = most;
        self
    }

    /// When roles are banned for bodies that nobody can read, and for how long. It is the whole app's.
    #[must_use]
    pub fn blacklist(mut self, policy: BlacklistPolicy) -> Self {
        self.blacklist = Some(policy);
        self
    }

    /// Who is let in while the game is [not ready](crate::GameReady). Default: nobody.
    #[must_use]
    pub fn trusted(mut self, networks: Networks) -> Self {
        self.trusted = networks;
        self
    }

    /// Begins closed to all but those it [trusts](Self::trusted), until the game says that it is
    /// [ready](crate::GameReady).
    #[must_use]
    pub fn not_ready(mut self) -> Self {
        self.ready = false;
        self
    }

    /// Does this with the listener entity when it is spawned: insert policies, a name, or a [`Listener`] of one's own, as
    /// for TLS, which then stands in the place of [`listen`](Self::listen)'s. Make that of [`listener`](Self::listener), which
    /// takes no text, and give it the [`handshake`](Self::handshake)'s limit too, as its
    /// [`greeting_limit`](Listener::greeting_limit).
    #[must_use]
    pub fn with(mut self, configure: impl Fn(&mut EntityWorldMut) + Send + Sync + 'static) -> Self {
        self.configure.push(Arc::new(configure));
        self
    }

    /// The listener for this address: WebSocket, binary messages only.
    pub fn listener(address: SocketAddr) -> Listener {
        Listener::new(address, Framing::WHOLE).websocket().messages(MessageKind::Binary)
    }
}

impl fmt::Debug for SysconnPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SysconnPlugin").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Marks the listener entities of this protocol. They are spawned when the app is finished.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct SysconnListener;

impl Plugin for SysconnPlugin {
    fn build(&self, app: &mut App) {
        if let Some(policy) = &self.blacklist {
            app.insert_resource(Blacklist::new(policy.clone()));
        }
        if app.world().contains_resource::<Offenders>() {
            return;
        }
        client_check::build(app);
        app.init_resource::<Routes>()
            .init_resource::<Protocols>()
            .init_resource::<Modules>()
            .init_resource::<Logins>()
            .init_resource::<decode::Logins>()
            .init_resource::<Blacklist>()
            .init_resource::<Guesses>()
            .init_resource::<Offences>()
            .init_resource::<Offenders>()
            .init_resource::<Said>()
            .add_command(HEARTBEAT, |_: Request<Pb<Empty>>| Pb(Empty {}))
            .add_command(RECONNECT, login::reconnect)
            .add_observer(greet)
            .add_observer(upgraded)
            .add_observer(unbound)
            .add_observer(role::died)
            .add_observer(farewell::farewell)
            .add_observer(farewell::ban)
            .add_observer(offences::count)
            .add_observer(offences::turn_away)
            .add_observer(ready::set)
            .add_observer(decode::release_late)
            .add_systems(
                Ingress,
                (
                    decode::decode.in_set(IngressSystems::Decode).run_if(resource_exists::<CommandTable>),
                    (decode::release, offences::close_offenders)
                        .run_if(resource_exists::<CommandTable>)
                        .after(IngressSystems::Dispatch)
                        .before(IngressSystems::Reap),
                ),
            );
        app.world_mut().resource_mut::<Routes>().reserve(NOBODY);
    }

    /// Here, because by now all plugins have added their commands.
    fn finish(&self, app: &mut App) {
        let world = app.world_mut();
        let speaks = match world.get_resource::<SysconnSpeaks>() {
            Some(speaks) => speaks.0,
            None => make_table(world),
        };
        let is_ready = world.resource::<Said>().0.unwrap_or(self.ready);
        let mut listener = world.spawn((
            SysconnListener,
            speaks,
            self.manners,
            Trusted(self.trusted.clone()),
            HandshakeLimit(self.handshake),
            IdleLimit(self.idle),
            LoginLimit(self.login),
            ClientCheck(self.client_check),
            MaxFrame(self.max_message),
            MultiLogin::Replace,
            EndWithAgent,
        ));
        if !is_ready {
            listener.insert(AdmitOnly(self.trusted.clone()));
        }
        for configure in &self.configure {
            configure(&mut listener);
        }
        // One of the app's own stays: it may be the one with the certificate.
        if let Some(address) = self.address.filter(|_| !listener.contains::<Listener>()) {
            // Last, so that the policies are there before the first connection is.
            listener.insert(Self::listener(address).greeting_limit(self.handshake));
            world.flush();
        }
    }

    fn is_unique(&self) -> bool {
        false
    }
}

/// What connections of this protocol speak.
#[derive(Resource, Clone, Copy, Debug)]
struct SysconnSpeaks(Speaks);

fn make_table(world: &mut World) -> Speaks {
    let table = world.resource_scope(|world, mut routes: Mut<Routes>| {
        CommandTable::new(&mut routes, world.resource::<Modules>(), world.resource::<Logins>())
    });
    let protocol = SysconnProtocol { commands: Arc::clone(&table.commands), logins: table.logins.clone() };
    let speaks = world.resource_mut::<Protocols>().add(protocol);
    world.insert_resource(table);
    world.insert_resource(SysconnSpeaks(speaks));
    speaks
}

/// A connection carries what its listener does, and is read at once: its client speaks first.
fn greet(
    event: On<Opened>,
    connections: Query<(&AcceptedBy, &Connection, &Outbox)>,
    listeners: Query<&Manners, With<SysconnListener>>,
    mut commands: Commands,
) {
    let entity = event.entity;
    let Ok((accepted, connection, outbox)) = connections.get(entity) else { return };
    let Ok(&manners) = listeners.get(accepted.0) else { return };
    let mut client = commands.entity(entity);
    client.insert((Talk::default(), ClientRecord::default(), manners));
    // What is said before the upgrade would be taken for HTTP. A proxy may have told of one that has it behind it.
    if matches!(connection.transport, "ws" | "wss") && !outbox.is_wrapped() {
        client.insert(Handshaking);
    }
    start_unless_forwarded(&mut commands, entity);
}

/// The client hears messages from now on.
fn upgraded(
    event: On<Insert<Connection>>,
    clients: Query<&Outbox, (With<Talk>, With<Handshaking>)>,
    mut commands: Commands,
) {
    if clients.get(event.entity).is_ok_and(Outbox::is_wrapped) {
        commands.entity(event.entity).try_remove::<Handshaking>();
    }
}

/// A connection that is nobody's any more may be somebody else's: it hears no more of the role, and does not end with it.
fn unbound(
    event: On<Unbound>,
    mut records: Query<(&mut ClientRecord, Option<&ForwardedTo>)>,
    agents: Query<&BelongsTo>,
    mut commands: Commands,
) {
    let Ok((mut record, forwarded)) = records.get_mut(event.connection) else { return };
    record.role = 0;
    record.account = None;
    let forwarded = forwarded.map(|forwarded| forwarded.0);
    let of_session = |&agent: &Entity| agents.get(agent).is_ok_and(|belongs| belongs.0 == event.session);
    let Some(agent) = forwarded.filter(of_session) else { return };
    let connection = event.connection;
    commands.queue(move |world: &mut World| {
        // Another observer may have been quick to let it in again.
        let is_its = world.get::<ForwardedTo>(connection).is_some_and(|forwarded| forwarded.0 == agent);
        if is_its && world.get::<BoundTo>(connection).is_none() {
            world.entity_mut(connection).remove::<ForwardedTo>();
        }
    });
}
