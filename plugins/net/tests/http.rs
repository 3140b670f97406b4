//! Plain HTTP on a port for games: health checks, people lost, and what takes too long.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod common;

use bevy_ecs::prelude::*;
use common::{Edge, plain};
use portcullis_core::*;
use portcullis_net::{DriverKind, Listener};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

fn under_both_drivers_as(listener: impl Fn() -> Listener, test: impl Fn(Edge)) {
    for driver in [DriverKind::Inline, DriverKind::Thread(2)] {
        test(Edge::listening(driver, listener()));
    }
}

/// Sends this and reads until the server has closed its side.
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.write_all(request).unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn plain_requests_are_answered_and_closed() {
    under_both_drivers_as(
        || plain().hybrid(),
        |mut edge| {
            for (request, status, body) in [
                ("GET /health HTTP/1.1\r\nHost: a\r\n\r\n", "200", "ok"),
                ("HEAD /health HTTP/1.1\r\n\r\n", "200", ""),
                ("GET / HTTP/1.1\r\n\r\n", "426", "this is a WebSocket server\n"),
                (
                    "POST /health HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi",
                    "426",
                    "this is a WebSocket server\n",
                ),
                ("NONSENSE\r\n\r\n", "400", "this is no HTTP request\n"),
                (
                    "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                    "400",
                    "this is not version 13 of WebSocket\n",
                ),
            ] {
                let response = edge.serve(|address| ask(address, request.as_bytes()));
                assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
                assert!(response.contains("Connection: close\r\n"), "{response}");
                assert!(response.ends_with(&format!("\r\n\r\n{body}")), "{response}");
            }
            assert_eq!(edge.causes(6), [Cause::Http; 6]);
            assert!(edge.seen().frames.is_empty());
        },
    );
}

#[test]
fn the_path_of_the_health_check_is_a_setting() {
    let mut edge = Edge::listening(DriverKind::Inline, plain().websocket().health_path("/up"));
    let response = edge.serve(|address| ask(address, b"GET /up HTTP/1.0\r\n\r\n"));
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

#[test]
fn a_head_too_long_is_refused() {
    under_both_drivers_as(
        || plain().hybrid(),
        |mut edge| {
            let head = format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "x".repeat(9000));
            let response = edge.serve(move |address| ask(address, head.as_bytes()));
            assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
            assert_eq!(edge.causes(1), [Cause::Http]);
        },
    );
}

#[test]
fn a_greeting_that_takes_too_long_is_ended() {
    let soon = Duration::from_millis(500);
    under_both_drivers_as(
        || plain().hybrid().greeting_limit(soon),
        |mut edge| {
            let (_silent, _) = edge.connect();
            let (mut slow, _) = edge.connect();
            slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();
            let (mut quick, quickest) = edge.connect();
            quick.write_all(b"\0\x01x").unwrap();
            assert_eq!(edge.causes(2), [Cause::HandshakeTimeout; 2]);
            // Whoever has greeted may be silent as long as the world likes.
            quick.write_all(b"\0\x01y").unwrap();
            edge.until(|seen| seen.frames.len() == 2);
            assert!(edge.app.world().get::<Connection>(quickest).is_some());
        },
    );
}

#[test]
fn a_listener_of_raw_frames_knows_no_http() {
    under_both_drivers_as(plain, |mut edge| {
        let (mut socket, connection) = edge.connect();
        edge.app.world_mut().entity_mut(connection).insert(MaxFrame(4096));
        socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(edge.causes(1), [Cause::FrameTooLarge]);
    });
}

#[test]
fn frames_without_a_length_are_for_websocket_alone() {
    let listener = Listener::new(([127, 0, 0, 1], 0).into(), Framing::WHOLE).hybrid();
    let edge = Edge::listening(DriverKind::Inline, listener);
    assert!(edge.app.world().get::<portcullis_net::BindError>(edge.listener).is_some());
}

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Closes each connection before it is read, as a gate does that has no room.
fn refusing(mut edge: Edge) -> Edge {
    edge.app.add_observer(|opened: On<Add<Admitted>>, mut commands: Commands| {
        commands.trigger(Close::new(opened.entity, Cause::Refused));
    });
    edge
}

