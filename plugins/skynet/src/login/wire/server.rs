//! The server's side.

use std::{fmt, mem};

use zeroize::Zeroizing;

use super::write_line;
use crate::crypt::{
    CryptError, base64_decode, base64_key, des_decode, dh_public, dh_secret, hmac64, nonzero, verify,
};

/// One login, from the challenge to the token.
pub struct Server {
    challenge: [u8; 8],
    state: State,
}

/// Which line is awaited, and what it is judged by.
#[derive(Default)]
enum State {
    /// Line 2; holds the private key.
    Key(Zeroizing<[u8; 8]>),
    /// Line 4; holds the secret.
    Proof(Zeroizing<[u8; 8]>),
    /// Line 5; holds the secret.
    Token(Zeroizing<[u8; 8]>),
    /// None: there was a token or a fault.
    #[default]
    Over,
}

/// What came of a line.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Nothing yet: the client's next line is awaited.
    Wait,
    /// The client has proved that it knows the secret, and has sent a token: whether that is worth anything is for
    /// the game to say. Answer with a [`Status`](super::Status).
    Token(Presented),
    /// A fault of the line. Answer [`Status::Unauthorized`](super::Status::Unauthorized), at once, and close. The
    /// error is for the log, not for the client.
    Unauthorized(CryptError),
    /// A line after the token or after a fault. The original does not read it; nothing is to be done.
    Ignored,
}

/// What a client presents at the end of its lines. Overwritten when dropped, and hidden from `Debug`.
pub struct Presented {
    /// The token's bytes, of the application's own form: [`Token`](super::Token) is the one of skynet's example.
    pub token: Zeroizing<Vec<u8>>,
    /// The secret that both ends know now, by which msgserver recognises the user.
    pub secret: Zeroizing<[u8; 8]>,
}

impl Server {
    /// A login with a `challenge` and a `private` key of its own, both from a generator that nobody can guess. A key
    /// of eight zeros would be none; as in the original it becomes 1.
    pub fn new(challenge: [u8; 8], private: [u8; 8]) -> Self {
        Self { challenge, state: State::Key(Zeroizing::new(nonzero(private))) }
    }

    /// Appends line 1, which is sent as soon as a client has connected.
    pub fn write_challenge(&self, out: &mut Vec<u8>) {
        write_line(&self.challenge, out);
    }

    /// Takes the client's next line, without its LF, and appends what is to be sent before anything the [`Step`] asks
    /// for: line 3 after line 2, and nothing otherwise.
    ///
    /// Faults are found where the original finds them: a key of eight zeros only after line 3 was sent, a wrong proof
    /// before line 5 was read. A CR before the LF is a fault.
    pub fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Step {
        self.advance(line, out).unwrap_or_else(Step::Unauthorized)
    }

    fn advance(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Step, CryptError> {
        // What is taken here comes back as the next state, or not at all.
        match mem::take(&mut self.state) {
            State::Key(private) => {
                let client = base64_key(line)?;
                write_line(&dh_public(&private)?, out);
                self.state = State::Proof(Zeroizing::new(dh_secret(&client, &private)?));
            }
            State::Proof(secret) => {
                if !verify(&hmac64(&self.challenge, &secret), &base64_decode(line)?) {
                    return Err(CryptError::Proof);
                }
                self.state = State::Token(secret);
            }
            State::Token(secret) => {
                let token = Zeroizing::new(des_decode(&secret, &base64_decode(line)?)?);
                return Ok(Step::Token(Presented { token, secret }));
            }
            State::Over => return Ok(Step::Ignored),
        }
        Ok(Step::Wait)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let awaited = match self.state {
            State::Key(_) => "key",
            State::Proof(_) => "proof",
            State::Token(_) => "token",
            State::Over => "nothing",
        };
        f.debug_struct("Server").field("awaited", &awaited).finish_non_exhaustive()
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").finish_non_exhaustive()
    }
}
