//! The gate of Portcullis: who may come in, and how much a stranger may cost.
//!
//! **Where it stands in the flow.** In [`IngressSystems::Admit`], between the queue and the protocols. What the queue
//! has opened is [`Arriving`](portcullis_core::Arriving); the gate tells [`Opened`](portcullis_core::Opened) of those
//! it lets in, and [`Refused`] of the others, whose sockets it closes. A refused connection is never opened, so it is
//! never closed either.
//!
//! **What it adds**
//! - Caps: [`MaxConnections`] for the server, [`MaxClients`] beside a listener, [`PerAddressLimit`]. Counts are exact:
//!   a connection takes its place from admission until its socket is gone. [`AcceptRates`] bound how fast they come.
//! - The [`DenyList`] of addresses and networks, and [`Deny`], which also closes who is already in. [`AdmitOnly`], beside
//!   a listener that is not ready for everybody.
//! - Budgets: until a connection is trusted it is [`Untrusted`] and lives on a [`PreLoginBudget`]. It is trusted when
//!   it is forwarded to an agent, when it is [authenticated](portcullis_core::Authenticated), or by [`Trust`].
//! - The limit of what is held for all peers together ([`Budget`]), where it is set here.
//! - Requests for listeners: [`PauseListener`], [`ResumeListener`], [`CloseListener`]. One is opened by spawning a
//!   [`Listener`](portcullis_net::Listener).
//! - [`Refusals`]: how many were refused, and why.
//!
//! **What it refuses to do.** It reads no byte of what a peer sends, knows no protocol, and logs nothing a peer causes
//! louder than debug.
//!
//! A listener that serves two clients, and sees none of them when one sits in a denied network:
//!
//! ```
//! use bevy_app::App;
//! use portcullis_core::{CorePlugin, Framing, Funnel};
//! use portcullis_gate::{DenyList, GatePlugin, MaxClients, Refusal, Refusals};
//!
//! let mut app = App::new();
//! app.add_plugins((CorePlugin::default(), GatePlugin::default()));
//! app.world_mut().resource_mut::<DenyList>().add("203.0.113.0/24".parse().unwrap());
//! let listener = app.world_mut().spawn(MaxClients(2)).id();
//!
//! let funnel = app.world().resource::<Funnel>().clone();
//! let peers = ["203.0.113.9:1", "192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"];
//! let _sockets = peers.map(|peer| {
//!     portcullis_net::memory::connect(&funnel, listener, Framing::BE16, peer.parse().unwrap())
//! });
//! app.update();
//! let refused = app.world().resource::<Refusals>();
//! assert_eq!(refused.count(Refusal::Denied), 1);
//! assert_eq!(refused.count(Refusal::ListenerFull), 1);
//! ```

mod admit;
mod admit_only;
mod budget;
mod caps;
mod deny;
mod listeners;
mod networks;
mod places;
mod rates;
mod refusal;

pub use admit_only::AdmitOnly;
pub use budget::{PreLoginBudget, Trust, Untrusted};
pub use caps::{MaxClients, MaxConnections, PerAddressLimit};
pub use deny::{Deny, DenyList};
pub use listeners::{CloseListener, PauseListener, ResumeListener};
pub use networks::{InvalidNetwork, Networks, parse_network};
pub use places::neighbourhood;
pub use rates::{AcceptRate, AcceptRates};
pub use refusal::{Refusal, Refusals, Refused};

use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use portcullis_core::{Budget, Ingress, IngressSystems};

/// Decides about each new connection. Its fields are the server's defaults; the resources and components they become
/// can be changed while the server runs.
#[derive(Clone, Debug, Default)]
pub struct GatePlugin {
    /// Connections of the whole server. Default 10,000.
    pub max_connections: MaxConnections,
    /// Connections of one address. Default 64, loopback excepted.
    pub per_address: PerAddressLimit,
    /// How fast connections of one address and of one network are let in. Default: 10 and 50 a second, loopback excepted.
    pub rates: AcceptRates,
    /// Bytes the server may hold for all peers together: the limit of the [`Budget`]. Default: what the budget has, 1 GiB
    /// unless somebody has set it.
    pub budget: Option<usize>,
    /// What a connection may use before it is trusted. Default: frames of 4 KiB, 16 KiB held.
    pub before_login: PreLoginBudget,
    /// Who is not let in. Default: nobody is kept out.
    pub deny: DenyList,
}

impl Plugin for GatePlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Budget>();
        if let Some(limit) = self.budget {
            app.world().resource::<Budget>().set_limit(limit);
        }
        app.insert_resource(self.max_connections)
            .insert_resource(self.per_address)
            .insert_resource(self.rates)
            .init_resource::<rates::Newcomers>()
            .insert_resource(budget::DefaultBudget(self.before_login))
            .insert_resource(self.deny.clone())
            .init_resource::<places::Places>()
            .init_resource::<Refusals>()
            .add_observer(budget::on_forwarded)
            .add_observer(budget::on_authenticated)
            .add_observer(budget::trust)
            .add_observer(deny::deny)
            .add_observer(listeners::pause)
            .add_observer(listeners::resume)
            .add_observer(listeners::close)
            .add_systems(Ingress, admit::admit.in_set(IngressSystems::Admit));
    }
}
