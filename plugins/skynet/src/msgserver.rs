//! skynet's msgserver: a game server whose users are not connections. They log in elsewhere, connect, lose the connection,
//! come back with a proof, and find the answers that they have missed.
//!
//! **Where it stands in the flow.** Its [frames](wire) are cut by [`portcullis_net`]; in
//! [`IngressSystems::Decode`](portcullis_core::IngressSystems) they become packets for [`portcullis_dispatch`], the
//! handshakes too.
//!
//! **What it adds**
//! - [`MsgServerPlugin`]: a listener, and a [`GameServer`](crate::login::GameServer) of this name. Several may stand in one
//!   app.
//! - Beside each session: [`MsgUser`], a [`Secret`](portcullis_session::Secret) and a
//!   [`ReplyCache`](portcullis_dispatch::ReplyCache). [`log_in`] begins one where there is no login server.
//!
//! What the original asks of handlers are systems and observers here:
//!
//! | original | here |
//! | --- | --- |
//! | `request_handler` | the handler of the plugin's route |
//! | `login_handler` | an observer of `Add<MsgUser>`; it refuses the user by [`Logout`](portcullis_session::Logout) |
//! | `logout_handler` | an observer of [`LoggedOut`](portcullis_session::LoggedOut) |
//! | `kick_handler` | an observer of [`LogoutAsked`](crate::login::LogoutAsked) |
//! | `disconnect_handler` | an observer of [`Detached`](portcullis_session::Detached) |
//! | `register_handler` | [`GameServers::register`](crate::login::GameServers::register), which the plugin does by itself |
//!
//! **As in skynet.** Handshakes, indices, requests and responses, and which answers are sent again.
//!
//! **Not as in skynet.** A later handshake of a user closes his earlier connection, whose end then concerns nobody. A
//! request that was being handled when its connection was lost is not handled twice, whenever it comes again. An answer
//! that does not fit a frame is a failed one, and not the end of the connection. Requests are handled in order, though
//! they may be answered in any. What is kept is bounded in bytes too. A peer that sends no handshake is closed, and so is
//! one that sends a larger frame than [strangers may](portcullis_gate::PreLoginBudget), 4 KiB, before its handshake is
//! answered.
//!
//! **What it refuses to do.** It pushes nothing: the protocol has no words for it. It neither encrypts nor signs what
//! follows a handshake: put it behind TLS.

mod decode;
mod handshake;
mod plugin;
mod protocol;
mod users;
pub mod wire;

pub use plugin::{MsgServerListener, MsgServerPlugin};
pub use users::{MsgUser, log_in};

/// The route on which handshakes travel: they are handled in their turn, as requests are.
pub(crate) const HANDSHAKE_ROUTE: &str = "skynet.msgserver.handshake";
