//! Recorded conversations, and how they are repeated: see `tests/vectors/pomelo/README.md`.

use super::{Client, bytes};
use portcullis::{
    demo::connector::SERVER_PROTOS,
    pomelo::wire::{
        message::{self, Route},
        package::FRAMING,
        protobuf::Protos,
    },
};
use portcullis_testkit::{Carrier, Message, TestServer};
use serde::Deserialize;
use serde_json::Value;
use std::{fs, time::Duration};

pub struct Flow {
    pub file: String,
    pub name: String,
    pub transport: String,
    pub server: String,
    pub steps: Vec<Value>,
}

/// All flows of the files.
pub fn flows() -> Vec<Flow> {
    let mut flows = Vec::new();
    for (file, json) in files("flows-") {
        for flow in json["flows"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            flows.push(Flow {
                file: file.clone(),
                name: text(&flow["name"]),
                transport: text(&flow["transport"]),
                server: text(&flow["server"]["type"]),
                steps: flow["steps"].as_array().unwrap().clone(),
            });
        }
    }
    flows
}

/// The vectors whose files are called so, by what follows in the name.
pub fn files(prefix: &str) -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/pomelo");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let named = names.iter().filter_map(|name| name.strip_prefix(prefix)?.strip_suffix(".json"));
    named
        .map(|name| {
            let text = fs::read_to_string(format!("{folder}/{prefix}{name}.json")).unwrap();
            (name.to_owned(), serde_json::from_str(&text).unwrap())
        })
        .collect()
}

impl Flow {
    /// As tests name it: file and name.
    pub fn title(&self) -> String {
        format!("{}/{}", self.file, self.name)
    }
}

/// How far a measured time may be off, in milliseconds.
const SLACK: u64 = 200;

/// Does what the client did, and expects what the original answered. Time passes as it did then.
pub fn replay(server: &mut TestServer, flow: &Flow, carrier: Carrier) {
    let title = format!("{} over {carrier:?}", flow.title());
    let mut client = Client::connect(server, carrier);
    let mut waited = 0;
    let mut twin = None;
    for (number, step) in flow.steps.iter().enumerate() {
        let place = format!("{title}, step {number}: {}", step["meaning"]);
        let after = step["after_ms"].as_u64().unwrap_or(0).saturating_sub(waited);
        waited = 0;
        let hex = match step["hex"].as_str() {
            Some(hex) => bytes(hex),
            None if step["hex_bytes"].is_u64() => large_body(step),
            None => Vec::new(),
        };
        match (step["dir"].as_str(), step["event"].as_str()) {
            (Some("c2s"), None) => {
                server.advance(Duration::from_millis(after));
                let alone = step["meaning"].as_str().is_some_and(|meaning| meaning.contains("each byte"));
                match step["ws"].as_str() {
                    Some("text") => client.raw.send_message(Message::Text(String::from_utf8(hex).unwrap())),
                    Some("ping") => client.raw.send_message(Message::Ping(hex)),
                    // As one message, whatever is in it.
                    None if flow.transport == "ws" => client.raw.send_bytes(&hex),
                    None if alone => hex.chunks(1).for_each(|byte| client.send(byte)),
                    // One write, also where it is several messages.
                    _ => server.together(|| client.send(&hex)),
                }
            }
            (Some("c2s"), Some("close")) => {
                let code = step["ws_close_code"].as_u64().map(|code| code as u16);
                client.raw.send_message(Message::Close(code));
            }
            (Some("s2c"), Some("nothing")) => {
                waited = step["for_ms"].as_u64().unwrap();
                server.advance(Duration::from_millis(waited));
                assert!(client.rest().is_empty(), "{place}");
            }
            (Some("s2c"), Some("close")) => {
                let rest = client.rest();
                assert!(rest.is_empty(), "{place}, but \"{}\"", rest.escape_ascii());
                if after > SLACK {
                    server.advance(Duration::from_millis(after - SLACK / 2));
                    assert!(client.raw.is_open(), "{place}: too early");
                    server.advance(Duration::from_millis(SLACK));
                } else {
                    server.advance(Duration::from_millis(after + SLACK));
                }
                assert!(!client.raw.is_open(), "{place}: it is open");
                let rest = client.rest();
                assert!(rest.is_empty(), "{place}, but \"{}\"", rest.escape_ascii());
                if flow.transport == "ws" {
                    let code = step["ws_close_code"].as_u64().map(|code| code as u16);
                    assert_eq!(last_message(&mut client), Message::Close(code), "{place}");
                }
            }
            (Some("s2c"), None) if flow.name == "two-connections-one-uid" && number == 6 => {
                // It was recorded on the first connection only; what the second has done is told by name.
                twin = Some(push_to_both(server, carrier));
                same(&place, &hex, &client.expect_package());
            }
            (Some("s2c"), None) if step["ws"] == "pong" => {
                assert_eq!(last_message(&mut client), Message::Pong(hex), "{place}");
            }
            (Some("s2c"), None) => {
                server.advance(Duration::from_millis(after));
                let mut expected = &hex[..];
                while !expected.is_empty() {
                    let len = (FRAMING.measure)(expected).unwrap().payload;
                    let (one, rest) = expected.split_at(len);
                    let found = client.take_package().or_else(|| {
                        server.advance(Duration::from_millis(SLACK));
                        client.take_package()
                    });
                    let found = found.unwrap_or_else(|| panic!("{place}: nothing has come"));
                    same(&place, one, &found);
                    expected = rest;
                }
            }
            (None, _) if let Some(twin) = &mut twin => {
                let kick = br#"{"uid":"twin","reason":"relogin"}"#;
                twin.send(&super::request(3, "plain.entryHandler.kickUid", kick));
            }
            other => panic!("{place}: {other:?} is not known here"),
        }
    }
    let rest = client.rest();
    assert!(rest.is_empty(), "{title}, at the end: \"{}\"", rest.escape_ascii());
}

