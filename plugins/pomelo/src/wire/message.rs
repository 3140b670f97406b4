//! Messages: the body of a data package.
//!
//! | part                                                         | bytes      | present in             |
//! | ------------------------------------------------------------ | ---------- | ---------------------- |
//! | flag                                                         | 1          | all                    |
//! | id, little-endian base 128                                   | 1 to 5     | request, response      |
//! | route: length and UTF-8, or a dictionary code, big-endian    | 1 + n or 2 | request, notify, push  |
//! | body                                                         | rest       | all                    |
//!
//! Flag bits: `0x01` the route is a code, `0x0e` the type, `0x10` the body is compressed, `0x20` an error answer (the last
//! two are Pitaya's), `0xc0` unused and ignored.

use super::WireError;

/// The largest id: the JS codecs count with 31 bits. Pomelo's own frontend goes into an endless loop beyond.
pub const MAX_ID: u32 = 0x7fff_ffff;
/// The longest route, in bytes.
pub const MAX_ROUTE: usize = 255;

const ROUTE_IS_CODE: u8 = 0x01;
const COMPRESSED: u8 = 0x10;
const ERROR: u8 = 0x20;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// From the client, to be answered; with id 0 it is not, as a notify.
    Request = 0,
    /// From the client, not answered.
    Notify = 1,
    /// From the server: the answer to the request of the same id.
    Response = 2,
    /// From the server, unasked.
    Push = 3,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route<'a> {
    /// Nowhere: responses have none.
    None,
    /// By name, which may be empty.
    Name(&'a str),
    /// By its code in the [`Dictionary`](super::dictionary::Dictionary). 0 is never assigned.
    Code(u16),
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: Kind,
    /// The client's number for a request, 0 for notifies and pushes; at most [`MAX_ID`].
    pub id: u32,
    /// Where it goes.
    pub route: Route<'a>,
    /// Whether the body is [compressed](super::zip).
    pub compressed: bool,
    /// Whether it is an error answer of Pitaya's kind.
    pub error: bool,
    /// The rest.
    pub body: &'a [u8],
}

/// Reads a message.
///
/// # Errors
/// When the type is unknown, the id has more than five bytes or is above [`MAX_ID`], the head is cut (Pomelo reads missing
/// bytes as zero), or the route is no UTF-8.
pub fn read(bytes: &[u8]) -> Result<Message<'_>, WireError> {
    let (&flag, mut rest) = bytes.split_first().ok_or(WireError::Short)?;
    let kind = match flag >> 1 & 7 {
        0 => Kind::Request,
        1 => Kind::Notify,
        2 => Kind::Response,
        3 => Kind::Push,
        other => return Err(WireError::UnknownMessage(other)),
    };
    let id = if matches!(kind, Kind::Request | Kind::Response) { read_id(&mut rest)? } else { 0 };
    let route = match kind {
        Kind::Response => Route::None,
        _ if flag & ROUTE_IS_CODE != 0 => {
            let (code, after) = rest.split_first_chunk().ok_or(WireError::Short)?;
            rest = after;
            Route::Code(u16::from_be_bytes(*code))
        }
        _ => {
            let (&len, after) = rest.split_first().ok_or(WireError::Short)?;
            let (name, after) = after.split_at_checked(usize::from(len)).ok_or(WireError::Short)?;
            rest = after;
            Route::Name(str::from_utf8(name).map_err(|_| WireError::Text)?)
        }
    };
    let (compressed, error) = (flag & COMPRESSED != 0, flag & ERROR != 0);
    Ok(Message { kind, id, route, compressed, error, body: rest })
}

fn read_id(rest: &mut &[u8]) -> Result<u32, WireError> {
    let mut id = 0u64;
    for shift in (0..35).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or(WireError::Short)?;
        *rest = after;
        id |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return u32::try_from(id).ok().filter(|&id| id <= MAX_ID).ok_or(WireError::Id);
        }
    }
    Err(WireError::Id)
}

/// Appends what stands before a message's body. Notifies and pushes write no id, responses no route.
///
/// # Errors
/// When the id is above [`MAX_ID`], the name longer than [`MAX_ROUTE`], or missing where there must be one. `out` is then
/// as before.
pub fn write_head(
    out: &mut Vec<u8>,
    kind: Kind,
    id: u32,
    route: Route<'_>,
    compressed: bool,
    error: bool,
) -> Result<(), WireError> {
    let has_id = matches!(kind, Kind::Request | Kind::Response);
    if has_id && id > MAX_ID {
        return Err(WireError::Id);
    }
    let route = if kind == Kind::Response { None } else { Some(route) };
    match route {
        Some(Route::None) => return Err(WireError::NoRoute),
        Some(Route::Name(name)) if name.len() > MAX_ROUTE => return Err(WireError::RouteTooLong(name.len())),
        _ => {}
    }
    let mut flag = (kind as u8) << 1;
    for (set, bit) in
        [(matches!(route, Some(Route::Code(_))), ROUTE_IS_CODE), (compressed, COMPRESSED), (error, ERROR)]
    {
        if set {
            flag |= bit;
        }
    }
    out.push(flag);
    if has_id {
        write_id(out, id);
    }
    match route {
        Some(Route::Code(code)) => out.extend_from_slice(&code.to_be_bytes()),
        Some(Route::Name(name)) => {
            out.push(name.len() as u8);
            out.extend_from_slice(name.as_bytes());
        }
        Some(Route::None) | None => {}
    }
    Ok(())
}

fn write_id(out: &mut Vec<u8>, mut id: u32) {
    while id >= 0x80 {
        out.push(id as u8 | 0x80);
        id >>= 7;
    }
    out.push(id as u8);
}
