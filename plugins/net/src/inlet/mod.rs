//! The receiving side of a connection as a pure machine: bytes in, frames and bytes to answer out; no socket, no clock.
//!
//! Where a listener takes more than raw frames, the first byte decides: an ASCII letter begins an HTTP request, anything
//! else is the framing's. Any split of the bytes gives the same.

pub(crate) mod http;
pub(crate) mod proxy;
pub(crate) mod websocket;

use crate::{Accepts, MessageKind};
use http::{Head, Reply};
use portcullis_core::{Assembler, Cause, Frames, Framing};
use std::sync::Arc;
use websocket::Joiner;

/// The receiving side of one connection, behind TLS and whatever proxies say.
#[derive(Debug)]
pub(crate) struct Inlet {
    framing: Framing,
    messages: MessageKind,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Nothing has come yet that would tell.
    Unknown {
        accepts: Accepts,
        health_path: Arc<str>,
    },
    Head {
        head: Head,
        health_path: Arc<str>,
    },
    Stream(Assembler),
    Messages(Joiner),
    Over,
}

/// What bytes came to.
#[derive(Debug, Default)]
pub(crate) struct Fed {
    /// How many of them were taken: all, except where the greeting ends.
    pub used: usize,
    pub frames: Frames,
    /// A control frame came that is a sign of life and nothing more.
    pub heard: bool,
    /// To be sent before anything the world says.
    pub answer: Vec<u8>,
    /// The greeting is over.
    pub greeted: Option<Greeted>,
    /// Nothing more is taken.
    pub end: Option<End>,
}

/// What the first bytes told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Greeted {
    pub kind: Kind,
    /// What proxies say about the client (`X-Forwarded-For`), as one list.
    pub forwarded: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The framing's own stream.
    Stream,
    /// WebSocket messages.
    Messages,
    /// A plain HTTP request: it has its answer, and that was all.
    Answered,
}

/// Why nothing more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub cause: Cause,
    /// The code to close with, where there is a WebSocket, and it has to say more than the cause.
    pub code: Option<u16>,
}

impl Inlet {
    pub(crate) fn new(
        framing: Framing,
        accepts: Accepts,
        messages: MessageKind,
        health_path: Arc<str>,
    ) -> Self {
        let stage = match accepts {
            Accepts::Tcp => Stage::Stream(Assembler::new(framing)),
            Accepts::WebSocket | Accepts::Both => Stage::Unknown { accepts, health_path },
        };
        Self { framing, messages, stage }
    }

    /// Bytes of memory that something incomplete takes.
    pub(crate) fn allocated(&self) -> usize {
        match &self.stage {
            Stage::Stream(assembler) => assembler.allocated(),
            Stage::Messages(messages) => messages.allocated(),
            Stage::Head { head, .. } => head.allocated(),
            Stage::Unknown { .. } | Stage::Over => 0,
        }
    }

    /// Takes bytes. When a [greeting](Fed::greeted) ends in them the rest is left, and to be fed again.
    pub(crate) fn feed(&mut self, input: &[u8], max_frame: usize) -> Fed {
        let mut fed = Fed { used: input.len(), ..Fed::default() };
        match &mut self.stage {
            Stage::Stream(assembler) => {
                let (frames, result) = assembler.feed(input, max_frame);
                fed.frames = frames;
                if result.is_err() {
                    fed.end = Some(End { cause: Cause::FrameTooLarge, code: None });
                }
            }
            Stage::Messages(messages) => {
                fed.end = messages.feed(input, max_frame, &mut fed).err();
            }
            Stage::Unknown { accepts, health_path } => {
                let Some(first) = input.first() else { return fed };
                let is_http = first.is_ascii_alphabetic();
                if !is_http && *accepts == Accepts::WebSocket {
                    // No use to wait for the end of a head.
                    self.stage = Stage::Over;
                    return Fed { used: input.len(), ..Fed::answered(Reply::nonsense()) };
                }
                if !is_http {
                    self.stage = Stage::Stream(Assembler::new(self.framing));
                    fed.used = 0;
                    fed.greeted = Some(Greeted { kind: Kind::Stream, forwarded: String::new() });
                    return fed;
                }
                self.stage = Stage::Head { head: Head::default(), health_path: Arc::clone(health_path) };
                return self.feed(input, max_frame);
            }
            Stage::Head { head, health_path } => {
                let (used, reply) = head.feed(input, health_path);
                if let Some(reply) = reply {
                    fed = Fed::answered(reply);
                }
                fed.used = used;
                if fed.greeted.is_some() {
                    self.stage = Stage::Messages(Joiner::new(self.framing, self.messages));
                }
            }
            Stage::Over => {}
        }
        if fed.end.is_some() {
            self.stage = Stage::Over;
        }
        fed
    }
}

impl Fed {
    /// What a complete request came to.
    fn answered(reply: Reply) -> Self {
        let (kind, end) = match reply.upgraded {
            true => (Kind::Messages, None),
            false => (Kind::Answered, Some(End { cause: Cause::Http, code: None })),
        };
        let greeted = Some(Greeted { kind, forwarded: reply.forwarded });
        Self { answer: reply.response, greeted, end, ..Self::default() }
    }
}

#[cfg(test)]
mod tests;
