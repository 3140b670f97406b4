//! A server in memory, with time of its own.

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::{CorePlugin, Framing, Funnel, Opened, TimeSource};
use portcullis_gate::{GatePlugin, Refused};
use portcullis_net::memory::{MemorySocket, connect};

pub struct Server {
    pub app: App,
    pub funnel: Funnel,
    pub time: TimeSource,
}

/// The facts of one kind, in the order they were told.
#[derive(Resource)]
pub struct Told<E>(pub Vec<E>);

impl Server {
    pub fn new(gate: GatePlugin) -> Self {
        let mut app = App::new();
        let time = TimeSource::manual();
        app.add_plugins((CorePlugin { time: time.clone(), runner: false }, gate));
        let funnel = app.world().resource::<Funnel>().clone();
        let mut server = Self { app, funnel, time };
        server.record::<Opened>();
        server.record::<Refused>();
        server
    }

    pub fn world(&mut self) -> &mut World {
        self.app.world_mut()
    }

    pub fn record<E: for<'a> Event<Trigger<'a>: Send + Sync> + Clone + Send + Sync>(&mut self) {
        self.app.insert_resource(Told::<E>(Vec::new()));
        self.app.add_observer(|event: On<E>, mut told: ResMut<Told<E>>| told.0.push(event.event().clone()));
    }

    pub fn told<E: Send + Sync + 'static>(&self) -> &[E] {
        &self.app.world().resource::<Told<E>>().0
    }

    pub fn connect(&self, listener: Entity, peer: &str) -> MemorySocket {
        connect(&self.funnel, listener, Framing::BE16, peer.parse().unwrap())
    }

    /// Enough for a socket that was closed in the first run to be gone in the second.
    pub fn run(&mut self) {
        self.app.update();
        self.app.update();
    }

    pub fn is_there(&self, socket: &MemorySocket) -> bool {
        self.app.world().get_entity(socket.connection()).is_ok()
    }
}
