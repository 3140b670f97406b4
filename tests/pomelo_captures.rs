//! Whole sessions of unmodified clients: what they sent, chunk by chunk, and whether what they are told is what they
//! can bear.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod pomelo;

use pomelo::{bytes, flow::files, listener, serve};
use portcullis::pomelo::wire::{
    message::{self, Kind, Route},
    package, zip,
};
use portcullis_testkit::{TestServer, Transport};
use serde_json::Value;
use std::time::Duration;

/// The packages inside what one side said: over WebSocket behind HTTP and in frames.
fn packages(stream: &[u8], over_websocket: bool) -> Vec<Vec<u8>> {
    let mut packages = Vec::new();
    let plain = if over_websocket { payloads(stream) } else { stream.to_vec() };
    let mut rest = &plain[..];
    while let Some(extent) = (package::FRAMING.measure)(rest).filter(|extent| extent.payload <= rest.len()) {
        packages.push(rest[..extent.payload].to_vec());
        rest = &rest[extent.payload..];
    }
    assert!(rest.is_empty(), "half a package: {}", rest.escape_ascii());
    packages
}

/// The payloads of all binary frames behind the head of HTTP.
fn payloads(stream: &[u8]) -> Vec<u8> {
    let head = stream.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let (mut rest, mut payloads) = (&stream[head..], Vec::new());
    while let [first, second, after @ ..] = rest {
        let (len, after) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes([after[0], after[1]])), &after[2..]),
            127 => panic!("no frame of a capture is so large"),
            len => (usize::from(len), after),
        };
        let (mask, after) = if second & 0x80 != 0 { after.split_at(4) } else { (&[0u8; 4][..], after) };
        if first & 0x0f == 2 {
            payloads.extend(after[..len].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
        rest = &after[len..];
    }
    payloads
}

fn ids(packages: &[Vec<u8>], kind: Kind) -> Vec<u32> {
    let data = packages.iter().filter(|package| package[0] == 4);
    let messages = data.map(|package| message::read(&package[4..]).unwrap());
    messages.filter(|message| message.kind == kind && message.id != 0).map(|message| message.id).collect()
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|body| body.is_object())
}

/// What §14 of the notes on clients says of all of them, and of each kind.
fn needs(name: &str, asked: &[Vec<u8>], told: &[Vec<u8>]) {
    let hello: Value = serde_json::from_slice(&asked[0][4..]).unwrap();
    let is_pitaya = hello["sys"]["libVersion"].is_string();
    let mut body = told[0][4..].to_vec();
    if body.first() == Some(&0x78) {
        assert!(is_pitaya, "{name}: only Pitaya's clients take a compressed handshake");
        body = zip::inflate(&body, 1 << 20).unwrap();
    }
    let welcome: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(welcome["code"], 200, "{name}: {welcome}");
    assert!(welcome["sys"]["heartbeat"].as_u64() > Some(0), "{name}: {welcome}");
    let triple = ["routeToCode", "codeToRoute", "dictVersion"].map(|field| welcome["sys"][field].is_null());
    assert!(triple == [true; 3] || (!is_pitaya && triple == [false; 3]), "{name}: all of it or nothing");
    let has_protos = welcome["sys"]["protos"].is_object();
    let (mut wanted, mut given) = (ids(asked, Kind::Request), ids(told, Kind::Response));
    wanted.sort_unstable();
    given.sort_unstable();
    assert_eq!(wanted, given, "{name}: each request has its answer");
    for package in told.iter().filter(|package| package[0] == 4) {
        let message = message::read(&package[4..]).unwrap();
        assert!(!message.body.is_empty(), "{name}: a body of nothing");
        if is_pitaya {
            assert!(!matches!(message.route, Route::Code(_)), "{name}: a route code is the end of libpitaya");
        } else {
            assert!(!message.compressed && !message.error, "{name}: bits of Pitaya's");
        }
        let body = match message.compressed {
            true => zip::inflate(message.body, 1 << 20).unwrap(),
            false => message.body.to_vec(),
        };
        assert!(!message.compressed || body.len() > message.body.len(), "{name}: longer than before");
        assert!(has_protos || is_json(&body), "{name}: {}", body.escape_ascii());
    }
    for package in told.iter().filter(|package| package[0] == 5) {
        assert!(is_json(&package[4..]), "{name}: a kick says why");
    }
}

#[test]
fn real_clients_are_told_what_they_can_bear() {
    let mut seen = 0;
    for (name, capture) in files("capture-") {
        let over_websocket = capture["transport"] == "ws";
        let kind = match &*name {
            name if name.starts_with("tcp-pitaya") => "room",
            name if name.contains("dict-protobuf") => "connector",
            name if name.contains("dict") => "dictonly",
            _ => "plain",
        };
        for connection in capture["connections"].as_array().unwrap() {
            let mut server = serve(TestServer::builder().transport(Transport::ALL[1]), kind, |plugin| plugin);
            let at = listener(&server);
            let mut client = server.connect_raw(at);
            let (mut asked, mut now) = (Vec::new(), None);
            for event in connection["events"].as_array().unwrap() {
                if event["dir"] != "c2s" || !event["hex"].is_string() {
                    continue;
                }
                // Only the time between heartbeats matters.
                let time = event["t_ms"].as_u64().unwrap();
                let since = time - *now.get_or_insert(time);
                if since > 500 {
                    server.advance(Duration::from_millis(since));
                    now = Some(time);
                }
                let chunk = bytes(event["hex"].as_str().unwrap());
                client.send_bytes(&chunk);
                asked.extend(chunk);
            }
            server.advance(Duration::from_millis(100));
            let told = client.read();
            needs(&name, &packages(&asked, over_websocket), &packages(&told, over_websocket));
            seen += 1;
        }
    }
    assert!(seen >= 10, "only {seen} captures were replayed");
}
