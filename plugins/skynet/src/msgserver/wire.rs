//! msgserver's frames, both sides of them, pure: bytes in, bytes out; no socket and no clock.
//!
//! A frame is a `u16` big-endian length and that many bytes, at most 65,535. The first of a client is its
//! [`Handshake`], answered by a [`Reply`]; every later one is a [`Request`], answered by a [`Response`] in any order.
//! What is here reads frames without their length, as a listener hands them over, and writes whole ones.
//!
//! A handshake proves that the client has the secret of its [login](crate::login::wire), by a hash whose worth is
//! told in [`crypt`](crate::crypt); what follows is neither encrypted nor proved. Source: skynet's `msgserver.lua`,
//! and what its program answered (`tests/vectors/skynet/msgserver.json`).
//!
//! ```
//! use portcullis_skynet::msgserver::wire::{Answer, Handshake, Reply, Request, Response, Username, read_frame};
//!
//! let secret = *b"of login";
//! let ann = Username { uid: "ann".into(), server: "sample".into(), subid: 7 };
//! let mut sent = Vec::new();
//! Handshake::write(&ann.encode(), 1, &secret, &mut sent)?;
//! Request { content: b"hello", session: 3 }.write(&mut sent)?;
//!
//! let (frame, rest) = read_frame(&sent).unwrap();
//! let handshake = Handshake::parse(frame).unwrap();
//! assert_eq!(Username::parse(handshake.username), Some(ann));
//! assert_eq!(handshake.check(&secret, 0), Ok(1));
//! assert_eq!(handshake.check(&secret, 1), Err(Reply::IndexExpired));
//!
//! let (frame, _) = read_frame(rest).unwrap();
//! let request = Request::parse(frame)?;
//! let mut answered = Vec::new();
//! Response { answer: Answer::Done(request.content), session: request.session }.write(&mut answered)?;
//! assert_eq!(answered, b"\0\x0ahello\x01\0\0\0\x03");
//! # Ok::<(), portcullis_skynet::msgserver::wire::WireError>(())
//! ```

mod handshake;
mod index;
mod message;
mod username;

use thiserror::Error;

pub use self::{
    handshake::{Handshake, Reply, proof},
    index::index,
    message::{Answer, MAX_ANSWER, MAX_REQUEST, Request, Response, read_frame},
    username::Username,
};
use crate::frame::MAX_PAYLOAD;

/// What a frame can be wrong in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// A request without a whole session, or a response without that and its ok byte. The original closes the
    /// connection.
    #[error("a message of {bytes} bytes is too short: it takes {least}")]
    Short {
        /// Bytes of the message.
        bytes: usize,
        /// The fewest it can have.
        least: usize,
    },
    /// What does not fit a frame. For an answer, the original closes the connection.
    #[error("a message of {0} bytes does not fit a frame, which carries at most 65535")]
    Long(usize),
}

/// Appends a frame of these parts, or nothing at all.
fn write_frame(parts: &[&[u8]], out: &mut Vec<u8>) -> Result<(), WireError> {
    let bytes = parts.iter().map(|part| part.len()).sum();
    let length = u16::try_from(bytes).map_err(|_| WireError::Long(bytes))?;
    debug_assert!(bytes <= MAX_PAYLOAD);
    out.reserve(bytes + 2);
    out.extend_from_slice(&length.to_be_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    Ok(())
}
