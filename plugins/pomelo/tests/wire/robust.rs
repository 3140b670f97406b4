//! Random values survive the way there and back; damaged bytes are an error or another value, never a panic.

use super::message::write;
use super::random::Random;
use portcullis_core::Assembler;
use portcullis_pomelo::wire::handshake::Request;
use portcullis_pomelo::wire::message::{self, Kind, MAX_ID, Message, Route};
use portcullis_pomelo::wire::package::{self, FRAMING, HEAD, MAX_BODY};
use portcullis_pomelo::wire::protobuf::{Protos, Schema};
use portcullis_pomelo::wire::{WireError, text, zip};
use serde::Deserialize;
use serde_json::{Value, json};

fn package(out: &mut Vec<u8>, kind: package::Kind, body: &[u8]) {
    let written: Result<(), WireError> = package::write(out, kind, |out| {
        out.extend_from_slice(body);
        Ok(())
    });
    written.unwrap();
}

#[test]
fn any_cut_of_a_stream_gives_the_same_packages() {
    let mut random = Random(1);
    for _ in 0..200 {
        let (mut stream, mut sent) = (Vec::new(), Vec::new());
        for _ in 0..random.below(20) {
            let below = if random.below(10) == 0 { 1000 } else { 20 };
            let body = random.bytes(below);
            let start = stream.len();
            package(&mut stream, package::Kind::Data, &body);
            sent.push(stream[start..].to_vec());
        }
        let mut assembler = Assembler::new(FRAMING);
        let (mut got, mut rest) = (Vec::new(), &stream[..]);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(1 + random.below(30) as usize));
            let (frames, result) = assembler.feed(piece, HEAD + MAX_BODY);
            assert_eq!(result, Ok(()));
            got.extend(frames.iter().map(<[u8]>::to_vec));
            rest = after;
        }
        assert_eq!(got, sent);
        assert_eq!(assembler.held(), 0);
    }
}

#[test]
fn random_messages_come_back() {
    let mut random = Random(2);
    for _ in 0..5000 {
        let kind = [Kind::Request, Kind::Notify, Kind::Response, Kind::Push][random.below(4) as usize];
        let (name, body) = (random.text().repeat(random.below(8) as usize), random.bytes(30));
        let message = Message {
            kind,
            id: match kind {
                Kind::Request | Kind::Response => (random.next() as u32 & MAX_ID) >> random.below(31),
                Kind::Notify | Kind::Push => 0,
            },
            route: match random.below(2) {
                _ if kind == Kind::Response => Route::None,
                0 => Route::Code(random.next() as u16),
                _ => Route::Name(&name),
            },
            compressed: random.below(2) == 0,
            error: random.below(2) == 0,
            body: &body,
        };
        let bytes = write(&message).unwrap();
        assert_eq!(message::read(&bytes).unwrap(), message);
        for cut in 0..bytes.len() - body.len() {
            assert_eq!(message::read(&bytes[..cut]), Err(WireError::Short));
        }
    }
}

fn schema() -> Schema {
    let item = json!({
        "required uInt32 id": 1, "optional sInt32 delta": 2, "repeated string tags": 300, "optional Item item": 4
    });
    let route = json!({
        "optional uInt32 u": 1, "optional sInt32 s": 2, "optional int32 i": 3, "optional float f": 4,
        "optional double d": 5, "optional string str": 6, "repeated uInt32 nums": 7, "repeated string strs": 8,
        "optional Item item": 9, "repeated Item items": 10, "repeated double reals": 11
    });
    let file = json!({ "message Item": item, "route": route });
    Protos::parse(&file.to_string()).unwrap().get("route").unwrap().clone()
}

fn signed(random: &mut Random) -> i64 {
    (random.next().cast_signed() >> 12) >> random.below(52)
}

fn item(random: &mut Random, depth: u64) -> Value {
    let mut item = json!({ "id": random.next() >> (11 + random.below(53)) });
    if random.below(2) == 0 {
        item["delta"] = signed(random).into();
    }
    let tags: Vec<_> = (0..random.below(4)).map(|_| random.text()).collect();
    if !tags.is_empty() {
        item["tags"] = tags.into();
    }
    if random.below(2 + depth) == 0 {
        item["item"] = self::item(random, depth + 1);
    }
    item
}

