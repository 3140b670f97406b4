//! Listeners as entities.

mod switch;

use self::switch::Switch;
use crate::{IoRuntime, Proxies, Tls, acceptor::Acceptor, greeting::Terms};
use bevy_ecs::prelude::*;
use portcullis_core::{Framing, Funnel, Reload, ShuttingDown};
use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::net::{TcpListener, TcpSocket};

/// Spawn an entity with this and it listens at once; despawn it, or remove this, and it stops. Connections stay. Insert
/// another with the same address, and the settings of that hold for the next connections; the backlog stays as it is.
///
/// Policies beside it ([`MaxFrame`](portcullis_core::MaxFrame), [`OutboxLimit`](portcullis_core::OutboxLimit) …) are
/// the defaults of the connections it accepts.
#[derive(Component, Clone, Debug)]
#[component(immutable)]
pub struct Listener {
    /// Where to listen. Port 0 takes a free one: see [`ListenerHandle::address`].
    pub address: SocketAddr,
    /// How the stream is cut into frames.
    pub framing: Framing,
    /// `TCP_NODELAY` on accepted sockets. Default true: answers are small, and writes are coalesced already.
    pub nodelay: bool,
    /// Connections the kernel may hold until they are accepted. Default 1024.
    pub backlog: u32,
    /// What is spoken: raw frames, WebSocket, or either. Default: raw frames.
    pub accepts: Accepts,
    /// What the messages of a WebSocket may be. Default: binary or text, and what is sent is binary.
    pub messages: MessageKind,
    /// Encrypts all of it. Default: nothing.
    pub tls: Option<Tls>,
    /// The proxies before it. Default: none.
    pub proxies: Proxies,
    /// How long a proxy's header, the TLS handshake, detection and the HTTP upgrade may take together, from when the
    /// connection is read (from accept, for a socket of a proxy). Default 5 seconds. Raw frames have no greeting.
    pub greeting_limit: Duration,
    /// The path of HTTP at which `GET` and `HEAD` are answered `200 ok`, for health checks. Default `/health`.
    pub health_path: Arc<str>,
}

/// What a listener's peers may speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accepts {
    /// The framing, straight over the stream.
    #[default]
    Tcp,
    /// WebSocket (RFC 6455): each message is one frame of the framing, header included. Any path, origin and first
    /// subprotocol will do; extensions are declined. Plain HTTP requests get a short answer. So does, in the clear, who is
    /// closed before the upgrade: `503`, or `408` where it took too long.
    WebSocket,
    /// Either, told apart by the first byte: an ASCII letter begins an HTTP request. For protocols in which the client
    /// speaks first and never begins with a letter.
    Both,
}

/// What the messages of a WebSocket may be (RFC 6455, 5.6). Text that is not UTF-8 is closed with 1007 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageKind {
    /// Both are taken for their bytes; what is sent is binary.
    #[default]
    Either,
    /// Binary alone: a text is refused as soon as its header is there, with code 1003.
    Binary,
    /// Text alone, both ways: binary is refused so, and what the world writes has to be UTF-8.
    Text,
}

impl Listener {
    /// A listener with default settings.
    pub fn new(address: SocketAddr, framing: Framing) -> Self {
        Self {
            address,
            framing,
            nodelay: true,
            backlog: 1024,
            accepts: Accepts::Tcp,
            messages: MessageKind::Either,
            tls: None,
            proxies: Proxies::default(),
            greeting_limit: Duration::from_secs(5),
            health_path: Arc::from("/health"),
        }
    }

    /// Speaks WebSocket.
    pub fn websocket(mut self) -> Self {
        self.accepts = Accepts::WebSocket;
        self
    }

    /// Speaks raw frames and WebSocket on one port.
    pub fn hybrid(mut self) -> Self {
        self.accepts = Accepts::Both;
        self
    }

    /// Sets [`Listener::messages`].
    pub fn messages(mut self, messages: MessageKind) -> Self {
        self.messages = messages;
        self
    }

    /// Encrypts.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Believes these proxies.
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Sets [`Listener::greeting_limit`].
    pub fn greeting_limit(mut self, limit: Duration) -> Self {
        self.greeting_limit = limit;
        self
    }

    /// Sets [`Listener::health_path`].
    pub fn health_path(mut self, path: impl Into<Arc<str>>) -> Self {
        self.health_path = path.into();
        self
    }
}

