//! The format on the wire, byte by byte.
#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use portcullis_native::{
    body,
    wire::{ClientFrame, Identity, ServerFrame, WireError},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const HELLO: ClientFrame<'_> =
    ClientFrame::Hello(Identity { name: "arena", version: 1, hash: 0x0123_4567_89ab_cdef });

fn clients() -> Vec<(ClientFrame<'static>, &'static str)> {
    vec![
        (HELLO, "13000000 01 01 01000000 efcdab8967452301 6172656e61"),
        (ClientFrame::Request { id: 7, route: 2, body: &[9] }, "08000000 04 07000000 0200 09"),
        (ClientFrame::Notify { route: 2, body: &[9] }, "04000000 07 0200 09"),
        (ClientFrame::Ping, "01000000 09"),
    ]
}

fn servers() -> Vec<(ServerFrame<'static>, &'static str)> {
    vec![
        (ServerFrame::Welcome { heartbeat: Duration::from_secs(20) }, "05000000 02 204e0000"),
        (ServerFrame::Reject { message: "no" }, "03000000 03 6e6f"),
        (ServerFrame::Reply { id: 7, body: &[9] }, "06000000 05 07000000 09"),
        (ServerFrame::Refusal { id: 7, code: 404, message: "no" }, "09000000 06 07000000 9401 6e6f"),
        (ServerFrame::Push { route: 2, body: &[9] }, "04000000 08 0200 09"),
        (ServerFrame::Pong, "01000000 0a"),
        (ServerFrame::Bye { cause: "idle", reason: "bye" }, "09000000 0b 04 69646c65 627965"),
    ]
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|digit| *digit != ' ').collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap()).collect()
}

#[test]
fn every_frame_is_written_and_read_as_documented() {
    for (frame, golden) in clients() {
        let mut out = Vec::new();
        frame.write(&mut out).unwrap();
        assert_eq!(out, bytes(golden), "{frame:?}");
        assert_eq!(ClientFrame::read(&out[4..]), Ok(frame));
    }
    for (frame, golden) in servers() {
        let mut out = Vec::new();
        frame.write(&mut out).unwrap();
        assert_eq!(out, bytes(golden), "{frame:?}");
        assert_eq!(ServerFrame::read(&out[4..]), Ok(frame));
    }
}

#[test]
fn every_prefix_is_an_error_or_a_shorter_frame() {
    for (_, golden) in clients()
        .into_iter()
        .map(|(_, golden)| ((), golden))
        .chain(servers().into_iter().map(|(_, golden)| ((), golden)))
    {
        let payload = &bytes(golden)[4..];
        for end in 0..payload.len() {
            // What is read of a prefix is itself what that prefix says: fields are never made up.
            if let Ok(frame) = ClientFrame::read(&payload[..end]) {
                let mut again = Vec::new();
                frame.write(&mut again).unwrap();
                assert_eq!(&again[4..], &payload[..end]);
            }
            if let Ok(frame) = ServerFrame::read(&payload[..end]) {
                let mut again = Vec::new();
                frame.write(&mut again).unwrap();
                assert_eq!(&again[4..], &payload[..end]);
            }
        }
    }
    assert_eq!(ClientFrame::read(&[]), Err(WireError::Empty));
    assert_eq!(ServerFrame::read(&[]), Err(WireError::Empty));
}

#[test]
fn every_flipped_bit_is_an_error_or_another_frame() {
    for golden in clients().into_iter().map(|f| f.1).chain(servers().into_iter().map(|f| f.1)) {
        let payload = &bytes(golden)[4..];
        for bit in 0..payload.len() * 8 {
            let mut flipped = payload.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(frame) = ClientFrame::read(&flipped) {
                let mut again = Vec::new();
                frame.write(&mut again).unwrap();
                assert_eq!(&again[4..], flipped, "{frame:?}");
            }
            if let Ok(frame) = ServerFrame::read(&flipped) {
                let mut again = Vec::new();
                frame.write(&mut again).unwrap();
                assert_eq!(&again[4..], flipped, "{frame:?}");
            }
        }
    }
}

#[test]
fn frames_are_for_one_direction_only() {
    for (frame, golden) in clients() {
        assert_eq!(ServerFrame::read(&bytes(golden)[4..]), Err(WireError::UnknownKind(frame.kind())));
    }
    for (frame, golden) in servers() {
        assert_eq!(ClientFrame::read(&bytes(golden)[4..]), Err(WireError::UnknownKind(frame.kind())));
    }
}

