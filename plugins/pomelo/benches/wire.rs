//! What one message costs: a request read, its body typed, an answer written; in JSON and in the protobuf dialect.
#![expect(clippy::unwrap_used, reason = "a bench stops where its preparation fails")]

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_pomelo::wire::message::{self, Kind, Route};
use portcullis_pomelo::wire::package;
use portcullis_pomelo::wire::protobuf::{Protos, Schema};
use portcullis_pomelo::wire::{WireError, text};
use serde::{Deserialize, Serialize};
use std::hint::black_box;

const ROUTE: &str = "connector.entryHandler.move";

#[derive(Serialize, Deserialize)]
struct Move<'a> {
    seq: u32,
    x: i32,
    y: i32,
    heading: f64,
    name: &'a str,
}

/// 64 bytes of JSON.
const MOVE: Move<'static> = Move { seq: 100, x: -120, y: 3000, heading: 1.5, name: "a player's " };

fn schema() -> Schema {
    let file = r#"{"route":{"required uInt32 seq":1,"optional sInt32 x":2,"optional sInt32 y":3,
        "optional double heading":4,"optional string name":5}}"#;
    Protos::parse(file).unwrap().get("route").unwrap().clone()
}

fn write(out: &mut Vec<u8>, kind: Kind, route: Route<'_>, body: impl FnOnce(&mut Vec<u8>)) {
    let written: Result<(), WireError> = package::write(out, package::Kind::Data, |out| {
        message::write_head(out, kind, 77, route, false, false)?;
        body(out);
        Ok(())
    });
    written.unwrap();
}

fn requests(c: &mut Criterion) {
    let schema = schema();
    let (mut json, mut protobuf) = (Vec::new(), Vec::new());
    write(&mut json, Kind::Request, Route::Name(ROUTE), |out| text::to_json(&MOVE, out).unwrap());
    write(&mut protobuf, Kind::Request, Route::Code(7), |out| schema.encode(&MOVE, out).unwrap());

    let body = |bytes| message::read(package::read(bytes).unwrap().1).unwrap();
    assert_eq!(body(&json).body.len(), 64);
    c.bench_function("head read", |b| b.iter(|| body(black_box(&json)).id));
    c.bench_function("json decode", |b| {
        b.iter(|| {
            let body = text::lenient(body(black_box(&json)).body);
            serde_json::from_str::<Move<'_>>(&body).unwrap().seq
        });
    });
    c.bench_function("protobuf decode", |b| {
        b.iter(|| Move::deserialize(schema.decoder(body(black_box(&protobuf)).body)).unwrap().seq);
    });
}

fn answers(c: &mut Criterion) {
    let schema = schema();
    let mut out = Vec::new();
    c.bench_function("json encode", |b| {
        b.iter(|| {
            out.clear();
            write(&mut out, Kind::Response, Route::None, |out| text::to_json(black_box(&MOVE), out).unwrap());
        });
    });
    c.bench_function("json encode, serde_json alone", |b| {
        b.iter(|| {
            out.clear();
            write(&mut out, Kind::Response, Route::None, |out| {
                serde_json::to_writer(out, black_box(&MOVE)).unwrap();
            });
        });
    });
    c.bench_function("protobuf encode", |b| {
        b.iter(|| {
            out.clear();
            write(&mut out, Kind::Response, Route::None, |out| schema.encode(black_box(&MOVE), out).unwrap());
        });
    });
}

criterion_group!(benches, requests, answers);
criterion_main!(benches);
