//! Sessions of Portcullis: who someone is, and what stays of them when a connection is lost.
//!
//! **Where it stands in the flow.** Beside the pipeline. A protocol or a handler that has found out who its peer is
//! triggers [`Login`], or calls [`bind`] to know the outcome at once; the connection is then [bound to](BoundTo) the
//! user's session, and [`Authenticated`](portcullis_core::Authenticated) tells gate and watchdog.
//!
//! **What it adds**
//! - [`Session`], an entity for each user who is logged in, and [`Sessions`], which finds it by [`Uid`], and by
//!   [`ServerName`] where there are several. What a protocol or a game knows of the user stands beside it; agents that
//!   [belong to](portcullis_core::BelongsTo) it outlive its connections, and go with it.
//! - [`begin`] for a user who logged in elsewhere and has yet to come, and [`resume`] for a connection that has proved
//!   whose it is: by a [`Secret`] that the protocol knows how to ask for, or by a signed [`Ticket`].
//! - Requests: [`Login`], [`Unbind`], [`KickUser`], [`Logout`].
//! - Facts, in pairs. A login ends in [`LoggedIn`] or [`LoginRefused`]. A connection that was [`LoggedIn`] is
//!   [`Unbound`] once. A session that is [`Detached`], having no connection any more, is [`Resumed`] or
//!   [`LoggedOut`].
//! - Policies: [`MultiLogin`] for a user who comes twice, beside a connection, beside a listener, or as the server's
//!   [`DefaultMultiLogin`]; [`SessionLinger`] for one who lost the connection, or [`Linger`] beside one session. A session
//!   without a connection is [`Lingering`].
//!
//! **What it refuses to do.** It proves nothing but its own tickets: passwords and proofs are the protocol's. It forwards
//! nothing: which agent plays is the game's to say, when it hears [`LoggedIn`].
//!
//! ```
//! use bevy_app::App;
//! use bevy_ecs::prelude::*;
//! use portcullis_core::{Agents, BelongsTo, CorePlugin, Forward, Framing, Funnel};
//! use portcullis_gate::GatePlugin;
//! use portcullis_session::{LoggedIn, Login, Session, SessionPlugin, Sessions};
//!
//! /// Who comes back finds the agent that played before.
//! fn forward(event: On<LoggedIn>, agents: Query<&Agents>, mut commands: Commands) {
//!     let agent = match agents.get(event.session).ok().and_then(|agents| agents.iter().next()) {
//!         Some(agent) => agent,
//!         None => commands.spawn(BelongsTo(event.session)).id(),
//!     };
//!     commands.trigger(Forward { entity: event.connection, agent });
//! }
//!
//! let mut app = App::new();
//! app.add_plugins((CorePlugin::default(), GatePlugin::default(), SessionPlugin::default()));
//! app.add_observer(forward);
//! let listener = app.world_mut().spawn_empty().id();
//! let funnel = app.world().resource::<Funnel>().clone();
//! let peer = "192.0.2.1:9999".parse().unwrap();
//! let socket = portcullis_net::memory::connect(&funnel, listener, Framing::BE16, peer);
//! app.update();
//!
//! app.world_mut().trigger(Login::new(socket.connection(), "ann"));
//! app.update();
//! let ann = app.world().resource::<Sessions>().get("ann").unwrap();
//! assert_eq!(app.world().get::<Session>(ann).unwrap().uid().as_str(), "ann");
//! ```

mod begin;
mod binding;
mod credentials;
mod kick;
mod linger;
mod login;
mod logout;
mod multi_login;
mod secret;
mod sessions;
mod tickets;
mod uid;

pub use begin::{begin, begin_with, resume};
pub use binding::{Unbind, Unbound, bind, unbind};
pub use credentials::Credentials;
pub use kick::KickUser;
pub use linger::{Detached, Linger, Lingering, Resumed, SessionLinger};
pub use login::{LoggedIn, Login, LoginRefusal, LoginRefused};
pub use logout::{LoggedOut, Logout};
pub use multi_login::{DefaultMultiLogin, MultiLogin, REPLACED};
pub use portcullis_core::{Bindings, BoundTo, Kick, Kicked};
pub use secret::Secret;
pub use sessions::{Session, Sessions};
pub use tickets::{Ticket, TicketFault, TicketLife, issue_ticket, redeem_ticket};
pub use uid::{ServerName, Uid};

use bevy_app::{App, Plugin, PreUpdate};
use bevy_ecs::prelude::*;
use portcullis_core::TickSystems;

/// Logs users in and out, and kicks them. Its fields are the defaults; the resources they become can be changed while the server runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionPlugin {
    /// What happens when a user who is logged in comes again, where neither the connection nor its listener says it.
    /// Default: the newcomer takes the place.
    pub multi_login: MultiLogin,
    /// How long a session waits for its user to come back. Default: not at all.
    pub linger: SessionLinger,
}

impl Plugin for SessionPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(DefaultMultiLogin(self.multi_login))
            .insert_resource(self.linger)
            .init_resource::<Sessions>()
            .init_resource::<linger::Waiting>()
            .init_resource::<TicketLife>()
            .init_resource::<binding::Pending>()
            .add_observer(login::login)
            .add_observer(logout::logout)
            .add_observer(kick::kick)
            .add_observer(binding::on_unbind)
            .add_observer(binding::on_unbound)
            .add_systems(PreUpdate, linger::expire.in_set(TickSystems::Watch));
    }
}
