//! Packages: the outer frame, the same over TCP and WebSocket.
//!
//! | byte 0 | bytes 1 to 3                    | rest |
//! | ------ | ------------------------------- | ---- |
//! | type   | length of the body, big-endian  | body |

use super::WireError;
use portcullis_core::{Extent, Framing};

/// Bytes before the body.
pub const HEAD: usize = 4;
/// The longest body, in bytes: what 24 bits can say. What a peer may really send is the frame limit of its connection.
pub const MAX_BODY: usize = 0xff_ffff;
/// A whole heartbeat package.
pub const HEARTBEAT: [u8; 4] = [Kind::Heartbeat as u8, 0, 0, 0];

/// How a stream is cut into packages. A frame is the whole package, head included, and so a frame limit counts the head.
///
/// A package of unknown type ends after its head, so that it is judged without waiting for a body.
pub const FRAMING: Framing = Framing { name: "pomelo", measure };

fn measure(bytes: &[u8]) -> Option<Extent> {
    let head = bytes.first_chunk::<HEAD>()?;
    let body = if Kind::of(head[0]).is_some() { declared(*head) } else { 0 };
    Some(Extent { header: 0, payload: HEAD + body })
}

fn declared([_, high, middle, low]: [u8; HEAD]) -> usize {
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}

/// What a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// From both sides: JSON, see [`handshake`](super::handshake).
    Handshake = 1,
    /// From the client, when it has read the server's handshake. A body is ignored.
    HandshakeAck = 2,
    /// From both sides. A body is ignored.
    Heartbeat = 3,
    /// From both sides: one [`message`](super::message).
    Data = 4,
    /// From the server, before it closes: see [`kick_body`](super::kick_body).
    Kick = 5,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Handshake,
            2 => Self::HandshakeAck,
            3 => Self::Heartbeat,
            4 => Self::Data,
            5 => Self::Kick,
            _ => return None,
        })
    }
}

/// Reads one whole package: its kind and its body.
///
/// # Errors
/// When the type is unknown, or the bytes are not exactly one package. The type is judged first.
pub fn read(frame: &[u8]) -> Result<(Kind, &[u8]), WireError> {
    let (head, body) = frame.split_first_chunk::<HEAD>().ok_or(WireError::Head(frame.len()))?;
    let kind = Kind::of(head[0]).ok_or(WireError::UnknownPackage(head[0]))?;
    let declared = declared(*head);
    if declared != body.len() {
        return Err(WireError::PackageLength { declared, len: body.len() });
    }
    Ok((kind, body))
}

/// Appends a package whose body is what `body` appends.
///
/// # Errors
/// What `body` returns, and [`WireError::TooLarge`] above [`MAX_BODY`]. `out` is then as before.
pub fn write<E: From<WireError>>(
    out: &mut Vec<u8>,
    kind: Kind,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(&[kind as u8, 0, 0, 0]);
    let written = body(out).and_then(|()| {
        let len = out.len().saturating_sub(start + HEAD);
        if len > MAX_BODY {
            return Err(WireError::TooLarge(len).into());
        }
        if let Some(head) = out.get_mut(start + 1..start + HEAD) {
            head.copy_from_slice(&[(len >> 16) as u8, (len >> 8) as u8, len as u8]);
        }
        Ok(())
    });
    if written.is_err() {
        out.truncate(start);
    }
    written
}
