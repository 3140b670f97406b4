//! Who is let in, and what a handshake that fails leaves as it was.

use super::skynet::{
    Client,
    agent::agents,
    request,
    servers::{enter, msgserver, msgserver_with, session},
};
use portcullis::{
    core::Cause,
    dispatch::ReplyCache,
    prelude::*,
    session::{Bindings, Lingering, Unbind},
    skynet::{
        crypt::base64_encode,
        msgserver::{
            MsgServerListener, MsgServerPlugin, MsgUser, log_in,
            wire::{Handshake, Username, proof},
        },
    },
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};
use std::time::Duration;

const SECRET: [u8; 8] = *b"a secret";

/// A handshake's payload, of whatever texts.
fn handshake(name: &[u8], index: &[u8], secret: &[u8; 8]) -> Vec<u8> {
    let signed = [name, b":", index].concat();
    [&signed, &b":"[..], base64_encode(&proof(secret, &signed)).as_bytes()].concat()
}

/// What a new connection is answered to this. Who is refused is closed.
#[track_caller]
fn answer(server: &mut TestServer, frame: &[u8]) -> String {
    let mut client = Client::to_msgserver(server);
    client.raw.send_frame(frame);
    let text = client.expect_text();
    if text != "200 OK" {
        client.expect_closed(Cause::Incompatible);
    }
    text
}

/// All that a handshake could change about a user.
fn state(server: &TestServer, uid: &str) -> String {
    let session = session(server, uid);
    let world = server.world();
    let user = world.entity(session);
    let bound: Vec<Entity> = user.get::<Bindings>().into_iter().flat_map(RelationshipTarget::iter).collect();
    let (index, lingers) = (user.get::<MsgUser>().unwrap().index(), user.get::<Lingering>());
    format!("{index} {bound:?} {lingers:?} {:?}", user.get::<ReplyCache>().unwrap())
}

on_every_transport! {
    fn a_handshake_that_is_said_again_word_for_word_is_expired(server: TestServerBuilder) {
        let mut server = msgserver(server, "variant");
        let ann = enter(&mut server, "ann", &SECRET);
        let mut first = Client::greeted(&mut server, &ann, 5, &SECRET);
        // By somebody who has listened, while its owner is there and after he has gone.
        let overheard = handshake(&ann.encode(), b"5", &SECRET);
        assert_eq!(answer(&mut server, &overheard), "403 Index Expired");
        first.ask(1, b"here");
        first.expect_reply(1, b"here");
        first.close();
        assert_eq!(answer(&mut server, &overheard), "403 Index Expired");
        assert_eq!(answer(&mut server, &handshake(&ann.encode(), b"4", &SECRET)), "403 Index Expired");
        assert_eq!(answer(&mut server, &handshake(&ann.encode(), b"6", &SECRET)), "200 OK");
    }

    fn a_wrong_proof_changes_nothing(server: TestServerBuilder) {
        let mut server = msgserver(server, "variant");
        let ann = enter(&mut server, "ann", &SECRET);
        let wrong = handshake(&ann.encode(), b"9", b"a guess!");
        for there in [true, false] {
            let index = if there { 1 } else { 2 };
            let mut client = Client::greeted(&mut server, &ann, index, &SECRET);
            client.ask(1, b"count");
            client.expect_answer(1);
            if !there {
                client.close();
                server.advance(Duration::from_millis(10));
            }
            let before = state(&server, "ann");
            for _ in 0..3 {
                assert_eq!(answer(&mut server, &wrong), "401 Unauthorized");
            }
            // Nor does one that comes in one write with requests, none of which is handled.
            let mut eager = Client::to_msgserver(&mut server);
            let mut frame = (wrong.len() as u16).to_be_bytes().to_vec();
            frame.extend_from_slice(&wrong);
            eager.send(&[frame, request(1, b"count"), request(2, b"x")].concat());
            assert_eq!(eager.expect_text(), "401 Unauthorized");
            eager.expect_closed(Cause::Incompatible);
            assert_eq!(state(&server, "ann"), before);
        }
    }

    fn a_user_of_one_server_is_nobody_at_another(server: TestServerBuilder) {
        let servers = |app: &mut App| {
            for name in ["one", "two"] {
                app.add_plugins(MsgServerPlugin::new(name, "variant").listen("127.0.0.1:0"));
            }
        };
        let mut server = server.plugin((agents, servers)).build();
        let secrets = [*b"of one..", *b"of two.."];
        let listeners = server.listeners::<MsgServerListener>();
        let users: Vec<Username> = ["one", "two"]
            .into_iter()
            .zip(&secrets)
            .map(|(name, secret)| {
                let subid = log_in(&mut server.world_mut(), name, "ann", secret).unwrap();
                Username { uid: "ann".into(), server: name.into(), subid }
            })
            .collect();
        assert_eq!((users[0].subid, users[1].subid), (1, 1), "each counts by itself");
        let mut both = Vec::new();
        for (here, listener) in listeners.into_iter().enumerate() {
            for (user, secret) in users.iter().zip(&secrets) {
                let mut client = Client::connect(&mut server, listener);
                client.shake_hands(user, 1, secret);
                let mine = user.server == users[here].server;
                assert_eq!(client.expect_text(), if mine { "200 OK" } else { "404 User Not Found" });
                both.extend(mine.then_some(client));
            }
        }
        // The same uid plays at both.
        for client in &mut both {
            client.ask(1, b"count");
            client.expect_reply(1, b"1");
        }
    }
}

