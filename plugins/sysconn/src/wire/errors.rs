//! The error numbers of the connection itself, as clients of the original know them. 0 is good; a game has numbers of its
//! own.

/// The server could not do it now: a failure of its own, or no time.
pub const BUSY: u16 = 1;
/// What was asked makes no sense here, or is not known.
pub const WRONG_OPERATION: u16 = 5;
/// The connection has a role already.
pub const LOGGED_IN_ALREADY: u16 = 6;
/// The role's data could not be had.
pub const ROLE_DATA: u16 = 7;
/// The reconnect secret is wrong, or the role is not there any more.
pub const SECRET: u16 = 10;
/// Another connection has logged in to the role: said by [`KICK`](super::commands::KICK).
pub const LOGGED_IN_ELSEWHERE: u16 = 11;
/// There is no such phone number.
pub const PHONE: u16 = 21;
/// The code that was sent to the phone is another, or was never asked for.
pub const PHONE_CODE: u16 = 23;
/// The phone's password is another.
pub const PHONE_PASSWORD: u16 = 31;
/// The phone's password is empty.
pub const EMPTY_PASSWORD: u16 = 32;
/// The role is banned; [`BLACKLIST_NOTICE`](super::commands::BLACKLIST_NOTICE) came before it.
pub const BLACKLISTED: u16 = 45;
