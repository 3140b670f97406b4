//! Plain HTTP on a port for games: health checks, people lost, and what takes too long.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod common;

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
