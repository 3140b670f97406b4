//! The watchdog of Portcullis: who may stay, and who plays for whom.
//!
//! **Where it stands in the flow.** Beside the pipeline: it hears of connections the gate has opened, and looks at
//! deadlines once a tick, in [`TickSystems::Watch`], after the input of that tick was handled. It never scans
//! connections: each waits in a queue by its next deadline.
//!
//! **What it adds**
//! - Agents: beside a listener, or as the server's [`DefaultAgent`], an [`AgentTemplate`] tells what plays for each
//!   connection that is opened. The agent belongs to the connection and goes with it.
//!   With [`EndWithAgent`] a connection goes with its agent too.
//! - Deadlines as components, from the listener or from [`WatchdogDefaults`]: [`HandshakeLimit`] for connections that
//!   are [`Handshaking`], [`LoginLimit`], [`IdleLimit`], and [`HeartbeatInterval`], which tells [`HeartbeatDue`].
//!   [`HeartbeatLimit`] closes a peer whose own heartbeats stay away.
//!   Insert another value while the server runs, and it holds at once; remove one, and it is off. After a tick that
//!   came more than a second late they wait for as long as it was late, at most 5 seconds, so that nobody is closed for a
//!   silence that was the server's.
//! - [`Kick`] and [`Kicked`] are core's, and named here too, where they are looked for.
//!
//! **What it refuses to do.** It sends nothing itself: a heartbeat and a farewell are a protocol's, which observes
//! [`HeartbeatDue`] and the insertion of [`Closing`](portcullis_core::Closing). Without a template it forwards nothing.
//!
//! ```
//! use bevy_app::App;
//! use bevy_ecs::prelude::*;
//! use portcullis_core::{BelongsTo, CorePlugin, Framing, Funnel};
//! use portcullis_gate::GatePlugin;
//! use portcullis_watchdog::{AgentTemplate, IdleLimit, WatchdogPlugin};
//! use std::time::Duration;
//!
//! #[derive(Component, Default)]
//! struct Player { score: u32 }
//!
//! let mut app = App::new();
//! app.add_plugins((CorePlugin::default(), GatePlugin::default(), WatchdogPlugin::default()));
//! let policies = (AgentTemplate::new(Player::default), IdleLimit(Duration::from_secs(300)));
//! let listener = app.world_mut().spawn(policies).id();
//!
//! let funnel = app.world().resource::<Funnel>().clone();
//! let peer = "192.0.2.1:9999".parse().unwrap();
//! let socket = portcullis_net::memory::connect(&funnel, listener, Framing::BE16, peer);
//! app.update();
//! let world = app.world_mut();
//! let (player, belongs) = world.query::<(&Player, &BelongsTo)>().single(world).unwrap();
//! assert_eq!((player.score, belongs.0), (0, socket.connection()));
//! ```

mod agent;
mod backlog;
mod end;
mod limits;
mod watch;

pub use agent::{AgentTemplate, DefaultAgent};
pub use end::EndWithAgent;
pub use limits::{
    HandshakeLimit, HeartbeatDue, HeartbeatInterval, HeartbeatLimit, IdleLimit, LastHeartbeat, LoginLimit,
    WatchdogDefaults,
};
pub use portcullis_core::{Handshaking, Kick, Kicked};

use bevy_app::{App, Plugin, PreUpdate};
use bevy_ecs::prelude::*;
use portcullis_core::{Admitted, Lateness, TickSystems};

/// Watches deadlines and spawns agents.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchdogPlugin {
    /// The limits of connections whose listener has none of its own.
    pub defaults: WatchdogDefaults,
}

impl Plugin for WatchdogPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.defaults)
            .init_resource::<watch::Deadlines>()
            .init_resource::<Lateness>()
            .add_observer(agent::spawn)
            .add_observer(end::inherit)
            .add_observer(end::end)
            .add_observer(limits::set)
            .add_observer(watch::arm)
            .add_observer(watch::start_beating)
            .add_observer(watch::start_listening)
            .add_observer(watch::on_forwarded)
            .add_observer(watch::on_authenticated)
            .add_observer(backlog::log)
            .add_systems(PreUpdate, watch::watch.in_set(TickSystems::Watch));
        // From admission on, so that whatever observers of `Opened` do finds it.
        app.register_required_components::<Admitted, watch::Watch>();
    }
}
