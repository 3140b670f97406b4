//! Clients that mean harm, against a whole server: in virtual time, over memory.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use bevy_app::App;
use bevy_ecs::prelude::*;
use flate2::{Compression, write::ZlibEncoder};
use portcullis_core::{Cause, Kick};
use portcullis_dispatch::{AppDispatchExt, Counters, Raw, Request};
use portcullis_pomelo::{
    HANDSHAKE_ROUTE, PomeloListener, PomeloPlugin,
    wire::{
        WireError, handshake,
        message::{self, Route},
        package::{self, Kind},
    },
};
use portcullis_testkit::{RawClient, TestServer};
use std::{collections::BTreeMap, io::Write};

const POMELO: &str = r#"{"sys":{"type":"js-websocket","version":"0.0.1"}}"#;
const PITAYA: &str = r#"{"sys":{"libVersion":"0.4.0","platform":"linux"}}"#;

fn game(app: &mut App) {
    app.add_handler("room.roomHandler.store", |request: Request<Raw>| request.body.0.len())
        .add_plugins(PomeloPlugin::listen("127.0.0.1:0"));
}

fn package(kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    package::write(&mut out, kind, |out| {
        out.extend_from_slice(body);
        Ok::<(), WireError>(())
    })
    .unwrap();
    out
}

fn connect(server: &mut TestServer) -> RawClient {
    let listener = server.listeners::<PomeloListener>()[0];
    server.connect_raw(listener)
}

/// The next package.
fn next(client: &mut RawClient) -> Vec<u8> {
    client.expect_framed(package::FRAMING)
}

fn ready(server: &mut TestServer, handshake: &str) -> RawClient {
    let mut client = connect(server);
    client.send_bytes(&package(Kind::Handshake, handshake.as_bytes()));
    next(&mut client);
    client.send_bytes(&package(Kind::HandshakeAck, b""));
    client.read();
    client
}

fn compressed(id: u32, body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    let mut out = Vec::new();
    let route = Route::Name("room.roomHandler.store");
    message::write_head(&mut out, message::Kind::Request, id, route, true, false).unwrap();
    out.extend_from_slice(&encoder.finish().unwrap());
    package(Kind::Data, &out)
}

#[test]
fn bodies_made_to_be_inflated_close_their_sender_before_they_fill_the_memory() {
    let mut server = TestServer::new(game);
    let mut client = ready(&mut server, PITAYA);
    let bomb = compressed(1, &[b' '; 60_000]);
    let mut read = Vec::new();
    while read.len() + bomb.len() < 60_000 {
        read.extend_from_slice(&bomb);
    }
    client.send_bytes(&read);
    assert_eq!(server.closed(client.entity()), Some(Cause::Malformed));
    let handled = server.world().resource::<Counters>().handled;
    assert!(handled * 60_000 < 3 * 1024 * 1024, "{handled} of {} were handled", read.len() / bomb.len());
}

#[test]
fn bodies_that_shrink_well_are_all_inflated() {
    let mut server = TestServer::new(game);
    let mut client = ready(&mut server, PITAYA);
    let lines: Vec<_> = (0..400)
        .map(|id| BTreeMap::from([("route", id * 7), ("position", id * 31), ("velocity", id % 5)]))
        .collect();
    let body = serde_json::to_vec(&lines).unwrap();
    let read: Vec<u8> = (1..=8).flat_map(|id| compressed(id, &body)).collect();
    assert!(read.len() < body.len() * 8 / 4);
    client.send_bytes(&read);
    for _ in 1..=8 {
        next(&mut client);
    }
    assert_eq!(server.world().resource::<Counters>().handled, 8);
    client.send_bytes(&compressed(9, &[b' '; 60_000]));
    next(&mut client);
}

