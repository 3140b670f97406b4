//! How a test's server is put together.

use crate::{
    TestServer, errors, history,
    hub::{Hub, Shared},
    shuffle,
};
use bevy_app::{App, Plugin, PluginGroup, PluginGroupBuilder, Plugins, PluginsState};
use bevy_ecs::prelude::*;
use bevy_time::{Fixed, Time, TimeUpdateStrategy, Virtual};
use portcullis_core::{Connection, CorePlugin, Framing, Random, TickRate, TimeSource};
use portcullis_dispatch::{DispatchPlugin, Routes, Speaks};
use portcullis_gate::GatePlugin;
use portcullis_native::{Manifest, NativeListener, NativePlugin};
use portcullis_net::{DriverKind, Listener, NetPlugin};
use portcullis_room::RoomPlugin;
use portcullis_session::SessionPlugin;
use portcullis_watchdog::WatchdogPlugin;
use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// What carries the bytes of a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Memory: exact, and thousands of connections cost milliseconds. The default.
    #[default]
    Memory,
    /// Real sockets on 127.0.0.1, under this driver. Time is still virtual.
    Tcp(DriverKind),
}

impl Transport {
    /// What a behaviour should be tested on: memory, and TCP under either driver.
    pub const ALL: [Self; 3] =
        [Self::Memory, Self::Tcp(DriverKind::Inline), Self::Tcp(DriverKind::Thread(1))];
}

/// What every server has, as `ServerPlugins`.
struct Parts;

impl PluginGroup for Parts {
    fn build(self) -> PluginGroupBuilder {
        PluginGroupBuilder::start::<Self>()
            .add(CorePlugin::default())
            .add(NetPlugin::default())
            .add(GatePlugin::default())
            .add(WatchdogPlugin::default())
            .add(SessionPlugin::default())
            .add(DispatchPlugin)
            .add(RoomPlugin::default())
    }
}

/// Puts a [`TestServer`] together.
///
/// ```
/// use portcullis_gate::{GatePlugin, MaxConnections, Refusal};
/// use portcullis_testkit::TestServer;
///
/// let gate = GatePlugin { max_connections: MaxConnections(1), ..GatePlugin::default() };
/// let mut server = TestServer::builder().set(gate).build();
/// let _first = server.connect();
/// assert_eq!(server.connect().expect_refused(), Refusal::Full);
/// ```
#[must_use]
pub struct TestServerBuilder {
    plugins: Vec<Box<dyn FnOnce(&mut App)>>,
    parts: Vec<Box<dyn FnOnce(PluginGroupBuilder) -> PluginGroupBuilder>>,
    listener: Vec<Arc<dyn Fn(&mut EntityWorldMut) + Send + Sync>>,
    transport: Transport,
    seed: Option<u64>,
    tick: Duration,
    patience: Duration,
}

impl Default for TestServerBuilder {
    fn default() -> Self {
        Self {
            plugins: Vec::new(),
            parts: Vec::new(),
            listener: Vec::new(),
            transport: Transport::default(),
            seed: env::var("PORTCULLIS_SEED").ok().and_then(|seed| seed.parse().ok()),
            tick: TickRate::default().0,
            patience: Duration::from_secs(5),
        }
    }
}

/// What the native protocol of the test's own listener is called.
const MANIFEST: (&str, u32) = ("testkit", 1);

/// Marks the test's own listener.
#[derive(Component)]
struct TestListener;

impl TestServerBuilder {
    /// Adds the game's plugins, after those every server has. A function of `&mut App` is a plugin too.
    pub fn plugin<M>(mut self, plugins: impl Plugins<M> + 'static) -> Self {
        self.plugins.push(Box::new(|app| {
            app.add_plugins(plugins);
        }));
        self
    }

    /// Sets one of the plugins every server has: gate, watchdog, session.
    pub fn set(mut self, plugin: impl Plugin) -> Self {
        self.parts.push(Box::new(|parts| parts.set(plugin)));
        self
    }

    /// Does this with the listener entity that typed clients connect to: insert policies, an agent template.
    pub fn listener(mut self, configure: impl Fn(&mut EntityWorldMut) + Send + Sync + 'static) -> Self {
        self.listener.push(Arc::new(configure));
        self
    }

