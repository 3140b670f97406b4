//! What a peer may try on Pomelo's connector, one test each. After each the invariants hold: see `TestServer`.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod pomelo;

use pomelo::{ACK, Client, HANDSHAKE, HEARTBEAT, data, listener, package, request, serve};
use portcullis::{
    core::{Cause, OutboxLimit},
    pomelo::HANDSHAKE_ROUTE,
    prelude::*,
    skynet::WATCHDOG_ROUTE,
    watchdog::HandshakeLimit,
};
use portcullis_testkit::{Carrier, Message, TestServer, TestServerBuilder, Transport, on_every_transport};
use std::time::Duration;

const ENTRY: &str = "plain.entryHandler.entry";
const ECHO: &str = "plain.entryHandler.echo";
/// Before a client has acknowledged its handshake, and after.
const BEFORE: [u8; 4] = [1, 0x10, 0, 0];

fn plain(server: TestServerBuilder) -> TestServer {
    serve(server, "plain", |plugin| plugin)
}

/// With the deadlines that are the default.
fn strict(server: TestServerBuilder) -> TestServer {
    serve(server, "plain", |plugin| {
        plugin.with(|listener| {
            listener.insert(HandshakeLimit::default());
        })
    })
}

fn sockets() -> TestServerBuilder {
    TestServer::builder().transport(Transport::ALL[1])
}

/// Somebody else is served as if nothing had happened.
#[track_caller]
fn others_are_served(server: &mut TestServer) {
    let mut other = Client::working(server);
    assert_eq!(other.ask(1, ENTRY, "{}")["code"], 200);
}

