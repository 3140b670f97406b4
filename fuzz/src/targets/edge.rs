//! What a socket's bytes go through before they are frames: a proxy's header, detection, HTTP, WebSocket.

use crate::bytes::{first, pieces};
use portcullis::{
    core::Framing,
    net::{Accepts, MessageKind},
    pomelo::wire::package,
};
use portcullis_net::fuzzing::{self, Outcome};

const ACCEPTS: [Accepts; 3] = [Accepts::Tcp, Accepts::WebSocket, Accepts::Both];
const KINDS: [MessageKind; 3] = [MessageKind::Either, MessageKind::Binary, MessageKind::Text];
const FRAMINGS: [Framing; 5] =
    [Framing::BE16, Framing::LE32, Framing::LINE, Framing::WHOLE, package::FRAMING];
const MAX_FRAME: usize = 1024;

/// An upgrade that is accepted, so that what follows is WebSocket.
pub const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Any stream to any kind of listener. The first byte says which, and whether an upgrade goes before the rest.
pub fn inlet(data: &[u8]) {
    let (which, bytes) = first(data);
    let which = usize::from(which);
    let (accepts, messages) = (ACCEPTS[which % 3], KINDS[which / 3 % 3]);
    let framing = match FRAMINGS[which / 9 % 5] {
        // Streams have no borders of their own.
        framing if framing.name == Framing::WHOLE.name && accepts != Accepts::WebSocket => Framing::BE16,
        framing => framing,
    };
    let upgraded = [UPGRADE, bytes].concat();
    let stream = if which / 45 % 2 == 0 { bytes } else { &upgraded };
    // Above this heads are too large, and pings too many, for all of them to be answered.
    let stream = &stream[..stream.len().min(4096)];
    let fed =
        |pieces: &[&[u8]]| fuzzing::inlet(framing, accepts, messages, MAX_FRAME, pieces.iter().copied());
    let whole = fed(&[stream]);
    check(&whole, stream);
    assert_eq!(whole, fed(&stream.chunks(1).collect::<Vec<_>>()), "byte by byte");
    assert_eq!(whole, fed(&pieces(stream, which as u64)), "in pieces");
}

fn check(outcome: &Outcome, stream: &[u8]) {
    let framed: usize = outcome.frames.iter().map(Vec::len).sum();
    assert!(framed <= stream.len(), "frames are made of what came");
    assert!(outcome.frames.iter().all(|frame| frame.len() <= MAX_FRAME));
    // A response, and a pong for each ping.
    assert!(outcome.answer.len() <= 512 + stream.len(), "an answer is no longer than what it answers");
    if let Some((_, forwarded)) = &outcome.greeted {
        assert!(forwarded.len() <= 3 * stream.len());
    }
}

/// A proxy's header is complete at the same byte, and names the same client, however it is cut.
pub fn proxy_header(data: &[u8]) {
    let whole = fuzzing::proxy_header([data]);
    if let Ok(Some((used, _))) = whole {
        assert!(used > 0 && used <= data.len());
        assert_eq!(fuzzing::proxy_header([&data[..used]]), whole, "what follows does not matter");
        let cut = fuzzing::proxy_header([&data[..used - 1]]);
        assert_eq!(cut, Ok(None), "it is complete with its last byte");
    }
    assert_eq!(fuzzing::proxy_header(data.chunks(1)), whole, "byte by byte");
    let seed = data.iter().fold(0, |sum, &byte| sum + u64::from(byte));
    assert_eq!(fuzzing::proxy_header(pieces(data, seed)), whole, "in pieces");
}
