//! What `authenticate` makes of a token.

use super::wire::Token;
use bytes::Bytes;
use portcullis_dispatch::{BodyError, Content, FromBody, IntoBody, Protocol, RouteId};
use portcullis_session::{ServerName, Uid};

/// Who somebody is, and at which game server he wants to log in: the answer of the handler of
/// [`LOGIN_ROUTE`](super::LOGIN_ROUTE).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    uid: Uid,
    server: ServerName,
    /// As it goes through dispatch, which knows bytes: the length of the uid, the uid, the server.
    bytes: Vec<u8>,
}

impl Identity {
    /// This user, at this server.
    pub fn new(uid: impl Into<Uid>, server: impl Into<ServerName>) -> Self {
        let (uid, server) = (uid.into(), server.into());
        let length = (uid.as_str().len() as u64).to_be_bytes();
        let bytes = [&length, uid.as_str().as_bytes(), server.as_str().as_bytes()].concat();
        Self { uid, server, bytes }
    }

    /// The user.
    pub fn uid(&self) -> &Uid {
        &self.uid
    }

    /// The game server.
    pub fn server(&self) -> &ServerName {
        &self.server
    }

    pub(crate) fn read(content: &Content<'_>) -> Option<Self> {
        let Content::Raw(bytes) = content else { return None };
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
        let (uid, server) = rest.split_at_checked(length)?;
        Some(Self::new(str::from_utf8(uid).ok()?, str::from_utf8(server).ok()?))
    }
}

impl IntoBody for Identity {
    fn content(&self) -> Content<'_> {
        Content::Raw(&self.bytes)
    }
}

/// So that a handler takes a `Request<Token>`: one that is not of this form is answered with 401 without it.
impl FromBody for Token {
    fn from_body(
        _: &dyn Protocol,
        _: RouteId,
        buffer: &Bytes,
        (start, end): (usize, usize),
    ) -> Result<Self, BodyError> {
        let token = buffer.get(start..end).and_then(Self::parse);
        token.ok_or_else(|| BodyError::new("the token is not as in skynet's example"))
    }
}