/// A listener that is open.
#[derive(Component, Clone, Debug)]
pub struct ListenerHandle {
    address: SocketAddr,
    control: Arc<Control>,
}

impl ListenerHandle {
    /// The address it really has.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting; the kernel holds new connections up to the backlog.
    pub fn pause(&self) {
        self.control.switch.pause();
    }

    /// Accepts again.
    pub fn resume(&self) {
        self.control.switch.resume();
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.control.switch.is_paused()
    }
}

/// A listener that could not be opened, and why.
#[derive(Component, Debug)]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, error } = self;
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "{address} is taken by another program: stop it, or choose another port")
            }
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "{address} is not an address of this machine: choose one of its own, or 0.0.0.0")
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "{address} may not be opened by this user: choose a port above 1023")
            }
            _ => write!(f, "{address} cannot be opened: {error}"),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Control {
    pub switch: Switch,
    /// For the next connections.
    terms: Mutex<Arc<Terms>>,
}

impl Control {
    fn new(terms: Arc<Terms>) -> Self {
        Self { switch: Switch::new(), terms: Mutex::new(terms) }
    }

    pub(crate) fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_terms(&self, terms: Arc<Terms>) {
        *self.terms.lock().unwrap_or_else(PoisonError::into_inner) = terms;
    }
}

pub(crate) fn open(
    event: On<Insert<Listener>>,
    listeners: Query<(&Listener, Option<&ListenerHandle>)>,
    io: Option<Res<IoRuntime>>,
    funnel: Res<Funnel>,
    mut commands: Commands,
) {
    let Ok((listener, before)) = listeners.get(event.entity) else { return };
    let checked = check(listener);
    if let Some(before) = before {
        // With other settings than it had, the socket stays: its port is not free before the acceptor has ended.
        if checked.is_ok() && before.address == listener.address {
            return before.control.set_terms(Terms::new(event.entity, listener));
        }
        before.control.switch.close();
    }
    let bound = checked.and_then(|()| match &io {
        Some(io) => bind(listener, io),
        None => Err(io::Error::other("there is no I/O runtime")),
    });
    match (bound, io) {
        (Ok((socket, address)), Some(io)) => {
            let control = Arc::new(Control::new(Terms::new(event.entity, listener)));
            let acceptor = Acceptor::new(socket, &control, &funnel, &io);
            io.spawn(acceptor.run());
            tracing::info!(listener = %event.entity, %address, framing = listener.framing.name, "listening");
            commands.entity(event.entity).insert(ListenerHandle { address, control }).remove::<BindError>();
        }
        (Err(error), _) => {
            let error = BindError { address: listener.address, error };
            tracing::error!(listener = %event.entity, "{error}");
            commands.entity(event.entity).insert(error).remove::<ListenerHandle>();
        }
        (Ok(_), None) => {}
    }
}

fn check(listener: &Listener) -> io::Result<()> {
    if listener.framing.name == Framing::WHOLE.name && listener.accepts != Accepts::WebSocket {
        return Err(io::Error::other("frames without a length need messages: let it speak WebSocket only"));
    }
    Ok(())
}

fn bind(listener: &Listener, io: &IoRuntime) -> io::Result<(TcpListener, SocketAddr)> {
    let _inside = io.enter();
    let socket = if listener.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Unix this allows a quick restart; elsewhere it would allow two servers on one port.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(listener.address)?;
    let socket = socket.listen(listener.backlog)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

pub(crate) fn close(event: On<Remove<Listener>>, handles: Query<&ListenerHandle>, mut commands: Commands) {
    if let Ok(handle) = handles.get(event.entity) {
        handle.control.switch.close();
        commands.entity(event.entity).try_remove::<ListenerHandle>();
    }
}

/// Reads all certificates again.
pub(crate) fn reload(_: On<Reload>, listeners: Query<(Entity, &Listener)>) {
    for (entity, listener) in &listeners {
        let Some(tls) = &listener.tls else { continue };
        match tls.reload() {
            Ok(()) => {
                tracing::info!(listener = %entity, file = %tls.certificate().display(), "certificate read again");
            }
            Err(error) => tracing::error!(listener = %entity, "the old certificate stays in use: {error}"),
        }
    }
}

pub(crate) fn close_all(
    _: On<ShuttingDown>,
    listeners: Query<Entity, With<Listener>>,
    mut commands: Commands,
) {
    for listener in &listeners {
        commands.entity(listener).remove::<Listener>();
    }
}
