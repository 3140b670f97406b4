//! Pomelo: packages, messages, bodies, and the files that say how bodies are written.

use crate::bytes::first;
use portcullis::{
    demo::connector::{CLIENT_PROTOS, DICTIONARY, SERVER_PROTOS},
    pomelo::wire::{
        WireError,
        dictionary::{Dictionary, pushes},
        handshake::{Cache, Request},
        message, package,
        protobuf::{Protos, Schema},
        text, zip,
    },
};
use serde::Deserialize;
use serde_json::Value;
use std::sync::LazyLock;

/// Every kind of field there is, and those of the demo.
static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    let every = r#"{
        "message Item": {
            "required uInt32 id": 1, "optional sInt32 delta": 2, "repeated string tags": 300, "optional Item item": 4
        },
        "route": {
            "optional uInt32 u": 1, "optional sInt32 s": 2, "optional int32 i": 3, "optional float f": 4,
            "optional double d": 5, "optional string str": 6, "repeated uInt32 nums": 7, "repeated string strs": 8,
            "optional Item item": 9, "repeated Item items": 10, "repeated double reals": 11, "repeated float halves": 12
        }
    }"#;
    let files = [every, CLIENT_PROTOS, SERVER_PROTOS].map(|file| Protos::parse(file).unwrap());
    let schemas = files.iter().flat_map(|file| {
        let mut routes: Vec<_> = file.routes().collect();
        routes.sort_unstable();
        routes.into_iter().filter_map(|route| file.get(route).cloned()).collect::<Vec<_>>()
    });
    schemas.collect()
});

static CACHE: LazyLock<Cache> = LazyLock::new(|| {
    let dictionary = Dictionary::from_json(DICTIONARY).unwrap();
    let (client, server) = (Protos::parse(CLIENT_PROTOS).unwrap(), Protos::parse(SERVER_PROTOS).unwrap());
    Cache::new(Some(30), Some(&dictionary), Some((&client, &server)), Some("json"))
});

/// A whole package is written as it came.
pub fn package(data: &[u8]) {
    let Ok((kind, body)) = package::read(data) else { return };
    let mut out = Vec::new();
    package::write(&mut out, kind, |out| {
        out.extend_from_slice(body);
        Ok::<_, WireError>(())
    })
    .unwrap();
    assert_eq!(out, data);
}

/// A message that is written again reads the same.
pub fn message(data: &[u8]) {
    let Ok(read) = message::read(data) else { return };
    let mut out = Vec::new();
    message::write_head(&mut out, read.kind, read.id, read.route, read.compressed, read.error).unwrap();
    out.extend_from_slice(read.body);
    assert!(out.len() <= data.len(), "there is no shorter form than ours");
    assert_eq!(message::read(&out), Ok(read));
}

/// A body that is read and written reads the same.
pub fn protobuf(data: &[u8]) {
    let (which, body) = first(data);
    let schema = &SCHEMAS[usize::from(which) % SCHEMAS.len()];
    bodies(schema, body);
}

fn bodies(schema: &Schema, body: &[u8]) {
    let Ok(value) = Value::deserialize(schema.decoder(body)) else { return };
    let mut first = Vec::new();
    // What a schema requires, a body may lack; and no number of JSON is infinite.
    if schema.encode(&value, &mut first).is_err() {
        assert!(first.is_empty(), "nothing is written of what cannot be");
        return;
    }
    let again = Value::deserialize(schema.decoder(&first)).unwrap();
    let mut second = Vec::new();
    schema.encode(&again, &mut second).unwrap();
    assert_eq!(first, second);
}

/// A file of schemas, and behind a zero byte a body for each.
pub fn schema(data: &[u8]) {
    let (file, body) = match data.iter().position(|&byte| byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, data),
    };
    let Ok(Ok(protos)) = str::from_utf8(file).map(Protos::parse) else { return };
    assert!(serde_json::from_str::<Value>(protos.json()).is_ok(), "clients are sent JSON");
    for route in protos.routes() {
        bodies(protos.get(route).unwrap(), body);
    }
}

/// A dictionary numbers each route once.
pub fn dictionary(data: &[u8]) {
    let Ok(file) = str::from_utf8(data) else { return };
    let (Ok(dictionary), Ok(routes)) = (Dictionary::from_json(file), pushes(file)) else { return };
    assert!(dictionary.len() <= routes.len());
    for route in &routes {
        let code = dictionary.code(route).unwrap();
        assert_eq!(dictionary.route(code), Some(route.as_str()));
    }
    let cache = Cache::new(None, Some(&dictionary), None, None);
    let mut answer = Vec::new();
    cache.write(&Request::read(br#"{"sys":{"type":"js"}}"#).unwrap(), None, &mut answer);
    assert!(serde_json::from_slice::<Value>(&answer).is_ok(), "clients are sent JSON");
}

/// What a client says of itself, and what it is told.
pub fn handshake(data: &[u8]) {
    let text = text::lenient(data);
    assert!(text.len() <= 3 * data.len());
    let mut json = Vec::new();
    text::to_json(&text, &mut json).unwrap();
    assert!(json.iter().all(|&byte| byte < 0xf0), "no character of four bytes leaves us");
    assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
    let Ok(request) = Request::read(data) else { return };
    let mut answer = Vec::new();
    CACHE.write(&request, request.user.as_ref(), &mut answer);
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["user"], request.user.unwrap_or_default());
}

/// What comes out has its limit, and what was deflated comes back.
pub fn inflate(data: &[u8]) {
    let (limit, body) = first(data);
    let limit = usize::from(limit) * 256;
    for body in [body, &[&[0x1f, 0x8b, 8, 0], body].concat(), &[&[0x78, 0x9c], body].concat()] {
        if let Ok(inflated) = zip::inflate(body, limit) {
            assert!(inflated.len() <= limit && inflated.capacity() <= 2 * limit + 8192);
        }
    }
    let mut deflated = Vec::new();
    if zip::deflate_if_shorter(data, &mut deflated) {
        assert!(deflated.len() < data.len());
        assert_eq!(zip::inflate(&deflated, data.len()).unwrap(), data);
    }
}
