//! The frames the client sends and expects back.
//!
//! A frame is a template that is the same in all but for one word, eight bytes with a number counted per connection. The
//! client makes frames by stamping these words into copies prepared in advance, so that its own work stays small beside
//! the server's: masks of WebSocket messages, routes and bodies are written once.
//!
//! | wire | request | word | reply |
//! |---|---|---|---|
//! | be16 | `u16` length, payload | the payload's first eight bytes | as it was sent |
//! | msgserver | `u16` length, content, session | the last eight bytes, the session among them | of raw as it was sent; else with a 1 before the session |
//! | Pomelo | package: message: id, route by name, JSON body | the package's head, the message's flag and id | of raw as it was sent; else package: message: id, the same body |
//! | sysconn | header, protobuf body | the header from its size on, with the flag | of raw as it was sent; else a zero, the same header and body |
//!
//! In WebSocket messages all of it is masked on its way to the server and plain on its way back.

use std::io;

use portcullis::sysconn::wire::{Request, Size, Status};

use crate::{subject::Subject, wire::Wire};

/// The route of Pomelo's requests.
pub const ROUTE: &str = "connector.entryHandler.echo";

/// The command of the connector's requests.
pub const ECHO: u16 = 1190;

/// The mask of all WebSocket messages. Any will do, but for zeros: those a server could skip.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Bytes of a word.
const WORD: usize = 8;
/// Bytes of a session of msgserver's.
const SESSION: usize = 4;
/// Templates are stamped and checked so that an id is three bytes long at any number.
const IDS: std::ops::Range<u64> = 0x4000..0x20_0000;

/// Frames of one size each way.
pub struct Frames {
    wire: Wire,
    request: Template,
    reply: Template,
}

impl Frames {
    /// Frames of `payload` bytes (of a Pomelo body, about as many), up to `most` at a time, as `subject` answers them.
    pub fn new(wire: Wire, subject: Subject, payload: u16, most: usize) -> Self {
        let (request, reply) = match wire {
            Wire::Be16 => {
                let filler = (WORD..usize::from(payload)).map(|at| (at + 2) as u8);
                let payload: Vec<u8> = [0; WORD].into_iter().chain(filler).collect();
                let frame = [&(payload.len() as u16).to_be_bytes()[..], &payload].concat();
                (Template::new(frame.clone(), 2, [0; 4], most), Template::new(frame, 2, [0; 4], 1))
            }
            Wire::MsgServer => {
                let content: Vec<u8> = (SESSION..usize::from(payload).max(WORD)).map(|at| at as u8).collect();
                let framed = |parts: [&[u8]; 2]| {
                    let payload = parts.concat();
                    let frame = [&(payload.len() as u16).to_be_bytes()[..], &payload].concat();
                    let at = frame.len() - WORD;
                    (frame, at)
                };
                let (asked, asked_at) = framed([&content, &[0; SESSION]]);
                let (answered, answered_at) = match subject {
                    Subject::Raw => (asked.clone(), asked_at),
                    Subject::Inline | Subject::Thread => framed([&content, &[1, 0, 0, 0, 0]]),
                };
                (
                    Template::new(asked, asked_at, [0; 4], most),
                    Template::new(answered, answered_at, [0; 4], 1),
                )
            }
            Wire::PomeloTcp | Wire::PomeloWs | Wire::PomeloTls => {
                let body = body(payload);
                let route = [&[ROUTE.len() as u8], ROUTE.as_bytes()].concat();
                let asked = data(0, &[&route, &*body].concat());
                let answered = if subject == Subject::Raw { asked.clone() } else { data(2 << 1, &body) };
                if wire.is_websocket() {
                    messages(&asked, &answered, 0, most)
                } else {
                    (Template::new(asked, 0, [0; 4], most), Template::new(answered, 0, [0; 4], 1))
                }
            }
            Wire::Sysconn => {
                let mut asked = Vec::new();
                let body = echo(payload);
                command(ECHO, &body).write(&mut asked);
                if subject == Subject::Raw {
                    messages(&asked, &asked, 0, most)
                } else {
                    messages(&asked, &[&[0, 0], &*asked].concat(), 2, most)
                }
            }
        };
        Self { wire, request, reply }
    }

    /// Bytes of one reply, all of its heads included.
    pub fn reply_size(&self) -> usize {
        self.reply.size
    }

    /// `count` frames numbered from `first`, as they go over the wire.
    pub fn stamp(&mut self, first: u64, count: usize) -> &[u8] {
        let Template { size, at, mask, base, bytes } = &mut self.request;
        for (frame, number) in bytes.chunks_exact_mut(*size).take(count).zip(first..) {
            let word = (*base | stamp(self.wire, number)) ^ *mask;
            frame[*at..*at + WORD].copy_from_slice(&word.to_le_bytes());
        }
        &self.request.bytes[..count * self.request.size]
    }

