//! Pomelo's hybrid connector: what Pomelo's and Pitaya's own unmodified clients speak, over TCP and WebSocket, with TLS
//! or without, on one port.
//!
//! **Where it stands in the flow.** Its packages are cut by [`portcullis_net`]; in
//! [`IngressSystems::Decode`](portcullis_core::IngressSystems) they become packets for [`portcullis_dispatch`], whose
//! handlers it answers for. Routes are `serverType.handler.method`: a handler of three parts is served to all clients,
//! one of two parts to those of Pitaya's kind too.
//!
//! **What it adds**
//! - [`PomeloPlugin`]: a listener entity, marked [`PomeloListener`]; add one for each address.
//! - [`PomeloState`] on each of its connections, and [`PomeloClient`] once its handshake has told who it is.
//! - [`HANDSHAKE_ROUTE`]: a handler for it is asked about each client, answers later if it likes, and may refuse.
//! - [`wire`]: the format, pure: packages, messages, handshakes, the dictionary, the protobuf dialect.
//!
//! **As in Pomelo.** The state machine, the first heartbeat after the acknowledgement, the codes of handshakes, the
//! dictionary's numbering and version, bodies that are no JSON read as `{}`, a kick's package before the close.
//!
//! **Not as in Pomelo.** A request always gets an answer, also where its route is unknown or its handler panics. Requests
//! of one connection are handled in order. A body that is an array is refused, for there it replaced the handler's
//! session. A message that cannot be read costs itself, not the connection. Any package counts as a sign of life, unless
//! [heartbeats are strict](PomeloPlugin::strict_heartbeats). Lengths and ids are believed only within their limits.
//!
//! **What it refuses to do.** It does not decide who may come, stay, or ask: that is the gate's, the watchdog's and the
//! session's. It has no RSA signatures (`useCrypto`), which prove nothing: use TLS.
//!
//! ```
//! use bevy_app::App;
//! use portcullis_core::CorePlugin;
//! use portcullis_dispatch::{AppDispatchExt, DispatchPlugin, Request};
//! use portcullis_gate::GatePlugin;
//! use portcullis_pomelo::PomeloPlugin;
//! use portcullis_watchdog::WatchdogPlugin;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Entry {
//!     uid: String,
//! }
//!
//! #[derive(Serialize)]
//! struct Welcome {
//!     code: u16,
//!     msg: String,
//! }
//!
//! fn entry(request: Request<Entry>) -> Welcome {
//!     Welcome { code: 200, msg: format!("hello {}", request.uid) }
//! }
//!
//! let pomelo = PomeloPlugin::default().dictionary(["onChat"]);
//! App::new()
//!     .add_plugins((CorePlugin::default(), GatePlugin::default(), WatchdogPlugin::default(), DispatchPlugin))
//!     .add_plugins(pomelo)
//!     .add_handler("connector.entryHandler.entry", entry);
//! ```

mod body;
mod decode;
mod error;
mod handshake;
mod plugin;
mod protocol;
mod service;
mod state;
pub mod wire;

pub use error::PomeloError;
pub use plugin::{HANDSHAKE_ROUTE, PomeloListener, PomeloPlugin, UNKNOWN_ROUTE};
pub use service::HeartbeatStyle;
pub use state::{PomeloClient, PomeloState};
pub use wire::handshake::Family;
