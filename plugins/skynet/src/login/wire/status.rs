//! Line 6.

use std::fmt;

use crate::crypt::{base64_decode, base64_write};

/// How a login ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// 200: logged in. Holds the subid, decoded, of which msgserver's user name is made; usually digits, and empty if
    /// there is none.
    Ok(Vec<u8>),
    /// 401: a fault of the client's lines, or a token that the game does not accept.
    Unauthorized,
    /// 403: the game server did not let the user in, or there is none of this name.
    Forbidden,
    /// 406: another login of the same user is under way, and the server wants only one.
    NotAcceptable,
}

impl Status {
    /// Appends the line, LF included.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text().as_bytes());
        if let Self::Ok(subid) = self {
            out.push(b' ');
            base64_write(subid, out);
        }
        out.push(b'\n');
    }

    /// Reads a line, without its LF. Its code decides, whatever words follow; `None` for another code, or a 200
    /// without base64.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let (code, words) = line.split_first_chunk::<3>()?;
        let words = if words.is_empty() { words } else { words.strip_prefix(b" ")? };
        match code {
            b"200" => Some(Self::Ok(base64_decode(words).ok()?)),
            b"401" => Some(Self::Unauthorized),
            b"403" => Some(Self::Forbidden),
            b"406" => Some(Self::NotAcceptable),
            _ => None,
        }
    }

    fn text(&self) -> &'static str {
        match self {
            Self::Ok(_) => "200",
            Self::Unauthorized => "401 Unauthorized",
            Self::Forbidden => "403 Forbidden",
            Self::NotAcceptable => "406 Not Acceptable",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
