//! The login server's lines, both sides of them, pure: lines in, lines out; no socket, no clock, no randomness.
//!
//! | # | from | line, ended by LF alone |
//! | --- | --- | --- |
//! | 1 | server | base64 of the challenge, eight random bytes |
//! | 2 | client | base64 of the client's public key |
//! | 3 | server | base64 of the server's public key; the [secret](dh_secret) is now known to both |
//! | 4 | client | base64 of [`hmac64`] of challenge and secret |
//! | 5 | client | base64 of the token, enciphered by [`des_encode`] with the secret |
//! | 6 | server | a [`Status`] |
//!
//! What it is worth is told in [`crypt`](crate::crypt). Source: skynet's `loginserver.lua`, and what its program
//! answered (`tests/vectors/skynet/login.json`).
//!
//! ```
//! use portcullis_skynet::login::wire::{Client, Server, Status, Step, Token};
//!
//! let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
//! let mut server = Server::new(*b"8 random", *b"8 others");
//! let line = |bytes: &mut Vec<u8>| std::mem::take(bytes).trim_ascii_end().to_vec();
//! server.write_challenge(&mut to_client);
//! let client = Client::new(*b"8 of its").challenge(&line(&mut to_client), &mut to_server)?;
//! assert!(matches!(server.line(&line(&mut to_server), &mut to_client), Step::Wait));
//!
//! let token = Token { user: "ann".into(), server: "sample".into(), password: b"secret".to_vec().into() };
//! let secret = client.prove(&line(&mut to_client), &token.encode(), &mut to_server)?;
//! let [proof, cipher] = to_server.trim_ascii_end().split(|&byte| byte == b'\n').collect::<Vec<_>>()[..] else {
//!     panic!("two lines");
//! };
//! assert!(matches!(server.line(proof, &mut to_client), Step::Wait));
//! let Step::Token(presented) = server.line(cipher, &mut to_client) else { panic!("a token") };
//! assert_eq!(presented.secret, secret);
//! assert_eq!(Token::parse(&presented.token), Some(token));
//!
//! Status::Ok(b"1".to_vec()).write(&mut to_client);
//! assert_eq!(to_client, b"200 MQ==\n");
//! # Ok::<(), portcullis_skynet::login::wire::ClientError>(())
//! ```

mod client;
mod server;
mod status;
mod token;

use crate::crypt::base64_write;
#[cfg(doc)]
use crate::crypt::{des_encode, dh_secret, hmac64};

pub use self::{
    client::{Challenged, Client, ClientError},
    server::{Presented, Server, Step},
    status::Status,
    token::Token,
};

/// The most bytes of lines that may wait to be read, LF included. The original ends the connection above it, without
/// a status line.
pub const MAX_BUFFERED: usize = 8192;

/// Appends a line of base64.
fn write_line(bytes: &[u8], out: &mut Vec<u8>) {
    base64_write(bytes, out);
    out.push(b'\n');
}
