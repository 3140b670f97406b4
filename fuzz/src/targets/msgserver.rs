//! skynet's msgserver: the handshake, and what follows it.

use crate::bytes::first;
use portcullis::skynet::msgserver::wire::{
    Answer, Handshake, Reply, Request, Response, Username, read_frame,
};

const SECRET: [u8; 8] = *b"a secret";

/// A frame as a handshake; and as the name of one whose proof is right.
pub fn handshake(data: &[u8]) {
    let (version, frame) = first(data);
    let version = i64::from(version as i8);
    if let Some(handshake) = Handshake::parse(frame) {
        if let Ok(index) = handshake.check(&SECRET, version) {
            assert!(index > version, "an index is used once");
        }
        if let Some(name) = Username::parse(handshake.username) {
            assert_eq!(name.encode(), handshake.username, "a name is one text only");
        }
    }
    let mut proved = Vec::new();
    if !frame.contains(&b':') && Handshake::write(frame, version, &SECRET, &mut proved).is_ok() {
        let (payload, rest) = read_frame(&proved).unwrap();
        assert!(rest.is_empty());
        let handshake = Handshake::parse(payload).unwrap();
        assert_eq!(handshake.username, frame);
        assert_eq!(handshake.check(&SECRET, version), Err(Reply::IndexExpired));
        assert_eq!(handshake.check(&SECRET, version - 1), Ok(version));
        assert_eq!(handshake.check(&[0; 8], version - 1), Err(Reply::Unauthorized));
    }
    if let Some(reply) = Reply::parse(frame) {
        assert_eq!(reply.text().as_bytes(), frame);
    }
}

/// A frame as a request, and as an answer.
pub fn message(data: &[u8]) {
    let mut out = Vec::new();
    if let Ok(request) = Request::parse(data) {
        request.write(&mut out).unwrap();
        assert_eq!(read_frame(&out), Some((data, &[][..])));
    }
    out.clear();
    if let Ok(response) = Response::parse(data) {
        response.write(&mut out).unwrap();
        let (payload, _) = read_frame(&out).unwrap();
        assert_eq!(Response::parse(payload), Ok(response));
        assert!(response.answer != Answer::Failed || payload.len() == 5);
    }
    if let Some((frame, rest)) = read_frame(data) {
        assert_eq!(2 + frame.len() + rest.len(), data.len());
    }
}
