//! The Erlang connector `sys_conn` for Portcullis: what clients of a server whose every WebSocket is a `sys_conn` process
//! speak, unmodified.
//!
//! **Where it stands in the flow.** Its WebSocket messages come from [`portcullis_net`]; in
//! [`IngressSystems::Decode`](portcullis_core::IngressSystems) they become packets for [`portcullis_dispatch`]: `Cmd / 100`
//! names a [module](Module), `Cmd` a handler in it, and the `Flag` comes back with the answer. Bodies are messages of
//! protobuf ([`Pb`]) or [bytes](portcullis_dispatch::Raw).
//!
//! **What it adds**
//! - [`SysconnPlugin`]: a listener entity, marked [`SysconnListener`], with the original's timers as components: 10 seconds
//!   for the upgrade, 60 of silence, a [look](ClientCheck) every 60, 300 until a login, and 60 for which a role lingers.
//! - [`add_command`](AppSysconnExt::add_command), [`add_module`](AppSysconnExt::add_module) and
//!   [`add_login`](AppSysconnExt::add_login). Heartbeats (1098) and reconnects by role and secret (1003) are there; what an
//!   account is (1002, and whatever else a game has) is for an [`Entrance`] to say; with the feature `accounts`,
//!   `PhoneLoginPlugin` asks the account store (1004).
//! - [`ClientRecord`] on each connection, and [`Record`], a query for all that the original's state record holds.
//! - [`Role`] and [`RoleInfo`](wire::messages::RoleInfo) on the agent that plays. It belongs to a session at the server
//!   [`SERVER`]: the original's role process is these two.
//! - [`Pushes`], and the send buffer as a [`Transaction`].
//! - Requests: [`BanRole`], [`GameReady`]; a [`Kick`](portcullis_core::Kick) says 1099, with a [`KickCode`] of one's own.
//! - [`Blacklist`] with its [policy](BlacklistPolicy), and [`Offences`] by address.
//! - [`wire`]: the format, pure: requests, responses, and the connector's own messages.
//!
//! **Processes and entities.** A `sys_conn` process is a connection, and what `link` did is a rule: a connection whose agent
//! is despawned is closed with [`Cause::AgentLost`](portcullis_core::Cause); a connection that is lost leaves its
//! agent lingering; an agent that is gone ends its session. Takeovers are in one go, so a linger that is running out never
//! ends a role that somebody has just come back to.
//!
//! **Not as in the original.** Handshakes and frames are those of RFC 6455: header names in any case, fragments, pings,
//! closes. A message has at most half a MiB, when it is inflated too. A body that nobody can read ends its connection, and
//! bans its role only when it comes again and again; a command that nobody has is refused, and costs nothing else. Each
//! refusal has its number, also where a handler has panicked or its answer cannot be encoded. A client that does not read
//! is closed instead of losing what it should have heard. Secrets have 32 bits, and may be guessed at a few times only.
//!
//! **What it refuses to do.** It stores no roles, asks no `WeChat`, and sends no text messages: those are commands of the
//! game's.
//!
//! ```
//! use bevy_app::App;
//! use bevy_ecs::prelude::*;
//! use portcullis_core::CorePlugin;
//! use portcullis_dispatch::{DispatchPlugin, Request};
//! use portcullis_gate::GatePlugin;
//! use portcullis_session::SessionPlugin;
//! use portcullis_sysconn::{
//!     AppSysconnExt, Entrance, ErrorId, Pb, SysconnPlugin, prost,
//!     wire::{commands, messages::{LoginAccount, RoleInfo}},
//! };
//! use portcullis_watchdog::WatchdogPlugin;
//!
//! #[derive(prost::Message)]
//! struct Earned {
//!     #[prost(uint32, required, tag = "1")]
//!     coins: u32,
//! }
//!
//! /// 1002: an account is whatever its client calls itself.
//! fn log_in(request: Request<Pb<LoginAccount>>) -> Result<Entrance, ErrorId> {
//!     let account = request.account.as_deref().ok_or(ErrorId(5))?;
//!     let info = RoleInfo { role_id: 1_000_001, nick_name: account.to_owned(), ..RoleInfo::default() };
//!     Ok(Entrance::new(account, info))
//! }
//!
//! /// 1101: the agent is the role.
//! fn earn(request: Request<()>, mut roles: Query<&mut RoleInfo>) -> Result<Pb<Earned>, ErrorId> {
//!     let agent = request.agent.ok_or(ErrorId(5))?;
//!     let mut role = roles.get_mut(agent).map_err(|_| ErrorId(7))?;
//!     role.coin += 1;
//!     Ok(Pb(Earned { coins: role.coin }))
//! }
//!
//! App::new()
//!     .add_plugins((CorePlugin::default(), GatePlugin::default(), WatchdogPlugin::default()))
//!     .add_plugins((SessionPlugin::default(), DispatchPlugin, SysconnPlugin::default()))
//!     .add_login(commands::LOGIN, log_in)
//!     .add_command(1101, earn);
//! ```

mod blacklist;
mod body;
mod client_check;
mod commands;
mod decode;
mod entrance;
mod error_id;
mod farewell;
mod login;
mod offences;
#[cfg(feature = "accounts")]
mod phone;
mod plugin;
mod protocol;
mod pushes;
mod ready;
mod record;
mod role;
mod strikes;
mod transaction;
pub mod wire;

pub use blacklist::{Ban, Blacklist, BlacklistPolicy, Entry};
pub use body::Pb;
pub use client_check::ClientCheck;
pub use commands::{AppSysconnExt, LOGIN_MODULE, Module, Unknown, command_route};
pub use entrance::Entrance;
pub use error_id::ErrorId;
pub use farewell::{BanRole, CLOSE_CODES, KickCode};
pub use offences::Offences;
#[cfg(feature = "accounts")]
pub use phone::PhoneLoginPlugin;
pub(crate) use plugin::Manners;
pub use plugin::{SysconnListener, SysconnPlugin};
pub use prost;
pub use protocol::flag;
pub use pushes::{Pushes, push_in};
pub use ready::GameReady;
pub use record::{ClientRecord, Custodian, Record, RecordItem};
pub use role::{Role, SERVER};
pub use strikes::Strikes;
pub use transaction::{Transaction, TransactionFull};
