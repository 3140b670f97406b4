//! Who declares, compresses, nests or heaps up more than he sends.

use crate::{
    Client, House, attacks,
    client::{contains, sysconn_request},
    game::BACK,
    protocol::{Protocol::*, package, pomelo_request},
    sysconn_frames::masked,
};
use flate2::{Compression, write::ZlibEncoder};
use portcullis::{
    core::{Budget, Cause, Holding},
    demo::chat::ECHO,
    native::{ClientEvent, wire::ClientFrame},
    pomelo::wire::message,
};
use portcullis_testkit::Carrier;
use std::io::Write;

const PITAYA: &[u8] =
    br#"{"sys":{"platform":"mac","libVersion":"0.3.5","clientBuildNumber":"20","clientVersion":"2.1"}}"#;

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn incomplete(house: &House) -> usize {
    house.server.world().resource::<Budget>().held(Holding::Incomplete)
}

/// A client of Pitaya's, which may compress what it sends.
#[track_caller]
fn pitaya(house: &mut House, carrier: Carrier) -> Client {
    let mut client = Client::connect(house, Pomelo(carrier));
    client.say(house, &package(1, PITAYA));
    client.expect(house, "a welcome", |frame| frame[0] == 1);
    client.say(house, &package(2, b""));
    client.expect(house, "a heartbeat", |frame| frame[0] == 3);
    client
}

fn compressed_request(id: u8, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let route = message::Route::Name(BACK);
    message::write_head(&mut message, message::Kind::Request, id.into(), route, true, false).unwrap();
    message.extend_from_slice(body);
    package(4, &message)
}

