//! How a msgserver is added to an app.

use super::{
    HANDSHAKE_ROUTE,
    decode::{self, Greeting, MsgGate, Offenders},
    handshake::handshake,
    protocol::MsgProtocol,
    users::{self, MsgServer},
};
use crate::login::GameServers;
use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use portcullis_core::{
    AcceptedBy, Framing, Handshaking, Ingress, IngressSystems, Opened, start_unless_forwarded,
};
use portcullis_dispatch::{AppDispatchExt, Protocols, ReplyLimits, Routes, Speaks};
use portcullis_gate::MaxClients;
use portcullis_net::Listener;
use portcullis_session::ServerName;
use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

/// A game server as skynet's msgserver, and gated around it. Add one for each server name.
///
/// Where a [login server](crate::login::LoginServerPlugin) is in the same app it finds this server by its name. Else
/// [`log_in`](super::log_in) lets users in.
#[derive(Clone)]
pub struct MsgServerPlugin {
    server: ServerName,
    route: String,
    address: Option<SocketAddr>,
    settings: MsgServer,
    configure: Vec<Arc<dyn Fn(&mut EntityWorldMut) + Send + Sync>>,
}

impl MsgServerPlugin {
    /// The game server of this name, as the tokens of its users say it. All requests go to this route, for a handler of
    /// [`Request<Raw>`](portcullis_dispatch::Raw) or a raw one: the original's `request_handler`. What it returns is
    /// answered with 1, a refusal with 0.
    pub fn new(server: impl Into<ServerName>, route: impl Into<String>) -> Self {
        let server = server.into();
        Self {
            settings: MsgServer::new(server.clone()),
            server,
            route: route.into(),
            address: None,
            configure: Vec::new(),
        }
    }

    /// Listens here; one that listens nowhere serves connections in memory. Port 0 takes a free one.
    ///
    /// # Panics
    /// When it is not an address: this is for addresses in the source. Configurations parse theirs to a `SocketAddr`.
    #[must_use]
    pub fn listen(mut self, address: impl ToSocketAddrs) -> Self {
        let mut addresses = address.to_socket_addrs().expect("an address as in `0.0.0.0:8888`");
        self.address = addresses.next();
        self
    }

    /// Serves so many clients at once, and refuses the next. The original serves one less than it is told.
    #[must_use]
    pub fn max_clients(self, clients: usize) -> Self {
        self.with(move |listener| {
            listener.insert(MaxClients(clients));
        })
    }

    /// How many answers are kept for users who lose their connection. Default: [`ReplyLimits::default`], whose numbers
    /// are the original's.
    #[must_use]
    pub fn replies(mut self, limits: ReplyLimits) -> Self {
        self.settings.replies = limits;
        self
    }

    /// How long a user without a connection stays logged in. Default: for ever, as in the original; then only a logout
    /// ends a session, and whoever never comes back costs its memory for as long as the server runs.
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.settings.linger = linger;
        self
    }

    /// Leaves it to the game to log a user out when it is [asked](crate::login::LogoutAsked), after what it has to save is saved. The
    /// login server waits for that, as long as it has patience. Default: it is done at once.
    #[must_use]
    pub fn logs_out_by_itself(mut self) -> Self {
        self.settings.logs_out = false;
        self
    }

    /// Does this with the listener entity when it is spawned: insert policies, a name, a [`Listener`] of its own in place of
    /// the plain one, for TLS or WebSocket.
    #[must_use]
    pub fn with(mut self, configure: impl Fn(&mut EntityWorldMut) + Send + Sync + 'static) -> Self {
        self.configure.push(Arc::new(configure));
        self
    }
}

impl fmt::Debug for MsgServerPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MsgServerPlugin")
            .field("server", &self.server)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Marks the listener entities of msgservers, with the name of each.
#[derive(Component, Clone, Debug)]
#[component(immutable)]
pub struct MsgServerListener(pub ServerName);

/// What connections of msgservers speak.
#[derive(Resource, Clone, Copy, Debug)]
pub(crate) struct MsgSpeaks(pub(crate) Speaks);

impl Plugin for MsgServerPlugin {
    fn build(&self, app: &mut App) {
        if app.world().contains_resource::<MsgSpeaks>() {
            return;
        }
        app.init_resource::<Routes>().init_resource::<Protocols>().init_resource::<Offenders>();
        app.init_resource::<GameServers>();
        let handshakes = app.world_mut().resource_mut::<Routes>().reserve(HANDSHAKE_ROUTE);
        let protocol = MsgProtocol { handshakes };
        let speaks = app.world_mut().resource_mut::<Protocols>().add(protocol);
        app.insert_resource(MsgSpeaks(speaks))
            .add_handler(HANDSHAKE_ROUTE, handshake)
            .add_observer(opened)
            .add_observer(decode::close_unbound)
            .add_observer(users::log_out)
            .add_observer(users::left)
            .add_systems(
                Ingress,
                (
                    decode::decode.in_set(IngressSystems::Decode),
                    decode::close_offenders.after(IngressSystems::Dispatch).before(IngressSystems::Reap),
                ),
            );
    }

    fn finish(&self, app: &mut App) {
        let world = app.world_mut();
        let gate = MsgGate {
            server: self.server.clone(),
            request: world.resource_mut::<Routes>().intern(&self.route),
            handshake: world.resource_mut::<Routes>().intern(HANDSHAKE_ROUTE),
        };
        world.resource_mut::<GameServers>().register(self.server.clone(), self.settings.clone());
        let speaks = world.resource::<MsgSpeaks>().0;
        let mut listener =
            world.spawn((MsgServerListener(self.server.clone()), self.settings.clone(), speaks, gate));
        for configure in &self.configure {
            configure(&mut listener);
        }
        // One of the app's own stays: it may be the one with the certificate.
        if let Some(address) = self.address.filter(|_| !listener.contains::<Listener>()) {
            // Last, so that the policies are there before the first connection is.
            listener.insert(Listener::new(address, Framing::BE16));
            world.flush();
        }
    }

    fn is_unique(&self) -> bool {
        false
    }
}

/// A connection carries what its listener does, and is read at once: what it says first is its handshake.
fn opened(
    event: On<Opened>,
    connections: Query<&AcceptedBy>,
    listeners: Query<&MsgGate, With<MsgServerListener>>,
    mut commands: Commands,
) {
    let entity = event.entity;
    if let Ok(gate) = connections.get(entity).and_then(|accepted| listeners.get(accepted.0)) {
        commands.entity(entity).insert((gate.clone(), Greeting::Awaited, Handshaking));
        start_unless_forwarded(&mut commands, entity);
    }
}
