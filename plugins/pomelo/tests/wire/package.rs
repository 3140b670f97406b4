use super::vectors::{bytes, list, load, text};
use portcullis_core::Assembler;
use portcullis_pomelo::wire::package::{FRAMING, HEAD, HEARTBEAT, Kind, MAX_BODY, read, write};
use portcullis_pomelo::wire::{WireError, kick_body};
use serde_json::Value;

const KINDS: [Kind; 5] = [Kind::Handshake, Kind::HandshakeAck, Kind::Heartbeat, Kind::Data, Kind::Kick];

fn kind(case: &Value) -> Kind {
    KINDS[case["type"].as_u64().unwrap() as usize - 1]
}

fn package(kind: Kind, body: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    write(&mut out, kind, |out| {
        out.extend_from_slice(body);
        Ok(())
    })
    .map(|()| out)
}

#[test]
fn packages_are_written_and_read_as_the_original_does() {
    for case in list(&load("codec-package.json"), "encode") {
        let (hex, body) = (bytes(case, "hex"), bytes(case, "body_hex"));
        assert_eq!(package(kind(case), &body).unwrap(), hex, "{}", case["name"]);
        assert_eq!(read(&hex).unwrap(), (kind(case), &*body), "{}", case["name"]);
    }
    assert_eq!(package(Kind::Heartbeat, b"").unwrap(), HEARTBEAT);
}

#[test]
fn a_length_beyond_24_bits_is_refused_and_not_cut() {
    for case in list(&load("codec-package.json"), "heads") {
        let len = case["body_length"].as_u64().unwrap() as usize;
        let written = package(kind(case), &vec![0; len]);
        match case["head_hex"].is_null() {
            true => assert_eq!(written, Err(WireError::TooLarge(len))),
            false => assert_eq!(written.unwrap()[..HEAD], bytes(case, "head_hex")),
        }
    }
}

#[test]
fn a_stream_is_cut_where_the_original_cuts_it() {
    for case in list(&load("codec-package.json"), "streams") {
        let stream = bytes(case, "hex");
        let mut assembler = Assembler::new(FRAMING);
        let (frames, result) = assembler.feed(&stream, HEAD + MAX_BODY);
        assert_eq!(result, Ok(()));
        let got: Vec<_> = frames.iter().map(read).collect();
        if case.get("error").is_some() {
            assert_eq!(got, [Err(WireError::UnknownPackage(stream[0]))]);
            continue;
        }
        let expected: Vec<_> =
            list(case, "packages").iter().map(|case| (kind(case), bytes(case, "body_hex"))).collect();
        let got: Vec<_> =
            got.into_iter().map(|package| package.map(|(kind, body)| (kind, body.to_vec()))).collect();
        assert_eq!(got, expected.into_iter().map(Ok).collect::<Vec<_>>(), "{}", case["name"]);
        assert_eq!(assembler.held(), text(case, "rest_hex").len() / 2);
    }
}

#[test]
fn an_unknown_type_is_judged_by_its_head_alone() {
    for first in (0..=255).filter(|first| !(1..=5).contains(first)) {
        let mut assembler = Assembler::new(FRAMING);
        let (frames, result) = assembler.feed(&[first, 0xff, 0xff, 0xff], 4096);
        assert_eq!(result, Ok(()));
        let judged: Vec<_> = frames.iter().map(read).collect();
        assert_eq!(judged, [Err(WireError::UnknownPackage(first))]);
    }
}

#[test]
fn a_head_that_announces_16_mib_is_refused_by_the_frame_limit() {
    let mut assembler = Assembler::new(FRAMING);
    let (frames, result) = assembler.feed(&[4, 0xff, 0xff, 0xff], 4096);
    assert!(frames.is_empty());
    assert_eq!(result.unwrap_err().declared, HEAD + MAX_BODY);
}

#[test]
fn a_websocket_message_must_be_exactly_one_package() {
    assert_eq!(read(&[]), Err(WireError::Head(0)));
    assert_eq!(read(&[3, 0, 0]), Err(WireError::Head(3)));
    assert_eq!(read(&[3, 0, 0, 0, 3, 0, 0, 0]), Err(WireError::PackageLength { declared: 0, len: 4 }));
    assert_eq!(read(&[4, 0, 0, 9, 1]), Err(WireError::PackageLength { declared: 9, len: 1 }));
}

#[test]
fn a_body_that_fails_leaves_nothing_behind() {
    let mut out = b"before".to_vec();
    let failed: Result<(), WireError> = write(&mut out, Kind::Data, |out| {
        out.extend_from_slice(b"half");
        Err(WireError::NoRoute)
    });
    assert_eq!(failed, Err(WireError::NoRoute));
    assert_eq!(out, b"before");
}

#[test]
fn a_kick_says_why_in_json() {
    let mut body = Vec::new();
    kick_body("you \"left\" 😀", &mut body);
    assert_eq!(body, br#"{"reason":"you \"left\" \ud83d\ude00"}"#);
}
