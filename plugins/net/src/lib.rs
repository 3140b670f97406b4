//! The edge of Portcullis: sockets on one side, the queue of [`portcullis_core`] on the other.
//!
//! **Where it stands in the flow.** Before [`IngressSystems::Receive`](portcullis_core::IngressSystems) and after
//! [`IngressSystems::Flush`](portcullis_core::IngressSystems). It is the only crate of the pipeline that knows tokio.
//!
//! **What it adds**
//! - [`NetPlugin`], with two [drivers](DriverKind) for the same tokio code that nothing above can tell apart: `inline`
//!   runs it inside the ECS thread between schedule runs, `thread` on threads of its own.
//! - [`Listener`]: spawn an entity with it and it listens; then it carries a [`ListenerHandle`], or a [`BindError`].
//! - What a listener speaks: raw frames, WebSocket, or either by the first byte ([`Accepts`]), in [`MessageKind`] of either
//!   kind or of one; in the clear or by
//!   [`Tls`], whose certificates are read again at [`Reload`](portcullis_core::Reload); behind [`Proxies`] that tell
//!   whom they speak for.
//! - [`IoRuntime`]: the tokio runtime, for tasks of the game's own.
//! - [`memory`]: a transport without sockets that feeds the same queue, for tests.
//!
//! **What it refuses to do.** It holds no frame for the world beyond a connection's limits: a world that lags stops
//! the sockets being read. What all of them hold together is charged to the [`Budget`](portcullis_core::Budget), and when
//! that is nearly used up nobody is accepted. It never allocates by a length a peer declared. It believes an address only
//! from a proxy it was told to trust, and compresses nothing.
//!
//! ```
//! use bevy_app::App;
//! use portcullis_core::{CorePlugin, Framing};
//! use portcullis_net::{Listener, ListenerHandle, NetPlugin};
//!
//! let mut app = App::new();
//! app.add_plugins((CorePlugin::default(), NetPlugin::default()));
//! let id = app.world_mut().spawn(Listener::new("127.0.0.1:0".parse().unwrap(), Framing::BE16)).id();
//! app.world_mut().flush();
//! let port = app.world().get::<ListenerHandle>(id).unwrap().address().port();
//! assert_ne!(port, 0);
//! ```

mod acceptor;
mod driver;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod greeting;
mod inlet;
mod listener;
pub mod memory;
mod proxies;
mod serve;
mod sync;
mod tcp;
mod tls;

pub use driver::{DriverKind, IoRuntime};
pub use listener::{Accepts, BindError, Listener, ListenerHandle, MessageKind};
pub use proxies::Proxies;
pub use tls::{Tls, TlsError};

use bevy_app::{App, Plugin};
use portcullis_core::ActiveDriver;

/// Adds the runtime, its driver, and listeners as entities.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetPlugin {
    /// Who runs the tokio code. Default: [`DriverKind::Auto`].
    pub driver: DriverKind,
}

impl Plugin for NetPlugin {
    fn build(&self, app: &mut App) {
        match driver::start(self.driver) {
            Ok((driver, io)) => {
                app.insert_resource(ActiveDriver(driver)).insert_resource(io);
            }
            Err(error) => {
                // Without a runtime every listener reports that it could not be opened.
                tracing::error!(%error, "the I/O runtime could not be started: is the thread limit reached?");
            }
        }
        app.add_observer(listener::open)
            .add_observer(listener::close)
            .add_observer(listener::close_all)
            .add_observer(listener::reload);
    }
}
