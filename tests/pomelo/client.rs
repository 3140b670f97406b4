//! A client that speaks in packages, over whatever carries them.

use super::{ACK, HANDSHAKE, HEARTBEAT, listener};
use portcullis::{core::Cause, pomelo::wire::package::FRAMING};
use portcullis_testkit::{Carrier, RawClient, TestServer};
use serde_json::Value;

pub struct Client {
    pub raw: RawClient,
    pub carrier: Carrier,
    inbox: Vec<u8>,
}

pub fn package(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

/// A data package with this message.
pub fn data(message: &[u8]) -> Vec<u8> {
    package(4, message)
}

/// A request with an id of at most 127.
pub fn request(id: u8, route: &str, body: &[u8]) -> Vec<u8> {
    data(&[&[0, id, route.len() as u8], route.as_bytes(), body].concat())
}

impl Client {
    pub fn connect(server: &mut TestServer, carrier: Carrier) -> Self {
        let listener = listener(server);
        let raw = server.connect_over(listener, carrier);
        Self { raw, carrier, inbox: Vec::new() }
    }

    /// A client over the plain stream that has shaken hands.
    pub fn working(server: &mut TestServer) -> Self {
        let mut client = Self::connect(server, Carrier::Tcp);
        client.shake_hands();
        client
    }

    pub fn shake_hands(&mut self) {
        self.raw.send_bytes(&package(1, HANDSHAKE));
        let answer = self.expect_package();
        assert_eq!(json(&answer[4..])["code"], 200);
        self.raw.send_bytes(ACK);
        assert_eq!(self.expect_package(), HEARTBEAT);
    }

    /// Bytes as they are; over messages, each whole package is one of them.
    pub fn send(&mut self, mut bytes: &[u8]) {
        if !self.carrier.has_messages() {
            return self.raw.send_bytes(bytes);
        }
        while let Some(extent) = (FRAMING.measure)(bytes).filter(|extent| extent.payload <= bytes.len()) {
            let (package, rest) = bytes.split_at(extent.payload);
            self.raw.send_bytes(package);
            bytes = rest;
        }
        if !bytes.is_empty() {
            self.raw.send_bytes(bytes);
        }
    }

    /// The next package, if it has come.
    pub fn take_package(&mut self) -> Option<Vec<u8>> {
        self.inbox.extend(self.raw.read());
        let extent = (FRAMING.measure)(&self.inbox)?;
        (extent.payload <= self.inbox.len()).then(|| self.inbox.drain(..extent.payload).collect())
    }

    #[track_caller]
    pub fn expect_package(&mut self) -> Vec<u8> {
        let package = self.take_package();
        package
            .unwrap_or_else(|| panic!("no package has come; the connection is open: {}", self.raw.is_open()))
    }

    /// The answer to the request of this id, at most 127, in JSON.
    #[track_caller]
    pub fn expect_answer(&mut self, id: u8) -> Value {
        let package = self.expect_package();
        assert_eq!(&package[..1], [4], "a data package: {}", package.escape_ascii());
        assert_eq!(package[4..6], [4, id], "an answer to {id}: {}", package.escape_ascii());
        json(&package[6..])
    }

    #[track_caller]
    pub fn ask(&mut self, id: u8, route: &str, body: &str) -> Value {
        self.raw.send_bytes(&request(id, route, body.as_bytes()));
        self.expect_answer(id)
    }

    #[track_caller]
    pub fn expect_silence(&mut self) {
        self.inbox.extend(self.raw.read());
        assert!(self.inbox.is_empty(), "silence, and no \"{}\"", self.inbox.escape_ascii());
    }

    /// All that came and was not taken.
    pub fn rest(&mut self) -> Vec<u8> {
        self.inbox.extend(self.raw.read());
        std::mem::take(&mut self.inbox)
    }

    /// Closed for this cause, without another word.
    #[track_caller]
    pub fn expect_closed(&mut self, cause: Cause) {
        self.raw.expect_closed(cause);
        self.expect_silence();
    }
}

#[track_caller]
fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", bytes.escape_ascii()))
}