    /// Checks that `received`, whole frames, are the replies numbered from `first`: their sizes and numbers, and with
    /// `every_byte` their fillers. Returns how many they are.
    pub fn check(&self, received: &[u8], first: u64, every_byte: bool) -> io::Result<u64> {
        let Template { size, at, base, ref bytes, .. } = self.reply;
        let mut expected = first;
        for frame in received.chunks_exact(size) {
            let word = base | stamp(self.wire, expected);
            let good = frame[..at] == bytes[..at]
                && frame[at..at + WORD] == word.to_le_bytes()
                && (!every_byte || frame[at + WORD..] == bytes[at + WORD..]);
            if !good {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("frame {expected} came back changed: {:?}", String::from_utf8_lossy(frame)),
                ));
            }
            expected += 1;
        }
        Ok(expected - first)
    }
}

struct Template {
    size: usize,
    /// Where the word is.
    at: usize,
    /// What the word is masked with.
    mask: u64,
    /// What of the word is the same in all frames, not masked.
    base: u64,
    bytes: Vec<u8>,
}

impl Template {
    fn new(frame: Vec<u8>, at: usize, mask: [u8; 4], most: usize) -> Self {
        let mut word = [0; WORD];
        word.copy_from_slice(&frame[at..at + WORD]);
        let half = u64::from(u32::from_le_bytes(mask));
        let mask = half << 32 | half;
        Self { size: frame.len(), at, mask, base: u64::from_le_bytes(word) ^ mask, bytes: frame.repeat(most) }
    }
}

/// What the word of this frame has beside that of all.
fn stamp(wire: Wire, number: u64) -> u64 {
    if wire == Wire::Be16 {
        return number;
    }
    if wire == Wire::MsgServer {
        return u64::from((number as u32).swap_bytes()) << 32;
    }
    if wire == Wire::Sysconn {
        // Behind the three bytes of size and status.
        return u64::from((number as u32).swap_bytes()) << 24;
    }
    // Base 128, least first: three bytes behind the four of the package's head and the message's flag.
    let id = IDS.start + number % (IDS.end - IDS.start);
    (id & 0x7f | 0x80 | (id >> 7 & 0x7f | 0x80) << 8 | id >> 14 << 16) << 40
}

/// Both as messages, with the word where the payload starts, and so many bytes behind that.
fn messages(asked: &[u8], answered: &[u8], behind: usize, most: usize) -> (Template, Template) {
    let (asked, asked_at) = message(asked, true);
    let (answered, answered_at) = message(answered, false);
    (Template::new(asked, asked_at, MASK, most), Template::new(answered, answered_at + behind, [0; 4], 1))
}

/// A request of this command, with flag 0.
pub fn command(command: u16, body: &[u8]) -> Request<'_> {
    Request { status: Status::Raw, flag: 0, command, body, size: Size::Exact }
}

/// A protobuf body whose one field, bytes, makes it so long.
fn echo(size: u16) -> Vec<u8> {
    let bytes: Vec<u8> = (2..size.clamp(2, 129)).map(|at| at as u8).collect();
    [&[0x0a, bytes.len() as u8], &*bytes].concat()
}

/// A JSON body of about so many bytes, and 33 at least.
fn body(size: u16) -> Vec<u8> {
    let without = br#"{"text":"","target":7,"loud":true}"#.len();
    let text = "the quick brown fox jumps over the lazy dog, ".chars().cycle();
    let text: String = text.take(usize::from(size).saturating_sub(without)).collect();
    format!(r#"{{"text":"{text}","target":7,"loud":true}}"#).into_bytes()
}

/// A data package, with zeros in the place of the id.
fn data(flag: u8, rest: &[u8]) -> Vec<u8> {
    package(4, &[&[flag, 0, 0, 0], rest].concat())
}

/// A package of Pomelo.
pub fn package(kind: u8, body: &[u8]) -> Vec<u8> {
    let [.., high, middle, low] = body.len().to_be_bytes();
    [&[kind, high, middle, low], body].concat()
}

/// A binary WebSocket message, and where in it the payload starts.
pub fn message(payload: &[u8], masked: bool) -> (Vec<u8>, usize) {
    let mut message = vec![0x82];
    let bit = if masked { 0x80 } else { 0 };
    match u8::try_from(payload.len()) {
        Ok(short @ ..126) => message.push(bit | short),
        _ => {
            message.push(bit | 126);
            message.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
    }
    let mask = if masked { MASK } else { [0; 4] };
    if masked {
        message.extend_from_slice(&mask);
    }
    let start = message.len();
    message.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    (message, start)
}
