//! The users who are logged in at the msgserver, as both sides know them.

use portcullis::skynet::msgserver::wire::Username;

/// How many there are.
pub const COUNT: usize = 1_000;
/// The server's name.
pub const SERVER: &str = "bench";
/// The secret of all of them.
pub const SECRET: [u8; 8] = *b"of bench";

/// The id of a user.
pub fn uid(number: usize) -> String {
    format!("user{number}")
}

/// The name in his handshake. Users are logged in in the order of their numbers.
pub fn name(number: usize) -> Vec<u8> {
    Username { uid: uid(number), server: SERVER.to_owned(), subid: number as u64 + 1 }.encode()
}