/// The last message that has come.
fn last_message(client: &mut Client) -> Message {
    loop {
        match client.raw.expect_message() {
            Message::Binary(_) => {}
            other => return other,
        }
    }
}

/// What was shortened in the file: an echo of so many bytes.
fn large_body(step: &Value) -> Vec<u8> {
    let total = step["hex_bytes"].as_u64().unwrap() as usize;
    let mut whole = bytes(step["hex_head"].as_str().unwrap());
    whole.resize(total - 2, b'x');
    whole.extend(br#""}"#);
    whole
}

/// Another connection of the same user, which pushes to both.
fn push_to_both(server: &mut TestServer, carrier: Carrier) -> Client {
    let mut twin = Client::connect(server, carrier);
    twin.shake_hands();
    assert_eq!(twin.ask(1, "plain.entryHandler.enter", r#"{"uid":"twin","room":"tw"}"#)["code"], 200);
    twin.send(&super::request(2, "plain.entryHandler.pushUids", br#"{"uids":["twin","nobody"]}"#));
    assert_eq!(&twin.expect_package()[4..], b"\x06\x05onMsg{\"n\":9}");
    assert_eq!(twin.expect_answer(2)["fails"], serde_json::json!(["nobody"]));
    twin
}

/// A protobuf body: of the echo, for in all others the fields stand in our order too.
fn decoded(body: &[u8]) -> Value {
    let protos = Protos::parse(SERVER_PROTOS).unwrap();
    let schema = protos.get("connector.entryHandler.echo").unwrap();
    Value::deserialize(schema.decoder(body)).unwrap()
}

/// Type, lengths and message head to the byte, JSON as values.
#[track_caller]
pub fn same(place: &str, expected: &[u8], found: &[u8]) {
    if expected == found {
        return;
    }
    let (shown, wanted) = (found.escape_ascii(), expected.escape_ascii());
    assert_eq!(expected[0], found[0], "{place}: the type of \"{shown}\", expected \"{wanted}\"");
    let (mut left, mut right) = (&expected[4..], &found[4..]);
    if expected[0] == 4 {
        let (wanted, got) = (message::read(left).unwrap(), message::read(right).unwrap());
        let head = left.len() - wanted.body.len();
        assert_eq!(left[..head], right[..right.len() - got.body.len()], "{place}: the head of \"{shown}\"");
        (left, right) = (wanted.body, got.body);
        assert!(!matches!(wanted.route, Route::Code(0)), "{place}");
    }
    let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    if value(left).is_none() {
        assert_eq!(decoded(left), decoded(right), "{place}: the body of \"{shown}\", expected \"{wanted}\"");
        return;
    }
    assert_eq!(value(left), value(right), "{place}: the body of \"{shown}\", expected \"{wanted}\"");
    assert_eq!(expected.len(), found.len(), "{place}: spacing is ours to keep small");
}
