//! skynet's gate with sproto in its frames, its login server and its msgserver: what skynet's own unmodified clients speak.
//!
//! **Where it stands in the flow.** Its frames are cut by [`portcullis_net`]; in
//! [`IngressSystems::Decode`](portcullis_core::IngressSystems) they become packets for [`portcullis_dispatch`].
//!
//! **What it adds**
//! - [`SkynetPlugin`]: a gate, for sproto or for a format of the game's own. Add one for each address.
//! - [`sproto`]: schemas, encoding, 0-pack and RPC, pure: bytes in, values out.
//! - [`login`]: users prove who they are before they connect to a game. [`msgserver`]: a game server whose users outlive
//!   their connections. Each has a front page of its own; what follows is of the gate.
//! - [`crypt`]: the cryptography of these two, obsolete, for clients that cannot be changed.
//!
//! **As in skynet.** A connection is accepted but not read until it is forwarded to an agent or started. Packets of a
//! connection that has no agent go, whole, to the handler of [`WATCHDOG_ROUTE`]. What cannot be understood, and what a
//! handler refuses, gets no answer, for sproto has no words for it: it is logged and counted, and the connection stays.
//!
//! **Not as in skynet.** `max_clients` N serves N. Requests of one connection are handled in order, so that `quit` does
//! not overtake what was asked before it. The first heartbeat is not lost. A peer that does not read is closed, and
//! so is one that stays silent: see [`portcullis_watchdog`].
//!
//! **What it refuses to do.** Sessions of sproto's RPC are the peer's business: one used twice is answered twice.
//!
//! ```
//! use bevy_app::App;
//! use portcullis_core::CorePlugin;
//! use portcullis_dispatch::{AppDispatchExt, DispatchPlugin, Request};
//! use portcullis_gate::GatePlugin;
//! use portcullis_skynet::SkynetPlugin;
//! use portcullis_watchdog::WatchdogPlugin;
//! use serde::{Deserialize, Serialize};
//!
//! const ASKED: &str = "
//!     .package { type 0 : integer  session 1 : integer }
//!     double 1 { request { number 0 : integer } response { number 0 : integer } }
//! ";
//!
//! #[derive(Serialize, Deserialize)]
//! struct Double {
//!     number: i64,
//! }
//!
//! fn double(request: Request<Double>) -> Double {
//!     Double { number: request.number.saturating_mul(2) }
//! }
//!
//! let gate = SkynetPlugin::sproto(ASKED, "").unwrap().agent(|| ());
//! App::new()
//!     .add_plugins((CorePlugin::default(), GatePlugin::default(), WatchdogPlugin::default(), DispatchPlugin))
//!     .add_plugins(gate)
//!     .add_handler("double", double);
//! ```

pub mod crypt;
mod frame;
pub mod login;
pub mod msgserver;
mod plugin;
mod protocol;
mod raw;
pub mod sproto;

pub use frame::MAX_PAYLOAD;
pub use plugin::{GateError, SkynetListener, SkynetPlugin};
pub use protocol::WATCHDOG_ROUTE;
