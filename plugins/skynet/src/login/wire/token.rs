//! The token of skynet's example. A game may have another: the login server does not look into it.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::crypt::{base64_decode, base64_write};

/// `base64(user)@base64(server):base64(password)`: who logs in, to which game server.
#[derive(Clone, Eq)]
pub struct Token {
    /// The user's id. The original does not ask for UTF-8, and neither does this.
    pub user: Vec<u8>,
    /// The name of the game server.
    pub server: Vec<u8>,
    /// The password. Overwritten when dropped, and hidden from `Debug`.
    pub password: Zeroizing<Vec<u8>>,
}

impl Token {
    /// Reads a token as the example does, by Lua's pattern `([^@]+)@([^:]+):(.+)`. That is bound to neither end, so
    /// it also finds a token that comes later in the bytes; and base64 is [read leniently](base64_decode).
    ///
    /// `None` when there is none, which is 401; so a user, server or password of no bytes is not possible.
    pub fn parse(token: &[u8]) -> Option<Self> {
        let (user, server, password) = split(token)?;
        Some(Self {
            user: base64_decode(user).ok()?,
            server: base64_decode(server).ok()?,
            password: Zeroizing::new(base64_decode(password).ok()?),
        })
    }

    /// The token's bytes. [`parse`](Self::parse) does not take them if a part is empty.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let parts = [&self.user, &self.server, &*self.password];
        // Room from the start, so that growing leaves no copy of a password behind.
        let length: usize = parts.iter().map(|part| part.len().div_ceil(3) * 4).sum();
        let mut out = Zeroizing::new(Vec::with_capacity(length + 2));
        base64_write(&self.user, &mut out);
        out.push(b'@');
        base64_write(&self.server, &mut out);
        out.push(b':');
        base64_write(&self.password, &mut out);
        out
    }
}

/// The pattern's captures: the first `@` with something before it since the last one, followed by something before
/// the next `:`, that followed by something.
fn split(token: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut rest = token;
    loop {
        let (user, after) = split_at_byte(rest, b'@')?;
        if !user.is_empty() {
            // Where one of these is missing, it is so for every later start.
            let (server, password) = split_at_byte(after, b':')?;
            if password.is_empty() {
                return None;
            }
            if !server.is_empty() {
                return Some((user, server, password));
            }
        }
        rest = after;
    }
}

fn split_at_byte(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&each| each == byte)?;
    let (before, after) = bytes.split_at_checked(at)?;
    Some((before, after.get(1..)?))
}

impl PartialEq for Token {
    /// How long it takes tells nothing of the password but its length.
    fn eq(&self, other: &Self) -> bool {
        let password: bool = self.password.ct_eq(&other.password).into();
        password && self.user == other.user && self.server == other.server
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("user", &format_args!("\"{}\"", self.user.escape_ascii()))
            .field("server", &format_args!("\"{}\"", self.server.escape_ascii()))
            .finish_non_exhaustive()
    }
}
