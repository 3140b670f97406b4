//! Portcullis' own typed protocol: serde values in bincode over TCP, for games whose client is written in Rust too.
//!
//! **Where it stands in the flow.** Its frames are cut by [`portcullis_net`]; in
//! [`IngressSystems::Decode`](portcullis_core::IngressSystems) they become packets for [`portcullis_dispatch`], whose
//! handlers it answers for. Every route of the app is served: there is nothing to declare twice.
//!
//! **What it adds**
//! - [`NativePlugin`]: a listener entity, marked [`NativeListener`]; add one for each address.
//! - [`NativeState`] on each of its connections: who is still shaking hands, and who may ask. While the handshake goes
//!   on the connection is [`Handshaking`](portcullis_watchdog::Handshaking), so the watchdog's deadline holds for it.
//! - [`Manifest`]: the protocol's name, version and messages. Client and server compare theirs in the handshake, so
//!   that a client built from other types is turned away by name, and never half understood.
//! - [`wire`]: the format, pure, with its table. [`ClientCodec`]: a client without a socket.
//! - Clients that [log in](login), lose the connection, and come back to their session and to the answers they have
//!   missed: each request that they send is handled once, and answered once.
//! - With the feature `client`: `client::Client` over tokio, and `client::blocking::Client` over std alone.
//!
//! **What it promises.** One answer for each request, in the order of the requests of a connection where their
//! handlers answer at once. What a peer sends is bounded before it is believed: no length it declares allocates
//! anything, and no body nests deeper than 64 levels. Before the server closes it says why.
//!
//! **What it refuses to do.** It does not decide who may come, stay, or ask: that is the gate's, the watchdog's and the
//! session's. It does not translate between versions: another version is another protocol, perhaps on another port.
//! It does not encrypt. Bincode describes nothing, so types whose serde form depends on what it holds (`flatten`,
//! `untagged`, `skip_serializing_if`) cannot be messages.
//!
//! A server, and a client of it without a socket:
//!
//! ```
//! use bevy_app::App;
//! use portcullis_core::CorePlugin;
//! use portcullis_dispatch::{AppDispatchExt, DispatchPlugin, Request, Routes};
//! use portcullis_native::{ClientCodec, Manifest, NativePlugin};
//!
//! fn length(text: Request<String>) -> u64 {
//!     text.len() as u64
//! }
//!
//! let mut app = App::new();
//! app.add_plugins((CorePlugin::default(), DispatchPlugin, NativePlugin::default().name("texts", 1)))
//!     .add_handler("text.length", length);
//! app.finish();
//!
//! let manifest = Manifest::new("texts", 1).request::<String, u64>("text.length");
//! assert_eq!(manifest, Manifest::of_routes("texts", 1, app.world().resource::<Routes>()));
//! let mut codec = ClientCodec::new(manifest);
//! let mut bytes = Vec::new();
//! codec.hello(&mut bytes)?;
//! codec.request(&mut bytes, "text.length", "portcullis")?;
//! # Ok::<_, portcullis_native::ClientError>(())
//! ```

pub mod body;
#[cfg(feature = "client")]
pub mod client;
mod codec;
mod connection;
mod decode;
mod error;
mod guard;
pub mod login;
mod manifest;
mod protocol;
mod tables;
mod unanswered;
pub mod wire;

pub use codec::{Body, ClientCodec, ClientEvent, Push};
pub use connection::NativeState;
pub use error::ClientError;
pub use manifest::{Manifest, Messages};
pub use portcullis_session::{Credentials, Ticket};
pub use tables::ManifestFault;
pub use unanswered::KeepLimits;

use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use connection::{Offenders, Services};
use portcullis_core::{Framing, Ingress, IngressSystems};
use portcullis_dispatch::{Protocols, Routes};
use portcullis_net::Listener;
use portcullis_watchdog::{IdleLimit, LoginLimit, WatchdogDefaults};
use protocol::{NativeProtocol, Service};
use std::{
    borrow::Cow,
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};
use tables::Tables;

/// What routers between us and a client forget last.
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(20);

/// Serves this protocol. Add one for each address.
///
/// There is no deadline for a login unless the listener has a [`LoginLimit`] of its own, inserted by
/// [`with`](NativePlugin::with); without one, a connection is trusted as soon as the handshake is done, and what remains
/// is the idle limit.
#[derive(Clone)]
pub struct NativePlugin {
    /// Where to listen. None, the default, opens no socket: connections in memory name the listener entity.
    pub address: Option<SocketAddr>,
    /// How often clients are told to show that they are alive. Default none: a third of the
    /// [`IdleLimit`] their connections begin with, so that one late beat costs nobody the connection, and at most 20
    /// seconds, so that no router forgets them.
    pub heartbeat: Option<Duration>,
    name: Cow<'static, str>,
    version: u32,
    manifest: Option<Manifest>,
    configure: Vec<Arc<dyn Fn(&mut EntityWorldMut) + Send + Sync>>,
}

