//! Frames: how a byte stream is cut into messages, and what one read from a socket carries.
//!
//! Everything here is pure: bytes in, frames out; no socket and no clock. Nothing is ever allocated by a length a
//! peer declared: memory grows only with bytes that really came.

use smallvec::SmallVec;
use thiserror::Error;

/// How a stream is cut into frames.
///
/// A framing is a name and a function which, given the unread bytes, tells the next frame's [`Extent`], or `None`
/// while its header is incomplete. Transports that keep message borders of their own need none.
#[derive(Clone, Copy, Debug)]
pub struct Framing {
    /// The name in logs and configuration.
    pub name: &'static str,
    /// Measures the frame that starts at the first byte.
    pub measure: fn(&[u8]) -> Option<Extent>,
}

/// Where a frame's payload lies, counted from the frame's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes before the payload.
    pub header: usize,
    /// Bytes of payload, as declared by the peer.
    pub payload: usize,
}

impl Framing {
    /// A 16-bit big-endian length that counts the payload only, 0 to 65,535 (skynet's gate).
    pub const BE16: Self = Self { name: "be16", measure: be16 };
    /// A 32-bit little-endian length that counts the payload only (our own protocol).
    pub const LE32: Self = Self { name: "le32", measure: le32 };
    /// Text lines that end in LF (skynet's login server). The LF is part of the payload, and counts.
    pub const LINE: Self = Self { name: "line", measure: line };
    /// No framing of its own: one message of the transport is one frame, and none is empty. For WebSocket only.
    pub const WHOLE: Self = Self { name: "whole", measure: whole };
}

fn be16(bytes: &[u8]) -> Option<Extent> {
    let header = bytes.first_chunk::<2>()?;
    Some(Extent { header: 2, payload: usize::from(u16::from_be_bytes(*header)) })
}

fn le32(bytes: &[u8]) -> Option<Extent> {
    let header = bytes.first_chunk::<4>()?;
    // A length beyond `usize` is beyond every limit too.
    let payload = usize::try_from(u32::from_le_bytes(*header)).unwrap_or(usize::MAX);
    Some(Extent { header: 4, payload })
}

fn line(bytes: &[u8]) -> Option<Extent> {
    // A line that has not ended is at least a byte longer than what is there, which is how it meets its limit.
    let payload = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len()) + 1;
    Some(Extent { header: 0, payload })
}

fn whole(bytes: &[u8]) -> Option<Extent> {
    (!bytes.is_empty()).then_some(Extent { header: 0, payload: bytes.len() })
}

/// A peer announced a frame larger than it may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a frame of {declared} bytes was announced, {limit} are allowed")]
pub struct FrameTooLarge {
    /// The declared length of the payload, in bytes.
    pub declared: usize,
    /// The largest payload allowed, in bytes.
    pub limit: usize,
}

/// A message that is not one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadMessage {
    /// Its frame is larger than allowed.
    #[error(transparent)]
    TooLarge(#[from] FrameTooLarge),
    /// It is empty, holds a part of a frame, or more than one.
    #[error("a message of {0} bytes is not exactly one frame")]
    NotOneFrame(usize),
}

/// The complete frames of one read from a socket, in order.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    data: Vec<u8>,
    spans: Spans,
}

type Spans = SmallVec<[(u32, u32); 4]>;

impl Frames {
    /// A single frame, for transports that keep message borders.
    pub fn single(payload: Vec<u8>) -> Self {
        let end = payload.len() as u32;
        Self { data: payload, spans: SmallVec::from_slice(&[(0, end)]) }
    }

