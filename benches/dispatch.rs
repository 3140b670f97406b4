//! What a message costs between the queue and the outbox: received, decoded, handled in order, answered; no socket.
//!
//! `cargo bench --bench dispatch`. Time per element is time per message. 10,000 connections; each run of the schedule
//! gets 100 reads of different connections.
//!
//! The `counted` ones differ in the session only, and in what it keeps: the first has none.

use bevy_ecs::prelude::*;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use portcullis::{
    core::{
        Arrivals, Assembler, BoundTo, CorePlugin, Framing, Funnel, Inbound, IngressSystems, Line, Link,
        Opening, TimeSource,
    },
    dispatch::{
        BodyError, Content, DispatchPlugin, Outgoing, PacketKind, Packets, Protocol, Protocols, ReplyCache,
        ReplyLimits, RouteId, Routes, Speaks,
    },
    gate::{GatePlugin, MaxConnections},
    prelude::*,
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

const CONNECTIONS: usize = 10_000;
const READS: usize = 100;

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

struct Bench {
    app: App,
    funnel: Funnel,
    connections: Vec<Entity>,
    next: usize,
}

impl Bench {
    fn new<M>(plugin: impl bevy_app::Plugins<M>, add: impl FnOnce(&mut App)) -> Self {
        let mut app = App::new();
        let core = CorePlugin { time: TimeSource::real(), runner: false };
        let gate = GatePlugin { max_connections: MaxConnections(CONNECTIONS), ..GatePlugin::default() };
        app.add_plugins((core, gate, DispatchPlugin, plugin));
        add(&mut app);
        app.finish();
        app.cleanup();
        let world = app.world_mut();
        let listener = world.query_filtered::<Entity, With<Speaks>>().single(world).expect("one gate");
        let agent = world.spawn(Agent).id();
        let funnel = world.resource::<Funnel>().clone();
        let connections: Vec<Entity> = (0..CONNECTIONS).map(|_| open(&funnel, listener)).collect();
        for _ in 0..4 {
            world.run_schedule(Ingress);
        }
        for &entity in &connections {
            world.trigger(Forward { entity, agent });
        }
        world.flush();
        Self { app, funnel, connections, next: 0 }
    }

    /// Gives each connection a session.
    fn bind<B: Bundle>(mut self, session: impl Fn() -> B) -> Self {
        let world = self.app.world_mut();
        for &connection in &self.connections {
            let session = world.spawn(session()).id();
            world.entity_mut(connection).insert(BoundTo(session));
        }
        self
    }

    /// So many connections speak, and the others are silent.
    fn only(mut self, connections: usize) -> Self {
        self.connections.truncate(connections);
        self
    }

    /// Lets each connection ask a few times, until all its memory is there.
    fn warm(mut self, wire: &[u8], reads: usize) -> Self {
        for _ in 0..reads * self.connections.len() / READS {
            self.feed(wire);
            self.run();
        }
        self
    }

    /// Puts reads into the queue, each of another connection.
    fn feed(&mut self, wire: &[u8]) {
        for _ in 0..READS {
            self.next = (self.next + 7919) % self.connections.len();
            let (frames, result) = Assembler::new(Framing::BE16).feed(wire, 65_535);
            result.expect("small frames");
            let connection = self.connections[self.next];
            self.funnel.send(Inbound::Frames { connection, received: Duration::ZERO, frames });
        }
    }

    fn run(&mut self) {
        self.app.world_mut().run_schedule(Ingress);
    }
}

fn open(funnel: &Funnel, listener: Entity) -> Entity {
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

/// Frames as skynet's raw ones, and each is a request with the next id of its connection.
struct Counted;

/// The last id of a connection.
#[derive(Component, Default)]
struct LastId(u64);

impl Protocol for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }

    fn read(
        &self,
        _: RouteId,
        _: &[u8],
        _: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BodyError> {
        Err(BodyError::new("there is no codec"))
    }

    fn write(&self, out: &mut Vec<u8>, message: Outgoing<'_>) -> Result<(), BodyError> {
        let Outgoing::Reply { body: Content::Raw(bytes), .. } = message else {
            return Err(BodyError::new("there is no codec"));
        };
        out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
        out.extend_from_slice(bytes);
        Ok(())
    }
}

fn counted(app: &mut App) {
    let world = app.world_mut();
    let speaks = world.get_resource_or_init::<Protocols>().add(Counted);
    let echo = world.get_resource_or_init::<Routes>().intern("echo");
    world.spawn(speaks);
    let decode = move |mut arrivals: ResMut<Arrivals>,
                       mut packets: ResMut<Packets>,
                       mut connections: Query<&mut LastId>| {
        arrivals.take_if(
            |_| true,
            |arrival| {
                let Ok(mut last) = connections.get_mut(arrival.connection) else { return };
                let (data, spans) = arrival.frames.into_parts();
                let buffer = packets.buffer(data, arrival.received);
                for span in spans {
                    last.0 += 1;
                    packets.push(arrival.connection, echo, PacketKind::Request(last.0), buffer, span);
                }
            },
        );
    };
    app.register_required_components::<Connection, LastId>()
        .add_systems(Ingress, decode.in_set(IngressSystems::Decode))
        .add_raw_handler("echo", raw_echo);
}

fn raw_echo(request: RawRequest) {
    request.reply.extend_from_slice(request.body);
}

fn shared_echo(request: Request<Raw>) -> Raw {
    request.body
}

#[derive(Serialize, Deserialize)]
struct Text {
    text: String,
}

fn typed_echo(request: Request<Text>) -> Text {
    request.body
}

const SCHEMA: &str = "
    .package { type 0 : integer  session 1 : integer }
    echo 1 { request { text 0 : string } response { text 0 : string } }
";

/// `echo` of 44 letters, session 1, as skynet packs it.
fn sproto_frame() -> Vec<u8> {
    use portcullis::skynet::sproto::{Host, Schema};
    let schema = Arc::new(Schema::parse(SCHEMA).expect("a schema"));
    let client = Host::new(Arc::clone(&schema), Arc::clone(&schema)).expect("a host");
    let echo = schema.protocol_named("echo").expect("in the schema");
    let (mut scratch, mut payload) = (Vec::new(), Vec::new());
    let text = Text { text: "x".repeat(44) };
    client.encode_request(echo, Some(1), &(), &text, &mut scratch, &mut payload).expect("fits");
    frame(&payload)
}

fn frame(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u16).to_be_bytes(), payload].concat()
}