impl Default for NativePlugin {
    /// No socket; all routes of the app; named `portcullis`, version 1.
    fn default() -> Self {
        Self {
            address: None,
            heartbeat: None,
            name: Cow::Borrowed("portcullis"),
            version: 1,
            manifest: None,
            configure: Vec::new(),
        }
    }
}

impl NativePlugin {
    /// Listens here. Port 0 takes a free one.
    ///
    /// # Panics
    /// When it is not an address: this is for addresses in the source. Configurations parse theirs to a `SocketAddr`.
    pub fn listen(address: impl ToSocketAddrs) -> Self {
        let mut addresses = address.to_socket_addrs().expect("an address as in `0.0.0.0:4000`");
        Self { address: addresses.next(), ..Self::default() }
    }

    /// The protocol's name, 1 to 255 bytes, and version: what a client's [`Manifest::new`] says. Default
    /// `portcullis`, 1. A [manifest](Self::manifest) brings its own.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>, version: u32) -> Self {
        (self.name, self.version) = (name.into(), version);
        self
    }

    /// Serves these messages only. Default: all routes and declared pushes of the app.
    ///
    /// What the manifest promises and the app does not keep is logged as an error when the app is finished, and is
    /// answered with [`NOT_FOUND`](portcullis_dispatch::Refusal::NOT_FOUND); see [`Manifest::faults`].
    #[must_use]
    pub fn manifest(mut self, manifest: Manifest) -> Self {
        self.manifest = Some(manifest);
        self
    }

    /// How often clients are told to show that they are alive: see the [field](Self#structfield.heartbeat).
    #[must_use]
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = Some(interval);
        self
    }

    /// Does this with the listener entity when it is spawned: insert policies, an agent template, a name.
    #[must_use]
    pub fn with(mut self, configure: impl Fn(&mut EntityWorldMut) + Send + Sync + 'static) -> Self {
        self.configure.push(Arc::new(configure));
        self
    }
}

impl fmt::Debug for NativePlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativePlugin")
            .field("address", &self.address)
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Marks the listener entities of this protocol. They are spawned when the app is finished.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct NativeListener;

impl NativeListener {
    /// The first listener of this protocol, for connections in memory.
    pub fn find(world: &World) -> Option<Entity> {
        world.try_query_filtered::<Entity, With<Self>>()?.iter(world).next()
    }
}

impl Plugin for NativePlugin {
    fn build(&self, app: &mut App) {
        if app.world().contains_resource::<Services>() {
            return;
        }
        app.init_resource::<Routes>()
            .init_resource::<Protocols>()
            .init_resource::<Services>()
            .init_resource::<Offenders>()
            .add_observer(connection::greet)
            .add_observer(connection::farewell)
            .add_systems(
                Ingress,
                (
                    decode::decode.in_set(IngressSystems::Decode),
                    connection::close_offenders.after(IngressSystems::Dispatch).before(IngressSystems::Reap),
                ),
            );
    }

    /// Here, because by now all plugins have added their routes.
    fn finish(&self, app: &mut App) {
        let world = app.world_mut();
        let mut routes = world.resource_mut::<Routes>();
        let manifest = match &self.manifest {
            Some(manifest) => manifest.clone(),
            None => Manifest::of_routes(self.name.clone(), self.version, &routes),
        };
        for fault in manifest.faults(&routes) {
            tracing::error!(%manifest, "{fault}");
        }
        let tables = Tables::new(&manifest, &mut routes);
        tracing::info!(%manifest, messages = manifest.iter().len(), "serving the native protocol");
        let idle = world.get_resource::<WatchdogDefaults>().map(|defaults| defaults.idle).unwrap_or_default();
        // A game that has a login says so, by a limit of its own.
        let mut listener = world.spawn((NativeListener, LoginLimit(Duration::MAX)));
        for configure in &self.configure {
            configure(&mut listener);
        }
        let idle = listener.get::<IdleLimit>().copied().unwrap_or(idle);
        let heartbeat = self.heartbeat.unwrap_or_else(|| (idle.0 / 3).min(LONGEST_HEARTBEAT));
        let service = Arc::new(Service::new(manifest, tables, heartbeat));
        let speaks = listener.world_scope(|world| {
            let speaks = world.resource_mut::<Protocols>().add(NativeProtocol(Arc::clone(&service)));
            world.resource_mut::<Services>().add(speaks, service);
            speaks
        });
        listener.insert(speaks);
        // One of the app's own stays: it may be the one with the certificate.
        if let Some(address) = self.address.filter(|_| !listener.contains::<Listener>()) {
            // Last, so that the policies are there before the first connection is.
            listener.insert(Listener::new(address, Framing::LE32));
            world.flush();
        }
    }

    fn is_unique(&self) -> bool {
        false
    }
}
