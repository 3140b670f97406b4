//! Whom a socket speaks for: the PROXY protocol and `X-Forwarded-For`, from those who are trusted.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

#[path = "common/tls.rs"]
mod certificates;
mod common;

use common::{Edge, StartAtOnce, frame, plain};
use portcullis_core::*;
use portcullis_net::{DriverKind, Listener, Proxies};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\x0a\0\0\x01\x13\x88\0\x50";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn from_localhost() -> Proxies {
    let networks = ["127.0.0.0/8", "10.0.0.0/8"].map(|network| network.parse().unwrap());
    Proxies { networks: networks.into(), proxy_protocol: false, forwarded_for: false }
}

fn with_header() -> Listener {
    plain().hybrid().proxies(Proxies { proxy_protocol: true, ..from_localhost() })
}

fn forwarded() -> Listener {
    plain().hybrid().proxies(Proxies { forwarded_for: true, ..from_localhost() })
}

fn under_both_drivers_as(listener: impl Fn() -> Listener, test: impl Fn(Edge)) {
    for driver in [DriverKind::Inline, DriverKind::Thread(2)] {
        test(Edge::listening(driver, listener()).echoing());
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest);
    rest
}

/// Says all of it at once, and reads one echo of `hi`.
fn echoes(mut socket: TcpStream, before: &[u8]) -> TcpStream {
    socket.write_all(&[before, &frame(b"hi")].concat()).unwrap();
    let mut back = [0; 4];
    socket.read_exact(&mut back).unwrap();
    assert_eq!(back.to_vec(), frame(b"hi"));
    socket
}

