//! WebSocket as it comes (RFC 6455): frames are unmasked, joined to messages, and each message must be one frame of the
//! listener's framing.

use super::{End, Fed};
use crate::MessageKind;
use portcullis_core::{BadMessage, Cause, Frames, Framing};
use std::{io::Cursor, ops::Range, str::from_utf8};
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{CloseCode, Control, Data, OpCode},
};

/// What a framing's own header may add to the payload, in bytes.
const HEADER_ROOM: usize = 16;
/// The longest payload of a control frame (RFC 6455, 5.5).
const MAX_CONTROL: usize = 125;
/// Pongs that one read may cause, in bytes. Of more, only the latest is sent, which the RFC (5.5.3) allows.
const MAX_PONGS: usize = 4 * 1024;

/// The close code of a peer that has given none, and is given none back (RFC 6455, 7.1.5).
pub(crate) const NO_CODE: u16 = 1005;

/// The receiving side of one WebSocket. It holds memory only while a message is incomplete.
#[derive(Debug)]
pub(crate) struct Joiner {
    framing: Framing,
    takes: MessageKind,
    /// The beginning of an incomplete WebSocket frame, as it came.
    partial: Vec<u8>,
    fragments: Option<Fragments>,
}

/// What has come of a message that is not complete.
#[derive(Debug)]
struct Fragments {
    joined: Vec<u8>,
    /// How many bytes of it are known to be whole characters; none where it is no text.
    checked: Option<usize>,
}

/// A WebSocket frame in the bytes that came.
struct Found {
    opcode: OpCode,
    is_final: bool,
    mask: [u8; 4],
    payload: Range<usize>,
}

impl Joiner {
    pub(crate) fn new(framing: Framing, takes: MessageKind) -> Self {
        Self { framing, takes, partial: Vec::new(), fragments: None }
    }

    /// Bytes of memory that an incomplete message takes.
    pub(crate) fn allocated(&self) -> usize {
        self.partial.capacity() + self.fragments.as_ref().map_or(0, |fragments| fragments.joined.capacity())
    }

    /// Takes what came. Frames before a mistake are still given.
    pub(crate) fn feed(&mut self, input: &[u8], max_frame: usize, fed: &mut Fed) -> Result<(), End> {
        let Fed { frames, answer: pongs, heard, .. } = fed;
        let mut joined = std::mem::take(&mut self.partial);
        let bytes = if joined.is_empty() {
            input
        } else {
            joined.extend_from_slice(input);
            &joined
        };
        let mut used = 0;
        let mut last_pong = 0;
        while let Some(found) = self.find(bytes, used, max_frame)? {
            used = found.payload.end;
            let payload = bytes.get(found.payload.clone()).unwrap_or_default();
            match found.opcode {
                OpCode::Data(kind) => {
                    self.take_data(kind, &found, payload, max_frame, frames, bytes.len())?;
                }
                OpCode::Control(Control::Ping) => {
                    *heard = true;
                    if pongs.len() + payload.len() > MAX_PONGS {
                        pongs.truncate(last_pong);
                    }
                    last_pong = pongs.len();
                    put_control(Control::Pong, pongs, |out| append_unmasked(out, payload, found.mask));
                }
                OpCode::Control(Control::Close) => return Err(closed(payload, found.mask)),
                OpCode::Control(_) => *heard = true,
            }
        }
        match used {
            // A large frame in many reads is gathered in one buffer.
            0 if !joined.is_empty() => self.partial = joined,
            _ => self.partial.extend_from_slice(bytes.get(used..).unwrap_or_default()),
        }
        Ok(())
    }

