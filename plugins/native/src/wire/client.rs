//! What clients say.

use super::{FORMAT, Fields, Identity, MAX_NAME, WireError, frame, kind};

/// A frame from a client to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFrame<'a> {
    /// The first frame.
    Hello(Identity<'a>),
    /// Wants an answer.
    Request {
        /// Comes back with the answer.
        id: u32,
        /// The route's number.
        route: u16,
        /// What is asked.
        body: &'a [u8],
    },
    /// Wants none.
    Notify {
        /// The route's number.
        route: u16,
        /// What is said.
        body: &'a [u8],
    },
    /// Shows that the client is alive; answered with Pong.
    Ping,
}

impl<'a> ClientFrame<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// When it is not one that a client may send.
    pub fn read(payload: &'a [u8]) -> Result<Self, WireError> {
        let mut fields = Fields::of(payload)?;
        match fields.kind {
            kind::HELLO => {
                let format = fields.u8()?;
                if format != FORMAT {
                    return Err(WireError::Format(format));
                }
                let (version, hash) = (fields.u32()?, fields.u64()?);
                Ok(Self::Hello(Identity { name: name(fields.text()?)?, version, hash }))
            }
            kind::REQUEST => {
                let (id, route) = (fields.u32()?, fields.u16()?);
                Ok(Self::Request { id, route, body: fields.rest })
            }
            kind::NOTIFY => {
                let route = fields.u16()?;
                Ok(Self::Notify { route, body: fields.rest })
            }
            kind::PING => fields.end().map(|()| Self::Ping),
            other => Err(WireError::UnknownKind(other)),
        }
    }

    /// Appends the whole frame.
    ///
    /// # Errors
    /// When it cannot be said: the name of a Hello is empty or too long, or the frame needs more than 32 bits.
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
                Self::Hello(identity) => {
                    out.push(FORMAT);
                    out.extend_from_slice(&identity.version.to_le_bytes());
                    out.extend_from_slice(&identity.hash.to_le_bytes());
                    out.extend_from_slice(name(identity.name)?.as_bytes());
                }
                Self::Request { id, route, body } => {
                    out.extend_from_slice(&id.to_le_bytes());
                    out.extend_from_slice(&route.to_le_bytes());
                    out.extend_from_slice(body);
                }
                Self::Notify { route, body } => {
                    out.extend_from_slice(&route.to_le_bytes());
                    out.extend_from_slice(body);
                }
                Self::Ping => {}
            }
            more(out)
        })
    }

    /// The number of its kind.
    pub fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => kind::HELLO,
            Self::Request { .. } => kind::REQUEST,
            Self::Notify { .. } => kind::NOTIFY,
            Self::Ping => kind::PING,
        }
    }
}

fn name(name: &str) -> Result<&str, WireError> {
    match name.len() {
        1..=MAX_NAME => Ok(name),
        length => Err(WireError::TextLength(length)),
    }
}
