//! The client's side: for tests, bots and examples.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use super::{Status, write_line};
use crate::crypt::{CryptError, base64_key, des_encode, dh_public, dh_secret, hmac64, nonzero};

/// A client that awaits line 1. Hidden from `Debug`, and overwritten when dropped, as what follows.
pub struct Client {
    private: Zeroizing<[u8; 8]>,
}

/// A client that awaits line 3.
pub struct Challenged {
    private: Zeroizing<[u8; 8]>,
    challenge: [u8; 8],
}

/// Why a login goes no further.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server sent a status in the place of its key: it did not like ours.
    #[error("the server refused the login: {0}")]
    Refused(Status),
    /// The server's line makes no sense.
    #[error("the server's line is wrong: {0}")]
    Line(#[from] CryptError),
}

impl Client {
    /// A login with a `private` key of its own. A key of eight zeros would be none; it becomes 1.
    pub fn new(private: [u8; 8]) -> Self {
        Self { private: Zeroizing::new(nonzero(private)) }
    }

    /// Takes line 1, without its LF, and appends line 2.
    ///
    /// # Errors
    /// [`ClientError::Line`] when the line is not base64 of eight bytes.
    pub fn challenge(self, line: &[u8], out: &mut Vec<u8>) -> Result<Challenged, ClientError> {
        let challenge = base64_key(line)?;
        write_line(&dh_public(&self.private)?, out);
        Ok(Challenged { private: self.private, challenge })
    }
}

impl Challenged {
    /// Takes line 3, without its LF, and appends lines 4 and 5 for a token. The answer is the secret of this login,
    /// by which the client proves itself to msgserver.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the line is a status, [`ClientError::Line`] when it is not base64 of eight bytes or
    /// these are zeros. Nothing is appended then.
    pub fn prove(
        self,
        line: &[u8],
        token: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Zeroizing<[u8; 8]>, ClientError> {
        if let Some(status) = Status::parse(line) {
            return Err(ClientError::Refused(status));
        }
        let secret = Zeroizing::new(dh_secret(&base64_key(line)?, &self.private)?);
        write_line(&hmac64(&self.challenge, &secret), out);
        write_line(&des_encode(&secret, token), out);
        Ok(secret)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl fmt::Debug for Challenged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenged").finish_non_exhaustive()
    }
}