    /// The complete frame that starts here; a mistake is told as soon as the header is there.
    fn find(&self, bytes: &[u8], start: usize, max_frame: usize) -> Result<Option<Found>, End> {
        let rest = bytes.get(start..).unwrap_or_default();
        let mut cursor = Cursor::new(rest);
        let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|_| broken())? else {
            return Ok(None);
        };
        let Some(mask) = header.mask else { return Err(broken()) };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(broken());
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match header.opcode {
            OpCode::Control(_) if length > MAX_CONTROL || !header.is_final => return Err(broken()),
            OpCode::Control(_) => {}
            OpCode::Data(kind) => {
                if (kind == Data::Continue) != self.fragments.is_some() {
                    return Err(broken());
                }
                match (self.takes, kind) {
                    (MessageKind::Binary, Data::Text) | (MessageKind::Text, Data::Binary) => {
                        return Err(unwanted());
                    }
                    _ => {}
                }
                let before = self.fragments.as_ref().map_or(0, |fragments| fragments.joined.len());
                if before.saturating_add(length) > max_frame.saturating_add(HEADER_ROOM) {
                    return Err(too_large());
                }
            }
        }
        let from = start + cursor.position() as usize;
        let payload = from..from.saturating_add(length);
        let found = Found { opcode: header.opcode, is_final: header.is_final, mask, payload };
        Ok((found.payload.end <= bytes.len()).then_some(found))
    }

    fn take_data(
        &mut self,
        kind: Data,
        found: &Found,
        payload: &[u8],
        max_frame: usize,
        frames: &mut Frames,
        room: usize,
    ) -> Result<(), End> {
        if self.fragments.is_none() && found.is_final && kind != Data::Text {
            if frames.is_empty() {
                *frames = Frames::with_capacity(room);
            }
            let write = |out: &mut Vec<u8>| append_unmasked(out, payload, found.mask);
            return frames.push_message(self.framing, max_frame, write).map_err(bad_message);
        }
        let fragments = self.fragments.get_or_insert_with(|| Fragments {
            joined: Vec::new(),
            checked: (kind == Data::Text).then_some(0),
        });
        append_unmasked(&mut fragments.joined, payload, found.mask);
        fragments.check(found.is_final)?;
        if !found.is_final {
            return Ok(());
        }
        let Some(Fragments { joined, .. }) = self.fragments.take() else { return Ok(()) };
        let write = |out: &mut Vec<u8>| out.extend_from_slice(&joined);
        frames.push_message(self.framing, max_frame, write).map_err(bad_message)
    }
}

impl Fragments {
    /// Whether it is text as far as it goes, where it should be: a mistake is told with the fragment that has it. A
    /// character may be cut by a border of fragments, and not by the end.
    fn check(&mut self, is_final: bool) -> Result<(), End> {
        let Some(checked) = &mut self.checked else { return Ok(()) };
        match from_utf8(self.joined.get(*checked..).unwrap_or_default()) {
            Ok(rest) => *checked += rest.len(),
            Err(error) if error.error_len().is_none() && !is_final => *checked += error.valid_up_to(),
            Err(_) => return Err(no_text()),
        }
        Ok(())
    }
}

fn broken() -> End {
    End { cause: Cause::Malformed, code: Some(1002) }
}

/// A kind of message that is not spoken here.
fn unwanted() -> End {
    End { cause: Cause::Malformed, code: Some(1003) }
}

fn no_text() -> End {
    End { cause: Cause::Malformed, code: Some(1007) }
}

fn too_large() -> End {
    End { cause: Cause::FrameTooLarge, code: Some(1009) }
}

fn bad_message(error: BadMessage) -> End {
    match error {
        BadMessage::TooLarge(_) => too_large(),
        // Right by WebSocket, wrong by the protocol inside, which may have a word of its own for that.
        BadMessage::NotOneFrame(_) => End { cause: Cause::Malformed, code: None },
    }
}

/// What a close frame of the peer comes to: its code is given back.
fn closed(payload: &[u8], mask: [u8; 4]) -> End {
    let mut bytes = Vec::with_capacity(payload.len());
    append_unmasked(&mut bytes, payload, mask);
    let Some((code, reason)) = bytes.split_first_chunk::<2>() else {
        return if bytes.is_empty() {
            End { cause: Cause::PeerClosed, code: Some(NO_CODE) }
        } else {
            broken()
        };
    };
    let code = u16::from_be_bytes(*code);
    if !CloseCode::from(code).is_allowed() {
        return broken();
    }
    if from_utf8(reason).is_err() {
        return no_text();
    }
    End { cause: Cause::PeerClosed, code: Some(code) }
}

fn append_unmasked(out: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    let start = out.len();
    out.extend_from_slice(payload);
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let (words, tail) = out[start..].as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// Appends a control frame whose payload, at most 125 bytes, is written by `write`.
fn put_control(kind: Control, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    wrap_as(OpCode::Control(kind), out, start);
}

/// Appends a close frame.
pub(crate) fn put_close(out: &mut Vec<u8>, code: u16) {
    put_control(Control::Close, out, |out| {
        if code != NO_CODE {
            out.extend_from_slice(&code.to_be_bytes());
        }
    });
}

/// Makes one binary message of what was appended from `start` on: the header is put before it, in place.
pub(crate) fn wrap(out: &mut Vec<u8>, start: usize) {
    wrap_as(OpCode::Data(Data::Binary), out, start);
}

/// As [`wrap`], as text. What was appended has to be UTF-8, or the peer will close.
pub(crate) fn wrap_text(out: &mut Vec<u8>, start: usize) {
    wrap_as(OpCode::Data(Data::Text), out, start);
}

fn wrap_as(opcode: OpCode, out: &mut Vec<u8>, start: usize) {
    let (end, length) = (out.len(), (out.len() - start) as u64);
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    let size = header.len(length);
    out.resize(end + size, 0);
    out.copy_within(start..end, start + size);
    // There is room for it: writing to it cannot fail.
    let _ = header.format(length, &mut &mut out[start..start + size]);
}

#[cfg(test)]
mod tests;
