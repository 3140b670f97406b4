//! What it costs to tell 10,000 members of a room one thing: encoded once for each protocol, copied into each outbox,
//! and handed to each line; no socket.
//!
//! `cargo bench --bench broadcast`. Two times of each run: until all outboxes are written, which is what the system that
//! tells takes; and until each outbox has been handed to its line by a flush, which takes it at once, as a peer does who
//! keeps up. What the kernel takes to send comes on top. Medians of 201 runs.

use bevy_ecs::prelude::*;
use portcullis::{
    core::{CorePlugin, Funnel, Handshaking, Inbound, Line, Link, Opening, TimeSource},
    dispatch::DispatchPlugin,
    gate::{GatePlugin, MaxConnections},
    native::NativeListener,
    prelude::*,
    session::SessionPlugin,
    skynet::SkynetListener,
};
use portcullis_room::{RoomPlugin, Teller, join, open};
use serde::Serialize;
use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

const MEMBERS: usize = 10_000;
const RUNS: usize = 201;

/// Takes everything at once, as a fast peer does.
struct Sink;

impl Line for Sink {
    fn start(&self) {}

    fn send(&self, bytes: &mut Vec<u8>) -> usize {
        bytes.clear();
        0
    }

    fn delivered(&self, _: usize, _: usize) {}

    fn limit(&self, _: usize, _: usize) {}

    fn close(&self, _: Duration, _: u16) {}
}

#[derive(Serialize)]
struct Said {
    from: &'static str,
    text: &'static str,
}

const SAID: Said = Said { from: "ann", text: "Good evening, everybody. Who is up for a round of chess?" };

const SCHEMA: &str = "
    .package { type 0 : integer  session 1 : integer }
    said 1 { request { from 0 : string  text 1 : string } }
";

/// A server whose room has so many members of each protocol.
fn server(native: usize, skynet: usize) -> (App, Entity) {
    let mut app = App::new();
    let core = CorePlugin { time: TimeSource::real(), runner: false };
    let gate = GatePlugin { max_connections: MaxConnections(MEMBERS), ..GatePlugin::default() };
    let sproto = SkynetPlugin::sproto(SCHEMA, SCHEMA).expect("a schema");
    app.add_plugins((core, gate, SessionPlugin::default(), DispatchPlugin, RoomPlugin::default()))
        .add_push::<Said>("said")
        .add_plugins((sproto, NativePlugin::default()));
    app.finish();
    app.cleanup();
    let world = app.world_mut();
    let mut connections = open_on::<NativeListener>(world, native);
    connections.extend(open_on::<SkynetListener>(world, skynet));
    for _ in 0..4 {
        world.run_schedule(Ingress);
    }
    let room = open(world, "stadium").expect("a name");
    for connection in connections {
        // As after its handshake: nothing is pushed before that.
        world.entity_mut(connection).remove::<Handshaking>();
        join(world, room, connection).expect("there is room");
    }
    (app, room)
}

fn open_on<Marker: Component>(world: &mut World, count: usize) -> Vec<Entity> {
    let listener = world.query_filtered::<Entity, With<Marker>>().single(world).expect("one listener");
    let funnel = world.resource::<Funnel>().clone();
    (0..count).map(|_| connect(&funnel, listener)).collect()
}

fn connect(funnel: &Funnel, listener: Entity) -> Entity {
    let connection = funnel.reserve();
    let address = ([127, 0, 0, 1], 1).into();
    funnel.send(Inbound::Opened(Box::new(Opening {
        connection,
        listener,
        peer: address,
        local: address,
        transport: "bench",
        link: Link(Arc::new(Sink)),
        opened_at: Duration::ZERO,
    })));
    connection
}

fn measure(out: &mut impl Write, what: &str, native: usize, skynet: usize) -> std::io::Result<()> {
    let (mut app, room) = server(native, skynet);
    let world = app.world_mut();
    let mut tell =
        IntoSystem::into_system(move |mut teller: Teller| teller.to_room(room, "said", &SAID).connections);
    tell.initialize(world);
    let (mut written, mut flushed) = (Vec::with_capacity(RUNS), Vec::with_capacity(RUNS));
    for _ in 0..RUNS {
        let start = Instant::now();
        let told = tell.run((), world).expect("a system that runs");
        written.push(start.elapsed());
        world.run_schedule(Ingress);
        flushed.push(start.elapsed());
        assert_eq!(told, native + skynet);
    }
    let [written, flushed] = [written, flushed].map(median);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / (native + skynet) as f64;
    writeln!(
        out,
        "{what}: written in {:.2} ms ({:.3} µs a member), flushed after {:.2} ms ({:.3} µs a member)",
        written.as_secs_f64() * 1e3,
        each(written),
        flushed.as_secs_f64() * 1e3,
        each(flushed),
    )
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    measure(&mut out, "10,000 members, native", MEMBERS, 0)?;
    measure(&mut out, "10,000 members, sproto", 0, MEMBERS)?;
    measure(&mut out, "5,000 members native and 5,000 sproto", MEMBERS / 2, MEMBERS / 2)
}
