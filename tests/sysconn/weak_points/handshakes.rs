//! Before the WebSocket.

use crate::{
    over_sockets,
    sysconn::{
        Client, UPGRADE, frame, request, response,
        server::{demo, seconds, with},
    },
};
use portcullis::{core::Cause, prelude::*, sysconn::GameReady};
use portcullis_testkit::{TestServer, TestServerBuilder, Transport};
use std::time::Duration;

/// A request whose lines are these, behind the first.
fn asking(lines: &[&str]) -> Vec<u8> {
    format!("GET /game?zone=1 HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n")).into_bytes()
}

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "Sec-WebSocket-Version: 13";
const LINES: [&str; 4] = ["Upgrade: websocket", "Connection: Upgrade", KEY, VERSION];
const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Asks, and gives the head of the answer.
fn ask(server: &mut TestServer, said: &[u8]) -> (Client, String) {
    let mut client = Client::connect(server);
    client.send(server, said);
    let head = client.expect_head(server);
    (client, head)
}

over_sockets! {
    /// (1) The original compares names byte for byte, trims nothing, looks at one receive of 1,460 bytes, and has no deadline.
    fn a_request_is_understood_however_it_is_written_and_cut(server: TestServerBuilder) {
        let mut server = demo(server);
        let odd = ["UPGRADE:WebSocket", "connection: keep-alive, upgrade", VERSION];
        let spaced = "sec-websocket-key:   dGhlIHNhbXBsZSBub25jZQ==  ";
        let cookie = format!("Cookie: {}", "x".repeat(4000));
        let extension = "Sec-WebSocket-Extensions: permessage-deflate";
        for lines in [&LINES[..], &[odd[0], odd[1], spaced, odd[2]], &[&cookie, extension, LINES[0], LINES[1], KEY, VERSION]] {
            let (mut client, head) = ask(&mut server, &asking(lines));
            assert_eq!(head, ANSWER);
            client.beat(&mut server);
        }
        let mut client = Client::connect(&mut server);
        for byte in UPGRADE {
            client.send(&mut server, &[*byte]);
        }
        assert_eq!(client.expect_head(&mut server), ANSWER);
        client.beat(&mut server);
    }

    /// Part of 1.
    fn what_comes_behind_the_request_in_one_segment_is_read(server: TestServerBuilder) {
        let mut server = demo(server);
        let beat = frame(&request(7, 1098, &[]));
        let (mut client, head) = ask(&mut server, &[UPGRADE, &beat, &beat[..5]].concat());
        assert_eq!(head, ANSWER);
        assert_eq!(client.expect_message(&mut server), response(0, 7, 1098, &[]));
        client.send(&mut server, &beat[5..]);
        assert_eq!(client.expect_message(&mut server), response(0, 7, 1098, &[]));
    }

    /// Part of 1.
    fn who_asks_for_no_websocket_is_told_what_is_wrong(server: TestServerBuilder) {
        let mut server = demo(server);
        let long = format!("Cookie: {}", "x".repeat(9000));
        for (said, status) in [
            (asking(&["Host: h"]), "426"),
            (asking(&[LINES[0], LINES[1], KEY, "Sec-WebSocket-Version: 8"]), "400"),
            (asking(&[LINES[0], LINES[1], VERSION]), "400"),
            (asking(&[LINES[0], LINES[1], VERSION, "Sec-WebSocket-Key: x"]), "400"),
            (asking(&[&long]), "431"),
            (b"nonsense\r\n\r\n".to_vec(), "400"),
            (b"\x16\x03\x01\x02".to_vec(), "400"),
        ] {
            let (mut client, head) = ask(&mut server, &said);
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            client.rest(&mut server);
            client.expect_end(&mut server, "it is answered, and closed");
            client.expect_cause(&mut server, Cause::Http);
        }
    }

    /// Part of 1.
    fn a_handshake_has_ten_seconds(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut silent = Client::connect(&mut server);
        let mut slow = Client::connect(&mut server);
        server.advance(seconds(9));
        slow.send(&mut server, &UPGRADE[..40]);
        silent.expect_silence(&mut server, "not so early");
        server.advance(Duration::from_millis(1100));
        for client in [&mut silent, &mut slow] {
            let head = client.expect_head(&mut server);
            assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
            client.expect_cause(&mut server, Cause::HandshakeTimeout);
        }
    }

    /// (26) The original closes without a word.
    fn who_comes_before_the_game_is_ready_is_told_503(server: TestServerBuilder) {
        let mut server = with(server, SysconnPlugin::not_ready);
        let mut early = Client::connect(&mut server);
        early.send(&mut server, UPGRADE);
        let head = early.expect_head(&mut server);
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        early.expect_end(&mut server, "it is told, and closed");
        server.trigger(GameReady(true));
        let mut client = Client::upgraded(&mut server);
        server.trigger(GameReady(false));
        client.beat(&mut server);
        let mut late = Client::connect(&mut server);
        assert!(late.expect_head(&mut server).starts_with("HTTP/1.1 503 "));
    }
}

/// (20) The original's backlog is 5, so that those who come at once wait for seconds. What becomes of an acceptor without
/// descriptors is proved where it is written.
#[test]
fn a_crowd_that_comes_at_once_is_let_in() {
    let mut server = demo(TestServer::builder().transport(Transport::ALL[1]));
    // Nobody accepts meanwhile: they all are in the backlog.
    let listener = server.listeners::<portcullis::sysconn::SysconnListener>()[0];
    let address = server.world().get::<portcullis::net::ListenerHandle>(listener).unwrap().address();
    assert!(server.world().get::<Listener>(listener).unwrap().backlog >= 1024);
    let crowd: Vec<_> = (0..300)
        .map(|_| std::net::TcpStream::connect_timeout(&address, seconds(1)).expect("room in the backlog"))
        .collect();
    let mut last = Client::upgraded(&mut server);
    last.beat(&mut server);
    let connections = server.run_system_once(|connections: Query<&Connection>| connections.iter().len());
    assert_eq!(connections, crowd.len() + 1);
    drop(crowd);
    server.settle();
}
