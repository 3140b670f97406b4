//! Frames of WebSocket and what they hold, written and read for clients.

use portcullis::sysconn::wire::{Request, Response};

/// The mask of all recorded clients but one.
pub const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

pub fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A client's frame, whose first byte is this.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ ..126 => out.push(0x80 | length as u8),
        length @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// A client's whole binary message.
pub fn frame(message: &[u8]) -> Vec<u8> {
    masked(0x82, message)
}

/// A client's request, header and body.
pub fn request(flag: u32, command: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Request { status: Default::default(), flag, command, body, size: Default::default() }.write(&mut out);
    out
}

/// A server's message, header and body.
pub fn response(error: u16, flag: u32, command: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Response { error, flag, command, body }.write(&mut out);
    out
}

/// A server's close frame.
pub fn close(code: u16) -> Vec<u8> {
    [&[0x88, 2], &code.to_be_bytes()[..]].concat()
}

/// Where the header of a frame ends, and the frame.
fn extent(bytes: &[u8]) -> Option<(usize, usize)> {
    let second = *bytes.get(1)?;
    let (after, length) = match second & 0x7f {
        126 => (4, u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        length => (2, u64::from(length)),
    };
    let head = after + if second & 0x80 == 0 { 0 } else { 4 };
    Some((head, head.checked_add(usize::try_from(length).ok()?)?))
}

/// The length of the frame that these bytes begin with, if it is whole.
pub fn whole_frame(bytes: &[u8]) -> Option<usize> {
    let (_, end) = extent(bytes)?;
    (end <= bytes.len()).then_some(end)
}

/// What a frame holds, without its mask.
pub fn payload(frame: &[u8]) -> Vec<u8> {
    let (head, end) = extent(frame).unwrap();
    let mut payload = frame[head..end].to_vec();
    if frame[1] & 0x80 != 0 {
        let mask = &frame[head - 4..head];
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    }
    payload
}

/// How many messages end in what a client says: those that its connection counts.
pub fn messages_in(mut said: &[u8]) -> u64 {
    let mut messages = 0;
    while let Some(end) = whole_frame(said) {
        messages += u64::from(matches!(said[0], 0x80 | 0x82));
        said = &said[end..];
    }
    messages
}
