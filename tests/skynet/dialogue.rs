//! Logging in as a client does.

use super::Client;
use portcullis::{
    core::Cause,
    skynet::login::{
        LoginListener,
        wire::{self, Status, Token},
    },
};
use portcullis_testkit::TestServer;

/// The private key of all clients of the tests, and of the recordings.
pub const PRIVATE: [u8; 8] = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];

/// A client that has sent its token.
pub struct Presented {
    pub client: Client,
    pub secret: [u8; 8],
}

/// A token as in skynet's example, with the right password.
pub fn token(user: &str, server: &str) -> Vec<u8> {
    let password = b"password".to_vec().into();
    Token { user: user.into(), server: server.into(), password }.encode().to_vec()
}

/// Connects to the first login server.
pub fn begin(server: &mut TestServer) -> Client {
    let listener = server.listeners::<LoginListener>()[0];
    Client::connect(server, listener)
}

/// Says lines 2 to 5.
#[track_caller]
pub fn present(server: &mut TestServer, token: &[u8]) -> Presented {
    let mut client = begin(server);
    let mut out = Vec::new();
    let challenged = wire::Client::new(PRIVATE).challenge(client.expect_line().trim_ascii_end(), &mut out);
    client.send(&std::mem::take(&mut out));
    let line = client.expect_line();
    let secret = challenged.unwrap().prove(line.trim_ascii_end(), token, &mut out).unwrap();
    client.send(&out);
    Presented { client, secret: *secret }
}

impl Presented {
    /// The last line, if it has come; the connection is closed behind it.
    #[track_caller]
    pub fn status(&mut self) -> Option<Status> {
        let line = self.client.take_line()?;
        self.client.expect_closed(Cause::Requested);
        Some(Status::parse(line.trim_ascii_end()).expect("a status"))
    }

    /// The number of the session.
    #[track_caller]
    pub fn expect_subid(&mut self) -> u64 {
        match self.status() {
            Some(Status::Ok(subid)) => String::from_utf8(subid).unwrap().parse().unwrap(),
            other => panic!("200, and not {other:?}"),
        }
    }

    #[track_caller]
    pub fn expect_status(&mut self, expected: Status) {
        assert_eq!(self.status(), Some(expected));
    }

    /// Nothing has been said, and the connection is open.
    #[track_caller]
    pub fn expect_waiting(&mut self) {
        assert_eq!(self.status(), None);
        assert!(self.client.raw.is_open());
    }
}
