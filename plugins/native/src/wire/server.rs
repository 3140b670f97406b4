//! What servers say.

use super::{Fields, WireError, frame, kind};
use std::time::Duration;

/// A frame from a server to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerFrame<'a> {
    /// The handshake is done.
    Welcome {
        /// How often the client is to show that it is alive, in whole milliseconds.
        heartbeat: Duration,
    },
    /// The handshake is refused; the server closes.
    Reject {
        /// Why, for people.
        message: &'a str,
    },
    /// The answer to a request.
    Reply {
        /// The id of the request.
        id: u32,
        /// The answer.
        body: &'a [u8],
    },
    /// The error answer to a request.
    Refusal {
        /// The id of the request.
        id: u32,
        /// Why, for programs.
        code: u16,
        /// Why, for people.
        message: &'a str,
    },
    /// A message nobody asked for.
    Push {
        /// The route's number.
        route: u16,
        /// What is said.
        body: &'a [u8],
    },
    /// The answer to a Ping.
    Pong,
    /// The server closes.
    Bye {
        /// Why, for programs: the label of a [`Cause`](portcullis_core::Cause).
        cause: &'a str,
        /// Why, for people; may be empty.
        reason: &'a str,
    },
}

impl<'a> ServerFrame<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// When it is not one that a server may send.
    pub fn read(payload: &'a [u8]) -> Result<Self, WireError> {
        let mut fields = Fields::of(payload)?;
        match fields.kind {
            kind::WELCOME => {
                let heartbeat = Duration::from_millis(fields.u32()?.into());
                fields.end().map(|()| Self::Welcome { heartbeat })
            }
            kind::REJECT => Ok(Self::Reject { message: fields.text()? }),
            kind::REPLY => {
                let id = fields.u32()?;
                Ok(Self::Reply { id, body: fields.rest })
            }
            kind::REFUSAL => {
                let (id, code) = (fields.u32()?, fields.u16()?);
                Ok(Self::Refusal { id, code, message: fields.text()? })
            }
            kind::PUSH => {
                let route = fields.u16()?;
                Ok(Self::Push { route, body: fields.rest })
            }
            kind::PONG => fields.end().map(|()| Self::Pong),
            kind::BYE => {
                let cause = fields.short_text()?;
                Ok(Self::Bye { cause, reason: fields.text()? })
            }
            other => Err(WireError::UnknownKind(other)),
        }
    }

    /// Appends the whole frame.
    ///
    /// # Errors
    /// When it cannot be said: the cause of a Bye is longer than 255 bytes, or the frame needs more than 32 bits.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        self.write_with(out, |_| Ok(()))
    }

    /// Appends the whole frame, with what `more` appends after its own body.
    ///
    /// # Errors
    /// As [`write`](Self::write), and whatever `more` gives; nothing is appended then.
    pub fn write_with<E: From<WireError>>(
        &self,
        out: &mut Vec<u8>,
        more: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        frame(out, |out| {
            out.push(self.kind());
            match *self {
                Self::Welcome { heartbeat } => {
                    let millis = u32::try_from(heartbeat.as_millis()).unwrap_or(u32::MAX);
                    out.extend_from_slice(&millis.to_le_bytes());
                }
                Self::Reject { message } => out.extend_from_slice(message.as_bytes()),
                Self::Reply { id, body } => {
                    out.extend_from_slice(&id.to_le_bytes());
                    out.extend_from_slice(body);
                }
                Self::Refusal { id, code, message } => {
                    out.extend_from_slice(&id.to_le_bytes());
                    out.extend_from_slice(&code.to_le_bytes());
                    out.extend_from_slice(message.as_bytes());
                }
                Self::Push { route, body } => {
                    out.extend_from_slice(&route.to_le_bytes());
                    out.extend_from_slice(body);
                }
                Self::Pong => {}
                Self::Bye { cause, reason } => {
                    let length = u8::try_from(cause.len()).map_err(|_| WireError::TextLength(cause.len()))?;
                    out.push(length);
                    out.extend_from_slice(cause.as_bytes());
                    out.extend_from_slice(reason.as_bytes());
                }
            }
            more(out)
        })
    }

    /// The number of its kind.
    pub fn kind(&self) -> u8 {
        match self {
            Self::Welcome { .. } => kind::WELCOME,
            Self::Reject { .. } => kind::REJECT,
            Self::Reply { .. } => kind::REPLY,
            Self::Refusal { .. } => kind::REFUSAL,
            Self::Push { .. } => kind::PUSH,
            Self::Pong => kind::PONG,
            Self::Bye { .. } => kind::BYE,
        }
    }
}
