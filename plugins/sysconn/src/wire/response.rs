//! What the server says.

use super::{WireError, request::size_of_body};

/// A message to a client: an answer, or a push, whose flag is 0.
///
/// | offset | bytes | |
/// | --- | --- | --- |
/// | 0 | 2 | `ErrorID`: 0, or why there is no body |
/// | 2 | 2 | `DataSize`: the length of the body, modulo 65,536 |
/// | 4 | 1 | `DataStatus`: always 0, the original compresses no answer |
/// | 5 | 4 | `Flag`: that of the request; 0 of a push |
/// | 9 | 2 | `Cmd`: that of the request, or the push's own |
/// | 11 | | the body |
///
/// ```
/// use portcullis_sysconn::wire::{Response, commands};
///
/// let mut out = Vec::new();
/// Response { command: commands::KICK, body: &[0x08, 11], ..Response::default() }.write(&mut out);
/// assert_eq!(out, b"\0\0\0\x02\0\0\0\0\0\x04\x4b\x08\x0b");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Response<'a> {
    /// 0, or one of the [`errors`](super::errors) or of the game's.
    pub error: u16,
    /// The flag of the request; 0 of a push.
    pub flag: u32,
    /// The command of the request, or of the push.
    pub command: u16,
    /// The body. Empty beside an error.
    pub body: &'a [u8],
}

impl<'a> Response<'a> {
    /// The length of the header, in bytes.
    pub const HEADER: usize = 11;

    /// Appends the message.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_header(out, self.error, size_of_body(self.body), self.flag, self.command);
        out.extend_from_slice(self.body);
    }

    /// Reads one message, for clients. It is strict: a server never writes otherwise.
    ///
    /// # Errors
    /// [`WireError::Short`], [`WireError::Status`] or [`WireError::Size`].
    pub fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let short = WireError::Short(message.len());
        let Some((&[e0, e1, s0, s1, status, f0, f1, f2, f3, c0, c1], body)) = message.split_first_chunk()
        else {
            return Err(short);
        };
        if status != 0 {
            return Err(WireError::Status(status));
        }
        let declared = u16::from_be_bytes([s0, s1]);
        if declared != size_of_body(body) {
            return Err(WireError::Size { declared, len: body.len() });
        }
        let (flag, command) = (u32::from_be_bytes([f0, f1, f2, f3]), u16::from_be_bytes([c0, c1]));
        Ok(Self { error: u16::from_be_bytes([e0, e1]), flag, command, body })
    }
}

/// Appends an answer, or with flag 0 a push, whose body is what `body` appends. It is not copied.
///
/// # Errors
/// What `body` fails with; nothing is appended then.
pub fn write_response<R, E>(
    out: &mut Vec<u8>,
    flag: u32,
    command: u16,
    body: impl FnOnce(&mut Vec<u8>) -> Result<R, E>,
) -> Result<R, E> {
    let start = out.len();
    write_header(out, 0, 0, flag, command);
    let body_at = out.len();
    let result = body(out);
    if result.is_err() {
        out.truncate(start);
    } else {
        let size = size_of_body(out.get(body_at..).unwrap_or_default());
        if let Some(field) = out.get_mut(start + SIZE_AT..).and_then(<[u8]>::first_chunk_mut) {
            *field = size.to_be_bytes();
        }
    }
    result
}

/// Appends an error answer, which has no body.
pub fn write_error(out: &mut Vec<u8>, error: u16, flag: u32, command: u16) {
    write_header(out, error, 0, flag, command);
}

/// Where the `DataSize` stands.
const SIZE_AT: usize = 2;

fn write_header(out: &mut Vec<u8>, error: u16, size: u16, flag: u32, command: u16) {
    let ([e0, e1], [s0, s1], [c0, c1]) = (error.to_be_bytes(), size.to_be_bytes(), command.to_be_bytes());
    let [f0, f1, f2, f3] = flag.to_be_bytes();
    let header: [u8; Response::HEADER] = [e0, e1, s0, s1, 0, f0, f1, f2, f3, c0, c1];
    out.extend_from_slice(&header);
}
