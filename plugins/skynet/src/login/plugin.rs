//! How a login server is added to an app.

use super::{
    GameServers, LOGIN_ROUTE,
    lines::{self, Dialogue, LoginProtocol, Missing},
    logins::{self, Logins},
    wire::MAX_BUFFERED,
};
use bevy_app::{App, Last, Plugin, PreUpdate};
use bevy_ecs::prelude::*;
use portcullis_core::{
    AcceptedBy, Connection, Framing, Handshaking, InboundLimit, Ingress, IngressSystems, MaxFrame, Opened,
    Outboxes, Random, TickSystems, start_unless_forwarded,
};
use portcullis_dispatch::{Protocols, RouteId, Routes, Speaks};
use portcullis_gate::{MaxClients, PreLoginBudget};
use portcullis_net::Listener;
use portcullis_watchdog::{IdleLimit, LoginLimit};
use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

/// What becomes of a user who is logged in, at whatever game server, and logs in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relogin {
    /// The newcomer is answered 406, as long as the older session is there.
    Refuse,
    /// The older session is [kicked](super::GameServer::kick), and the newcomer waits until it is over, at most so long;
    /// then he is answered 403. The original waits for ever. Default, with 5 seconds.
    Kick {
        /// How long a game server may take to save what it has to.
        within: Duration,
    },
}

impl Default for Relogin {
    fn default() -> Self {
        Self::Kick { within: Duration::from_secs(5) }
    }
}

/// How users are logged in. A change holds for logins from then on.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginPolicy {
    /// What happens to one who is logged in already.
    pub relogin: Relogin,
    /// Whether logins of one user that overlap wait for each other. Otherwise, as in the original's `multilogin = false`,
    /// which is the default, the second is answered 406, unless the client of the first has left meanwhile.
    pub multi_login: bool,
    /// How long a game server may take to log a user in; then he is answered 403. Default 10 seconds.
    pub answer_within: Duration,
}

impl Default for LoginPolicy {
    fn default() -> Self {
        Self { relogin: Relogin::default(), multi_login: false, answer_within: Duration::from_secs(10) }
    }
}

/// How long a login may take before the game server is asked: five seconds of handshake, ten for who authenticates.
const BEFORE: Duration = Duration::from_secs(15);

impl LoginPolicy {
    /// All that one login may wait for: other logins of the user aside.
    fn whole(&self) -> Duration {
        let within = match self.relogin {
            Relogin::Kick { within } => within,
            Relogin::Refuse => Duration::ZERO,
        };
        BEFORE.saturating_add(within).saturating_add(self.answer_within)
    }
}

/// A login server as skynet's. Add one for each address; who is logged in where, and the policy, is one for all.
///
/// A login may take as long as all that it waits for: 15 seconds and those of the [`LoginPolicy`], 30 by default. A
/// [`LoginLimit`] on the [listener](Self::with) says otherwise; so it should where the policy is changed later, or where
/// logins [wait for each other](LoginPolicy::multi_login) for longer.
#[derive(Clone, Default)]
pub struct LoginServerPlugin {
    address: Option<SocketAddr>,
    policy: LoginPolicy,
    configure: Vec<Arc<dyn Fn(&mut EntityWorldMut) + Send + Sync>>,
}

impl LoginServerPlugin {
    /// Listens here; one that listens nowhere serves connections in memory. Port 0 takes a free one.
    ///
    /// # Panics
    /// When it is not an address: this is for addresses in the source. Configurations parse theirs to a `SocketAddr`.
    #[must_use]
    pub fn listen(mut self, address: impl ToSocketAddrs) -> Self {
        let mut addresses = address.to_socket_addrs().expect("an address as in `0.0.0.0:8001`");
        self.address = addresses.next();
        self
    }

