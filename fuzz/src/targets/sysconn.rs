//! The Erlang connector: messages, compressed bodies, and the protobuf of its own commands.

use crate::bytes::first;
use flate2::{Compression, write::ZlibEncoder};
use portcullis::sysconn::{
    prost::Message,
    wire::{
        Request, Response, Size, inflate as inflated,
        messages::{
            Blacklisted, Empty, Kicked, LoginAccount, LoginAnswer, PhoneLogin, Reconnect, RoleInfo,
            SystemNotice,
        },
    },
};
use std::{fmt::Debug, io::Write};

/// Bodies may have so many bytes when they are inflated.
const LIMIT: usize = 64 * 1024;

/// A message from a client and one from a server are written as they came.
pub fn message(data: &[u8]) {
    let mut out = Vec::new();
    if let Ok(request) = Request::read(data) {
        let content = request.content(LIMIT);
        assert!(request.has_body() || content.as_deref() == Ok(&[]));
        if let Ok(content) = content {
            assert!(content.len() <= LIMIT.max(data.len()));
            bodies(&content);
        }
        request.write(&mut out);
        match request.size {
            Size::Empty(dropped) => assert_eq!(out.len() + dropped, data.len()),
            Size::Exact | Size::Mismatch(_) => assert_eq!(out, data),
        }
        assert_eq!(Request::read(&out).unwrap().body, request.body);
    }
    out.clear();
    if let Ok(response) = Response::read(data) {
        response.write(&mut out);
        assert_eq!(out, data);
    }
}

/// A body as each of the messages there are.
pub fn body(data: &[u8]) {
    bodies(data);
}

fn bodies(body: &[u8]) {
    again::<Empty>(body);
    again::<LoginAccount>(body);
    again::<Reconnect>(body);
    again::<PhoneLogin>(body);
    again::<LoginAnswer>(body);
    again::<RoleInfo>(body);
    again::<Kicked>(body);
    again::<Blacklisted>(body);
    again::<SystemNotice>(body);
}

fn again<M: Message + Default + PartialEq + Debug>(body: &[u8]) {
    let Ok(message) = M::decode(body) else { return };
    assert_eq!(M::decode(&*message.encode_to_vec()).unwrap(), message);
}

/// What comes out has its limit, and what was deflated comes back.
pub fn inflate(data: &[u8]) {
    let (limit, body) = first(data);
    let limit = usize::from(limit) * 256;
    for body in [body, &[&[0x78, 0x9c], body].concat()] {
        if let Ok(inflated) = inflated(body, limit) {
            assert!(inflated.len() <= limit && inflated.capacity() <= 2 * limit + 8192);
        }
    }
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(data).unwrap();
    let deflated = deflate.finish().unwrap();
    assert_eq!(inflated(&deflated, data.len()).unwrap(), data);
    if let Some(one_less) = data.len().checked_sub(1) {
        assert!(inflated(&deflated, one_less).is_err());
    }
}
