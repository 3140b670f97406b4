//! A world with one listener and nothing above the edge: what comes in is recorded, what goes out is asked for.

#![allow(dead_code, reason = "each test file uses its part of it")]

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::*;
use portcullis_net::{DriverKind, Listener, ListenerHandle, NetPlugin};
use std::{
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// Runs a test under both drivers.
pub fn under_both_drivers(test: impl Fn(Edge)) {
    for driver in [DriverKind::Inline, DriverKind::Thread(2)] {
        test(Edge::new(driver));
    }
}

pub struct Edge {
    pub app: App,
    pub listener: Entity,
}

/// All that has happened, in order.
#[derive(Resource, Default)]
pub struct Seen {
    pub opened: Vec<Entity>,
    pub frames: Vec<(Entity, Vec<u8>)>,
    pub closed: Vec<(Entity, Cause)>,
    pub backlog: Vec<usize>,
}

/// Whether connections are read as soon as they are opened.
#[derive(Resource)]
pub struct StartAtOnce(pub bool);

impl Edge {
    pub fn new(driver: DriverKind) -> Self {
        let mut app = App::new();
        app.add_plugins((CorePlugin { runner: false, ..CorePlugin::default() }, NetPlugin { driver }))
            .init_resource::<Seen>()
            .insert_resource(StartAtOnce(true))
            .add_systems(Ingress, (admit.in_set(IngressSystems::Admit), take.in_set(IngressSystems::Decode)))
            .add_observer(|event: On<Closed>, mut seen: ResMut<Seen>| {
                seen.closed.push((event.entity, event.cause));
            })
            .add_observer(|event: On<Backlogged>, mut seen: ResMut<Seen>| seen.backlog.push(event.bytes));
        app.finish();
        app.cleanup();
        let listener = Listener::new(([127, 0, 0, 1], 0).into(), Framing::BE16);
        let listener = app.world_mut().spawn(listener).id();
        app.world_mut().flush();
        Self { app, listener }
    }

    pub fn address(&self) -> SocketAddr {
        self.app.world().get::<ListenerHandle>(self.listener).unwrap().address()
    }

    pub fn connect(&mut self) -> (TcpStream, Entity) {
        let before = self.seen().opened.len();
        let socket = TcpStream::connect(self.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        self.until(|seen| seen.opened.len() > before);
        let connection = *self.seen().opened.last().unwrap();
        (socket, connection)
    }

    pub fn seen(&self) -> &Seen {
        self.app.world().resource::<Seen>()
    }

    /// Lets the world and the sockets run until this holds.
    #[track_caller]
    pub fn until(&mut self, mut holds: impl FnMut(&Seen) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds(self.seen()) {
            assert!(Instant::now() < deadline, "it did not come to pass within 20 seconds");
            self.run();
        }
    }

    /// One round: waits a moment for input, then updates.
    pub fn run(&mut self) {
        let intake = self.app.world().resource::<Intake>().clone();
        let soon = Instant::now() + Duration::from_millis(2);
        self.app
            .world_mut()
            .resource_scope(|_, mut driver: Mut<ActiveDriver>| driver.0.wait(&intake, Some(soon)));
        self.app.update();
    }

    /// Lets only the sockets run, for a world that lags.
    pub fn run_io_only(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.app.world_mut().resource_mut::<ActiveDriver>().0.poll();
            std::thread::yield_now();
        }
    }

    pub fn send(&mut self, connection: Entity, payload: &[u8]) {
        write_outbox(self.app.world_mut(), connection, |out| {
            out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            out.extend_from_slice(payload);
        })
        .unwrap();
    }

    pub fn close(&mut self, connection: Entity, cause: Cause) {
        self.app.world_mut().trigger(Close::new(connection, cause));
        self.app.world_mut().flush();
    }
}

fn admit(
    mut arriving: ResMut<Arriving>,
    mut seen: ResMut<Seen>,
    start: Res<StartAtOnce>,
    mut commands: Commands,
) {
    for entity in arriving.0.drain(..) {
        commands.entity(entity).insert(Admitted);
        seen.opened.push(entity);
        if start.0 {
            commands.trigger(Start { entity });
        }
    }
}

fn take(mut arrivals: ResMut<Arrivals>, mut seen: ResMut<Seen>) {
    arrivals.take_if(
        |_| true,
        |arrival| {
            let frames = arrival.frames.iter().map(|frame| (arrival.connection, frame.to_vec()));
            seen.frames.extend(frames);
        },
    );
}
