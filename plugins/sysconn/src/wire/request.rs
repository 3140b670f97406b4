//! What a client says.

use super::{WireError, inflate};
use std::borrow::Cow;

/// A message from a client.
///
/// | offset | bytes | |
/// | --- | --- | --- |
/// | 0 | 2 | `DataSize`: the length of the body, modulo 65,536 |
/// | 2 | 1 | `DataStatus`: how the body is written |
/// | 3 | 4 | `Flag`: the client's own number, for the answer |
/// | 7 | 2 | `Cmd`: the command |
/// | 9 | | the body |
///
/// ```
/// use portcullis_sysconn::wire::{Request, commands};
///
/// let request = Request::read(b"\x00\x00\x00\x01\x02\x03\x04\x04\x4a")?;
/// assert_eq!((request.command, request.flag), (commands::HEARTBEAT, 0x0102_0304));
/// assert!(!request.has_body());
/// # Ok::<_, portcullis_sysconn::wire::WireError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// How the body is written. Of no meaning where there is none.
    pub status: Status,
    /// The client's own number, which the answer repeats.
    pub flag: u32,
    /// What is asked for.
    pub command: u16,
    /// The body as it came; [`content`](Self::content) is what it says.
    pub body: &'a [u8],
    /// What the client says of the body's length.
    pub size: Size,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// 0: as it is.
    #[default]
    Raw,
    /// 1: as a zlib stream (RFC 1950).
    Zlib,
    /// 2: called encryption by the original, which passes it through unchanged.
    Passed,
    /// 3 and above, which nobody can read. Never one of the others.
    Unknown(u8),
}

/// What a `DataSize` says of the body, which is whatever follows the header. The original looks at it for zero only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// It is right, modulo 65,536. A multiple of that behind a 0 is a body: the number cannot be told otherwise.
    #[default]
    Exact,
    /// It is 0, so that there is no body; this many bytes that followed the header are dropped.
    Empty(usize),
    /// It is this, never 0, and wrong. The body is what followed the header, which may be nothing.
    Mismatch(u16),
}

impl<'a> Request<'a> {
    /// The length of the header, in bytes.
    pub const HEADER: usize = 9;

    /// Reads one message. A `DataStatus` that is not known is no error yet: what the request is about can be told.
    ///
    /// # Errors
    /// [`WireError::Short`], when the message is shorter than a header.
    pub fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let short = WireError::Short(message.len());
        let Some((&[s0, s1, status, f0, f1, f2, f3, c0, c1], body)) = message.split_first_chunk() else {
            return Err(short);
        };
        let declared = u16::from_be_bytes([s0, s1]);
        let size = if declared == size_of_body(body) {
            Size::Exact
        } else if declared == 0 {
            Size::Empty(body.len())
        } else {
            Size::Mismatch(declared)
        };
        let body = if let Size::Empty(_) = size { &[] } else { body };
        let flag = u32::from_be_bytes([f0, f1, f2, f3]);
        Ok(Self { status: status.into(), flag, command: u16::from_be_bytes([c0, c1]), body, size })
    }

    /// Appends the message, for clients. What [`Size::Empty`] dropped cannot be written again.
    pub fn write(&self, out: &mut Vec<u8>) {
        let size = match self.size {
            Size::Exact => size_of_body(self.body),
            Size::Empty(_) => 0,
            Size::Mismatch(declared) => declared,
        };
        out.extend_from_slice(&size.to_be_bytes());
        out.push(self.status.into());
        out.extend_from_slice(&self.flag.to_be_bytes());
        out.extend_from_slice(&self.command.to_be_bytes());
        out.extend_from_slice(self.body);
    }

    /// Whether there is a body to decode. One of no bytes counts, where `DataSize` is not 0.
    pub fn has_body(&self) -> bool {
        !self.body.is_empty() || matches!(self.size, Size::Mismatch(_))
    }

    /// The body, inflated if it is compressed, to at most `limit` bytes. Nothing, where there is none: its status does not
    /// matter then.
    ///
    /// # Errors
    /// [`WireError::Status`], or as [`inflate`].
    pub fn content(&self, limit: usize) -> Result<Cow<'a, [u8]>, WireError> {
        match self.status {
            _ if !self.has_body() => Ok(Cow::Borrowed(&[])),
            Status::Raw | Status::Passed => Ok(Cow::Borrowed(self.body)),
            Status::Zlib => inflate(self.body, limit).map(Cow::Owned),
            Status::Unknown(status) => Err(WireError::Status(status)),
        }
    }
}

/// The `DataSize` of a body.
pub(super) fn size_of_body(body: &[u8]) -> u16 {
    // Modulo 65,536, as the original writes it.
    body.len() as u16
}

impl From<u8> for Status {
    fn from(status: u8) -> Self {
        match status {
            0 => Self::Raw,
            1 => Self::Zlib,
            2 => Self::Passed,
            unknown => Self::Unknown(unknown),
        }
    }
}

impl From<Status> for u8 {
    fn from(status: Status) -> Self {
        match status {
            Status::Raw => 0,
            Status::Zlib => 1,
            Status::Passed => 2,
            Status::Unknown(unknown) => unknown,
        }
    }
}
