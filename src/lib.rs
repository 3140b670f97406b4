//! **Portcullis** is a game server on Bevy's ECS in which every network connection is an entity. A tokio runtime owns
//! the sockets; the world owns everything else: gate, watchdog, session and agent are systems over components.
//!
//! A game server is a Bevy plugin:
//!
//! ```no_run
//! use portcullis::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Join {
//!     name: String,
//! }
//!
//! #[derive(Serialize)]
//! struct Joined {
//!     players: usize,
//! }
//!
//! #[derive(Component, Default)]
//! struct Player {
//!     name: String,
//! }
//!
//! fn join(request: Request<Join>, mut players: Query<&mut Player>) -> Result<Joined, Refusal> {
//!     let agent = request.agent.ok_or("nobody plays on this connection")?;
//!     players.get_mut(agent)?.name = request.body.name;
//!     Ok(Joined { players: players.iter().len() })
//! }
//!
//! fn main() -> AppExit {
//!     App::new()
//!         .add_plugins(ServerPlugins)
//!         .add_plugins(NativePlugin::listen("127.0.0.1:4000"))
//!         .add_handler("arena.join", join)
//!         .run()
//! }
//! ```
//!
//! The crates of the pipeline are re-exported as modules: their front pages are the book. [`core`] has the words,
//! [`net`] the sockets, [`gate`] who may come in, [`watchdog`] who may stay, [`session`] who someone is, [`dispatch`]
//! what they asked, [`room`] whom to tell; [`native`], [`pomelo`], [`skynet`] and [`sysconn`] are the protocols. With the feature
//! `accounts`, which is on by default, `accounts` has names and passwords, and what clients log in by.

#[cfg(feature = "accounts")]
pub use portcullis_accounts as accounts;
pub use portcullis_core as core;
pub use portcullis_dispatch as dispatch;
pub use portcullis_gate as gate;
pub use portcullis_native as native;
pub use portcullis_net as net;
pub use portcullis_pomelo as pomelo;
pub use portcullis_room as room;
pub use portcullis_session as session;
pub use portcullis_skynet as skynet;
pub use portcullis_sysconn as sysconn;
pub use portcullis_watchdog as watchdog;

pub use bytes;

pub mod demo;
mod plugins;

pub use plugins::ServerPlugins;

/// What a game server needs to name.
pub mod prelude {
    pub use crate::ServerPlugins;
    #[doc(no_inline)]
    pub use bevy_app::prelude::*;
    #[doc(no_inline)]
    pub use bevy_ecs::prelude::*;
    #[doc(no_inline)]
    pub use bevy_time::prelude::*;
    pub use portcullis_core::{
        Agent, BelongsTo, BoundTo, Cause, Clock, Close, Closed, Closing, Connection, Forward, Forwarded,
        ForwardedTo, Ingress, IngressSystems, Kick, Opened, Outboxes, Shutdown, SignalPlugin, Start,
        TickRate, TickSystems, Traffic,
    };
    pub use portcullis_dispatch::{
        Answer, AppDispatchExt, Defer, Deferred, FilterSystems, Inspect, NoReply, Outcomes, Packets, Pusher,
        RateLimit, RateLimitPlugin, Raw, RawRequest, Received, Refusal, Request, Responder, TimeLogPlugin,
        TooBusyPlugin,
    };
    pub use portcullis_native::NativePlugin;
    pub use portcullis_net::{DriverKind, IoRuntime, Listener, NetPlugin};
    pub use portcullis_pomelo::PomeloPlugin;
    pub use portcullis_room::{
        Join, Joined, Leave, Left, MemberOf, Members, Room, RoomPlugin, Rooms, Teller,
    };
    pub use portcullis_session::{
        Detached, LoggedIn, LoggedOut, Login, Logout, MultiLogin, Session, Sessions,
    };
    pub use portcullis_skynet::{SkynetPlugin, login::LoginServerPlugin, msgserver::MsgServerPlugin};
    pub use portcullis_sysconn::SysconnPlugin;
}

/// The README's examples compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

/// So do those of the guide for those who come from skynet.
#[cfg(doctest)]
#[doc = include_str!("../docs/skynet.md")]
struct SkynetExamples;

/// So do those of the guide for those who come from Pomelo.
#[cfg(doctest)]
#[doc = include_str!("../docs/pomelo.md")]
struct PomeloExamples;

/// So do those of the guide for those who come from Erlang.
#[cfg(doctest)]
#[doc = include_str!("../docs/sysconn.md")]
struct SysconnExamples;