fn rest(mut socket: TcpStream) -> String {
    let mut rest = String::new();
    socket.read_to_string(&mut rest).unwrap();
    rest
}

#[test]
fn whoever_is_refused_before_the_upgrade_is_told_to_come_again() {
    under_both_drivers_as(
        || plain().websocket(),
        |edge| {
            let mut edge = refusing(edge);
            // A request that nobody has read, however long, must not cost the peer its answer.
            let long = [UPGRADE, &[b'x'; 100_000]].concat();
            for request in [UPGRADE.to_vec(), b"GET /health HTTP/1.1\r\n\r\n".to_vec(), long, Vec::new()] {
                let response = edge.serve(move |address| ask(address, &request));
                assert!(response.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{response}");
                assert!(response.contains("Connection: close\r\n"), "{response}");
                assert!(response.contains("Retry-After: 5\r\n"), "{response}");
                assert!(response.ends_with("Content-Length: 0\r\n\r\n"), "{response}");
            }
            assert_eq!(edge.causes(4), [Cause::Refused; 4]);
        },
    );
}

#[test]
fn a_shutdown_in_the_middle_of_a_head_is_told_too() {
    under_both_drivers_as(
        || plain().websocket(),
        |mut edge| {
            let (mut socket, connection) = edge.connect();
            socket.write_all(&UPGRADE[..40]).unwrap();
            edge.run();
            edge.send(connection, b"nobody would understand this");
            edge.close(connection, Cause::Shutdown);
            let response = edge.serve(move |_| rest(socket));
            assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
            assert_eq!(response.matches("HTTP/1.1").count(), 1, "{response}");
        },
    );
}

#[test]
fn a_request_that_takes_too_long_is_told_so() {
    under_both_drivers_as(
        || plain().websocket().greeting_limit(Duration::from_millis(300)),
        |mut edge| {
            let by_net = edge.serve(|address| ask(address, &UPGRADE[..40]));
            assert!(by_net.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{by_net}");
            assert_eq!(edge.causes(1), [Cause::HandshakeTimeout]);
            // The world has limits of its own.
            let (socket, connection) = edge.connect();
            edge.close(connection, Cause::HandshakeTimeout);
            let by_world = edge.serve(move |_| rest(socket));
            assert_eq!(by_world, by_net);
        },
    );
}

#[test]
fn one_answer_is_enough() {
    under_both_drivers_as(
        || plain().websocket(),
        |mut edge| {
            for request in [&b"GET /health HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01"] {
                let response = edge.serve(|address| ask(address, request));
                assert_eq!(response.matches("HTTP/1.1").count(), 1, "{response}");
            }
            assert_eq!(edge.causes(2), [Cause::Http; 2]);
        },
    );
}

#[test]
fn a_peer_that_may_speak_anything_is_closed_without_a_word_of_http() {
    under_both_drivers_as(
        || plain().hybrid(),
        |edge| {
            let mut edge = refusing(edge);
            assert_eq!(edge.serve(|address| ask(address, UPGRADE)), "");
        },
    );
}

#[test]
fn whoever_leaves_before_the_upgrade_is_told_nothing() {
    under_both_drivers_as(
        || plain().websocket(),
        |mut edge| {
            let response = edge.serve(|address| {
                let mut socket = TcpStream::connect(address).unwrap();
                socket.write_all(&UPGRADE[..40]).unwrap();
                socket.shutdown(std::net::Shutdown::Write).unwrap();
                rest(socket)
            });
            assert_eq!(response, "");
            assert_eq!(edge.causes(1), [Cause::PeerClosed]);
        },
    );
}