    /// What carries the bytes. Default [`Transport::Memory`]. With TCP every listener that has no address gets one.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Systems without an order between them run in another order for each seed, in all schedules, and the server's
    /// [`Random`] bytes are others; the same seed gives the same. Default: the seed in the environment variable `PORTCULLIS_SEED`, or Bevy's own order.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How far apart ticks are. Default 50 ms, as a server's.
    ///
    /// # Panics
    /// When it is zero.
    #[track_caller]
    pub fn tick(mut self, tick: Duration) -> Self {
        assert!(!tick.is_zero(), "ticks need time between them");
        self.tick = tick;
        self
    }

    /// How long an expectation waits, in real time, for what sockets and other threads do. Default 5 s. Only tests that
    /// fail wait so long.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts the server: `Startup` has run, and no virtual time has passed.
    pub fn build(self) -> TestServer {
        drop(errors::take());
        let time = TimeSource::manual();
        let mut app = App::new();
        app.set_error_handler(errors::record);
        let driver = match self.transport {
            Transport::Memory => DriverKind::Inline,
            Transport::Tcp(driver) => driver,
        };
        let parts =
            Parts.build().set(CorePlugin { time: time.clone(), runner: false }).set(NetPlugin { driver });
        app.add_plugins(self.parts.into_iter().fold(parts, |parts, set| set(parts)));
        history::build(&mut app);
        app.insert_resource(TickRate(self.tick))
            .insert_resource(Time::<Fixed>::from_duration(self.tick))
            .insert_resource(TimeUpdateStrategy::ManualDuration(Duration::ZERO));
        let mut slowest = app.world_mut().resource_mut::<Time<Virtual>>();
        let longest = slowest.max_delta().max(self.tick);
        slowest.set_max_delta(longest);
        for plugin in self.plugins {
            plugin(&mut app);
        }
        // Last, so that it knows all routes.
        let native = NativePlugin::default().name(MANIFEST.0, MANIFEST.1).with(|entity| {
            entity.insert(TestListener);
        });
        app.add_plugins(
            self.listener
                .into_iter()
                .fold(native, |native, configure| native.with(move |entity| configure(entity))),
        );
        while app.plugins_state() == PluginsState::Adding {
            std::thread::yield_now();
        }
        app.finish();
        app.cleanup();
        let listener = {
            let world = app.world_mut();
            let mut listeners = world.query_filtered::<Entity, With<TestListener>>();
            listeners.single(world).expect("the plugin above spawns one")
        };
        if self.transport != Transport::Memory {
            give_addresses(app.world_mut());
        }
        app.insert_resource(Random::seeded(self.seed.unwrap_or_default()));
        shuffle::prepare(app.world_mut(), self.seed);
        let mut hub = Hub::new(app, time, self.transport, listener);
        hub.tick = self.tick;
        hub.patience = self.patience;
        let routes = hub.app.world().resource::<Routes>();
        hub.manifest = Arc::new(Manifest::of_routes(MANIFEST.0, MANIFEST.1, routes));
        hub.update(Duration::ZERO);
        hub.settle();
        TestServer::new_with(Shared::new(hub))
    }
}

impl std::fmt::Debug for TestServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestServerBuilder")
            .field("transport", &self.transport)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// A free port for each listener that has no address.
fn give_addresses(world: &mut World) {
    let mut without =
        world.query_filtered::<Entity, (With<Speaks>, Without<Connection>, Without<Listener>)>();
    for entity in without.iter(world).collect::<Vec<_>>() {
        let listener = Listener::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), framing(world, entity));
        world.entity_mut(entity).insert(listener);
    }
    world.flush();
}

/// How the streams of a listener are cut: as it says, as the native protocol does, or else as skynet's gate does.
pub(crate) fn framing(world: &World, listener: Entity) -> Framing {
    match (world.get::<Listener>(listener), world.get::<NativeListener>(listener)) {
        (Some(listener), _) => listener.framing,
        (None, Some(_)) => Framing::LE32,
        (None, None) => Framing::BE16,
    }
}
