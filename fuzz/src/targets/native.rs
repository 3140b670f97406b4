//! The native protocol: frames of both sides, bodies, and the client's codec.

use crate::bytes::{first, pieces};
use portcullis::native::{
    ClientCodec, Manifest, body,
    wire::{ClientFrame, ServerFrame},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fmt::Debug};

/// What is read is written as it came.
pub fn frame(data: &[u8]) {
    let mut out = Vec::new();
    if let Ok(frame) = ClientFrame::read(data) {
        frame.write(&mut out).unwrap();
        assert_eq!(out[4..], *data);
    }
    out.clear();
    if let Ok(frame) = ServerFrame::read(data) {
        frame.write(&mut out).unwrap();
        assert_eq!(out[4..], *data);
    }
}

/// Of everything that serde knows something.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    flag: bool,
    numbers: (u8, i16, u32, i64, u128),
    letter: char,
    text: String,
    list: Vec<u64>,
    units: Vec<()>,
    map: BTreeMap<String, Option<Shape>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(i32),
    Box { width: u16, within: Option<Box<Shape>> },
    Many(Vec<Shape>),
}

/// A body as values of several types.
pub fn body(data: &[u8]) {
    again::<Everything>(data);
    again::<Shape>(data);
    again::<Vec<Shape>>(data);
    again::<Vec<Vec<()>>>(data);
    again::<BTreeMap<i64, String>>(data);
    again::<(String, Vec<u8>)>(data);
}

fn again<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8]) {
    let Ok(value) = body::decode::<T>(data) else { return };
    let mut out = Vec::new();
    body::encode(&mut out, &value).unwrap();
    assert_eq!(body::decode::<T>(&out).unwrap(), value);
}

/// What a server says means the same to a client however it is cut.
pub fn client(data: &[u8]) {
    let (seed, stream) = first(data);
    let whole = heard(&[stream]);
    assert_eq!(whole, heard(&stream.chunks(1).collect::<Vec<_>>()), "byte by byte");
    assert_eq!(whole, heard(&pieces(stream, seed.into())), "in pieces");
}

/// The events, and how it ended.
fn heard(pieces: &[&[u8]]) -> Vec<String> {
    let manifest = Manifest::new("sums", 1).request::<(i64, i64), i64>("add").push::<String>("news");
    let mut codec = ClientCodec::new(manifest);
    codec.set_max_frame(256);
    let mut out = Vec::new();
    codec.hello(&mut out).unwrap();
    codec.request(&mut out, "add", &(1i64, 2i64)).unwrap();
    let mut events = Vec::new();
    for piece in pieces {
        codec.feed(piece);
        loop {
            match codec.next_event() {
                Ok(Some(event)) => events.push(format!("{event:?}")),
                Ok(None) => break,
                Err(error) => {
                    events.push(error.to_string());
                    return events;
                }
            }
        }
    }
    events
}
