//! The format on the wire. Pure: bytes in, values out; no socket and no clock.
//!
//! A stream is cut into frames by [`Framing::LE32`](portcullis_core::Framing::LE32): a 32-bit little-endian length that
//! counts the payload only. A payload is one kind byte, the fields of that kind, and, where there is one, a body in
//! [bincode's](https://docs.rs/bincode/2) standard configuration. Numbers are little-endian; `name`, `message`,
//! `reason` and bodies take the rest of the payload; texts are UTF-8.
//!
//! | kind | name    | from   | fields                                                               |
//! | ---: | ------- | ------ | -------------------------------------------------------------------- |
//! |    1 | Hello   | client | format `u8` ([`FORMAT`]), version `u32`, hash `u64`, name (1 to 255 bytes) |
//! |    2 | Welcome | server | heartbeat interval `u32`, milliseconds                               |
//! |    3 | Reject  | server | message                                                              |
//! |    4 | Request | client | id `u32`, route `u16`, body                                          |
//! |    5 | Reply   | server | id `u32`, body                                                       |
//! |    6 | Refusal | server | id `u32`, code `u16`, message                                        |
//! |    7 | Notify  | client | route `u16`, body                                                    |
//! |    8 | Push    | server | route `u16`, body                                                    |
//! |    9 | Ping    | client |                                                                      |
//! |   10 | Pong    | server |                                                                      |
//! |   11 | Bye     | server | length of cause `u8`, cause (a [label](portcullis_core::Cause::label)), reason |
//!
//! The first frame of a client is Hello. The server answers Welcome, or Reject and closes. From then on the client may
//! send Request, Notify and Ping in any order, without waiting for answers. Ids are the client's; a Reply or Refusal
//! carries the id of its Request. Bye may come at any time, and is the last frame.
//!
//! Routes are numbered by their place in the [manifest](crate::Manifest), which is sorted by name. Kind, format and the
//! rest of Hello keep their places in every future format, so that two peers can always tell why they differ.

mod client;
mod server;

pub use client::ClientFrame;
pub use server::ServerFrame;

use std::{fmt, str};
use thiserror::Error;

/// The number of this format. Another one is refused.
pub const FORMAT: u8 = 1;
/// The longest protocol name, in bytes.
pub const MAX_NAME: usize = 255;

/// What a payload has wrong, or why there cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// A payload without a kind.
    #[error("an empty frame")]
    Empty,
    /// A kind that this side of a connection does not send.
    #[error("a frame of kind {0}, which this peer may not send")]
    UnknownKind(u8),
    /// The fields do not fit the payload: it is too short, or, for kinds without a body, too long.
    #[error("a frame of kind {kind} with {len} bytes of fields")]
    Length {
        /// The kind.
        kind: u8,
        /// Bytes after the kind.
        len: usize,
    },
    /// A text that is not UTF-8.
    #[error("a text that is not UTF-8 in a frame of kind {0}")]
    Text(u8),
    /// A Hello of another format than ours.
    #[error("wire format {0}, where {FORMAT} is spoken")]
    Format(u8),
    /// The frame comes at the wrong moment: before or after the handshake.
    #[error("a frame of kind {0} out of turn")]
    OutOfTurn(u8),
    /// A push on a route for which the manifest has none.
    #[error("a push on route {0}, for which the manifest has none")]
    Route(u16),
    /// What should have brought a ticket brought something else.
    #[error("an answer to a login that is no ticket")]
    Ticket,
    /// The frame is larger than the receiver allows, or than 32 bits can say.
    #[error("a frame of {0} bytes, which is too large")]
    TooLarge(usize),
    /// A text that is too long for its field, or a name without letters.
    #[error("a text of {0} bytes, which its field cannot hold")]
    TextLength(usize),
}

/// What a peer says it speaks. Two peers understand each other when theirs are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The protocol's name, 1 to 255 bytes.
    pub name: &'a str,
    /// Its version.
    pub version: u32,
    /// The hash of its messages: [`Manifest::hash`](crate::Manifest::hash).
    pub hash: u64,
}

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, hash } = self;
        write!(f, "{name} {version} (hash {hash:016x})")
    }
}

mod kind {
    pub(super) const HELLO: u8 = 1;
    pub(super) const WELCOME: u8 = 2;
    pub(super) const REJECT: u8 = 3;
    pub(super) const REQUEST: u8 = 4;
    pub(super) const REPLY: u8 = 5;
    pub(super) const REFUSAL: u8 = 6;
    pub(super) const NOTIFY: u8 = 7;
    pub(super) const PUSH: u8 = 8;
    pub(super) const PING: u8 = 9;
    pub(super) const PONG: u8 = 10;
    pub(super) const BYE: u8 = 11;
}

/// Appends one frame whole, or nothing.
fn frame<E: From<WireError>>(
    out: &mut Vec<u8>,
    payload: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let written = payload(out).and_then(|()| {
        let length = out.len() - start - 4;
        let declared = u32::try_from(length).map_err(|_| WireError::TooLarge(length))?;
        out[start..start + 4].copy_from_slice(&declared.to_le_bytes());
        Ok(())
    });
    written.inspect_err(|_| out.truncate(start))
}

/// The fields of a payload, taken from the front.
struct Fields<'a> {
    kind: u8,
    len: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn of(payload: &'a [u8]) -> Result<Self, WireError> {
        let (&kind, rest) = payload.split_first().ok_or(WireError::Empty)?;
        Ok(Self { kind, len: rest.len(), rest })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(|| self.wrong_length())?;
        self.rest = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A text with its length before it.
    fn short_text(&mut self) -> Result<&'a str, WireError> {
        let length = usize::from(self.u8()?);
        let (text, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.wrong_length())?;
        self.rest = rest;
        self.utf8(text)
    }

    /// The text that takes the rest.
    fn text(&self) -> Result<&'a str, WireError> {
        self.utf8(self.rest)
    }

    fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong_length()) }
    }

    fn utf8(&self, bytes: &'a [u8]) -> Result<&'a str, WireError> {
        str::from_utf8(bytes).map_err(|_| WireError::Text(self.kind))
    }

    fn wrong_length(&self) -> WireError {
        WireError::Length { kind: self.kind, len: self.len }
    }
}
