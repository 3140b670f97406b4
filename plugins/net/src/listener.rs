//! Listeners as entities.

use crate::{IoRuntime, serve::serve};
use bevy_ecs::prelude::*;
use portcullis_core::{Framing, Funnel, ShuttingDown};
use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::Notify,
};

/// Spawn an entity with this and it listens at once; despawn it, or remove this, and it stops. Connections stay.
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
}

impl Listener {
    /// A listener with default settings.
    pub fn new(address: SocketAddr, framing: Framing) -> Self {
        Self { address, framing, nodelay: true, backlog: 1024 }
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
        self.control.set(PAUSED);
    }

    /// Accepts again.
    pub fn resume(&self) {
        self.control.set(OPEN);
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.control.state.load(Ordering::Relaxed) == PAUSED
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

const OPEN: u8 = 0;
const PAUSED: u8 = 1;
const CLOSED: u8 = 2;

#[derive(Debug, Default)]
struct Control {
    state: AtomicU8,
    changed: Notify,
}

impl Control {
    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
        self.changed.notify_one();
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
    // With other settings than it had.
    if let Some(before) = before {
        before.control.set(CLOSED);
    }
    let bound = match &io {
        Some(io) => bind(listener, io),
        None => Err(io::Error::other("there is no I/O runtime")),
    };
    match (bound, io) {
        (Ok((socket, address)), Some(io)) => {
            let control = Arc::new(Control::default());
            let acceptor = Acceptor {
                socket,
                id: event.entity,
                settings: listener.clone(),
                control: Arc::clone(&control),
                funnel: funnel.clone(),
                io: io.clone(),
            };
            io.spawn(acceptor.run());
            tracing::info!(listener = %event.entity, %address, framing = listener.framing.name, "listening");
            commands.entity(event.entity).insert(ListenerHandle { address, control });
        }
        (Err(error), _) => {
            let error = BindError { address: listener.address, error };
            tracing::error!(listener = %event.entity, "{error}");
            commands.entity(event.entity).insert(error);
        }
        (Ok(_), None) => {}
    }
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
        handle.control.set(CLOSED);
        commands.entity(event.entity).try_remove::<ListenerHandle>();
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

/// How long to wait before accepting again when there are no descriptors or no memory for another socket.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

struct Acceptor {
    socket: TcpListener,
    id: Entity,
    settings: Listener,
    control: Arc<Control>,
    funnel: Funnel,
    io: IoRuntime,
}

impl Acceptor {
    async fn run(self) {
        let mut exhausted = false;
        loop {
            match self.control.state.load(Ordering::SeqCst) {
                CLOSED => return,
                PAUSED => {
                    self.control.changed.notified().await;
                    continue;
                }
                _ => poll_fn(|context| self.funnel.poll_room(context)).await,
            }
            let mut changed = pin!(self.control.changed.notified());
            let accepted = poll_fn(|context| match changed.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => self.socket.poll_accept(context).map(Some),
            });
            let Some(accepted) = accepted.await else { continue };
            match accepted {
                Ok((socket, peer)) => {
                    exhausted = false;
                    if let Err(error) = self.settings_to(&socket) {
                        tracing::debug!(%peer, %error, "an accepted socket was gone at once");
                        continue;
                    }
                    serve(socket, peer, self.id, self.settings.framing, &self.funnel, &self.io.lanes);
                }
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!(%error, "a connection was gone before it was accepted");
                }
                Err(error) => {
                    if !std::mem::replace(&mut exhausted, true) {
                        tracing::warn!(%error, "cannot accept: raise the limit of open files, or lower max_clients");
                    }
                    crate::driver::pause(&self.control.changed, EXHAUSTED_PAUSE).await;
                }
            }
        }
    }

    fn settings_to(&self, socket: &tokio::net::TcpStream) -> io::Result<()> {
        socket.set_nodelay(self.settings.nodelay)?;
        socket2::SockRef::from(socket).set_keepalive(true)
    }
}

/// Errors that say something about the connection that was to be accepted, not about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
