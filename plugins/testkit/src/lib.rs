//! A whole game server in a test: its world, its virtual time, its clients, and no socket unless it is asked for.
//!
//! **Where it stands.** Above everything. A [`TestServer`] is all that `ServerPlugins` are, with the native protocol on
//! a listener of its own, driven by the test instead of a runner.
//!
//! ```
//! use bevy_app::{App, Plugin};
//! use bevy_ecs::prelude::*;
//! use portcullis_core::Cause;
//! use portcullis_dispatch::{AppDispatchExt, Refusal, Request};
//! use portcullis_testkit::TestServer;
//! use portcullis_watchdog::{AgentTemplate, DefaultAgent};
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Join { name: String }
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! struct Joined { players: usize }
//!
//! #[derive(Component, Default)]
//! struct Player { name: String }
//!
//! struct ArenaPlugin;
//!
//! impl Plugin for ArenaPlugin {
//!     fn build(&self, app: &mut App) {
//!         app.insert_resource(DefaultAgent(AgentTemplate::new(Player::default)))
//!             .add_handler("arena.join", join);
//!     }
//! }
//!
//! fn join(request: Request<Join>, mut players: Query<&mut Player>) -> Result<Joined, Refusal> {
//!     let agent = request.agent.ok_or("nobody plays on this connection")?;
//!     players.get_mut(agent)?.name = request.body.name;
//!     Ok(Joined { players: players.iter().len() })
//! }
//!
//! let mut server = TestServer::new(ArenaPlugin);
//! let mut ann = server.connect();
//! let joined = ann.request("arena.join", &Join { name: "ann".into() }).expect_reply::<Joined>();
//! assert_eq!(joined, Joined { players: 1 });
//! server.advance(Duration::from_secs(61)); // the watchdog's minute passes at once
//! ann.expect_closed(Cause::Idle);
//! ```
//!
//! **What it adds**
//! - [`TestServer`] and its [builder](TestServerBuilder): transport, tick, seed, settings of the parts.
//! - [`TestClient`], typed, and [`RawClient`], which sends what bytes it likes. A client runs the server whenever it
//!   does something: a request is handled when `request` returns.
//! - [`Carrier`]s: WebSocket, TLS and both, for raw clients over sockets.
//! - Virtual time: [`advance`](TestServer::advance) passes every deadline in its order. Nothing else moves it.
//! - [`History`]: what has happened to each connection. [Invariants](TestServer::check_invariants), checked when a
//!   server is dropped: a leak fails the test that made it.
//! - [`on_every_transport!`]: the same test in memory, and over TCP under either driver, whose only waits are those for
//!   bytes that are on their way.
//! - [Seeds](TestServerBuilder::seed): systems that nobody has ordered run in another order for each.
//!
//! **What it refuses to do.** It is no load generator, and it does not speak protocols other than the native one: their
//! crates have clients of their own, or write bytes through a [`RawClient`]. Servers and clients stay in the test's
//! thread.

mod builder;
mod carrier;
mod client;
mod errors;
mod every;
mod history;
mod hub;
mod invariants;
mod pipe;
mod raw;
mod reply;
mod report;
mod server;
mod shuffle;
mod sockets;
mod talk;

pub use builder::{TestServerBuilder, Transport};
pub use carrier::{Carrier, Message};
pub use client::TestClient;
pub use history::{Entry, Fact, History};
pub use raw::RawClient;
pub use reply::PendingReply;
pub use server::TestServer;
pub use talk::Goodbye;