#[test]
fn a_name_that_only_decodes_to_a_users_is_nobodys() {
    let mut server = msgserver(TestServer::builder(), "variant");
    let ann = enter(&mut server, "ann1", &SECRET);
    assert_eq!(ann.encode(), b"YW5uMQ==@c2FtcGxl#MQ==");
    for other in [
        "YW5uMQ@c2FtcGxl#MQ==",
        "YW5uMQ=@c2FtcGxl#MQ==",
        "YW5uMR==@c2FtcGxl#MQ==",
        "YW5u-MQ==@c2FtcGxl#MQ==",
        "YW5uMQ==@c2FtcGxl#MQ",
        "YW5uMQ==@c2FtcGxl#MDE=",
        "YW5uMQ==@c2FtcGxl#KzE=",
        "YW5uMQ==@c2FtcGxl#",
        "YW5uMQ==@c2FtcGxl",
        "YW5uMQ==",
        " YW5uMQ==@c2FtcGxl#MQ==",
        "YW5uMQ==@c2FtcGxl#MQ==\n",
        "@#",
    ] {
        let frame = handshake(other.as_bytes(), b"1", &SECRET);
        assert_eq!(answer(&mut server, &frame), "404 User Not Found", "{other}");
    }
    assert_eq!(answer(&mut server, &handshake(&ann.encode(), b"1", &SECRET)), "200 OK");
}

#[test]
fn an_index_is_what_lua_reads_as_a_whole_number() {
    const OK: &str = "200 OK";
    const BAD: &str = "400 Bad Request";
    const EXPIRED: &str = "403 Index Expired";
    let texts: [(&[u8], &str); 34] = [
        (b"1", OK),
        (b"+1", OK),
        (b"0001", OK),
        (b"9223372036854775807", OK),
        (b"9223372036854775808", BAD),
        (b"-9223372036854775808", EXPIRED),
        (b"-9223372036854775809", EXPIRED),
        (b"0", EXPIRED),
        (b"-0", EXPIRED),
        (b"-1", EXPIRED),
        (b" 1 ", OK),
        (b"\t\r\n\x0b\x0c1\t\r\n\x0b\x0c", OK),
        (b"1\0", BAD),
        (b"1 1", BAD),
        (b"\xc2\xa01", BAD),
        (b"0x1", OK),
        (b"0XfF", OK),
        (b"-0x1", EXPIRED),
        (b"0x7fffffffffffffff", OK),
        (b"0xffffffffffffffff", EXPIRED),
        (b"0x10000000000000001", OK),
        (b"0x", BAD),
        (b"0x1p4", BAD),
        (b"0x-1", BAD),
        (b"1.0", OK),
        (b"1.5", BAD),
        (b"1.5e2", OK),
        (b".5e1", OK),
        (b"1e300", BAD),
        (b"1e", BAD),
        (b".", BAD),
        (b"--1", BAD),
        (b"inf", BAD),
        (b"nan", BAD),
    ];
    let mut server = msgserver(TestServer::builder(), "variant");
    for (number, (text, expected)) in texts.into_iter().enumerate() {
        let user = enter(&mut server, &format!("u{number}"), &SECRET);
        let frame = handshake(&user.encode(), text, &SECRET);
        assert_eq!(answer(&mut server, &frame), expected, "{}", text.escape_ascii());
    }
    // Nobody comes after the last.
    let user = enter(&mut server, "last", &SECRET);
    assert_eq!(answer(&mut server, &handshake(&user.encode(), b"9223372036854775807", &SECRET)), OK);
    assert_eq!(answer(&mut server, &handshake(&user.encode(), b"9223372036854775807", &SECRET)), EXPIRED);
}