fn value(random: &mut Random) -> Value {
    let mut value = json!({});
    for name in ["u", "s", "i", "f", "d", "str", "nums", "strs", "item", "items", "reals"] {
        if random.below(3) > 0 {
            continue;
        }
        let count = if random.below(30) == 0 { 150 } else { 1 + random.below(3) };
        value[name] = match name {
            "u" => (random.next() >> (11 + random.below(53))).into(),
            "s" | "i" => signed(random).into(),
            "f" => (f64::from(signed(random) as i16) / 4.0).into(),
            "d" => (signed(random) as f64 / 256.0).into(),
            "str" => random.text().repeat(count as usize).into(),
            "nums" => (0..count).map(|_| random.next() >> (11 + random.below(53))).collect(),
            "strs" => (0..count).map(|_| random.text()).collect(),
            "item" => item(random, 0),
            "items" => (0..count).map(|_| item(random, 0)).collect(),
            _ => (0..count).map(|_| signed(random) as f64 / 8.0).collect(),
        };
    }
    value
}

fn decode(schema: &Schema, body: &[u8]) -> Option<Value> {
    Value::deserialize(schema.decoder(body)).ok()
}

#[test]
fn random_values_of_a_schema_come_back() {
    let (schema, mut random) = (schema(), Random(3));
    for _ in 0..2000 {
        let (value, mut body) = (value(&mut random), Vec::new());
        schema.encode(&value, &mut body).unwrap();
        assert_eq!(decode(&schema, &body), Some(value));
    }
}

#[test]
fn damaged_bodies_are_errors_or_values() {
    let (schema, mut random) = (schema(), Random(4));
    let mut read = 0;
    for _ in 0..200 {
        let (value, mut body) = (value(&mut random), Vec::new());
        schema.encode(&value, &mut body).unwrap();
        if body.len() > 300 {
            continue;
        }
        for cut in 0..body.len() {
            decode(&schema, &body[..cut]);
        }
        for bit in 0..body.len() * 8 {
            body[bit / 8] ^= 1 << (bit % 8);
            read += u32::from(decode(&schema, &body).is_some());
            body[bit / 8] ^= 1 << (bit % 8);
        }
    }
    assert!(read > 1000, "most flips hit contents, not structure");
}

#[test]
fn rubbish_is_never_a_panic() {
    let (schema, mut random) = (schema(), Random(5));
    for _ in 0..50_000 {
        let small = random.below(2) == 0;
        let mut bytes = random.bytes(40);
        if small {
            bytes.iter_mut().for_each(|byte| *byte &= 0x9f);
        }
        let _ = package::read(&bytes);
        let _ = message::read(&bytes);
        let _ = Request::read(&bytes);
        let _ = decode(&schema, &bytes);
        assert!(text::lenient(&bytes).len() <= 3 * bytes.len());
        for start in [&[0x78, 0x9c][..], &[0x1f, 0x8b, 8, 0], &[]] {
            if let Ok(inflated) = zip::inflate(&[start, &bytes].concat(), 64) {
                assert!(inflated.len() <= 64);
            }
        }
    }
}

#[test]
fn random_texts_are_escaped_and_read_back() {
    let mut random = Random(6);
    for _ in 0..5000 {
        let (text, mut json) = (random.text().repeat(random.below(5) as usize), Vec::new());
        text::to_json(&text, &mut json).unwrap();
        assert!(json.iter().all(|&byte| byte < 0xf0));
        assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
    }
}

#[test]
fn any_text_in_surrogates_of_three_bytes_is_read() {
    let mut random = Random(7);
    for _ in 0..2000 {
        let text = random.text();
        let mut cesu = Vec::new();
        for unit in text.encode_utf16() {
            match char::from_u32(unit.into()) {
                Some(char) => cesu.extend_from_slice(char.encode_utf8(&mut [0; 3]).as_bytes()),
                None => {
                    let [high, low] = [0xe0 | (unit >> 12) as u8, 0x80 | (unit & 0x3f) as u8];
                    cesu.extend_from_slice(&[high, 0x80 | (unit >> 6 & 0x3f) as u8, low]);
                }
            }
        }
        assert_eq!(text::lenient(&cesu), text);
    }
}
