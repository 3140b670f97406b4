//! The format on the wire. Pure: bytes in, values out; no socket and no clock.
//!
//! A connection is a stream of [`package`]s, over TCP as over WebSocket; a data package holds one [`message`]; a
//! message's body is JSON (see [`text`] for its one trap) or, for routes that have a schema, the [`protobuf`] dialect.
//! The [`handshake`] tells a client the route [`dictionary`] and those schemas. Pitaya's clients may compress bodies
//! ([`zip`]).
//!
//! The facts come from Pomelo 2.2.7 with its packages `pomelo-protocol` 0.1.6 and `pomelo-protobuf` 0.4.0, and from
//! Pitaya and libpitaya; what was recorded of them is in `tests/vectors/pomelo`.

pub mod dictionary;
mod error;
pub mod handshake;
pub mod message;
pub mod package;
pub mod protobuf;
pub mod text;
pub mod zip;

pub use error::WireError;

/// Appends the body of a kick package: `{"reason":"…"}`.
///
/// Every Pomelo client wants a JSON body there; libpitaya does not look at it.
pub fn kick_body(reason: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"reason":"#);
    text::quote(reason, out);
    out.push(b'}');
}
