//! How a skynet gate is added to an app.

use crate::{
    protocol::{self, SprotoGate, SprotoProtocol, WATCHDOG_ROUTE, WatchdogRoute},
    raw::{self, RawProtocol, RawRoute, RawSpeaks},
    sproto::{Host, HostError, Schema, SchemaError},
};
use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use portcullis_core::{AcceptedBy, Framing, Ingress, IngressSystems, Opened, start_unless_forwarded};
use portcullis_dispatch::{Protocols, Routes};
use portcullis_gate::{MaxClients, Trust};
use portcullis_net::Listener;
use portcullis_watchdog::{AgentTemplate, LoginLimit};
use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;

/// A gate as skynet's: 2-byte frames, sproto or the game's own format in them. Add one for each address.
///
/// Connections are not read until they are forwarded to an agent or started.
#[derive(Clone)]
pub struct SkynetPlugin {
    address: Option<SocketAddr>,
    format: Format,
    configure: Vec<Arc<dyn Fn(&mut EntityWorldMut) + Send + Sync>>,
}

#[derive(Clone)]
enum Format {
    Raw(String),
    Sproto(Host),
}

/// A gate could not be made of these schemas.
#[derive(Clone, Debug, Error)]
pub enum GateError {
    /// A schema's text is wrong.
    #[error("the {which} schema: {error}")]
    Schema {
        /// `client to server` or `server to client`.
        which: &'static str,
        /// What is wrong with it.
        error: SchemaError,
    },
    /// The schemas do not make an RPC.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl SkynetPlugin {
    /// A gate for sproto, of the schema texts of what clients ask and of what the server pushes.
    ///
    /// # Errors
    /// When a text is not a schema, or the first has no `package` type.
    pub fn sproto(client_to_server: &str, server_to_client: &str) -> Result<Self, GateError> {
        let parse = |which, text| Schema::parse(text).map_err(|error| GateError::Schema { which, error });
        let incoming = parse("client to server", client_to_server)?;
        let outgoing = parse("server to client", server_to_client)?;
        Ok(Self::new(Format::Sproto(Host::new(incoming, outgoing)?)))
    }

    /// A gate whose frames hold a format of the game's own: all go to this route, for a handler of
    /// [`Request<Raw>`](portcullis_dispatch::Raw); what it returns goes back as a frame.
    pub fn raw(route: impl Into<String>) -> Self {
        Self::new(Format::Raw(route.into()))
    }

    fn new(format: Format) -> Self {
        Self { address: None, format, configure: Vec::new() }
    }

    /// Listens here; a gate that listens nowhere serves connections in memory. Port 0 takes a free one.
    ///
    /// # Panics
    /// When it is not an address: this is for addresses in the source. Configurations parse theirs to a `SocketAddr`.
    #[must_use]
    pub fn listen(mut self, address: impl ToSocketAddrs) -> Self {
        let mut addresses = address.to_socket_addrs().expect("an address as in `0.0.0.0:8888`");
        self.address = addresses.next();
        self
    }

    /// Plays each connection by an agent of its own: this bundle, spawned when the connection is opened.
    #[must_use]
    pub fn agent<B: Bundle>(self, bundle: impl Fn() -> B + Send + Sync + 'static) -> Self {
        let template = AgentTemplate::new(bundle);
        self.with(move |listener| {
            listener.insert(template.clone());
        })
    }

    /// Serves so many clients at once, and refuses the next.
    #[must_use]
    pub fn max_clients(self, clients: usize) -> Self {
        self.with(move |listener| {
            listener.insert(MaxClients(clients));
        })
    }

    /// Does this with the listener entity when it is spawned: insert policies, an agent template, a name.
    #[must_use]
    pub fn with(mut self, configure: impl Fn(&mut EntityWorldMut) + Send + Sync + 'static) -> Self {
        self.configure.push(Arc::new(configure));
        self
    }
}

/// Marks the listener entities of skynet gates.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct SkynetListener;

impl Plugin for SkynetPlugin {
    fn build(&self, app: &mut App) {
        if app.world().contains_resource::<WatchdogRoute>() {
            return;
        }
        app.init_resource::<Routes>().init_resource::<Protocols>();
        let watchdog = app.world_mut().resource_mut::<Routes>().reserve(WATCHDOG_ROUTE);
        let raw = app.world_mut().resource_mut::<Protocols>().add(RawProtocol);
        app.insert_resource(WatchdogRoute(watchdog))
            .insert_resource(RawSpeaks(raw))
            .add_observer(opened)
            .add_systems(Ingress, (protocol::decode, raw::decode).in_set(IngressSystems::Decode));
    }

    fn finish(&self, app: &mut App) {
        let world = app.world_mut();
        let format = match &self.format {
            Format::Raw(route) => {
                let route = world.resource_mut::<Routes>().intern(route);
                let speaks = world.resource::<RawSpeaks>().0;
                // Without a login there is no deadline for it.
                let no_login = LoginLimit(Duration::MAX);
                world.spawn((SkynetListener, speaks, RawRoute(route), no_login)).id()
            }
            Format::Sproto(host) => {
                let protocol = SprotoProtocol::new(host.clone(), &mut world.resource_mut::<Routes>());
                let speaks = world.resource_mut::<Protocols>().add(protocol.clone());
                world.spawn((SkynetListener, speaks, SprotoGate(Arc::new(protocol)))).id()
            }
        };
        let mut listener = world.entity_mut(format);
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

/// Connections carry what their listener does; raw ones, which have no agent to wait for, are read at once.
fn opened(
    event: On<Opened>,
    connections: Query<&AcceptedBy>,
    listeners: Query<(Option<&SprotoGate>, Option<&RawRoute>), With<SkynetListener>>,
    mut commands: Commands,
) {
    let entity = event.entity;
    let Ok((sproto, raw)) = connections.get(entity).and_then(|accepted| listeners.get(accepted.0)) else {
        return;
    };
    let mut connection = commands.entity(entity);
    if let Some(sproto) = sproto {
        connection.insert(sproto.clone());
    }
    if let Some(&raw) = raw {
        connection.insert(raw);
        commands.trigger(Trust { entity });
        start_unless_forwarded(&mut commands, entity);
    }
}
