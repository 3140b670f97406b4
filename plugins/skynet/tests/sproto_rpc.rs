//! Requests, answers and pushes between two ends, beyond what the original's bytes show.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use std::collections::HashMap;

use portcullis_skynet::sproto::{
    DecodeError, DispatchError, EncodeError, Host, HostError, Incoming, ProtocolId, RpcError, Schema,
    UNPACK_LIMIT, UnpackError, pack,
};
use serde::{Deserialize, Serialize};

const C2S: &str = "
.package { type 0 : integer  session 1 : integer  ud 2 : Trace }
.Trace { id 0 : integer  hop 1 : string }
add 0 { request { a 0 : integer  b 1 : integer }  response { sum 0 : integer } }
ping 7 { response nil }
look 9 { response {} }
";
const S2C: &str = "
.package { type 0 : integer  session 1 : integer  ud 2 : Trace }
.Trace { id 0 : integer  hop 1 : string }
chat 3 { request { text 0 : string } }
";

fn ends() -> (Host, Host) {
    let (c2s, s2c) = (Schema::parse(C2S).unwrap(), Schema::parse(S2C).unwrap());
    (Host::new(s2c.clone(), c2s.clone()).unwrap(), Host::new(c2s, s2c).unwrap())
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sum {
    sum: i64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Trace {
    id: u32,
    hop: String,
}

fn protocol(host: &Host, name: &str) -> ProtocolId {
    host.outgoing().protocol_named(name).unwrap()
}

/// Packs a message written by hand.
fn packed(raw: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    pack(raw, &mut packed);
    packed
}

#[test]
fn a_client_and_a_server_are_the_same_thing_with_the_schemas_swapped() {
    let (client, server) = ends();
    let mut waiting = HashMap::new();
    let (mut scratch, mut payload) = (Vec::new(), Vec::new());
    for session in [0, 1, -1, i64::MAX] {
        payload.clear();
        let add = protocol(&client, "add");
        let trace = Trace { id: 4, hop: "edge".into() };
        client
            .encode_request(
                add,
                Some(session),
                &trace,
                &Add { a: session, b: -1 },
                &mut scratch,
                &mut payload,
            )
            .unwrap_or_else(|error| panic!("{session}: {error}"));
        waiting.insert(session, add);

        let Incoming::Request { protocol, session: Some(asked), ud: Some(ud), body } =
            server.dispatch(&payload, &mut scratch).unwrap()
        else {
            panic!("a request with session and ud")
        };
        assert_eq!(protocol.index(), 0);
        assert_eq!(Trace::deserialize(ud).unwrap(), trace);
        let add = Add::deserialize(server.request_body(protocol, body).unwrap()).unwrap();
        let sum: &dyn erased_serde::Serialize = &Sum { sum: add.a.wrapping_add(add.b) };
        let mut answer = Vec::new();
        server.encode_response(protocol, asked, &(), sum, &mut Vec::new(), &mut answer).unwrap();

        let Incoming::Response { session: answered, ud: None, body } =
            client.dispatch(&answer, &mut scratch).unwrap()
        else {
            panic!("a response without ud")
        };
        let asked = waiting.remove(&answered).unwrap();
        let sum = Sum::deserialize(client.response_body(asked, body).unwrap()).unwrap();
        assert_eq!(sum, Sum { sum: session.wrapping_sub(1) });
    }
    assert!(waiting.is_empty());
}

#[test]
fn a_push_is_a_request_without_session() {
    let (client, server) = ends();
    let (mut scratch, mut payload) = (Vec::new(), Vec::new());
    let text = HashMap::from([("text", "hi")]);
    server.encode_request(protocol(&server, "chat"), None, &(), &text, &mut scratch, &mut payload).unwrap();
    let Incoming::Request { session: None, ud: None, protocol, body } =
        client.dispatch(&payload, &mut scratch).unwrap()
    else {
        panic!("a push")
    };
    let text: HashMap<String, &str> =
        Deserialize::deserialize(client.request_body(protocol, body).unwrap()).unwrap();
    assert_eq!(text["text"], "hi");
}

#[test]
fn a_protocol_without_body_takes_and_gives_nothing() {
    let (client, server) = ends();
    let (mut scratch, mut payload) = (Vec::new(), Vec::new());
    let ping = protocol(&client, "ping");
    let refused = client.encode_request(ping, Some(1), &(), &Sum { sum: 1 }, &mut scratch, &mut payload);
    assert_eq!(refused, Err(RpcError::NoBody { protocol: "ping".into(), part: "request" }));
    assert!(payload.is_empty());
    client.encode_request(ping, Some(1), &None::<Trace>, &None::<Sum>, &mut scratch, &mut payload).unwrap();

    let Incoming::Request { protocol, body, .. } = server.dispatch(&payload, &mut scratch).unwrap() else {
        panic!("a request")
    };
    <()>::deserialize(server.request_body(protocol, body).unwrap()).unwrap();
    assert_eq!(Option::<Sum>::deserialize(server.request_body(protocol, body).unwrap()).unwrap(), None);
    let mut answer = Vec::new();
    let refused = server.encode_response(protocol, 1, &(), &Sum { sum: 1 }, &mut Vec::new(), &mut answer);
    assert_eq!(refused, Err(RpcError::NoBody { protocol: "ping".into(), part: "response" }));
    server.encode_response(protocol, 1, &(), &(), &mut Vec::new(), &mut answer).unwrap();
    assert_eq!(answer, [0x15, 2, 1, 4], "a header alone");
}

#[test]
fn an_answer_with_nothing_set_is_still_an_answer() {
    let (client, server) = ends();
    let look = server.incoming().protocol_named("look").unwrap();
    let (mut scratch, mut answer) = (Vec::new(), Vec::new());
    server.encode_response(look, 4, &(), &(), &mut scratch, &mut answer).unwrap();
    assert_eq!(answer, [0x15, 2, 1, 10]);
    let Incoming::Response { body, .. } = client.dispatch(&answer, &mut scratch).unwrap() else {
        panic!("an answer")
    };
    <()>::deserialize(client.response_body(protocol(&client, "look"), body).unwrap()).unwrap();

    let add = server.incoming().protocol_named("add").unwrap();
    let refused = server.encode_response(add, 4, &(), &(), &mut scratch, &mut answer);
    let nil = EncodeError::Nil { field: "add.response".into() };
    assert_eq!(refused, Err(RpcError::Encode(nil)), "an answer forgotten by its handler");
}

#[test]
fn what_a_peer_gets_wrong_is_told_apart() {
    let (_, server) = ends();
    let mut scratch = Vec::new();
    let mut refusal = |payload: &[u8]| server.dispatch(payload, &mut scratch).unwrap_err();
    assert_eq!(refusal(&[0xff]), DispatchError::Unpack(UnpackError::Short));
    assert_eq!(refusal(&[]), DispatchError::Header(DecodeError::Short));
    assert_eq!(refusal(&packed(&[0, 0])), DispatchError::NoSession);
    let unknown = refusal(&packed(&[2, 0, 4, 0, 12, 0]));
    assert_eq!(unknown, DispatchError::UnknownProtocol { tag: 1, session: Some(5) });
    let negative = refusal(&packed(&[1, 0, 0, 0, 4, 0, 0, 0, 255, 255, 255, 255]));
    assert_eq!(negative, DispatchError::UnknownProtocol { tag: -1, session: None });
    let text = refusal(&packed(&[1, 0, 0, 0, 1, 0, 0, 0, 65]));
    assert_eq!(text, DispatchError::Header(DecodeError::ItemSize { field: "package.type".into(), size: 1 }));
}

#[test]
fn a_payload_may_not_unpack_to_more_than_the_limit() {
    let (_, server) = ends();
    let mut scratch = Vec::new();
    let bomb = vec![0; UNPACK_LIMIT / 8 + 1];
    let too_large = |limit| Some(DispatchError::Unpack(UnpackError::TooLarge { limit }));
    assert_eq!(server.dispatch(&bomb, &mut scratch).err(), too_large(UNPACK_LIMIT));
    assert_eq!(server.dispatch(&bomb[1..], &mut scratch).err(), Some(DispatchError::NoSession));
    let strict = server.clone().with_unpack_limit(16);
    assert_eq!(strict.dispatch(&[0; 3], &mut scratch).err(), too_large(16));
}

#[test]
fn a_user_datum_needs_a_field_for_it() {
    let plain = Schema::parse(".package { type 0 : integer session 1 : integer } p 1 {}").unwrap();
    let host = Host::new(plain.clone(), plain).unwrap();
    let (mut scratch, mut payload) = (Vec::new(), Vec::new());
    let p = protocol(&host, "p");
    assert_eq!(host.encode_request(p, None, &1, &(), &mut scratch, &mut payload), Err(RpcError::NoUd));
    host.encode_request(p, None, &(), &(), &mut scratch, &mut payload).unwrap();
}

#[test]
fn the_header_may_have_any_order_of_tags_and_further_fields() {
    let text = ".head { ud 1 : *integer  session 4 : integer  extra 5 : string  type 9 : integer } p 1 { request { x 0 : integer } }";
    let schema = Schema::parse(text).unwrap();
    let host = Host::with_package(schema.clone(), schema, "head").unwrap();
    let (mut scratch, mut payload) = (Vec::new(), Vec::new());
    let body = HashMap::from([("x", 70_000)]);
    let p = protocol(&host, "p");
    host.encode_request(p, Some(1 << 40), &[1, 2, 3], &body, &mut scratch, &mut payload).unwrap();
    let Incoming::Request { protocol, session, ud: Some(ud), body } =
        host.dispatch(&payload, &mut scratch).unwrap()
    else {
        panic!("a request with ud")
    };
    assert_eq!((protocol, session), (p, Some(1 << 40)));
    assert_eq!(<[i64; 3]>::deserialize(ud).unwrap(), [1, 2, 3]);
    let body: HashMap<String, i64> =
        Deserialize::deserialize(host.request_body(protocol, body).unwrap()).unwrap();
    assert_eq!(body["x"], 70_000);
}

#[test]
fn a_schema_without_a_usable_header_type_is_refused_at_once() {
    let host = |text: &str| Host::new(Schema::parse(text).unwrap(), Schema::parse("").unwrap()).err();
    assert_eq!(host(".Package {}"), Some(HostError::NoPackage("package".into())));
    let missing = |field| Some(HostError::Header { package: "package".into(), field });
    assert_eq!(host(".package { session 1 : integer }"), missing("type"));
    assert_eq!(host(".package { type 0 : string session 1 : integer }"), missing("type"));
    assert_eq!(host(".package { type 0 : integer session 1 : *integer }"), missing("session"));
    assert_eq!(host(".package { type 0 : integer session 1 : integer(2) }"), missing("session"));
}

#[test]
fn encoders_add_to_what_stands_in_the_buffer_and_leave_it_alone_after_an_error() {
    let (client, _) = ends();
    let (mut scratch, mut payload) = (vec![1; 5], vec![0xab, 0xcd]);
    let add = protocol(&client, "add");
    let wrong = HashMap::from([("c", 1)]);
    assert!(client.encode_request(add, None, &(), &wrong, &mut scratch, &mut payload).is_err());
    assert_eq!(payload, [0xab, 0xcd]);
    client.encode_request(add, None, &(), &Add { a: 1, b: 2 }, &mut scratch, &mut payload).unwrap();
    assert_eq!(payload[..2], [0xab, 0xcd]);
    assert!(payload.len() > 2);
}
