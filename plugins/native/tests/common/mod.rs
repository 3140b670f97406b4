//! A small arena that all tests serve, and a client of it over memory.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::{Closed, CorePlugin, Framing, Funnel, Ingress, IngressSystems, Intake, TimeSource};
use portcullis_dispatch::{AppDispatchExt, DispatchPlugin, Pusher, Received, Refusal, Request};
use portcullis_gate::GatePlugin;
use portcullis_native::{Body, ClientCodec, ClientEvent, Manifest, NativeListener, NativePlugin};
use portcullis_net::memory::{self, MemorySocket};
use portcullis_watchdog::WatchdogPlugin;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Join {
    pub name: String,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub struct Joined {
    pub seat: u32,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub struct Move {
    pub x: f32,
    pub y: f32,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub struct State {
    pub tick: u64,
}

#[derive(Resource, Default)]
pub struct Seats(pub u32);

/// What the arena has seen.
#[derive(Resource, Default)]
pub struct Seen {
    pub moves: Vec<f32>,
    pub closed: Vec<portcullis_core::Cause>,
}

pub fn arena() -> Manifest {
    Manifest::new("arena", 1)
        .request::<Join, Joined>("arena.join")
        .request::<String, u8>("arena.panic")
        .request::<u64, u64>("arena.watch")
        .notify::<Move>("arena.move")
        .push::<State>("arena.state")
}

pub fn join(request: Request<Join>, mut seats: ResMut<Seats>) -> Result<Joined, Refusal> {
    if request.name.is_empty() {
        return Err(Refusal::new(Refusal::FORBIDDEN, "a name is needed"));
    }
    seats.0 += 1;
    Ok(Joined { seat: seats.0 })
}

fn panics(request: Request<String>) -> u8 {
    assert!(*request != "now", "as asked");
    7
}

fn watch(request: Request<u64>, mut pusher: Pusher) -> u64 {
    for tick in 0..*request {
        pusher.push(request.connection, "arena.state", &State { tick });
    }
    *request
}

/// The game, whatever carries it.
pub fn game(app: &mut App) {
    app.init_resource::<Seats>()
        .init_resource::<Seen>()
        .add_handler("arena.join", join)
        .add_handler("arena.panic", panics)
        .add_handler("arena.watch", watch)
        .add_stream::<Move>("arena.move")
        .add_push::<State>("arena.state")
        .add_systems(
            Ingress,
            (|mut moves: MessageReader<Received<Move>>, mut seen: ResMut<Seen>| {
                seen.moves.extend(moves.read().map(|a| a.x));
            })
            .after(IngressSystems::Dispatch),
        )
        .add_observer(|closed: On<Closed>, mut seen: ResMut<Seen>| seen.closed.push(closed.cause));
    app.add_plugins((GatePlugin::default(), WatchdogPlugin::default()));
}

pub struct Server {
    pub app: App,
    time: TimeSource,
}

impl Server {
    pub fn new() -> Self {
        Self::with(NativePlugin::default().name("arena", 1))
    }

    pub fn with(plugin: NativePlugin) -> Self {
        let (mut app, time) = (App::new(), TimeSource::manual());
        app.add_plugins((CorePlugin { time: time.clone(), runner: false }, DispatchPlugin, plugin));
        game(&mut app);
        app.finish();
        app.cleanup();
        Self { app, time }
    }

    /// Lets time pass, and what is due then happen.
    pub fn advance(&mut self, by: Duration) {
        self.time.advance(by);
        self.app.update();
        self.run();
    }

    /// Lets everything happen that has come.
    pub fn run(&mut self) {
        self.app.world_mut().run_schedule(Ingress);
        while !self.app.world().resource::<Intake>().is_empty() {
            self.app.world_mut().run_schedule(Ingress);
        }
    }

    /// A connection that has said nothing.
    pub fn dial(&mut self) -> Peer {
        self.dial_with(arena())
    }

    pub fn dial_with(&mut self, manifest: Manifest) -> Peer {
        let funnel = self.app.world().resource::<Funnel>().clone();
        let listener = NativeListener::find(self.app.world()).unwrap();
        let socket = memory::connect(&funnel, listener, Framing::LE32, "127.0.0.1:1".parse().unwrap());
        self.run();
        Peer { socket, codec: ClientCodec::new(manifest) }
    }

    /// A connection that has shaken hands.
    pub fn connect(&mut self) -> Peer {
        let mut peer = self.dial();
        let welcome = peer.hello(self);
        assert!(matches!(welcome[..], [ClientEvent::Welcome { .. }]), "{welcome:?}");
        peer
    }

    pub fn resource<R: Resource>(&self) -> &R {
        self.app.world().resource::<R>()
    }
}

pub struct Peer {
    pub socket: MemorySocket,
    pub codec: ClientCodec,
}

impl Peer {
    pub fn hello(&mut self, server: &mut Server) -> Vec<ClientEvent> {
        let mut out = Vec::new();
        self.codec.hello(&mut out).unwrap();
        self.say(server, &out)
    }

    /// Sends bytes, and gives what came back.
    pub fn say(&mut self, server: &mut Server, bytes: &[u8]) -> Vec<ClientEvent> {
        self.socket.write(bytes);
        server.run();
        self.hear()
    }

    pub fn hear(&mut self) -> Vec<ClientEvent> {
        self.codec.feed(&self.socket.read());
        std::iter::from_fn(|| self.codec.next_event().unwrap()).collect()
    }

    /// Asks, and gives what came back.
    pub fn ask<Req: Serialize>(&mut self, server: &mut Server, route: &str, body: &Req) -> Vec<ClientEvent> {
        let mut out = Vec::new();
        self.codec.request(&mut out, route, body).unwrap();
        self.say(server, &out)
    }
}

pub fn reply<T: DeserializeOwned>(events: &[ClientEvent]) -> T {
    let [ClientEvent::Reply { body, .. }] = events else { panic!("a reply was expected: {events:?}") };
    Body::decode(body).unwrap()
}

pub fn refusal(events: &[ClientEvent]) -> (u16, &str) {
    let [ClientEvent::Refused { code, message, .. }] = events else {
        panic!("a refusal was expected: {events:?}")
    };
    (*code, message)
}

pub fn ann() -> Join {
    Join { name: "ann".into() }
}

pub const SOON: Duration = Duration::from_secs(10);
