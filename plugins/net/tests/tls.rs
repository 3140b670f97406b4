//! TLS clients against the edge.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

#[path = "common/tls.rs"]
mod certificates;
mod common;

use certificates::{Files, connect, generate};
use common::{Edge, frame, plain};
use portcullis_core::*;
use portcullis_net::{DriverKind, Listener, Tls, TlsError};
use rustls::pki_types::CertificateDer;
use std::{
    fs::{remove_file, write},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};
use tungstenite::{Message, client};

/// Runs a test under both drivers, with files of its own.
fn under_both_drivers_as(
    name: &str,
    listener: impl Fn(Listener) -> Listener,
    test: impl Fn(Edge, CertificateDer<'static>, &Files),
) {
    let files = Files::new(name);
    for driver in [DriverKind::Inline, DriverKind::Thread(2)] {
        let believed = files.renew();
        test(Edge::listening(driver, listener(plain().tls(files.tls()))).echoing(), believed, &files);
    }
}

fn round_trip(stream: &mut (impl Read + Write), payload: &[u8]) {
    stream.write_all(&frame(payload)).unwrap();
    let mut back = vec![0; payload.len() + 2];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, frame(payload));
}

#[test]
fn frames_and_messages_are_echoed_on_one_encrypted_port() {
    under_both_drivers_as("one-port", Listener::hybrid, |mut edge, believed, _| {
        edge.serve(move |address| {
            let mut stream = connect(address, &believed);
            for length in [0, 1, 100, 20_000, 65_535] {
                round_trip(&mut stream, &vec![length as u8; length]);
            }
            let (mut ws, _) = client("wss://localhost/", connect(address, &believed)).unwrap();
            for length in [0, 1, 200, 65_535] {
                let message = Message::binary(frame(&vec![length as u8; length]));
                ws.send(message.clone()).unwrap();
                assert_eq!(ws.read().unwrap(), message);
            }
            ws.close(None).unwrap();
            while ws.read().is_ok() {}
        });
        assert_eq!(edge.causes(2), [Cause::PeerClosed; 2]);
        let mut transports = edge.seen().transports.clone();
        transports.sort_unstable();
        assert_eq!(transports, ["tls", "wss"]);
    });
}

#[test]
fn a_server_may_speak_first_over_tls() {
    under_both_drivers_as(
        "first",
        |listener| listener,
        |mut edge, believed, _| {
            let (socket, connection) = edge.connect();
            edge.send(connection, b"welcome");
            edge.run();
            edge.serve(move |_| {
                let mut stream = certificates::over(socket, &believed);
                let mut said = [0; 9];
                stream.read_exact(&mut said).unwrap();
                assert_eq!(said.to_vec(), frame(b"welcome"));
                round_trip(&mut stream, b"thanks");
            });
        },
    );
}

#[test]
fn last_words_are_flushed_and_the_session_closed_properly() {
    under_both_drivers_as(
        "last-words",
        |listener| listener,
        |mut edge, believed, _| {
            let mut stream = edge.serve(move |address| {
                let mut stream = connect(address, &believed);
                round_trip(&mut stream, b"hello");
                stream
            });
            let connection = edge.seen().opened[0];
            edge.send(connection, &[7; 60_000]);
            edge.send(connection, b"you are kicked");
            edge.close(connection, Cause::Kicked);
            let said = edge.serve(move |_| {
                let mut said = Vec::new();
                // An error, if the stream ended without the session's own end.
                stream.read_to_end(&mut said).unwrap();
                said
            });
            assert!(said.ends_with(&frame(b"you are kicked")) && said.len() == 60_018);
            assert_eq!(edge.causes(1), [Cause::Kicked]);
        },
    );
}

#[test]
fn what_is_no_tls_is_told_by_an_alert_and_ended() {
    under_both_drivers_as("garbage", Listener::hybrid, |mut edge, _, _| {
        let answer = edge.serve(|address: SocketAddr| {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer).unwrap();
            answer
        });
        assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
        assert_eq!(edge.causes(1), [Cause::TlsFailed]);
    });
}

#[test]
fn a_client_that_does_not_believe_the_certificate_is_counted() {
    under_both_drivers_as(
        "unbelieved",
        |listener| listener,
        |mut edge, _, _| {
            let other = generate().cert.der().clone();
            edge.serve(move |address| assert!(connect(address, &other).write_all(b"x").is_err()));
            assert_eq!(edge.causes(1), [Cause::TlsFailed]);
        },
    );
}

#[test]
fn a_hello_on_a_plain_port_is_no_frame() {
    let mut edge = Edge::listening(DriverKind::Inline, plain().websocket());
    let believed = generate().cert.der().clone();
    edge.serve(move |address| assert!(connect(address, &believed).write_all(b"x").is_err()));
    assert_eq!(edge.causes(1), [Cause::Http]);
}

#[test]
fn a_handshake_that_stops_halfway_is_ended() {
    let soon = Duration::from_millis(50);
    under_both_drivers_as(
        "halfway",
        |listener| listener.greeting_limit(soon),
        |mut edge, _, _| {
            let (mut socket, _) = edge.connect();
            socket.write_all(&[22, 3, 1, 2]).unwrap();
            assert_eq!(edge.causes(1), [Cause::HandshakeTimeout]);
        },
    );
}

#[test]
fn a_reload_gives_new_connections_the_new_certificate_and_drops_nobody() {
    under_both_drivers_as(
        "reload",
        |listener| listener,
        |mut edge, old, files| {
            let first = old.clone();
            let mut stream = edge.serve(move |address| {
                let mut stream = connect(address, &first);
                round_trip(&mut stream, b"before");
                stream
            });
            let new = files.renew();
            edge.app.world_mut().trigger(Reload);
            // What cannot be used changes nothing.
            write(&files.key, "nothing").unwrap();
            edge.app.world_mut().trigger(Reload);
            edge.serve(move |address| {
                round_trip(&mut stream, b"after");
                round_trip(&mut connect(address, &new), b"new");
                assert!(connect(address, &old).write_all(b"x").is_err());
            });
        },
    );
}

#[test]
fn what_is_wrong_with_the_files_is_one_sentence_that_names_them() {
    let (ours, other) = (Files::new("ours"), Files::new("other"));
    ours.renew();
    other.renew();
    let said = |certificate, key| match Tls::from_pem_files(certificate, key) {
        Ok(_) => panic!("it was taken"),
        Err(error) => (error.to_string(), error),
    };
    let (text, error) = said(&ours.certificate, &other.key);
    assert!(matches!(error, TlsError::Mismatch { .. }), "{text}");
    assert!(text.contains("ours-certificate.pem") && text.contains("other-key.pem"), "{text}");
    assert!(matches!(said(&ours.key, &ours.key).1, TlsError::NoCertificate { .. }));
    assert!(matches!(said(&ours.certificate, &ours.certificate).1, TlsError::NoKey { .. }));
    remove_file(&other.key).unwrap();
    let (text, error) = said(&ours.certificate, &other.key);
    assert!(matches!(error, TlsError::Unreadable { .. }) && text.contains("other-key.pem"), "{text}");
    let shown = format!("{:?}", ours.tls());
    assert!(shown.contains("ours-key.pem") && shown.len() < 300, "{shown}");
}