#[test]
fn a_policy_that_keeps_a_second_connection_out_uses_up_no_index() {
    let mut server = msgserver_with(TestServer::builder(), "variant", |plugin| {
        plugin.with(|listener| {
            listener.insert(MultiLogin::Refuse);
        })
    });
    let ann = enter(&mut server, "ann", &SECRET);
    let mut first = Client::greeted(&mut server, &ann, 1, &SECRET);
    let second = handshake(&ann.encode(), b"2", &SECRET);
    assert_eq!(answer(&mut server, &second), "401 Unauthorized");
    first.close();
    assert_eq!(answer(&mut server, &second), "200 OK");
}

#[test]
fn a_handshake_that_a_mod_refuses_is_told_the_code() {
    let busy = |app: &mut App| {
        let mods = |mut packets: ResMut<Packets>| packets.filter(|_, _| Err(Refusal::new(503, "come later")));
        app.add_systems(Ingress, mods.in_set(IngressSystems::Authenticate));
    };
    let mut server = msgserver(TestServer::builder().plugin(busy), "variant");
    let ann = enter(&mut server, "ann", &SECRET);
    assert_eq!(answer(&mut server, &handshake(&ann.encode(), b"1", &SECRET)), "503 come later");
}

#[test]
fn a_handshake_that_a_mod_drops_ends_the_connection() {
    let drops = |app: &mut App| {
        let mods = |mut packets: ResMut<Packets>| packets.retain(|_, _| false);
        app.add_systems(Ingress, mods.in_set(IngressSystems::Authenticate));
    };
    let mut server = msgserver(TestServer::builder().plugin(drops), "variant");
    let ann = enter(&mut server, "ann", &SECRET);
    let mut client = Client::to_msgserver(&mut server);
    client.shake_hands(&ann, 1, &SECRET);
    client.expect_closed(Cause::Incompatible);
}

#[test]
fn a_handshake_during_which_the_game_panics_lets_nobody_in_again() {
    let panics = |app: &mut App| {
        app.add_observer(|_: On<LoggedIn>| panic!("as it was told"));
    };
    let mut server = msgserver(TestServer::builder().plugin(panics), "variant");
    let ann = enter(&mut server, "ann", &SECRET);
    let said = handshake(&ann.encode(), b"1", &SECRET);
    let mut first = Client::to_msgserver(&mut server);
    first.raw.send_frame(&said);
    server.errors();
    assert_eq!(answer(&mut server, &said), "403 Index Expired");
}

#[test]
fn a_connection_that_is_unbound_is_closed_and_its_user_may_come_back() {
    let mut server = msgserver(TestServer::builder(), "variant");
    let ann = enter(&mut server, "ann", &SECRET);
    let mut client = Client::greeted(&mut server, &ann, 1, &SECRET);
    let entity = client.raw.entity();
    server.trigger(Unbind { entity });
    client.expect_closed(Cause::Requested);
    let mut again = Client::greeted(&mut server, &ann, 2, &SECRET);
    again.ask(1, b"count");
    again.expect_reply(1, b"1");
}

#[test]
fn what_comes_before_the_handshake_is_answered_is_bounded_as_what_strangers_send() {
    let mut server = msgserver(TestServer::builder(), "variant");
    let ann = enter(&mut server, "ann", &SECRET);
    let large = request(1, &[b'x'; 5000]);
    let mut hasty = Client::to_msgserver(&mut server);
    let mut said = Vec::new();
    Handshake::write(&ann.encode(), 1, &SECRET, &mut said).unwrap();
    hasty.send(&[&said[..], &large].concat());
    assert_eq!(hasty.expect_text(), "200 OK");
    hasty.expect_closed(Cause::FrameTooLarge);
    let mut patient = Client::greeted(&mut server, &ann, 2, &SECRET);
    patient.send(&large);
    patient.expect_reply(1, &[b'x'; 5000]);
}