    /// No frames yet, with room for so many bytes of messages.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { data: Vec::with_capacity(bytes), spans: Spans::new() }
    }

    /// Adds one message of a transport that keeps message borders, appended by `write`; it must be exactly one frame.
    ///
    /// # Errors
    /// When it is not, or when its payload exceeds `max_frame` bytes. Then nothing is added.
    pub fn push_message(
        &mut self,
        framing: Framing,
        max_frame: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), BadMessage> {
        let start = self.data.len();
        write(&mut self.data);
        let result = one_frame(framing, max_frame, &self.data[start..]);
        match result {
            Ok(header) => {
                let end = self.data.len();
                if self.spans.len() == self.spans.inline_size() {
                    // As for a stream: one allocation for all that may follow.
                    self.spans.reserve(1 + (self.data.capacity() - end) / (end - start).max(1));
                }
                self.spans.push(((start + header) as u32, end as u32));
            }
            Err(_) => self.data.truncate(start),
        }
        result.map(drop)
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no frame at all. A frame may itself be empty.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// All bytes held, headers included.
    pub fn byte_len(&self) -> usize {
        self.data.len()
    }

    /// Bytes of memory that they take, which empty frames and what is left of a larger read make more than they are.
    pub(crate) fn allocated(&self) -> usize {
        let spans = if self.spans.spilled() { self.spans.capacity() * size_of::<(u32, u32)>() } else { 0 };
        self.data.capacity() + spans
    }

    /// The payloads, in order of arrival.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.spans.iter().map(|&(start, end)| &self.data[start as usize..end as usize])
    }

    /// The bytes of the read, and where in them each payload starts and ends.
    pub fn into_parts(self) -> (Vec<u8>, impl ExactSizeIterator<Item = (u32, u32)>) {
        (self.data, self.spans.into_iter())
    }
}

/// The header's length of a message that is exactly one frame.
fn one_frame(framing: Framing, max_frame: usize, message: &[u8]) -> Result<usize, BadMessage> {
    let not_one = BadMessage::NotOneFrame(message.len());
    let Extent { header, payload } = (framing.measure)(message).ok_or(not_one)?;
    if payload > max_frame {
        return Err(FrameTooLarge { declared: payload, limit: max_frame }.into());
    }
    if header.checked_add(payload) == Some(message.len()) { Ok(header) } else { Err(not_one) }
}

/// Puts frames together from whatever pieces the network delivers.
///
/// ```
/// use portcullis_core::{Assembler, Framing};
///
/// let mut assembler = Assembler::new(Framing::BE16);
/// let (frames, result) = assembler.feed(&[0, 2, b'h', b'i', 0], 4096);
/// assert_eq!(frames.iter().collect::<Vec<_>>(), [b"hi"]);
/// assert_eq!(assembler.held(), 1); // half of the next length
/// assert!(result.is_ok());
/// ```
#[derive(Debug)]
pub struct Assembler {
    framing: Framing,
    partial: Vec<u8>,
}

impl Assembler {
    /// An assembler that holds nothing yet.
    pub fn new(framing: Framing) -> Self {
        Self { framing, partial: Vec::new() }
    }

    /// Bytes of an incomplete frame that are held.
    pub fn held(&self) -> usize {
        self.partial.len()
    }

    /// Bytes of memory that an incomplete frame takes.
    pub fn allocated(&self) -> usize {
        self.partial.capacity()
    }

    /// Takes what was read and gives the frames that are complete now.
    ///
    /// A frame whose declared payload exceeds `max_frame` bytes is an error as soon as its header is there; the frames
    /// before it are still given, and the stream cannot be read on.
    pub fn feed(&mut self, input: &[u8], max_frame: usize) -> (Frames, Result<(), FrameTooLarge>) {
        if self.partial.is_empty() {
            let (spans, used, result) = split(self.framing, input, max_frame);
            let (complete, rest) = input.split_at(used);
            self.partial.extend_from_slice(rest);
            return (Frames { data: complete.to_vec(), spans }, result);
        }
        self.partial.extend_from_slice(input);
        let (spans, used, result) = split(self.framing, &self.partial, max_frame);
        if used == 0 {
            return (Frames::default(), result);
        }
        let rest = self.partial[used..].to_vec();
        let mut data = std::mem::replace(&mut self.partial, rest);
        data.truncate(used);
        (Frames { data, spans }, result)
    }
}

