//! skynet's login server: a user proves who he is, and gets a session at a game server, before he connects to it.
//!
//! **Where it stands in the flow.** Beside the game's own listeners, in the same app or in another. Its lines are cut by
//! [`portcullis_net`]; the token in the last of them is a packet for [`portcullis_dispatch`].
//!
//! **What it adds**
//! - [`LoginServerPlugin`]: a listener of [lines](wire). Add one for each address.
//! - [`LOGIN_ROUTE`]: who somebody is, is for the game to say, in a handler that takes a [`Request<Token>`](wire::Token),
//!   or a `Request<Raw>` where tokens have another form, and answers with an [`Identity`]: now, or
//!   [later](portcullis_dispatch::Defer). The original's `auth_handler`.
//! - [`GameServers`], where users are logged in: every [msgserver](crate::msgserver) of the app by itself, and whatever else
//!   is a [`GameServer`], on this machine or another. The original's `register_gate`.
//! - [`Logins`]: who is where. [`LoginPolicy`]: what happens to one who comes again.
//! - Facts: [`LoginAnswered`] and [`UserLeft`], which game servers tell, and [`LogoutAsked`], which they are told.
//!
//! **As in skynet.** Every line, and what is answered to what goes wrong: 401 for a fault in the exchange or the token, 403
//! when the game server does not want the user, or is not known, 406 for a login that overlaps another of the same user.
//!
//! **Not as in skynet.** A user who is kicked out by his own next login has a [deadline](Relogin::Kick) to be gone; a game
//! server that does not answer, too. Who leaves before he is logged in is logged out again. Connections end after the last
//! line, when the client leaves, and when it takes too long ([`HandshakeLimit`](portcullis_watchdog::HandshakeLimit),
//! [`LoginLimit`](portcullis_watchdog::LoginLimit)); the original keeps their sockets. Keys are random.
//!
//! **What it refuses to do.** It keeps no accounts. It does not make the [exchange](crate::crypt) any safer than it is:
//! that is obsolete, and there for clients that cannot be changed; put it behind TLS.
//!
//! ```
//! use bevy_app::App;
//! use portcullis_core::CorePlugin;
//! use portcullis_dispatch::{AppDispatchExt, DispatchPlugin, Raw, Refusal, Request};
//! use portcullis_gate::GatePlugin;
//! use portcullis_session::SessionPlugin;
//! use portcullis_skynet::{
//!     login::{Identity, LOGIN_ROUTE, LoginServerPlugin, wire::Token},
//!     msgserver::MsgServerPlugin,
//! };
//! use portcullis_watchdog::WatchdogPlugin;
//!
//! /// As in skynet's example, whose password is for everybody.
//! fn authenticate(token: Request<Token>) -> Result<Identity, Refusal> {
//!     match (str::from_utf8(&token.user), str::from_utf8(&token.server)) {
//!         (Ok(user), Ok(server)) if *token.password == b"password" => Ok(Identity::new(user, server)),
//!         _ => Err(Refusal::new(Refusal::UNAUTHORIZED, "wrong name or password")),
//!     }
//! }
//!
//! fn echo(request: Request<Raw>) -> Raw {
//!     request.body
//! }
//!
//! App::new()
//!     .add_plugins((CorePlugin::default(), GatePlugin::default(), WatchdogPlugin::default()))
//!     .add_plugins((SessionPlugin::default(), DispatchPlugin))
//!     .add_plugins((LoginServerPlugin::default(), MsgServerPlugin::new("sample", "echo")))
//!     .add_handler(LOGIN_ROUTE, authenticate)
//!     .add_handler("echo", echo);
//! ```

mod gates;
mod identity;
mod lines;
mod logins;
mod plugin;
pub mod wire;

pub use gates::{GameServer, GameServers, LoginAnswered, LoginTicket, LogoutAsked, UserLeft};
pub use identity::Identity;
pub use logins::{Logins, Online};
pub use plugin::{LoginListener, LoginPolicy, LoginServerPlugin, Relogin};

/// The route of the game's handler that looks at tokens.
pub const LOGIN_ROUTE: &str = "skynet.login";
