//! Whom msgserver knows by which name.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::crypt::base64_write;

/// `base64(uid)@base64(server)#base64(subid)`: one login of a user at one game server.
///
/// The original looks a name up as one text, so only the exact text counts, and text that merely decodes to the same
/// is another name. Here, where it is looked up by what it says, text that would be written otherwise is [no name at
/// all](Self::parse).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Username {
    /// The user's id, of any length that fits its frame.
    pub uid: String,
    /// The name of the game server.
    pub server: String,
    /// The number of the login. As text in decimal.
    pub subid: u64,
}

impl Username {
    /// Reads a user name. `None` when [`write`](Self::write) would not give these very bytes, among them all whose
    /// uid or server is not UTF-8: nobody of this name can be logged in, which is 404.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.splitn(2, |&byte| byte == b'@');
        let uid = decode(parts.next()?)?;
        let mut parts = parts.next()?.splitn(2, |&byte| byte == b'#');
        let server = decode(parts.next()?)?;
        let digits = decode(parts.next()?)?;
        let subid: u64 = digits.parse().ok()?;
        // Digits alone can still be `+7` or `007`.
        (subid.to_string() == digits).then_some(Self { uid, server, subid })
    }

    /// Appends the name.
    pub fn write(&self, out: &mut Vec<u8>) {
        // A `u64` has at most 20 digits, and a `String` takes them all.
        let mut subid = String::with_capacity(20);
        let _ = write!(subid, "{}", self.subid);
        base64_write(self.uid.as_bytes(), out);
        out.push(b'@');
        base64_write(self.server.as_bytes(), out);
        out.push(b'#');
        base64_write(subid.as_bytes(), out);
    }

    /// The name's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

/// Strict, unlike skynet's decoder: what this takes is what is written for it.
fn decode(text: &[u8]) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}
