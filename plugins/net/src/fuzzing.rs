//! The receiving side of a connection for those who feed it everything: what it comes to, whatever the bytes are.
//!
//! Behind the feature `fuzzing`, and no part of the crate's interface.

use crate::{
    Accepts, MessageKind,
    inlet::{Greeted, Inlet, Kind, proxy::ProxyHeader, websocket},
};
use portcullis_core::{Cause, Framing};
use std::net::SocketAddr;

/// All that the bytes of a connection came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the first bytes told, and what proxies say about the client.
    pub greeted: Option<(&'static str, String)>,
    /// The frames, in order.
    pub frames: Vec<Vec<u8>>,
    /// What was answered before the world said anything.
    pub answer: Vec<u8>,
    /// Whether a control frame came.
    pub heard: bool,
    /// Why nothing more is taken, and the code to close with.
    pub end: Option<(Cause, Option<u16>)>,
}

/// Feeds these pieces, one read after the other, to a new connection, until it is over.
pub fn inlet<'a>(
    framing: Framing,
    accepts: Accepts,
    messages: MessageKind,
    max_frame: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Outcome {
    let mut inlet = Inlet::new(framing, accepts, messages, "/health".into());
    let mut outcome = Outcome::default();
    for mut piece in pieces {
        while !piece.is_empty() && outcome.end.is_none() {
            let fed = inlet.feed(piece, max_frame);
            // A greeting that ends with nothing taken is told once; all else takes bytes.
            assert!(fed.used > 0 || fed.greeted.is_some(), "it takes nothing, and never ends");
            piece = piece.get(fed.used..).unwrap_or_default();
            outcome.frames.extend(fed.frames.iter().map(<[u8]>::to_vec));
            outcome.answer.extend_from_slice(&fed.answer);
            outcome.heard |= fed.heard;
            if let Some(Greeted { kind, forwarded }) = fed.greeted {
                assert!(outcome.greeted.is_none(), "a connection is greeted once");
                outcome.greeted = Some((name(kind), forwarded));
            }
            outcome.end = fed.end.map(|end| (end.cause, end.code));
        }
    }
    outcome
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Stream => "stream",
        Kind::Messages => "messages",
        Kind::Answered => "answered",
    }
}

/// Feeds these pieces to a reader of a proxy's header: how many bytes it took and whom it named, none while it is not
/// complete, or the cause when it is none.
pub fn proxy_header<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<(usize, Option<SocketAddr>)>, Cause> {
    let mut header = ProxyHeader::default();
    let mut before = 0;
    for piece in pieces {
        match header.feed(piece) {
            Ok(Some(proxied)) => return Ok(Some((before + proxied.used, proxied.client))),
            Ok(None) => before += piece.len(),
            Err(end) => return Err(end.cause),
        }
    }
    Ok(None)
}

/// What the server makes of a payload that it sends as one WebSocket message.
pub fn wrapped(payload: &[u8]) -> Vec<u8> {
    let mut out = payload.to_vec();
    websocket::wrap(&mut out, 0);
    out
}
