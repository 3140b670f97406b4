//! Everything that crossed between the original and real clients.

use super::vectors::{bytes, files, list, load, load_ordered, same, text};
use portcullis_core::Assembler;
use portcullis_pomelo::wire::handshake::Request;
use portcullis_pomelo::wire::message::{self, Message, Route};
use portcullis_pomelo::wire::package::{self, FRAMING, HEAD, Kind, MAX_BODY};
use portcullis_pomelo::wire::protobuf::Protos;
use portcullis_pomelo::wire::zip;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// Compares a package with what the recorder made of it.
fn check(package: &[u8], decoded: &Value) {
    let (kind, body) = package::read(package).unwrap();
    let name = match kind {
        Kind::Handshake => "handshake",
        Kind::HandshakeAck => "handshake-ack",
        Kind::Heartbeat => "heartbeat",
        Kind::Data => "data",
        Kind::Kick => "kick",
    };
    assert_eq!(decoded["package"], name);
    assert_eq!(decoded["bodyLength"], body.len());
    if let Some(expected) = decoded.get("message").filter(|_| kind == Kind::Data) {
        check_message(body, expected);
    }
}

fn check_message(body: &[u8], expected: &Value) {
    let Message { kind, id, route, compressed, error, body } = message::read(body).unwrap();
    assert_eq!(kind, super::message::kind(text(expected, "type")));
    assert_eq!(u64::from(id), expected["id"].as_u64().unwrap_or(0));
    match route {
        Route::None => assert!(expected.get("route").is_none() && expected.get("routeCode").is_none()),
        Route::Name(name) => assert_eq!(expected["route"], name),
        Route::Code(code) => assert_eq!(expected["routeCode"], code),
    }
    assert_eq!(expected["gzip"], compressed);
    assert_eq!(expected["error"], error);
    match expected.get("inflated").and_then(Value::as_str) {
        Some(inflated) => assert_eq!(zip::inflate(body, 65_536).unwrap(), inflated.as_bytes()),
        None => assert_eq!(bytes(expected, "bodyHex"), body),
    }
}

/// Steps with messages that the original reads somehow, and we do not.
const REFUSED: [&str; 5] = ["type 4", "type 5", "type 6", "type 7", "route length 200, two bytes present"];

#[test]
fn every_step_of_every_flow_is_read_as_recorded() {
    let mut checked = 0;
    for (_, flows) in files().iter().filter(|(file, _)| file.starts_with("flows-")) {
        for flow in list(flows, "flows") {
            for step in list(flow, "steps").iter().filter(|step| step.get("hex").is_some()) {
                let decoded = &step["decoded"];
                let package = bytes(step, "hex");
                if decoded.get("package").is_none() || package::read(&package).is_err() {
                    continue;
                }
                if REFUSED.contains(&text(step, "meaning")) {
                    let (_, body) = package::read(&package).unwrap();
                    assert!(message::read(body).is_err(), "{step}");
                    continue;
                }
                check(&package, decoded);
                checked += 1;
            }
        }
    }
    assert!(checked > 600, "{checked}");
}

#[test]
fn every_chunk_of_every_tcp_client_is_read_as_recorded() {
    let mut checked = 0;
    for (_, capture) in files().iter().filter(|(file, _)| file.starts_with("capture-tcp")) {
        for connection in list(capture, "connections") {
            for dir in ["c2s", "s2c"] {
                let mut assembler = Assembler::new(FRAMING);
                let mut decoded = Vec::new();
                let mut packages = Vec::new();
                for event in list(connection, "events").iter().filter(|event| event["dir"] == dir) {
                    let Some(hex) = event.get("hex") else { continue };
                    let chunk = super::vectors::unhex(hex.as_str().unwrap());
                    let (frames, result) = assembler.feed(&chunk, HEAD + MAX_BODY);
                    assert_eq!(result, Ok(()));
                    packages.extend(frames.iter().map(<[u8]>::to_vec));
                    decoded.extend(list(event, "decoded"));
                }
                assert_eq!(packages.len(), decoded.len(), "{}", capture["name"]);
                packages.iter().zip(decoded).for_each(|(package, decoded)| check(package, decoded));
                assert_eq!(assembler.held(), 0);
                checked += packages.len();
            }
        }
    }
    assert!(checked > 200, "{checked}");
}

#[test]
fn every_binary_message_of_every_websocket_client_is_one_package() {
    let mut checked = 0;
    for (_, capture) in files().iter().filter(|(file, _)| file.starts_with("capture-ws")) {
        for connection in list(capture, "connections") {
            for event in list(connection, "events") {
                let frames = event["decoded"].as_array().into_iter().flatten();
                for frame in frames.filter(|frame| frame["frame"] == "binary") {
                    let payload = bytes(frame, "payloadHex");
                    let decoded = match list(frame, "packages") {
                        [decoded] => decoded,
                        // The server had agreed to compress messages of WebSocket; the recorder did not inflate them.
                        [] if event["dir"] == "s2c" => continue,
                        _ => panic!("one package a message"),
                    };
                    check(&payload, decoded);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked >= 100, "{checked}");
}

#[test]
fn every_handshake_of_a_real_client_is_read() {
    let mut read = 0;
    for (file, capture) in files().iter().filter(|(file, _)| file.starts_with("capture-tcp")) {
        for connection in list(capture, "connections") {
            let first = bytes(&list(connection, "events")[0], "hex");
            let (kind, body) = package::read(&first).unwrap();
            assert_eq!(kind, Kind::Handshake);
            assert!(Request::read(body).is_ok(), "{file}");
            read += 1;
        }
    }
    assert!(read >= 6);
}

#[test]
fn recorded_protobuf_bodies_are_read_with_the_schema_of_their_route() {
    let vectors = load_ordered("codec-protobuf.json");
    let parse = |name| Protos::parse(&vectors.at("file_example").at(name).json()).unwrap();
    let server = parse("serverProtos");
    let handshake = load("flows-handshake.json");
    let routes =
        list(&list(&handshake, "flows")[0], "steps")[1]["decoded"]["json"]["sys"]["codeToRoute"].clone();
    let name = |route: Route<'_>| match route {
        Route::Name(name) => name.to_owned(),
        Route::Code(code) => text(&routes, &code.to_string()).to_owned(),
        Route::None => panic!("a message without a route"),
    };
    let mut read = 0;
    for flow in list(&load("flows-dict-protobuf.json"), "flows") {
        let mut asked = HashMap::new();
        for step in list(flow, "steps").iter().filter(|step| step.get("hex").is_some()) {
            let package = bytes(step, "hex");
            let Ok((Kind::Data, body)) = package::read(&package) else { continue };
            let Ok(message) = message::read(body) else { continue };
            if step["dir"] == "c2s" {
                asked.insert(message.id, name(message.route));
            } else if let Some(expected) = step.get("protobuf") {
                let route = match message.route {
                    Route::None => asked[&message.id].clone(),
                    route => name(route),
                };
                let schema = server.get(&route).unwrap();
                let value = Value::deserialize(schema.decoder(message.body)).unwrap();
                assert!(same(&value, expected), "{value} is not {expected}");
                read += 1;
            }
        }
    }
    assert!(read > 5, "{read}");
}