attacks! {
    fn declared_length_bomb(house) {
        // Of a stranger, and of who is let in. Two bytes declare no more than a frame may have: that takes no memory.
        for (protocol, before, after) in [
            (Native, Some(Cause::FrameTooLarge), Some(Cause::FrameTooLarge)),
            (Sproto, None, None),
            (Raw, None, None),
            (Proxied, None, None),
            (MsgServer, Some(Cause::FrameTooLarge), None),
            (Pomelo(Carrier::Tcp), Some(Cause::FrameTooLarge), Some(Cause::FrameTooLarge)),
            (Pomelo(Carrier::WebSocket), Some(Cause::FrameTooLarge), Some(Cause::FrameTooLarge)),
            (Sysconn, Some(Cause::FrameTooLarge), Some(Cause::FrameTooLarge)),
        ] {
            let bomb = match protocol {
                // What a frame of WebSocket declares, however its messages do.
                Pomelo(Carrier::WebSocket) => Sysconn.bomb(),
                _ => protocol.bomb(),
            };
            for (expected, is_in) in [(before, false), (after, true)] {
                let mut client =
                    if is_in { Client::enter(house, protocol) } else { Client::connect(house, protocol) };
                let held = incomplete(house);
                client.say_bytes(house, bomb);
                assert!(incomplete(house) <= held + 4096, "{protocol:?}: {} bytes are held", incomplete(house));
                match expected {
                    Some(cause) => client.expect_closed(house, cause),
                    None => assert!(client.is_open(house), "{protocol:?}"),
                }
            }
        }
        // A line declares nothing, and grows until it is too long.
        let mut line = Client::connect(house, Login);
        line.say(house, &[b'A'; 9000]);
        line.expect_closed(house, Cause::FrameTooLarge);
    }

    fn text_frames(house) {
        let text = |bytes: &[u8]| masked(0x81, bytes);
        // Pomelo's count as their bytes: its browsers' clients have sent such.
        let mut client = Client::enter(house, Pomelo(Carrier::WebSocket));
        let question = client.question();
        client.say_bytes(house, &text(&question));
        house.until("an answer", |_| client.is_answered());
        client.say_bytes(house, &text(b"\xff\xfe\xfd"));
        client.expect_closed(house, Cause::Malformed);
        // The connector's are bytes alone.
        let mut client = Client::enter(house, Sysconn);
        client.say_bytes(house, &text(b"hello"));
        client.socket().expect(house, &[0x88, 2, 0x03, 0xeb], "code 1003");
        client.expect_closed(house, Cause::Malformed);
        // Where there is no WebSocket, they are bytes like others.
        let mut client = Client::enter(house, Native);
        client.say_bytes(house, &text(b"hello"));
        client.expect_closed(house, Cause::FrameTooLarge);
    }

    fn zlib_bomb(house) {
        let bomb = zlib(&vec![b' '; 32 << 20]);
        for carrier in [Carrier::Tcp, Carrier::WebSocket] {
            let mut client = pitaya(house, carrier);
            client.say(house, &compressed_request(1, &bomb));
            client.expect(house, "a refusal", |frame| contains(frame, b"PIT-400"));
            // Each of these is allowed; all of them are not.
            let most = compressed_request(2, &zlib(&[b' '; 60_000]));
            let many: Vec<u8> = (0..200).flat_map(|_| client.wrap(&most)).collect();
            client.say_bytes(house, &many);
            client.expect_closed(house, Cause::Malformed);
        }
        let compressed = |body: &[u8]| {
            let mut message = sysconn_request(1, 1190, body);
            message[2] = 1;
            message
        };
        let mut client = Client::enter(house, Sysconn);
        client.say(house, &compressed(&bomb));
        client.expect_closed(house, Cause::Undecodable);
        let mut client = Client::enter(house, Sysconn);
        let most = client.wrap(&compressed(&zlib(&[b' '; 500_000])));
        client.say_bytes(house, &most.repeat(20));
        client.expect_closed(house, Cause::Undecodable);
    }

    fn deep_json(house) {
        for levels in [100, 10_000, 30_000] {
            let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
            let mut client = Client::enter(house, Pomelo(Carrier::Tcp));
            client.say(house, &pomelo_request(1, BACK, deep.as_bytes()));
            client.expect(house, "an answer", |frame| frame.get(5) == Some(&1));
            client.ask(house);
        }
        // In a handshake, where it is a stranger's.
        let deep = format!(r#"{{"sys":{}{}}}"#, "[".repeat(1900), "]".repeat(1900));
        let mut client = Client::connect(house, Pomelo(Carrier::Tcp));
        client.say(house, &package(1, deep.as_bytes()));
        client.expect_closed(house, Cause::Malformed);
        // What is JSON elsewhere is bytes here: values within values have no place in what these routes take.
        let mut client = Client::enter(house, Native);
        let route = client.codec.manifest().number(ECHO).unwrap();
        let mut said = Vec::new();
        ClientFrame::Request { id: 900, route, body: &[0xff; 30_000] }.write(&mut said).unwrap();
        client.say(house, &said);
        client.expect_event(house, "a refusal", |event| matches!(event, ClientEvent::Refused { code: 400, .. }));
        client.ask(house);
    }

    fn huge_dictionary(house) {
        // An object with ten thousand keys, which JSON makes a map of.
        let keys: Vec<String> = (0..5500).map(|n| format!(r#""{n}":{n}"#)).collect();
        let object = format!("{{{}}}", keys.join(","));
        assert!(object.len() > 60_000 && object.len() < 65_000, "{}", object.len());
        let mut client = Client::enter(house, Pomelo(Carrier::Tcp));
        client.say(house, &pomelo_request(1, BACK, object.as_bytes()));
        client.expect(house, "it comes back", |frame| frame.get(5) == Some(&1) && frame.len() > 60_000);
        client.ask(house);
        // A stranger's may have as much as a stranger may say.
        let mut client = Client::connect(house, Pomelo(Carrier::Tcp));
        client.say(house, &package(1, format!(r#"{{"sys":{object}}}"#).as_bytes()));
        client.expect_closed(house, Cause::FrameTooLarge);
        // The server's own is told to each who asks, and once, however often it is asked for.
        let mut client = Client::connect(house, Pomelo(Carrier::Tcp));
        client.socket().be_deaf();
        let asked = package(1, br#"{"sys":{"type":"js-websocket","version":"0.0.1"}}"#);
        client.say(house, &asked.repeat(60));
        client.expect(house, "the dictionary", |frame| frame[0] == 1 && contains(frame, b"\"dict\""));
        house.server.settle();
        assert!(client.take_frame().is_none(), "it is told once");
    }
}