#[test]
fn a_name_has_1_to_255_bytes() {
    let long = "a".repeat(256);
    for (name, length) in [("", 0), (&*long, 256)] {
        let mut out = vec![1, 2, 3];
        let hello = ClientFrame::Hello(Identity { name, version: 1, hash: 0 });
        assert_eq!(hello.write(&mut out), Err(WireError::TextLength(length)));
        assert_eq!(out, [1, 2, 3], "nothing is left of a frame that could not be written");
        let payload = [&bytes("01 01 01000000 0000000000000000")[..], name.as_bytes()].concat();
        assert_eq!(ClientFrame::read(&payload), Err(WireError::TextLength(length)));
    }
}

#[test]
fn another_format_is_told_apart_whatever_follows() {
    assert_eq!(ClientFrame::read(&[1, 2]), Err(WireError::Format(2)));
    assert_eq!(ClientFrame::read(&[1, 9, 1, 2, 3]), Err(WireError::Format(9)));
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Choice {
    None,
    One(u64),
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Everything {
    small: u8,
    large: u32,
    negative: i16,
    text: String,
    list: Vec<u8>,
    maybe: Option<bool>,
    choice: Choice,
    real: f32,
}

#[test]
fn bodies_are_bincode_in_its_standard_configuration() {
    let value = Everything {
        small: 5,
        large: 300,
        negative: -2,
        text: "hi".into(),
        list: vec![1, 2],
        maybe: Some(true),
        choice: Choice::One(7),
        real: 1.0,
    };
    let mut out = Vec::new();
    body::encode(&mut out, &value).unwrap();
    assert_eq!(out, bytes("05 fb2c01 03 026869 020102 0101 0107 0000803f"));
    assert_eq!(body::decode::<Everything>(&out).unwrap(), value);
    for end in 0..out.len() {
        assert!(body::decode::<Everything>(&out[..end]).is_err(), "a prefix of {end} bytes");
    }
    for bit in 0..out.len() * 8 {
        let mut flipped = out.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let _ = body::decode::<Everything>(&flipped);
    }
    out.push(0);
    assert!(body::decode::<Everything>(&out).is_err(), "a byte too many");
}

#[test]
fn declared_lengths_allocate_nothing() {
    // 2^63 elements, and a text of as many bytes: either would end the process.
    let huge = bytes("fd 0000000000000080 01");
    assert!(body::decode::<String>(&huge).is_err());
    assert!(body::decode::<Vec<[u64; 8]>>(&huge).is_err());
    assert!(body::decode::<std::collections::HashMap<u8, u8>>(&huge).is_err());
}

#[test]
fn elements_that_take_no_bytes_are_bounded() {
    assert_eq!(body::decode::<Vec<()>>(&bytes("fb 0002")).unwrap().len(), 512);
    assert!(body::decode::<Vec<()>>(&bytes("fd 0000000000000080")).is_err());
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Chain {
    End,
    Link(Box<Chain>),
}

#[test]
fn values_within_values_end_before_the_stack_does() {
    let chain = |links: usize| [vec![1; links], vec![0]].concat();
    assert!(body::decode::<Chain>(&chain(60)).is_ok());
    assert!(body::decode::<Chain>(&chain(60_000)).is_err());
}

/// Errors that quoted each other doubled with each level, until there was no memory left.
#[test]
fn errors_within_many_levels_stay_short() {
    for body in [vec![1; 50], vec![1; 60_000], [vec![1; 50], vec![9]].concat()] {
        let error = body::decode::<Chain>(&body).unwrap_err();
        assert!(error.0.len() < 200, "{error}");
    }
    let deep = body::decode::<Chain>(&[1; 100]).unwrap_err();
    assert_eq!(deep.to_string(), "values within values too deep");
}

#[test]
fn lists_of_lists_are_not_taken_for_an_attack() {
    let value: Vec<Vec<(Vec<u8>, Option<String>)>> = vec![vec![(vec![1; 50], Some("a".into())); 20]; 20];
    let mut out = Vec::new();
    body::encode(&mut out, &value).unwrap();
    assert_eq!(body::decode::<Vec<Vec<(Vec<u8>, Option<String>)>>>(&out).unwrap(), value);
}