#[test]
fn a_compressed_body_that_is_broken_costs_its_request_and_is_answered() {
    let mut server = TestServer::new(game);
    let mut client = ready(&mut server, PITAYA);
    let mut broken = compressed(1, b"{\"text\":\"hello\"}");
    let last = broken.len() - 1;
    broken[last] ^= 0xff;
    client.send_bytes(&[broken, compressed(2, b"{}")].concat());
    let (refused, answered) = (next(&mut client), next(&mut client));
    let refused = message::read(&refused[package::HEAD..]).unwrap();
    assert_eq!((refused.id, refused.error), (1, true));
    assert!(String::from_utf8_lossy(refused.body).contains("PIT-400"));
    let answered = message::read(&answered[package::HEAD..]).unwrap();
    assert_eq!((answered.id, answered.error), (2, false));
}

#[test]
fn who_is_kicked_and_breaks_the_protocol_in_one_read_still_hears_why() {
    let kick = |app: &mut App| {
        app.add_handler("room.roomHandler.leave", |request: Request<()>, mut commands: Commands| {
            commands.trigger(Kick::new(request.connection, "enough"));
        });
    };
    let mut server = TestServer::new((game, kick));
    let mut client = ready(&mut server, POMELO);
    let mut leave = Vec::new();
    let route = Route::Name("room.roomHandler.leave");
    message::write_head(&mut leave, message::Kind::Notify, 0, route, false, false).unwrap();
    leave.extend_from_slice(b"{}");
    client.send_bytes(&[&package(Kind::Data, &leave)[..], b"\x09\0\0\0"].concat());
    assert_eq!(next(&mut client), package(Kind::Kick, br#"{"reason":"enough"}"#));
    client.expect_closed(Cause::Kicked);
    client.expect_silence();
}

struct Odd;

impl serde::Serialize for Odd {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it has no form"))
    }
}

#[test]
fn a_handshake_whose_answer_cannot_be_written_is_refused_and_closed() {
    let odd = |app: &mut App| {
        app.add_handler(HANDSHAKE_ROUTE, |_: Request<()>| Odd);
    };
    let mut server = TestServer::new((odd, game));
    let mut client = connect(&mut server);
    client.send_bytes(&package(Kind::Handshake, POMELO.as_bytes()));
    let answer = String::from_utf8(next(&mut client)).unwrap();
    assert!(answer.contains(r#""code":500"#), "{answer}");
    assert_eq!(server.closed(client.entity()), Some(Cause::Incompatible));
}

#[test]
fn a_version_that_makes_the_check_of_clients_panic_turns_away_its_own_client_only() {
    let picky = |app: &mut App| {
        let check = |client: &portcullis_pomelo::PomeloClient| {
            client
                .version
                .as_deref()
                .unwrap_or_default()
                .split('.')
                .all(|part| part.parse::<u8>().unwrap() < 9)
        };
        app.add_plugins(PomeloPlugin::listen("127.0.0.1:0").check_client(check));
    };
    let mut server = TestServer::new(picky);
    let (mut bad, mut good) = (connect(&mut server), connect(&mut server));
    server.together(|| {
        bad.send_bytes(&package(Kind::Handshake, br#"{"sys":{"type":"js","version":"1.x"}}"#));
        good.send_bytes(&package(Kind::Handshake, br#"{"sys":{"type":"js","version":"1.2"}}"#));
    });
    let answers = [&mut bad, &mut good].map(|client| String::from_utf8(next(client)).unwrap());
    assert!(answers[0].contains(r#""code":501"#) && answers[1].contains(r#""code":200"#), "{answers:?}");
    assert_eq!(server.closed(bad.entity()), Some(Cause::Incompatible));
}

/// What is read quickly is next to the nearest double at times: sent back, it would be another number.
#[test]
fn a_number_of_many_digits_is_read_as_the_number_it_is() {
    for digits in ["5".repeat(76), format!("0.{}", "1234567890".repeat(4)), "2.2250738585072011e-308".into()]
    {
        let handshake = format!(r#"{{"sys":1,"user":{{"n":{digits}}}}}"#);
        let user = handshake::Request::read(handshake.as_bytes()).unwrap().user.unwrap();
        assert_eq!(user["n"].as_f64(), digits.parse().ok(), "{digits}");
    }
}
