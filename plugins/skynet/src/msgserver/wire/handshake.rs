//! The first frame, and its answer.

use super::{WireError, index, write_frame};
use crate::crypt::{base64_decode, base64_encode, hmac_hash, verify};

/// `username:index:base64(proof)`, as it stands in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake<'a> {
    /// A [`Username`](super::Username), or anything.
    pub username: &'a [u8],
    /// Text of the [`index`], which grows with each handshake of the user.
    pub index_text: &'a [u8],
    /// Text of the [`proof`].
    pub proof_text: &'a [u8],
    /// What the proof is of: user name and index with the colon between, as they were sent.
    pub signed: &'a [u8],
}

impl<'a> Handshake<'a> {
    /// Takes a frame apart; what comes after a third colon is ignored. `None` without two colons, which the original
    /// answers as a name that nobody has: [`Reply::UserNotFound`].
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let mut parts = frame.splitn(4, |&byte| byte == b':');
        let (username, index_text, proof_text) = (parts.next()?, parts.next()?, parts.next()?);
        let signed = frame.get(..username.len() + 1 + index_text.len())?;
        Some(Self { username, index_text, proof_text, signed })
    }

    /// Judges the handshake of a user who is logged in with `secret` and whose last accepted index is `version`, 0
    /// after login. The index is the user's new version.
    ///
    /// # Errors
    /// In the original's order: [`Reply::BadRequest`] when the index is no number or the proof no base64,
    /// [`Reply::IndexExpired`] when the index is not above `version`, [`Reply::Unauthorized`] when the proof is another.
    pub fn check(&self, secret: &[u8; 8], version: i64) -> Result<i64, Reply> {
        let index = index(self.index_text).ok_or(Reply::BadRequest)?;
        let sent = base64_decode(self.proof_text).map_err(|_| Reply::BadRequest)?;
        if index <= version {
            return Err(Reply::IndexExpired);
        }
        if !verify(&proof(secret, self.signed), &sent) {
            return Err(Reply::Unauthorized);
        }
        Ok(index)
    }
}

impl Handshake<'_> {
    /// For clients: appends the frame that proves `secret`. The first index after a login is 1, and each handshake's
    /// must be above the last.
    ///
    /// # Errors
    /// [`WireError::Long`] when `username` is too long for a frame. Nothing is appended then.
    pub fn write(username: &[u8], index: i64, secret: &[u8; 8], out: &mut Vec<u8>) -> Result<(), WireError> {
        let index = index.to_string();
        let signed = [username, b":", index.as_bytes()].concat();
        let proof = base64_encode(&proof(secret, &signed));
        write_frame(&[&signed, b":", proof.as_bytes()], out)
    }
}

/// What the owner of `secret` makes of the [signed](Handshake::signed) text.
pub fn proof(secret: &[u8; 8], signed: &[u8]) -> [u8; 8] {
    hmac_hash(secret, signed)
}

/// The answer to a handshake: its text is a frame of its own. After all but the first the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    /// 200: from now on every frame is a request.
    Ok,
    /// 400: the index is no number, or the proof no base64.
    BadRequest,
    /// 401: the proof is another. The index is not used up.
    Unauthorized,
    /// 403: the index is not above the last one.
    IndexExpired,
    /// 404: nobody of this name is logged in; also for a frame that is no handshake.
    UserNotFound,
}

impl Reply {
    const ALL: [Self; 5] =
        [Self::Ok, Self::BadRequest, Self::Unauthorized, Self::IndexExpired, Self::UserNotFound];

    /// The original's words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::Unauthorized => "401 Unauthorized",
            Self::IndexExpired => "403 Index Expired",
            Self::UserNotFound => "404 User Not Found",
        }
    }

    /// Appends the frame.
    pub fn write(self, out: &mut Vec<u8>) {
        let written = write_frame(&[self.text().as_bytes()], out);
        debug_assert_eq!(written, Ok(()));
    }

    /// For clients: reads a frame. `None` for any other text.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|reply| reply.text().as_bytes() == frame)
    }
}