fn measure(criterion: &mut Criterion, name: &str, mut bench: Bench, frame: &[u8]) {
    let mut group = criterion.benchmark_group(name);
    for depth in [1, 32] {
        let wire = frame.repeat(depth);
        group.throughput(Throughput::Elements((READS * depth) as u64));
        group.bench_function(format!("{depth} a read"), |bencher| {
            // One at a time: a batch would put several runs' worth into the queue.
            bencher.iter_custom(|times| {
                let mut taken = Duration::ZERO;
                for _ in 0..times {
                    bench.feed(&wire);
                    let start = std::time::Instant::now();
                    bench.run();
                    taken += start.elapsed();
                }
                taken
            });
        });
    }
    group.finish();
}

fn handlers(criterion: &mut Criterion) {
    let raw = Bench::new(SkynetPlugin::raw("echo"), |app| {
        app.add_raw_handler("echo", raw_echo);
    });
    measure(criterion, "raw handler, 64 bytes", raw, &frame(&[7; 64]));
    let alone = Bench::new(counted, |_| ());
    measure(criterion, "counted, no session, 64 bytes", alone, &frame(&[7; 64]));
    let bound = Bench::new(counted, |_| ()).bind(|| ());
    measure(criterion, "counted, session, 64 bytes", bound, &frame(&[7; 64]));
    let limits = ReplyLimits::default();
    let reads = 2 * limits.expired_number / 32 + 2;
    for speak in [100, CONNECTIONS] {
        let kept = Bench::new(counted, |_| ()).bind(|| ReplyCache::new(limits)).only(speak);
        let kept = kept.warm(&frame(&[7; 64]).repeat(32), reads);
        let name = format!("counted, {speak} sessions that keep answers, 64 bytes");
        measure(criterion, &name, kept, &frame(&[7; 64]));
    }
    let shared = Bench::new(SkynetPlugin::raw("echo"), |app| {
        app.add_handler("echo", shared_echo);
    });
    measure(criterion, "Request<Raw>, 64 bytes", shared, &frame(&[7; 64]));
    let typed = Bench::new(SkynetPlugin::sproto(SCHEMA, "").expect("a schema"), |app| {
        app.add_handler("echo", typed_echo);
    });
    measure(criterion, "sproto, 44 letters", typed, &sproto_frame());
}

fn wake_up(criterion: &mut Criterion) {
    let mut bench = Bench::new(SkynetPlugin::raw("echo"), |app| {
        app.add_raw_handler("echo", raw_echo);
    });
    criterion.bench_function("a wake-up with nothing to do", |bencher| bencher.iter(|| bench.run()));
    criterion.bench_function("a tick with nothing to do", |bencher| {
        bencher.iter_batched(|| (), |()| bench.app.update(), BatchSize::SmallInput);
    });
}

criterion_group!(benches, handlers, wake_up);
criterion_main!(benches);
