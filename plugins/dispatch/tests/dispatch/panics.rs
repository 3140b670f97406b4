//! The game's own code panics where it is not a handler.

use crate::plain::{Plain, add, app, ask, connection, said};
use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::Kick;
use portcullis_dispatch::{
    AppDispatchExt, OnExcess, PacketKind, Packets, Pusher, RateLimit, RateLimitPlugin, RawRequest, Refusal,
    Request, Routes,
};
use portcullis_testkit::TestServer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// A value that cannot be read.
#[derive(Debug, Serialize)]
struct Fuse;

impl<'de> Deserialize<'de> for Fuse {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("it cannot be read")
    }
}

/// A value that cannot be written.
struct Bomb;

impl Serialize for Bomb {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut seq = serializer.serialize_seq(Some(2))?;
        seq.serialize_element("half")?;
        panic!("it cannot be written")
    }
}

/// An error that cannot say what it is.
struct Unspeakable;

impl From<Unspeakable> for Refusal {
    fn from(_: Unspeakable) -> Self {
        panic!("it cannot be said")
    }
}

fn game(app: &mut App) {
    app.add_handler("read", |_: Request<Fuse>| ())
        .add_handler("write", |_: Request<()>| Bomb)
        .add_stream::<Fuse>("stream")
        .add_handler("fail", |_: Request<()>| Err::<(), _>(Unspeakable))
        .add_push::<Bomb>("pushed")
        .add_handler("ping", |_: Request<()>| "pong");
}

#[test]
fn a_body_whose_codec_panics_costs_its_own_request_only() {
    for route in ["read", "write", "fail"] {
        let mut server = TestServer::new(game);
        let (mut ann, mut bob) = (server.connect(), server.connect());
        let (bad, good) = server.together(|| {
            let bad = if route == "read" { ann.request(route, &Fuse) } else { ann.request(route, &()) };
            (bad, bob.request("ping", &()))
        });
        assert_eq!(good.expect_reply::<String>(), "pong", "{route}");
        assert_eq!(bad.expect_refusal().code, Refusal::INTERNAL, "{route}");
        assert_eq!(ann.request("ping", &()).expect_reply::<String>(), "pong", "{route}");
    }
    let mut server = TestServer::new(game);
    let (mut ann, mut bob) = (server.connect(), server.connect());
    let good = server.together(|| {
        ann.notify("stream", &Fuse);
        bob.request("ping", &())
    });
    assert_eq!(good.expect_reply::<String>(), "pong");
}

#[test]
fn a_push_that_panics_leaves_no_half_message_behind() {
    let mut server = TestServer::new(game);
    let mut ann = server.connect();
    let connection = ann.entity();
    let told = server.run_system_once(move |mut pusher: Pusher| {
        pusher.push(connection, "pushed", &Bomb) + pusher.broadcast([connection], "pushed", &Bomb).connections
    });
    assert_eq!(told, 0);
    assert_eq!(ann.request("ping", &()).expect_reply::<String>(), "pong");
}

#[test]
fn an_observer_that_panics_between_two_packets_costs_nobody_else_an_answer() {
    let mut app = app();
    let limit = RateLimit::default().bucket("ping", 1.0, 1).on_excess(OnExcess::Close);
    app.add_plugins(RateLimitPlugin { default: Some(limit) })
        .add_raw_handler("ping", |request: RawRequest| request.reply.extend_from_slice(b"pong"))
        .add_observer(|_: On<Kick>| panic!("it cannot be borne"));
    let speaks = add(&mut app, Plain::default());
    let (greedy, patient) = (connection(&mut app, speaks), connection(&mut app, speaks));
    for peer in [greedy, greedy] {
        let ping = app.world().resource::<Routes>().get("ping").unwrap();
        let mut packets = app.world_mut().resource_mut::<Packets>();
        let buffer = packets.buffer(Vec::new(), Duration::ZERO);
        packets.push(peer, ping, PacketKind::Request(1), buffer, (0, 0));
    }
    ask(&mut app, patient, "ping", b"");
    assert_eq!(said(&app, greedy), "pong\n429\n");
    assert_eq!(said(&app, patient), "pong\n");
}