on_every_transport! {
    fn a_head_of_16_mib_before_the_handshake(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::connect(&mut server, Carrier::Tcp);
        client.send(&[1, 0xff, 0xff, 0xff]);
        client.expect_closed(Cause::FrameTooLarge);
        let mut client = Client::connect(&mut server, Carrier::Tcp);
        // Beyond what is believed of a stranger, though not of a friend.
        client.send(&BEFORE);
        client.expect_closed(Cause::FrameTooLarge);
        others_are_served(&mut server);
    }

    fn a_head_of_16_mib_before_the_acknowledgement(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::connect(&mut server, Carrier::Tcp);
        client.send(&package(1, HANDSHAKE));
        client.expect_package();
        client.send(&[4, 0xff, 0xff, 0xff]);
        client.expect_closed(Cause::FrameTooLarge);
    }

    fn a_head_of_16_mib_from_a_working_client(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        client.send(&[4, 0xff, 0xff, 0xff]);
        client.expect_closed(Cause::FrameTooLarge);
        others_are_served(&mut server);
    }

    fn ids_beyond_31_bits_cost_their_message(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        for id in [&[0x80, 0x80, 0x80, 0x80, 0x08][..], &[0xff; 5], &[0xff; 9], &[0x80; 5]] {
            client.send(&data(&[&[0], id, &[ECHO.len() as u8], ECHO.as_bytes(), b"{}"].concat()));
        }
        client.expect_silence();
        assert_eq!(client.ask(1, ENTRY, "{}")["code"], 200);
    }

    fn a_body_that_is_no_object_is_refused(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        for body in [r#"[{"uid":"a"},1]"#, "[]", "7", r#""text""#, "true"] {
            assert!(client.ask(1, ECHO, body)["code"].as_u64() >= Some(400), "{body}");
        }
    }

    fn the_handshake_is_cut_anywhere(server: TestServerBuilder) {
        let mut server = plain(server);
        let whole = package(1, HANDSHAKE);
        for cut in [1, 2, 3, 4, 5, whole.len() - 1] {
            let mut client = Client::connect(&mut server, Carrier::Tcp);
            client.send(&whole[..cut]);
            client.send(&whole[cut..]);
            client.expect_package();
        }
    }

    fn handshake_acknowledgement_and_request_in_one_write(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::connect(&mut server, Carrier::Tcp);
        client.send(&[&package(1, HANDSHAKE), ACK, &request(1, ENTRY, b"{}")].concat());
        client.expect_package();
        client.expect_silence();
        client.send(ACK);
        assert_eq!(client.expect_package(), HEARTBEAT);
        assert_eq!(client.ask(2, ENTRY, "{}")["code"], 200);
    }

    fn packages_of_unknown_types(server: TestServerBuilder) {
        let mut server = plain(server);
        for kind in [0, 6, 7, 0x16, 0x80, 0xff] {
            let mut client = Client::connect(&mut server, Carrier::Tcp);
            client.send(&[kind, 0xff, 0xff, 0xff]);
            client.expect_closed(Cause::Malformed);
        }
    }

    fn json_that_is_deep(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        for levels in [100, 10_000, 40_000] {
            let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
            let answer = client.ask(1, ECHO, &deep);
            assert!(answer.is_object(), "{levels} levels");
        }
        others_are_served(&mut server);
    }

    fn numbers_without_measure(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        for number in ["1e400", "-1e400", &"9".repeat(10_000), "1e-99999", "18446744073709551616"] {
            assert!(client.ask(1, ECHO, &format!(r#"{{"n":{number}}}"#)).is_object(), "{number}");
        }
    }

    fn a_flag_of_compression_from_pomelos_client_means_nothing(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        let mut message = request(1, ECHO, br#"{"a":1}"#);
        message[4] = 0x10;
        client.send(&message);
        assert_eq!(client.expect_answer(1)["a"], 1);
    }

    fn routes_that_lead_nowhere(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        let long = "x".repeat(255);
        for route in ["", ".", "..", "a.b.c", "plain.entryHandler.toString", HANDSHAKE_ROUTE, &long] {
            assert_eq!(client.ask(1, route, "{}")["code"], 500, "{route}");
        }
    }

    fn a_route_that_is_no_text(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        client.send(&data(b"\0\x01\x03\xff\xfe\xfd{}"));
        client.expect_silence();
        assert_eq!(client.ask(2, ENTRY, "{}")["code"], 200);
    }

    fn a_method_named_constructor(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        client.send(&request(1, "plain.entryHandler.constructor", b"{}"));
        assert_eq!(client.expect_package(), package(5, br#"{"reason":"attack"}"#));
        client.expect_closed(Cause::Kicked);
    }

    fn a_kick_from_a_client(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        client.send(&package(5, b"{}"));
        client.expect_closed(Cause::Malformed);
    }

    fn handshakes_without_end(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::connect(&mut server, Carrier::Tcp);
        client.send(&package(1, HANDSHAKE).repeat(40));
        client.expect_package();
        client.expect_silence();
        client.send(ACK);
        assert_eq!(client.expect_package(), HEARTBEAT);
        client.send(&package(1, HANDSHAKE).repeat(40));
        client.expect_silence();
    }

    fn a_thousand_requests_before_the_acknowledgement(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::connect(&mut server, Carrier::Tcp);
        client.send(&package(1, HANDSHAKE));
        client.expect_package();
        client.send(&request(1, ENTRY, b"{}").repeat(1000));
        client.expect_silence();
        client.send(ACK);
        assert_eq!(client.expect_package(), HEARTBEAT);
        client.expect_silence();
    }

    fn messages_that_only_a_server_sends(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        client.send(&data(b"\x04\x05{}"));
        client.send(&data(b"\x06\x04nope{}"));
        for kind in [0x08, 0x0a, 0x0c, 0x0e] {
            client.send(&data(&[kind, 1, 2, 3]));
        }
        client.expect_silence();
        assert_eq!(client.ask(1, ENTRY, "{}")["code"], 200);
    }

    fn an_id_that_is_used_twice(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        client.send(&[request(1, ECHO, br#"{"n":1}"#), request(1, ECHO, br#"{"n":2}"#)].concat());
        assert_eq!(client.expect_answer(1)["n"], 1);
        assert_eq!(client.expect_answer(1)["n"], 2);
    }

    fn silence(server: TestServerBuilder) {
        let mut server = strict(server);
        let mut client = Client::connect(&mut server, Carrier::Tcp);
        server.advance(Duration::from_secs(6));
        client.expect_closed(Cause::HandshakeTimeout);
    }

    fn an_acknowledgement_that_never_comes(server: TestServerBuilder) {
        let mut server = strict(server);
        let mut client = Client::connect(&mut server, Carrier::Tcp);
        client.send(&package(1, HANDSHAKE));
        client.expect_package();
        for _ in 0..6 {
            client.send(HEARTBEAT);
            server.advance(Duration::from_secs(1));
        }
        client.expect_closed(Cause::HandshakeTimeout);
    }

    fn heartbeats_without_end(server: TestServerBuilder) {
        let mut server = plain(server);
        let mut client = Client::working(&mut server);
        client.send(&HEARTBEAT.repeat(2000));
        assert_eq!(client.rest(), HEARTBEAT.repeat(2000));
    }

    fn a_panic_leaves_others_alone(server: TestServerBuilder) {
        let mut server = plain(server);
        let (mut client, mut other) = (Client::working(&mut server), Client::working(&mut server));
        let throwing = request(1, "plain.entryHandler.throwing", b"{}");
        client.send(&[&throwing[..], &throwing, &request(2, ENTRY, b"{}")].concat());
        assert_eq!(client.expect_answer(1)["code"], 500);
        assert_eq!(client.expect_answer(1)["code"], 500);
        assert_eq!(client.expect_answer(2)["code"], 200);
        assert_eq!(other.ask(1, ENTRY, "{}")["code"], 200);
    }

    fn a_peer_that_reads_nothing(server: TestServerBuilder) {
        let mut server = serve(server, "plain", |plugin| plugin.with(|listener| {
            listener.insert(OutboxLimit(128 * 1024));
        }));
        let mut client = Client::working(&mut server);
        client.raw.stop_reading();
        let large = request(1, ECHO, format!(r#"{{"s":"{}"}}"#, "x".repeat(60_000)).as_bytes());
        for _ in 0..400 {
            if !client.raw.is_open() {
                break;
            }
            client.send(&large);
        }
        client.raw.expect_closed(Cause::SlowConsumer);
        others_are_served(&mut server);
    }

    fn garbage(server: TestServerBuilder) {
        let mut server = plain(server);
        let noise: Vec<u8> = (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for first in [0, 6, 0x16, 0xff] {
            let mut client = Client::connect(&mut server, Carrier::Tcp);
            client.send(&[&[first], &noise[..]].concat());
            client.expect_closed(Cause::Malformed);
        }
        let mut client = Client::connect(&mut server, Carrier::Tcp);
        client.send(&package(1, &noise[..1000]));
        assert_eq!(client.expect_package(), package(1, br#"{"code":500}"#));
        client.expect_closed(Cause::Malformed);
        others_are_served(&mut server);
    }
}

#[test]
fn a_handshake_byte_by_byte_does_not_outlive_its_deadline() {
    let mut server = strict(TestServer::builder());
    let mut client = Client::connect(&mut server, Carrier::Tcp);
    for byte in package(1, HANDSHAKE).chunks(1) {
        client.send(byte);
        server.advance(Duration::from_millis(100));
    }
    client.expect_closed(Cause::HandshakeTimeout);
}

const PITAYA: &[u8] =
    br#"{"sys":{"platform":"mac","libVersion":"0.3.5","clientBuildNumber":"20","clientVersion":"2.1"}}"#;

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(portcullis::pomelo::wire::zip::deflate_if_shorter(body, &mut out));
    out
}

#[test]
fn a_bomb_of_zlib_from_pitayas_client_costs_its_message() {
    let mut server = plain(TestServer::builder());
    let mut client = Client::connect(&mut server, Carrier::Tcp);
    client.send(&package(1, PITAYA));
    client.expect_package();
    client.send(ACK);
    assert_eq!(client.expect_package(), HEARTBEAT);
    let bomb = zlib(&vec![b' '; 64 << 20]);
    let mut message = request(1, ECHO, &bomb);
    message[4] = 0x10;
    client.send(&message);
    let refused = client.expect_package();
    assert_eq!(refused[5..6], [1], "it is answered");
    assert!(String::from_utf8_lossy(&refused).contains("PIT-400"));
    let mut message = request(2, ECHO, &zlib(format!(r#"{{"a":"{}"}}"#, "x".repeat(200)).as_bytes()));
    message[4] = 0x10;
    client.send(&message);
    let answer = client.expect_package();
    assert_eq!(answer[4..6], [0x14, 2], "it is compressed as well");
}

#[test]
fn garbage_of_http_and_of_tls() {
    let mut server = plain(sockets());
    let at = listener(&server);
    let mut client = server.connect_raw(at);
    client.send_bytes(b"GET \0\0\0\r\n\r\n");
    client.expect_closed(Cause::Http);
    assert!(client.read().starts_with(b"HTTP/1.1 400 "));
    let mut client = server.connect_raw(at);
    client.send_bytes(b"\x16\x03\x01\x02\0\x01\0");
    client.expect_closed(Cause::Malformed);
    let mut client = server.connect_raw(at);
    client.send_bytes(&[b"GET / HTTP/1.1\r\nX: ", &[b'x'; 9000][..]].concat());
    client.expect_closed(Cause::Http);
    assert!(client.read().starts_with(b"HTTP/1.1 431 "));
    others_are_served(&mut server);
}

#[test]
fn a_get_is_cut_anywhere() {
    let mut server = plain(sockets());
    let at = listener(&server);
    let request = b"GET / HTTP/1.1\r\n\r\n";
    for cut in 1..request.len() {
        let mut client = server.connect_raw(at);
        client.send_bytes(&request[..cut]);
        client.send_bytes(&request[cut..]);
        assert!(client.read().starts_with(b"HTTP/1.1 426 "), "cut at {cut}");
    }
}

fn websocket(server: &mut TestServer) -> Client {
    let mut client = Client::connect(server, Carrier::WebSocket);
    client.shake_hands();
    client
}

#[test]
fn messages_of_a_websocket_that_are_not_one_package() {
    let mut server = plain(sockets());
    for message in [&[][..], &[3], &[3, 0, 0], &[4, 0, 0, 9, 0], &HEARTBEAT.repeat(2), &[9, 0, 0, 0]] {
        let mut client = websocket(&mut server);
        client.raw.send_bytes(message);
        client.expect_closed(Cause::Malformed);
    }
    others_are_served(&mut server);
}

#[test]
fn pings_without_end_are_answered_within_bounds() {
    let mut server = plain(sockets());
    let mut client = websocket(&mut server);
    for _ in 0..200 {
        client.raw.send_message(Message::Ping(b"ping".to_vec()));
    }
    assert!(client.raw.is_open());
    assert_eq!(client.ask(1, ENTRY, "{}")["code"], 200);
}

#[test]
fn a_frame_without_a_mask() {
    let mut server = plain(sockets());
    let at = listener(&server);
    let mut client = server.connect_raw(at);
    client.send_bytes(
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    client.send_bytes(b"\x82\x04\x02\0\0\0");
    client.expect_closed(Cause::Malformed);
}

#[test]
fn a_route_that_is_another_protocols_own_leads_nowhere() {
    let gate = |app: &mut App| {
        app.add_plugins(SkynetPlugin::raw("frames"))
            .add_handler(WATCHDOG_ROUTE, |_: Request<Raw>| -> Raw { panic!("it is for the gate alone") });
    };
    let mut server = serve(TestServer::builder().plugin(gate), "plain", |plugin| plugin);
    let mut client = Client::connect(&mut server, Carrier::Tcp);
    client.send(&package(1, PITAYA));
    client.expect_package();
    client.send(ACK);
    assert_eq!(client.expect_package(), HEARTBEAT);
    // Two parts, which clients of Pitaya's kind may ask for.
    client.send(&request(1, WATCHDOG_ROUTE, b"{}"));
    assert!(String::from_utf8_lossy(&client.expect_package()).contains("PIT-404"));
}