/// The payloads of all complete frames, the bytes they take, and whether what follows may come.
fn split(framing: Framing, bytes: &[u8], max_frame: usize) -> (Spans, usize, Result<(), FrameTooLarge>) {
    let mut spans = Spans::new();
    let mut used = 0;
    while let Some(extent) = (framing.measure)(&bytes[used..]) {
        if extent.payload > max_frame {
            let error = FrameTooLarge { declared: extent.payload, limit: max_frame };
            return (spans, used, Err(error));
        }
        let start = used + extent.header;
        let end = start + extent.payload;
        if end > bytes.len() {
            break;
        }
        if spans.len() == spans.inline_size() {
            // Peers that pipeline send frames of like size: one allocation for all of them, bounded by what came.
            spans.reserve((bytes.len() - used) / (end - used).max(1));
        }
        spans.push((start as u32, end as u32));
        used = end;
    }
    (spans, used, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(frames: &Frames) -> Vec<Vec<u8>> {
        frames.iter().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn any_cut_of_a_stream_gives_the_same_frames() {
        let mut stream = Vec::new();
        let sent: Vec<Vec<u8>> =
            [0usize, 1, 2, 300, 0, 65_535, 7].iter().map(|&n| vec![n as u8; n]).collect();
        for payload in &sent {
            stream.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            stream.extend_from_slice(payload);
        }
        for piece in [1, 2, 3, 5, 64, 4096, stream.len()] {
            let mut assembler = Assembler::new(Framing::BE16);
            let mut got = Vec::new();
            for bytes in stream.chunks(piece) {
                let (frames, result) = assembler.feed(bytes, 65_535);
                assert!(result.is_ok());
                got.extend(payloads(&frames));
            }
            assert_eq!(got, sent, "pieces of {piece}");
            assert_eq!(assembler.held(), 0);
        }
    }

    #[test]
    fn frames_before_one_too_large_are_kept() {
        let mut assembler = Assembler::new(Framing::LE32);
        let (frames, result) = assembler.feed(&[1, 0, 0, 0, 9, 255, 255, 255, 255], 4096);
        assert_eq!(payloads(&frames), [[9]]);
        assert_eq!(result, Err(FrameTooLarge { declared: u32::MAX as usize, limit: 4096 }));
    }

    #[test]
    fn a_line_ends_in_lf_however_it_is_cut() {
        for piece in 1..12 {
            let mut assembler = Assembler::new(Framing::LINE);
            let mut got = Vec::new();
            for bytes in b"one\n\ntwo\r\nthr".chunks(piece) {
                let (frames, result) = assembler.feed(bytes, 5);
                assert!(result.is_ok());
                got.extend(payloads(&frames));
            }
            assert_eq!(got, [&b"one\n"[..], b"\n", b"two\r\n"], "pieces of {piece}");
            assert_eq!(assembler.held(), 3);
        }
    }

    #[test]
    fn a_line_without_an_end_meets_its_limit() {
        let mut assembler = Assembler::new(Framing::LINE);
        let (frames, result) = assembler.feed(b"ok\n1234", 5);
        assert_eq!((payloads(&frames), result), (vec![b"ok\n".to_vec()], Ok(())));
        let (frames, result) = assembler.feed(b"5", 5);
        assert!(frames.is_empty());
        assert_eq!(result, Err(FrameTooLarge { declared: 6, limit: 5 }));
    }

    #[test]
    fn a_message_must_be_exactly_one_frame() {
        let mut frames = Frames::default();
        let mut push =
            |bytes: &[u8]| frames.push_message(Framing::BE16, 4, |data| data.extend_from_slice(bytes));
        assert_eq!(push(b"\0\x02hi"), Ok(()));
        for (bad, len) in [(&b""[..], 0), (b"\0", 1), (b"\0\x02h", 3), (b"\0\0\0\0", 4), (b"\0\x01abc", 5)] {
            assert_eq!(push(bad), Err(BadMessage::NotOneFrame(len)));
        }
        assert_eq!(push(b"\0\x05h"), Err(FrameTooLarge { declared: 5, limit: 4 }.into()));
        assert_eq!(push(b"\0\0"), Ok(()));
        assert_eq!(payloads(&frames), [&b"hi"[..], b""]);
        let whole = frames.push_message(Framing::WHOLE, 9, |data| data.extend_from_slice(b"as it is"));
        assert_eq!((whole, frames.len()), (Ok(()), 3));
    }

    #[test]
    fn a_declared_length_allocates_nothing() {
        let mut assembler = Assembler::new(Framing::LE32);
        let (frames, result) = assembler.feed(&[0, 0, 0, 1, 5], 1 << 30);
        assert!(frames.is_empty() && result.is_ok());
        assert!(assembler.partial.capacity() < 64);
    }
}
