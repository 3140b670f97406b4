//! WebSocket clients against the edge.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod common;

use bevy_ecs::prelude::*;
use common::{Edge, frame, plain};
use portcullis_core::*;
use portcullis_net::{DriverKind, MessageKind};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};
use tungstenite::{
    Message, WebSocket, client,
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{CloseCode as CloseCodeOf, Data, OpCode},
        },
    },
};

type Client = WebSocket<TcpStream>;

fn socket(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn connect(address: SocketAddr) -> Client {
    client("ws://localhost/any/path?x", socket(address)).unwrap().0
}

fn say(client: &mut Client, payload: &[u8]) {
    client.send(Message::binary(frame(payload))).unwrap();
}

/// The code of the server's close, after which the stream has to end.
fn close_code(client: &mut Client) -> Option<u16> {
    let code = loop {
        match client.read().unwrap() {
            Message::Close(close) => break close.map(|close| close.code.into()),
            _ => continue,
        }
    };
    while client.read().is_ok() {}
    code
}

/// A fragment, or a frame the client would refuse to make.
fn raw(client: &mut Client, kind: Data, is_final: bool, payload: &[u8]) {
    client.send(Message::Frame(Frame::message(payload.to_vec(), OpCode::Data(kind), is_final))).unwrap();
}

/// A client the world knows for one.
fn established(edge: &mut Edge) -> (Client, Entity) {
    let before = edge.seen().opened.len();
    let ws = edge.serve(connect);
    edge.until(|seen| seen.opened.len() > before);
    let connection = *edge.seen().opened.last().unwrap();
    while edge.app.world().get::<Connection>(connection).unwrap().transport != "ws" {
        edge.run();
    }
    (ws, connection)
}

fn under_both_drivers_on_one_port(test: impl Fn(Edge)) {
    for driver in [DriverKind::Inline, DriverKind::Thread(2)] {
        test(Edge::listening(driver, plain().hybrid()).echoing());
    }
}

#[test]
fn messages_are_echoed_and_raw_frames_on_the_same_port_too() {
    under_both_drivers_on_one_port(|mut edge| {
        edge.serve(|address| {
            let mut ws = connect(address);
            let mut tcp = socket(address);
            for length in [0, 1, 125, 126, 60_000, 65_535] {
                let payload = vec![length as u8; length];
                say(&mut ws, &payload);
                assert_eq!(ws.read().unwrap(), Message::binary(frame(&payload)));
                tcp.write_all(&frame(&payload)).unwrap();
                let mut back = vec![0; length + 2];
                tcp.read_exact(&mut back).unwrap();
                assert_eq!(back, frame(&payload));
            }
            ws.close(None).unwrap();
            while ws.read().is_ok() {}
        });
        assert_eq!(edge.causes(2), [Cause::PeerClosed; 2]);
        let mut transports = edge.seen().transports.clone();
        transports.sort_unstable();
        assert_eq!(transports, ["tcp", "ws"]);
    });
}

#[test]
fn many_messages_in_one_write_keep_their_order() {
    under_both_drivers_on_one_port(|mut edge| {
        edge.serve(|address| {
            let mut ws = connect(address);
            for round in 0..50u8 {
                for n in 0..32u8 {
                    ws.write(Message::binary(frame(&[round, n]))).unwrap();
                }
                ws.flush().unwrap();
                for n in 0..32u8 {
                    assert_eq!(ws.read().unwrap(), Message::binary(frame(&[round, n])));
                }
            }
        });
    });
}

#[test]
fn bytes_that_come_one_by_one_come_to_the_same() {
    under_both_drivers_on_one_port(|mut edge| {
        let (mut socket, _) = edge.connect();
        let head = "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let message = [0x82, 0x84, 0, 0, 0, 0, 0, 2, b'h', b'i'];
        for byte in [head.as_bytes(), &message, &message].concat() {
            socket.write_all(&[byte]).unwrap();
            edge.run();
        }
        edge.until(|seen| seen.frames.len() == 2);
        assert_eq!(edge.payloads(), [b"hi", b"hi"]);
    });
}

#[test]
fn fragments_are_joined_and_pings_between_them_answered() {
    under_both_drivers_on_one_port(|mut edge| {
        edge.serve(|address| {
            let mut ws = connect(address);
            raw(&mut ws, Data::Binary, false, b"\0");
            ws.send(Message::Ping(b"are you there"[..].into())).unwrap();
            raw(&mut ws, Data::Continue, false, b"");
            raw(&mut ws, Data::Continue, true, b"\x02hi");
            assert_eq!(ws.read().unwrap(), Message::Pong(b"are you there"[..].into()));
            assert_eq!(ws.read().unwrap(), Message::binary(frame(b"hi")));
        });
    });
}

#[test]
fn text_counts_as_its_bytes_and_answers_are_binary() {
    under_both_drivers_on_one_port(|mut edge| {
        edge.serve(|address| {
            let mut ws = connect(address);
            ws.send(Message::text("\0\u{2}é")).unwrap();
            assert_eq!(ws.read().unwrap(), Message::binary(frame("é".as_bytes())));
        });
    });
}

#[test]
fn a_message_of_the_wrong_kind_is_refused_by_its_header() {
    // Headers of messages whose payload never comes.
    let text = [0x81, 0x80 | 100, 0, 0, 0, 0];
    let binary = [0x82, 0x80 | 100, 0, 0, 0, 0];
    for (messages, header) in [(MessageKind::Binary, text), (MessageKind::Text, binary)] {
        for driver in [DriverKind::Inline, DriverKind::Thread(2)] {
            let mut edge = Edge::listening(driver, plain().hybrid().messages(messages));
            let code = edge.serve(move |address| {
                let mut ws = connect(address);
                ws.get_mut().write_all(&header).unwrap();
                close_code(&mut ws)
            });
            assert_eq!(code, Some(1003));
            assert_eq!(edge.causes(1), [Cause::Malformed]);
        }
    }
}

#[test]
fn where_messages_are_text_so_are_the_answers() {
    for driver in [DriverKind::Inline, DriverKind::Thread(2)] {
        let mut edge = Edge::listening(driver, plain().hybrid().messages(MessageKind::Text)).echoing();
        edge.serve(|address| {
            let mut ws = connect(address);
            ws.send(Message::text("\0\u{2}é")).unwrap();
            assert_eq!(ws.read().unwrap(), Message::text("\0\u{2}é"));
        });
    }
}

#[test]
fn a_close_is_answered_with_its_code_after_what_was_asked_before() {
    under_both_drivers_on_one_port(|mut edge| {
        let code = edge.serve(|address| {
            let mut ws = connect(address);
            say(&mut ws, b"one more thing");
            ws.close(Some(CloseFrame { code: CloseCodeOf::Library(4001), reason: "done".into() })).unwrap();
            assert_eq!(ws.read().unwrap(), Message::binary(frame(b"one more thing")));
            close_code(&mut ws)
        });
        assert_eq!(code, Some(4001));
        assert_eq!(edge.causes(1), [Cause::PeerClosed]);
    });
}

#[test]
fn what_breaks_the_rules_is_told_by_a_code_after_what_came_before() {
    let cases: [(fn(&mut Client), u16, Cause); 7] = [
        (|ws| ws.get_mut().write_all(&[0x82, 3, 0, 1, b'x']).unwrap(), 1002, Cause::Malformed),
        (|ws| raw(ws, Data::Continue, true, &frame(b"of nothing")), 1002, Cause::Malformed),
        (|ws| raw(ws, Data::Text, true, &frame(&[0xff])), 1007, Cause::Malformed),
        (|ws| ws.send(Message::binary(vec![0; 70_000])).unwrap(), 1009, Cause::FrameTooLarge),
        (|ws| ws.send(Message::binary([frame(b"a"), frame(b"b")].concat())).unwrap(), 1002, Cause::Malformed),
        (|ws| ws.send(Message::binary(Vec::new())).unwrap(), 1002, Cause::Malformed),
        (|ws| ws.send(Message::binary(vec![0, 9, 1])).unwrap(), 1002, Cause::Malformed),
    ];
    for (break_it, code, cause) in cases {
        under_both_drivers_on_one_port(|mut edge| {
            let told = edge.serve(move |address| {
                let mut ws = connect(address);
                say(&mut ws, b"fine");
                break_it(&mut ws);
                assert_eq!(ws.read().unwrap(), Message::binary(frame(b"fine")));
                close_code(&mut ws)
            });
            assert_eq!(told, Some(code));
            assert_eq!(edge.causes(1), [cause]);
            assert_eq!(edge.payloads(), [b"fine"]);
        });
    }
}

#[test]
fn the_limit_of_a_message_changes_while_the_connection_is_open() {
    under_both_drivers_on_one_port(|mut edge| {
        let (ws, ()) = edge.serve(|address| {
            let mut ws = connect(address);
            say(&mut ws, &[1; 200]);
            (ws, ())
        });
        edge.until(|seen| seen.frames.len() == 1);
        let connection = edge.seen().opened[0];
        edge.app.world_mut().entity_mut(connection).insert(MaxFrame(100));
        let code = edge.serve(move |_| {
            let mut ws = ws;
            say(&mut ws, &[2; 200]);
            close_code(&mut ws)
        });
        assert_eq!(code, Some(1009));
        assert_eq!(edge.causes(1), [Cause::FrameTooLarge]);
    });
}

#[test]
fn a_kick_is_flushed_then_the_close_is_said() {
    under_both_drivers_on_one_port(|mut edge| {
        let (ws, connection) = established(&mut edge);
        edge.send(connection, b"you are kicked");
        edge.close(connection, Cause::Kicked);
        let code = edge.serve(move |_| {
            let mut ws = ws;
            assert_eq!(ws.read().unwrap(), Message::binary(frame(b"you are kicked")));
            close_code(&mut ws)
        });
        assert_eq!(code, Some(1000));
        assert_eq!(edge.causes(1), [Cause::Kicked]);
    });
}

#[test]
fn a_close_is_said_with_the_code_of_its_cause() {
    under_both_drivers_on_one_port(|mut edge| {
        for (cause, code) in [(Cause::Requested, 1000), (Cause::Shutdown, 1001), (Cause::Abuse, 1008)] {
            let (ws, connection) = established(&mut edge);
            edge.close(connection, cause);
            assert_eq!(edge.serve(move |_| close_code(&mut { ws })), Some(code));
        }
    });
}

#[test]
fn a_protocol_has_a_code_of_its_own_for_its_farewell() {
    under_both_drivers_on_one_port(|mut edge| {
        edge.app.add_observer(|closing: On<Add<Closing>>, mut commands: Commands| {
            commands.entity(closing.entity).insert(CloseCode(4011));
        });
        let (ws, connection) = established(&mut edge);
        edge.close(connection, Cause::Kicked);
        assert_eq!(edge.serve(move |_| close_code(&mut { ws })), Some(4011));
        // What the peer has said itself is answered as it was said, and its mistakes are named.
        let told = edge.serve(|address| {
            let mut ws = connect(address);
            ws.close(Some(CloseFrame { code: CloseCodeOf::Library(3999), reason: "".into() })).unwrap();
            let mut bad = connect(address);
            raw(&mut bad, Data::Continue, true, b"of nothing");
            (close_code(&mut ws), close_code(&mut bad))
        });
        assert_eq!(told, (Some(3999), Some(1002)));
    });
}

#[test]
fn what_is_said_before_the_upgrade_does_not_spoil_it() {
    under_both_drivers_on_one_port(|mut edge| {
        let (socket, connection) = edge.connect();
        edge.send(connection, b"too early");
        edge.run();
        edge.serve(move |_| {
            let (mut ws, _) = client("ws://localhost/", socket).unwrap();
            say(&mut ws, b"now");
            assert_eq!(ws.read().unwrap(), Message::binary(frame(b"now")));
        });
    });
}

#[test]
fn pings_and_pongs_are_signs_of_life_and_no_frames() {
    under_both_drivers_on_one_port(|mut edge| {
        let (mut ws, connection) = established(&mut edge);
        for sign in [Message::Ping([][..].into()), Message::Pong(b"unasked"[..].into())] {
            let heard = edge.app.world().get::<Traffic>(connection).unwrap().last_received;
            ws.send(sign).unwrap();
            edge.until_traffic(connection, |traffic| traffic.last_received > heard);
            assert_eq!(edge.app.world().get::<Traffic>(connection).unwrap().received, 0);
        }
        assert!(edge.payloads().is_empty());
    });
}

#[test]
fn a_flood_of_pongs_is_not_read_by_a_world_that_lags() {
    under_both_drivers_on_one_port(|mut edge| {
        let (mut ws, connection) = established(&mut edge);
        ws.get_mut().set_nonblocking(true).unwrap();
        let flood = [&[0x8a, 0x80 | 125, 0, 0, 0, 0][..], &[7; 125]].concat().repeat(500);
        let (mut written, mut stuck) = (0, 0);
        while stuck < 50 {
            match ws.get_mut().write(&flood[written % flood.len()..]) {
                Ok(bytes) => (written, stuck) = (written + bytes, 0),
                Err(_) => {
                    stuck += 1;
                    edge.run_io_only(20);
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            assert!(written < 64 << 20, "the socket is read though the world takes nothing");
        }
        // The world catches up, and hears of it.
        edge.until_traffic(connection, |traffic| !traffic.last_received.is_zero());
    });
}

#[test]
fn a_flood_of_pings_that_reads_no_pong_costs_a_bounded_backlog() {
    under_both_drivers_on_one_port(|mut edge| {
        let mut ws = edge.serve(connect);
        ws.get_mut().set_nonblocking(true).unwrap();
        let flood = [&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[7; 125]].concat().repeat(500);
        let (mut written, mut stuck) = (0, 0);
        // Until megabytes are taken: far more than the kernel and the backlog hold of pongs.
        while written < 64 << 20 && stuck < 200 && edge.seen().closed.is_empty() {
            match ws.get_mut().write(&flood[written % flood.len()..]) {
                Ok(bytes) => (written, stuck) = (written + bytes, 0),
                Err(_) => {
                    stuck += 1;
                    edge.run();
                }
            }
        }
        assert!(edge.seen().backlog.iter().all(|&bytes| bytes < 256 << 10), "{:?}", edge.seen().backlog);
        // Others are served meanwhile.
        edge.serve(|address| {
            let mut ws = connect(address);
            say(&mut ws, b"hello");
            assert_eq!(ws.read().unwrap(), Message::binary(frame(b"hello")));
        });
    });
}

#[test]
fn empty_fragments_without_end_starve_nobody() {
    under_both_drivers_on_one_port(|mut edge| {
        let mut ws = edge.serve(connect);
        ws.get_mut().write_all(&[0x02, 0x80, 0, 0, 0, 0]).unwrap();
        ws.get_mut().set_nonblocking(true).unwrap();
        let flood = [0x00, 0x80, 0, 0, 0, 0].repeat(10_000);
        let mut written = 0;
        while written < 8 << 20 {
            match ws.get_mut().write(&flood[written % flood.len()..]) {
                Ok(bytes) => written += bytes,
                Err(_) => edge.run(),
            }
        }
        edge.serve(|address| {
            let mut ws = connect(address);
            say(&mut ws, b"hello");
            assert_eq!(ws.read().unwrap(), Message::binary(frame(b"hello")));
        });
        let flooding = edge.seen().opened[0];
        assert!(edge.seen().closed.iter().all(|&(closed, _)| closed != flooding));
    });
}

#[test]
fn a_listener_of_websocket_alone_takes_messages_without_a_framing() {
    for driver in [DriverKind::Inline, DriverKind::Thread(2)] {
        let listener = portcullis_net::Listener::new(([127, 0, 0, 1], 0).into(), Framing::WHOLE).websocket();
        let mut edge = Edge::listening(driver, listener);
        edge.serve(|address| {
            let mut ws = connect(address);
            ws.send(Message::text("whole")).unwrap();
            ws.send(Message::binary(vec![0])).unwrap();
            ws.close(None).unwrap();
            while ws.read().is_ok() {}
        });
        assert_eq!(edge.payloads(), [&b"whole"[..], &[0]]);
    }
}