    /// How users are logged in. Of several login servers, the first one's holds.
    #[must_use]
    pub fn policy(mut self, policy: LoginPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Serves so many clients at once, and refuses the next.
    #[must_use]
    pub fn max_clients(self, clients: usize) -> Self {
        self.with(move |listener| {
            listener.insert(MaxClients(clients));
        })
    }

    /// Does this with the listener entity when it is spawned: insert policies, a name, a [`Listener`] of its own in place of
    /// the plain one, for TLS or WebSocket. Each message of a WebSocket is one line, LF included. As the server speaks first
    /// here, `Accepts::Both` will not do: TCP clients would wait for ever.
    #[must_use]
    pub fn with(mut self, configure: impl Fn(&mut EntityWorldMut) + Send + Sync + 'static) -> Self {
        self.configure.push(Arc::new(configure));
        self
    }
}

impl fmt::Debug for LoginServerPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginServerPlugin")
            .field("address", &self.address)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// Marks the listener entities of login servers.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct LoginListener;

/// What connections of login servers speak, and where their tokens go.
#[derive(Resource, Clone, Copy, Debug)]
pub(crate) struct LoginSpeaks {
    speaks: Speaks,
    pub(crate) route: RouteId,
}

impl Plugin for LoginServerPlugin {
    fn build(&self, app: &mut App) {
        if app.world().contains_resource::<LoginSpeaks>() {
            return;
        }
        app.init_resource::<Routes>()
            .init_resource::<Protocols>()
            .init_resource::<GameServers>()
            .init_resource::<Logins>()
            .init_resource::<Missing>()
            .insert_resource(self.policy);
        // Whatever lets a login go on, a packet, the end of a connection or a system of the game's, it does so at once.
        let go_on = || logins::go_on.run_if(logins::any_ready);
        let route = app.world_mut().resource_mut::<Routes>().reserve(LOGIN_ROUTE);
        let speaks = app.world_mut().resource_mut::<Protocols>().add(LoginProtocol);
        app.insert_resource(LoginSpeaks { speaks, route })
            .add_observer(opened)
            .add_observer(established)
            .add_observer(logins::answered)
            .add_observer(logins::left)
            .add_systems(
                Ingress,
                (
                    lines::decode.in_set(IngressSystems::Decode),
                    (lines::miss, go_on()).after(IngressSystems::Dispatch).before(IngressSystems::Reap),
                    go_on().after(IngressSystems::Reap).before(IngressSystems::Flush),
                ),
            )
            .add_systems(PreUpdate, logins::expire.in_set(TickSystems::Watch))
            .add_systems(Last, go_on().before(TickSystems::Flush));
    }

    fn finish(&self, app: &mut App) {
        let world = app.world_mut();
        let speaks = world.resource::<LoginSpeaks>().speaks;
        let whole = world.resource::<LoginPolicy>().whole();
        let mut listener = world.spawn((
            LoginListener,
            speaks,
            MaxFrame(MAX_BUFFERED),
            InboundLimit(2 * MAX_BUFFERED),
            // All of a login is before the login.
            PreLoginBudget { max_frame: MAX_BUFFERED, held: 2 * MAX_BUFFERED },
            LoginLimit(whole),
            // A client has nothing to say while it waits: that is no silence to end it for.
            IdleLimit(whole),
        ));
        for configure in &self.configure {
            configure(&mut listener);
        }
        // One of the app's own stays: it may be the one with the certificate.
        if let Some(address) = self.address.filter(|_| !listener.contains::<Listener>()) {
            // Last, so that the policies are there before the first connection is.
            listener.insert(Listener::new(address, Framing::LINE));
            world.flush();
        }
    }

    fn is_unique(&self) -> bool {
        false
    }
}

/// Line 1 is ours.
fn opened(
    event: On<Opened>,
    connections: Query<&AcceptedBy>,
    listeners: Query<(), With<LoginListener>>,
    mut random: ResMut<Random>,
    mut outboxes: Outboxes,
    mut commands: Commands,
) {
    let entity = event.entity;
    if !connections.get(entity).is_ok_and(|accepted| listeners.contains(accepted.0)) {
        return;
    }
    let dialogue = Dialogue::new(random.bytes(), random.bytes());
    // A connection that is gone needs no challenge.
    let _ = outboxes.write(entity, |out| dialogue.write_challenge(out));
    commands.entity(entity).insert((dialogue, Handshaking));
    start_unless_forwarded(&mut commands, entity);
}

/// What was said before the greeting of a WebSocket was over, nobody has heard.
fn established(event: On<Insert<Connection>>, dialogues: Query<&Dialogue>, mut outboxes: Outboxes) {
    if let Ok(dialogue) = dialogues.get(event.entity)
        && outboxes.is_wrapped(event.entity)
    {
        let _ = outboxes.write(event.entity, |out| dialogue.write_challenge(out));
    }
}
