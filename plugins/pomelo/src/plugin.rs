//! How a Pomelo listener is added to an app.

use crate::{
    HeartbeatStyle, PomeloClient, PomeloError, decode,
    handshake::{self, Handshakes},
    protocol::PomeloProtocol,
    service::{Dialect, Heartbeat, Manners, ProtoFiles, Service, Services},
    state::{self, Offenders},
    wire::{dictionary, handshake::Family, package, protobuf::Protos},
};
use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use portcullis_core::{Ingress, IngressSystems};
use portcullis_dispatch::{Protocols, Routes, Speaks};
use portcullis_net::Listener;
use portcullis_watchdog::{IdleLimit, LoginLimit};
use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

/// The route of the handshake's `user` data: a handler added to it is asked about each client, and may refuse it.
///
/// Its request is what the client sent as `user` (`null` where it sent nothing); what it returns is the `user` of the
/// answer. A refusal, a panic or a missed deadline is code 500, and closes the connection; a refusal with code 501 says
/// that the client is too old. [`PomeloClient`] stands on the connection by then. No client can ask for this route, of
/// whatever protocol.
pub const HANDSHAKE_ROUTE: &str = "pomelo.handshake";

/// The route under which what nobody handles is counted and answered.
pub const UNKNOWN_ROUTE: &str = "pomelo.unknown";

/// Serves Pomelo's clients, and Pitaya's, over TCP and WebSocket on one port. Add one for each address.
///
/// There is no deadline for a login unless the listener has a [`LoginLimit`] of its own, inserted by
/// [`with`](PomeloPlugin::with): without one, a connection is trusted as soon as its handshake is done.
#[derive(Clone)]
pub struct PomeloPlugin {
    address: Option<SocketAddr>,
    heartbeat: Option<Duration>,
    heartbeat_timeout: Option<Duration>,
    strict: bool,
    style: HeartbeatStyle,
    dictionary: Option<Vec<String>>,
    protos: Option<ProtoFiles>,
    error_texts: bool,
    compress: bool,
    check_client: Option<Arc<dyn Fn(&PomeloClient) -> bool + Send + Sync>>,
    configure: Vec<Arc<dyn Fn(&mut EntityWorldMut) + Send + Sync>>,
}

impl Default for PomeloPlugin {
    /// No socket; heartbeats every 30 seconds; no dictionary, no schemas.
    fn default() -> Self {
        Self {
            address: None,
            heartbeat: Some(Duration::from_secs(30)),
            heartbeat_timeout: None,
            strict: false,
            style: HeartbeatStyle::Answer,
            dictionary: None,
            protos: None,
            error_texts: false,
            compress: true,
            check_client: None,
            configure: Vec::new(),
        }
    }
}

impl PomeloPlugin {
    /// Listens here. Port 0 takes a free one.
    ///
    /// # Panics
    /// When it is not an address: this is for addresses in the source. Configurations parse theirs to a `SocketAddr`.
    pub fn listen(address: impl ToSocketAddrs) -> Self {
        let mut addresses = address.to_socket_addrs().expect("an address as in `0.0.0.0:3010`");
        Self { address: addresses.next(), ..Self::default() }
    }

    /// How often clients show that they are alive; none for a server without heartbeats. Default 30 seconds. Clients
    /// are told whole seconds, rounded up.
    #[must_use]
    pub fn heartbeat(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.heartbeat = interval.into().filter(|interval| !interval.is_zero());
        self
    }

