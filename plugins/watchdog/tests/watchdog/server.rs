//! A server in memory, with time of its own.

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::{
    Cause, Closed, Closing, CorePlugin, Framing, Funnel, Opened, Outboxes, Start, TimeSource,
};
use portcullis_gate::GatePlugin;
use portcullis_net::memory::{MemorySocket, connect};
use portcullis_watchdog::WatchdogPlugin;
use std::time::Duration;

pub struct Server {
    pub app: App,
    funnel: Funnel,
    time: TimeSource,
}

/// The facts of one kind, in the order they were told.
#[derive(Resource)]
pub struct Told<E>(pub Vec<E>);

impl Server {
    pub fn new() -> Self {
        let mut app = App::new();
        let time = TimeSource::manual();
        let core = CorePlugin { time: time.clone(), runner: false };
        app.add_plugins((core, GatePlugin::default(), WatchdogPlugin::default()));
        let funnel = app.world().resource::<Funnel>().clone();
        let mut server = Self { app, funnel, time };
        server.record::<Closed>();
        server
    }

    /// As [`Server::new`], with a protocol that reads at once and says farewell.
    pub fn started() -> Self {
        let mut server = Self::new();
        server.app.add_observer(|opened: On<Opened>, mut commands: Commands| {
            commands.trigger(Start { entity: opened.entity });
        });
        server.app.add_observer(
            |closing: On<Add<Closing>>, said: Query<&Closing>, mut outboxes: Outboxes| {
                if let Some(reason) = &said.get(closing.entity).unwrap().reason {
                    outboxes.write(closing.entity, |out| out.extend_from_slice(reason.as_bytes())).unwrap();
                }
            },
        );
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

    /// A connection that is open.
    pub fn connect(&mut self, listener: Entity) -> MemorySocket {
        let socket = connect(&self.funnel, listener, Framing::BE16, "127.0.0.1:7".parse().unwrap());
        self.app.update();
        socket
    }

    /// Enough for a socket that was closed in the first run to be gone in the second.
    pub fn run(&mut self) {
        self.app.update();
        self.app.update();
    }

    /// Time passes at once, as when the server had nothing to do.
    pub fn advance(&mut self, by: Duration) {
        self.time.advance(by);
        self.run();
    }

    /// The causes of all closes so far.
    pub fn causes(&self) -> Vec<Cause> {
        self.told::<Closed>().iter().map(|closed| closed.cause).collect()
    }

    pub fn count_entities(&mut self) -> usize {
        let world = self.world();
        world.query::<Entity>().iter(world).count()
    }
}
