//! Frames after the handshake.

use super::{WireError, write_frame};
use crate::frame::MAX_PAYLOAD;

const SESSION: usize = 4;
/// The ok byte and the session.
const TRAILER: usize = 1 + SESSION;

/// The longest content of a request, in bytes.
pub const MAX_REQUEST: usize = MAX_PAYLOAD - SESSION;

/// The longest content of an answer, in bytes.
pub const MAX_ANSWER: usize = MAX_PAYLOAD - TRAILER;

/// Content, then the session as a `u32`, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is asked, in the game's own form.
    pub content: &'a [u8],
    /// The client's number for the request, any at all: the answer carries it, and the same number after a reconnect
    /// asks for the same answer.
    pub session: u32,
}

/// Content, then a byte that is 1 for an answer and 0 for a failure, then the session as a `u32`, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    /// How the request went.
    pub answer: Answer<'a>,
    /// The request's number.
    pub session: u32,
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// Well, with this content, of at most [`MAX_ANSWER`] bytes.
    Done(&'a [u8]),
    /// Badly. There are no words for it; the content is empty.
    Failed,
}

impl<'a> Request<'a> {
    /// Reads a frame, of which the last four bytes are the session, whatever it is.
    ///
    /// # Errors
    /// [`WireError::Short`] below four bytes, at which the original closes the connection.
    pub fn parse(frame: &'a [u8]) -> Result<Self, WireError> {
        let short = WireError::Short { bytes: frame.len(), least: SESSION };
        let (content, session) = frame.split_last_chunk().ok_or(short)?;
        Ok(Self { content, session: u32::from_be_bytes(*session) })
    }

    /// For clients: appends the frame.
    ///
    /// # Errors
    /// [`WireError::Long`] when the content has more than [`MAX_REQUEST`] bytes. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        write_frame(&[self.content, &self.session.to_be_bytes()], out)
    }
}

impl<'a> Response<'a> {
    /// Appends the frame.
    ///
    /// # Errors
    /// [`WireError::Long`] when the content has more than [`MAX_ANSWER`] bytes. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        let (content, ok) = match self.answer {
            Answer::Done(content) => (content, true),
            Answer::Failed => (&[][..], false),
        };
        write_frame(&[content, &Self::trailer(ok, self.session)], out)
    }

    /// What follows the content in the frame, for those who write that in place.
    pub fn trailer(ok: bool, session: u32) -> [u8; TRAILER] {
        let [a, b, c, d] = session.to_be_bytes();
        [u8::from(ok), a, b, c, d]
    }

    /// For clients: reads a frame. Any ok byte but 0 is one.
    ///
    /// # Errors
    /// [`WireError::Short`] below five bytes.
    pub fn parse(frame: &'a [u8]) -> Result<Self, WireError> {
        let short = WireError::Short { bytes: frame.len(), least: TRAILER };
        let (content, [ok, session @ ..]) = frame.split_last_chunk::<TRAILER>().ok_or(short)?;
        let answer = if *ok == 0 { Answer::Failed } else { Answer::Done(content) };
        Ok(Self { answer, session: u32::from_be_bytes(*session) })
    }
}

/// For clients: the first frame of what was received, without its length, and the bytes after it. `None` until it is
/// whole.
pub fn read_frame(received: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = received.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
