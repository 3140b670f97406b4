//! skynet's sproto: packing, values, schemas, RPC.

use crate::bytes::first;
use portcullis::skynet::sproto::{EncodeError, Host, Incoming, Schema, Value, measure, pack, unpack};
use serde::de::IgnoredAny;
use std::sync::LazyLock;

/// Every kind of field there is.
const SCHEMA: &str = "
    .Leaf { a 0 : integer  b 3 : boolean  c 4 : double  d 5 : string  e 32766 : binary }
    .Node {
        leaf 1 : Leaf  ints 2 : *integer  flags 3 : *boolean  reals 4 : *double  texts 5 : *string
        leaves 10 : *Leaf  nodes 11 : *Node  keyed 12 : *Leaf(a)  pairs 13 : *Pair()  prices 20 : *integer(0)
    }
    .Pair { key 2 : string  value 9 : Node }
    .package { type 0 : integer  session 1 : integer  ud 2 : Node }
    node 1 { request Node  response Node }
    leaf 2 { request Leaf }
    nothing 3 {}
    confirmed 4 { response nil }
";

static TYPES: LazyLock<Schema> = LazyLock::new(|| Schema::parse(SCHEMA).unwrap());
static HOST: LazyLock<Host> = LazyLock::new(|| Host::new(TYPES.clone(), TYPES.clone()).unwrap());

/// Unpacking holds its limit, and undoes packing.
pub fn unpacking(data: &[u8]) {
    let (limit, packed) = first(data);
    let limit = usize::from(limit) * 64;
    let mut raw = b"before".to_vec();
    match unpack(packed, &mut raw, limit) {
        Ok(()) => assert!(raw.len() - 6 <= limit && (raw.len() - 6).is_multiple_of(8)),
        Err(_) => assert_eq!(raw, b"before", "after an error the buffer is as before"),
    }
    let (mut again, mut back) = (Vec::new(), Vec::new());
    pack(data, &mut again);
    assert!(again.len() <= data.len() + 2 * data.len().div_ceil(8), "a word costs two bytes more at most");
    unpack(&again, &mut back, usize::MAX).unwrap();
    assert_eq!(back.len(), data.len().next_multiple_of(8));
    assert!(back.starts_with(data));
}

/// What is a value of a type is one when it is written again.
pub fn decoding(data: &[u8]) {
    let (which, bytes) = first(data);
    let ty = TYPES.type_(["Leaf", "Node", "Pair"][usize::from(which) % 3]).unwrap();
    let measured = measure(bytes);
    if let Ok(length) = measured {
        assert!(length <= bytes.len());
    }
    let ignored = TYPES.decode::<IgnoredAny>(ty, bytes);
    let Ok(value) = TYPES.decode_value(ty, bytes) else { return };
    assert!(measured.is_ok(), "what can be read can be measured");
    assert!(ignored.is_ok(), "what can be read can be passed over");
    let again = match TYPES.encode(ty, &value) {
        Ok(again) => again,
        // A fixed-point number at the end of 64 bits is rounded out of them when it becomes a double.
        Err(EncodeError::Range { field }) if *field == *"Node.prices" => return,
        Err(error) => panic!("{error}"),
    };
    let value = TYPES.decode_value(ty, &again).unwrap();
    // Not all doubles are equal to themselves; their bytes are.
    assert_eq!(TYPES.encode(ty, &value).unwrap(), again);
}

/// A schema, as text or as a bundle, is the same when it comes from its own bundle.
pub fn schemas(data: &[u8]) {
    let text = str::from_utf8(data).ok().and_then(|text| Schema::parse(text).ok());
    for schema in text.into_iter().chain(Schema::from_bundle(data).ok()) {
        let bundle = schema.to_bundle().unwrap();
        let again = Schema::from_bundle(&bundle).unwrap();
        assert_eq!(again.to_bundle().unwrap(), bundle);
        for id in again.types().filter_map(|ty| again.type_(ty.name())).collect::<Vec<_>>() {
            let _ = again.decode_value(id, &bundle);
        }
    }
}

/// A frame's payload, to a server and to a client.
pub fn rpc(data: &[u8]) {
    let mut scratch = Vec::new();
    let _ = HOST.read(data).map(|message| read(&message));
    let _ = HOST.dispatch(data, &mut scratch).map(|message| read(&message));
    assert!(scratch.len() <= 8 * 256 * data.len().max(1));
}

fn read(message: &Incoming<'_, '_>) {
    let (ud, body) = match message {
        Incoming::Request { protocol, ud, body, .. } => {
            if let Ok(decoder) = HOST.request_body(*protocol, body) {
                let _: Result<Option<Value>, _> = decoder.value();
            }
            (ud, body)
        }
        Incoming::Response { ud, body, .. } => (ud, body),
    };
    if let Some(ud) = ud {
        let _ = ud.value();
    }
    for (protocol, _) in HOST.outgoing().protocols() {
        if let Ok(decoder) = HOST.response_body(protocol, body) {
            let _ = decoder.value();
        }
    }
}