    /// How long a client may stay silent once its handshake is done. Default twice the interval, as in Pomelo.
    #[must_use]
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat_timeout = Some(timeout);
        self
    }

    /// Lets heartbeats alone count as signs of life, as Pomelo does: a client that asks all the time and sends none is
    /// closed. Default: whatever comes counts, as in Pitaya.
    #[must_use]
    pub fn strict_heartbeats(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Who sets the rhythm of heartbeats. Default: clients do.
    #[must_use]
    pub fn heartbeat_style(mut self, style: HeartbeatStyle) -> Self {
        self.style = style;
        self
    }

    /// Gives routes numbers, which clients that know how use instead of names: all handlers whose route has three
    /// parts, then these pushes, in this order. Default: no dictionary.
    #[must_use]
    pub fn dictionary<S: Into<String>>(mut self, pushes: impl IntoIterator<Item = S>) -> Self {
        self.dictionary = Some(pushes.into_iter().map(Into::into).collect());
        self
    }

    /// As [`dictionary`](Self::dictionary), with the pushes of Pomelo's `config/dictionary.json`: a JSON array.
    ///
    /// # Errors
    /// When the text is not such an array.
    pub fn dictionary_json(self, text: &str) -> Result<Self, PomeloError> {
        Ok(self.dictionary(dictionary::pushes(text)?))
    }

    /// Sends bodies of the routes named here in Pomelo's protobuf dialect: the texts of `config/clientProtos.json`, for
    /// what clients send, and of `config/serverProtos.json`, for what they are sent. Default: all bodies are JSON.
    ///
    /// # Errors
    /// When a text is not such a file.
    pub fn protos(mut self, client: &str, server: &str) -> Result<Self, PomeloError> {
        let (client, server) = (Arc::new(Protos::parse(client)?), Arc::new(Protos::parse(server)?));
        self.protos = Some(ProtoFiles { client, server });
        Ok(self)
    }

    /// Sends the text of a refusal too, as `msg`. Default: its code alone, as Pomelo does. Clients of Pitaya's kind are
    /// always told.
    #[must_use]
    pub fn error_texts(mut self) -> Self {
        self.error_texts = true;
        self
    }

    /// Sends nothing compressed. Default: clients of Pitaya's kind, and only they, get bodies compressed that become
    /// shorter by it.
    #[must_use]
    pub fn uncompressed(mut self) -> Self {
        self.compress = false;
        self
    }

    /// Turns clients away by what they say of themselves, with code 501: Pomelo's `checkClient`. Default: all may come.
    #[must_use]
    pub fn check_client(mut self, check: impl Fn(&PomeloClient) -> bool + Send + Sync + 'static) -> Self {
        self.check_client = Some(Arc::new(check));
        self
    }

    /// Does this with the listener entity when it is spawned: insert policies, an agent template, a name, or a
    /// [`Listener`] of one's own, as for TLS, which then stands in the place of [`listen`](Self::listen)'s.
    #[must_use]
    pub fn with(mut self, configure: impl Fn(&mut EntityWorldMut) + Send + Sync + 'static) -> Self {
        self.configure.push(Arc::new(configure));
        self
    }

    /// The listener for this address: TCP and WebSocket on one port, in packages of this protocol.
    pub fn listener(address: SocketAddr) -> Listener {
        Listener::new(address, package::FRAMING).hybrid()
    }

    fn manners(&self) -> Manners {
        let heartbeat = self.heartbeat.map(|interval| Heartbeat {
            interval,
            timeout: self.heartbeat_timeout.unwrap_or(interval * 2),
            strict: self.strict,
            style: self.style,
        });
        Manners {
            heartbeat,
            error_texts: self.error_texts,
            compress: self.compress,
            check_client: self.check_client.clone(),
        }
    }
}

impl fmt::Debug for PomeloPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PomeloPlugin")
            .field("address", &self.address)
            .field("heartbeat", &self.heartbeat)
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

/// Marks the listener entities of this protocol. They are spawned when the app is finished.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct PomeloListener;

/// How long a connection without heartbeats may stay silent: Pomelo's default for its sockets.
const IDLE: Duration = Duration::from_secs(90);

impl Plugin for PomeloPlugin {
    fn build(&self, app: &mut App) {
        if app.world().contains_resource::<Services>() {
            return;
        }
        app.init_resource::<Routes>()
            .init_resource::<Protocols>()
            .init_resource::<Services>()
            .init_resource::<Offenders>()
            .init_resource::<Handshakes>()
            .add_observer(state::greet)
            .add_observer(state::farewell)
            .add_observer(decode::beat)
            .add_observer(handshake::conclude_late)
            .add_systems(
                Ingress,
                (
                    (decode::decode, handshake::answer).chain().in_set(IngressSystems::Decode),
                    (handshake::conclude, state::close_offenders)
                        .after(IngressSystems::Dispatch)
                        .before(IngressSystems::Reap),
                ),
            );
        let mut routes = app.world_mut().resource_mut::<Routes>();
        routes.reserve(HANDSHAKE_ROUTE);
        routes.reserve(UNKNOWN_ROUTE);
    }

    /// Here, because by now all plugins have added their routes.
    fn finish(&self, app: &mut App) {
        let world = app.world_mut();
        let pushes = self.dictionary.as_deref();
        let routes = &mut world.resource_mut::<Routes>();
        let service = match Service::new(routes, self.manners(), pushes, self.protos.clone()) {
            Ok(service) => Arc::new(service),
            Err(error) => {
                tracing::error!(%error, "a Pomelo listener cannot be served, and is not opened");
                return;
            }
        };
        let dialects = [Family::Minimal, Family::Pomelo, Family::Pitaya].map(|family| {
            let protocol = PomeloProtocol { service: Arc::clone(&service), family };
            Dialect { family, speaks: world.resource_mut::<Protocols>().add(protocol) }
        });
        world.resource_mut::<Services>().add(service, dialects);
        let speaks: Speaks = dialects[0].speaks;
        // A game that has a login says so, by a limit of its own.
        let mut listener = world.spawn((PomeloListener, speaks, LoginLimit(Duration::MAX), IdleLimit(IDLE)));
        for configure in &self.configure {
            configure(&mut listener);
        }
        // One of the app's own stays: it may be the one with the certificate.
        if let Some(address) = self.address.filter(|_| !listener.contains::<Listener>()) {
            // Last, so that the policies are there before the first connection is.
            listener.insert(Self::listener(address));
            world.flush();
        }
    }

    fn is_unique(&self) -> bool {
        false
    }
}