fn upgrade(forwarded: &str) -> Vec<u8> {
    format!(
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Forwarded-For: {forwarded}\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn a_connection_has_the_address_its_proxy_tells() {
    for listener in [with_header, || Listener { accepts: portcullis_net::Accepts::Tcp, ..with_header() }] {
        under_both_drivers_as(listener, |mut edge| {
            edge.serve(|address| {
                echoes(connect(address), b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 80\r\n");
                echoes(connect(address), b"PROXY TCP6 ::ffff:192.0.2.7 ::1 5000 80\r\n");
                echoes(connect(address), V2);
            });
            edge.causes(3);
            let peers: Vec<String> = edge.seen().peers.iter().map(ToString::to_string).collect();
            assert_eq!(peers, ["192.0.2.1:5000", "192.0.2.7:5000", "192.0.2.9:5000"]);
        });
    }
}

#[test]
fn a_proxy_that_speaks_for_itself_has_its_own_address() {
    under_both_drivers_as(with_header, |mut edge| {
        let sockets = edge.serve(|address| {
            let first = echoes(connect(address), b"PROXY UNKNOWN\r\n");
            let second = echoes(connect(address), V2_LOCAL);
            [first, second].map(|socket| (socket.local_addr().unwrap(), socket))
        });
        assert_eq!(edge.seen().peers, sockets.each_ref().map(|(address, _)| *address));
    });
}

#[test]
fn nothing_is_told_or_read_on_before_the_header_is_complete_and_the_world_starts() {
    under_both_drivers_as(with_header, |mut edge| {
        edge.app.insert_resource(StartAtOnce(false));
        let mut socket = connect(edge.address());
        for byte in &V2[..V2.len() - 1] {
            socket.write_all(&[*byte]).unwrap();
            edge.run();
        }
        assert!(edge.seen().opened.is_empty());
        socket.write_all(&[&V2[V2.len() - 1..], &frame(b"early")].concat()).unwrap();
        edge.until(|seen| seen.opened.len() == 1);
        for _ in 0..5 {
            edge.run();
        }
        assert!(edge.seen().frames.is_empty());
        let connection = edge.seen().opened[0];
        edge.app.world_mut().trigger(Start { entity: connection });
        edge.until(|seen| seen.frames == [(connection, b"early".to_vec())]);
    });
}

#[test]
fn a_proxy_without_a_header_is_closed_and_never_told_of() {
    under_both_drivers_as(with_header, |mut edge| {
        edge.serve(|address| {
            for bytes in [&b"GET /health HTTP/1.1\r\n\r\n"[..], &frame(b"hi"), b"PROXY nonsense\r\n"] {
                let mut socket = connect(address);
                socket.write_all(bytes).unwrap();
                assert!(rest(&mut socket).is_empty());
            }
        });
        assert!(edge.seen().opened.is_empty());
    });
}

#[test]
fn a_proxy_that_never_ends_its_header_is_closed() {
    let soon = Duration::from_millis(50);
    under_both_drivers_as(
        || with_header().greeting_limit(soon),
        |mut edge| {
            edge.serve(|address| {
                let mut socket = connect(address);
                socket.write_all(b"PROXY ").unwrap();
                assert!(rest(&mut socket).is_empty());
            });
            assert!(edge.seen().opened.is_empty());
        },
    );
}

#[test]
fn a_header_from_somebody_else_is_not_believed() {
    let elsewhere = Proxies {
        networks: ["192.0.2.0/24".parse().unwrap()].into(),
        proxy_protocol: true,
        forwarded_for: true,
    };
    under_both_drivers_as(
        || plain().hybrid().proxies(elsewhere.clone()),
        |mut edge| {
            let (answer, ws) = edge.serve(|address| {
                let mut socket = connect(address);
                socket.write_all(b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 80\r\n\r\n").unwrap();
                let mut ws = connect(address);
                ws.write_all(&upgrade("6.6.6.6")).unwrap();
                ws.read_exact(&mut [0; 20]).unwrap();
                (rest(&mut socket), ws)
            });
            assert!(answer.starts_with(b"HTTP/1.1 400 "));
            assert!(edge.seen().peers.iter().all(|peer| peer.ip().is_loopback()), "{:?}", edge.seen().peers);
            drop(ws);
        },
    );
}

#[test]
fn a_websocket_has_the_address_its_proxies_forward() {
    under_both_drivers_as(forwarded, |mut edge| {
        edge.serve(|address| {
            for chain in ["6.6.6.6, 192.0.2.1, 10.1.1.1", "[2001:db8::1]:7"] {
                let mut socket = connect(address);
                let message = [0x82, 0x84, 0, 0, 0, 0, 0, 2, b'h', b'i'];
                socket.write_all(&[&upgrade(chain)[..], &message].concat()).unwrap();
                let mut answer = Vec::new();
                while !answer.ends_with(b"\x82\x04\0\x02hi") {
                    let mut byte = [0];
                    socket.read_exact(&mut byte).unwrap();
                    answer.push(byte[0]);
                }
            }
            // Raw frames and health checks have nothing that is forwarded.
            echoes(connect(address), b"");
            let mut socket = connect(address);
            socket.write_all(b"GET /health HTTP/1.1\r\n\r\n").unwrap();
            assert!(rest(&mut socket).ends_with(b"ok"));
        });
        edge.causes(4);
        let peers: Vec<String> = edge.seen().peers.iter().map(|peer| peer.ip().to_string()).collect();
        assert_eq!(peers, ["192.0.2.1", "2001:db8::1", "127.0.0.1", "127.0.0.1"]);
        assert_eq!(edge.payloads(), [b"hi", b"hi", b"hi"]);
    });
}

#[test]
fn a_header_comes_before_tls_and_a_forwarded_address_after_it() {
    let files = certificates::Files::new("behind-proxies");
    let believed = files.renew();
    let both = Proxies { proxy_protocol: true, forwarded_for: true, ..from_localhost() };
    under_both_drivers_as(
        || plain().hybrid().tls(files.tls()).proxies(both.clone()),
        |mut edge| {
            let believed = believed.clone();
            edge.serve(move |address| {
                // A client, and a proxy that terminates nothing before one that speaks HTTP.
                for header in [V2, b"PROXY TCP4 10.0.0.1 10.0.0.2 5000 80\r\n"] {
                    let mut socket = connect(address);
                    socket.write_all(header).unwrap();
                    let mut stream = certificates::over(socket, &believed);
                    stream.write_all(&upgrade("192.0.2.77")).unwrap();
                    stream.read_exact(&mut [0; 20]).unwrap();
                }
            });
            edge.causes(2);
            let peers: Vec<String> = edge.seen().peers.iter().map(ToString::to_string).collect();
            assert_eq!(peers, ["192.0.2.9:5000", "192.0.2.77:0"]);
        },
    );
}

#[test]
fn what_a_client_puts_before_its_proxy_s_word_hides_nobody() {
    under_both_drivers_as(forwarded, |mut edge| {
        edge.serve(|address| {
            let mut socket = connect(address);
            let mut request = upgrade("?, 192.0.2.1");
            let mark = request.iter().rposition(|&byte| byte == b'?').unwrap();
            request[mark] = 0xff;
            socket.write_all(&request).unwrap();
            let mut first = [0; 12];
            socket.read_exact(&mut first).unwrap();
            assert_eq!(&first, b"HTTP/1.1 101");
        });
        edge.causes(1);
        assert_eq!(edge.seen().peers[0].ip().to_string(), "192.0.2.1");
    });
}

#[test]
fn a_proxy_that_does_not_say_for_whom_is_told_that_it_took_too_long() {
    let soon = Duration::from_millis(300);
    under_both_drivers_as(
        || forwarded().websocket().greeting_limit(soon),
        |mut edge| {
            let response = edge.serve(|address| {
                let mut socket = connect(address);
                socket.write_all(b"GET / HTTP/1.1\r\n").unwrap();
                rest(&mut socket)
            });
            assert!(response.starts_with(b"HTTP/1.1 408 "), "{}", response.escape_ascii());
            assert!(edge.seen().opened.is_empty());
        },
    );
    // Who owes the header of a proxy speaks no HTTP yet.
    under_both_drivers_as(
        || with_header().websocket().greeting_limit(soon),
        |mut edge| {
            let response = edge.serve(|address| rest(&mut connect(address)));
            assert!(response.is_empty(), "{}", response.escape_ascii());
        },
    );
}
