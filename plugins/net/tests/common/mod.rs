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
    pub peers: Vec<SocketAddr>,
    /// Of the connections that are closed.
    pub transports: Vec<&'static str>,
}

/// Whether frames are sent back.
#[derive(Resource)]
pub struct Echo(pub bool);

/// A listener of the framing `be16`.
pub fn plain() -> Listener {
    Listener::new(([127, 0, 0, 1], 0).into(), Framing::BE16)
}

/// A frame of the framing `be16`.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u16).to_be_bytes(), payload].concat()
}

/// Whether connections are read as soon as they are opened.
#[derive(Resource)]
pub struct StartAtOnce(pub bool);

impl Edge {
    pub fn new(driver: DriverKind) -> Self {
        Self::listening(driver, plain())
    }

    pub fn listening(driver: DriverKind, listener: Listener) -> Self {
        let mut app = App::new();
        app.add_plugins((CorePlugin { runner: false, ..CorePlugin::default() }, NetPlugin { driver }))
            .init_resource::<Seen>()
            .insert_resource(StartAtOnce(true))
            .insert_resource(Echo(false))
            .add_systems(Ingress, (admit.in_set(IngressSystems::Admit), take.in_set(IngressSystems::Decode)))
            .add_observer(|event: On<Closed>, connections: Query<&Connection>, mut seen: ResMut<Seen>| {
                seen.closed.push((event.entity, event.cause));
                seen.transports.extend(connections.get(event.entity).map(|connection| connection.transport));
            })
            .add_observer(|event: On<Backlogged>, mut seen: ResMut<Seen>| seen.backlog.push(event.bytes));
        app.finish();
        app.cleanup();
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

    /// Sends back what comes.
    pub fn echoing(mut self) -> Self {
        self.app.insert_resource(Echo(true));
        self
    }

    /// Lets the world and the sockets run while a client with blocking sockets does this in its own thread.
    #[track_caller]
    pub fn serve<T: Send + 'static>(&mut self, client: impl FnOnce(SocketAddr) -> T + Send + 'static) -> T {
        let address = self.address();
        let deadline = Instant::now() + Duration::from_secs(20);
        let client = std::thread::spawn(move || client(address));
        while !client.is_finished() {
            assert!(Instant::now() < deadline, "the client has not come to its end within 20 seconds");
            self.run();
        }
        match client.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Lets the world and the sockets run until so many connections are closed, and gives the causes in order.
    #[track_caller]
    pub fn causes(&mut self, count: usize) -> Vec<Cause> {
        self.until(|seen| seen.closed.len() >= count);
        self.seen().closed.iter().map(|&(_, cause)| cause).collect()
    }

    /// The payloads that have come.
    pub fn payloads(&self) -> Vec<Vec<u8>> {
        self.seen().frames.iter().map(|(_, payload)| payload.clone()).collect()
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

    /// As [`until`](Self::until), of what has gone through one connection.
    #[track_caller]
    pub fn until_traffic(&mut self, connection: Entity, holds: impl Fn(&Traffic) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.app.world().get::<Traffic>(connection).is_some_and(&holds) {
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
    connections: Query<&Connection>,
    mut commands: Commands,
) {
    for entity in arriving.0.drain(..) {
        commands.entity(entity).insert(Admitted);
        seen.opened.push(entity);
        seen.peers.extend(connections.get(entity).map(|connection| connection.peer));
        if start.0 {
            commands.trigger(Start { entity });
        }
    }
}

fn take(mut arrivals: ResMut<Arrivals>, mut seen: ResMut<Seen>, echo: Res<Echo>, mut out: Outboxes) {
    arrivals.take_if(
        |_| true,
        |arrival| {
            for payload in arrival.frames.iter() {
                seen.frames.push((arrival.connection, payload.to_vec()));
                if echo.0 {
                    out.write(arrival.connection, |out| out.extend_from_slice(&frame(payload))).unwrap();
                }
            }
        },
    );
}
