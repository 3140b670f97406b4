//! A client that speaks in lines or in frames.

use portcullis::{
    core::Cause,
    prelude::*,
    skynet::msgserver::{
        MsgServerListener,
        wire::{self, Answer, Handshake, Response, Username},
    },
};
use portcullis_testkit::{RawClient, TestServer};
use std::time::Duration;

pub struct Client {
    pub raw: RawClient,
    inbox: Vec<u8>,
}

/// A request's frame.
pub fn request(session: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    wire::Request { content, session }.write(&mut out).unwrap();
    out
}

impl Client {
    pub fn connect(server: &mut TestServer, listener: Entity) -> Self {
        Self { raw: server.connect_raw(listener), inbox: Vec::new() }
    }

    /// To the first msgserver.
    pub fn to_msgserver(server: &mut TestServer) -> Self {
        let listener = server.listeners::<MsgServerListener>()[0];
        Self::connect(server, listener)
    }

    /// Connected to the first msgserver, and greeted by it.
    #[track_caller]
    pub fn greeted(server: &mut TestServer, user: &Username, index: i64, secret: &[u8; 8]) -> Self {
        let mut client = Self::to_msgserver(server);
        client.shake_hands(user, index, secret);
        assert_eq!(client.expect_text(), "200 OK");
        client
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.raw.send_bytes(bytes);
    }

    pub fn shake_hands(&mut self, user: &Username, index: i64, secret: &[u8; 8]) {
        let mut out = Vec::new();
        Handshake::write(&user.encode(), index, secret, &mut out).unwrap();
        self.send(&out);
    }

    pub fn ask(&mut self, session: u32, content: &[u8]) {
        self.send(&request(session, content));
    }

    fn take(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> Option<Vec<u8>> {
        self.inbox.extend(self.raw.read());
        let end = end(&self.inbox)?;
        Some(self.inbox.drain(..end).collect())
    }

    /// So many bytes, if they have come.
    pub fn take_bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        self.take(|inbox| (inbox.len() >= count).then_some(count))
    }

    /// The next line, with its LF, if it has come.
    pub fn take_line(&mut self) -> Option<Vec<u8>> {
        self.take(|inbox| Some(inbox.iter().position(|&byte| byte == b'\n')? + 1))
    }

    /// The next frame's payload, if it has come.
    pub fn take_frame(&mut self) -> Option<Vec<u8>> {
        let frame = self.take(|inbox| Some(wire::read_frame(inbox)?.0.len() + 2))?;
        Some(frame[2..].to_vec())
    }

    #[track_caller]
    pub fn expect_line(&mut self) -> Vec<u8> {
        let line = self.take_line();
        line.unwrap_or_else(|| panic!("no line has come; the connection is open: {}", self.raw.is_open()))
    }

    #[track_caller]
    pub fn expect_frame(&mut self) -> Vec<u8> {
        let frame = self.take_frame();
        frame.unwrap_or_else(|| panic!("no frame has come; the connection is open: {}", self.raw.is_open()))
    }

    #[track_caller]
    pub fn expect_text(&mut self) -> String {
        String::from_utf8(self.expect_frame()).unwrap()
    }

    /// The answer to this request; none where it failed.
    #[track_caller]
    pub fn expect_answer(&mut self, session: u32) -> Option<Vec<u8>> {
        let frame = self.expect_frame();
        let response = Response::parse(&frame).unwrap();
        assert_eq!(response.session, session, "an answer to {session}: {}", frame.escape_ascii());
        match response.answer {
            Answer::Done(content) => Some(content.to_vec()),
            Answer::Failed => None,
        }
    }

    /// Its answer is this.
    #[track_caller]
    pub fn expect_reply(&mut self, session: u32, content: &[u8]) {
        let answer = self.expect_answer(session).expect("no failure");
        assert_eq!(answer.escape_ascii().to_string(), content.escape_ascii().to_string());
    }

    /// The next bytes are these; time passes until as many have come, at most three seconds.
    #[track_caller]
    pub fn await_bytes(&mut self, server: &mut TestServer, expected: &[u8], what: &str) {
        let mut left = Duration::from_secs(3);
        let tick = Duration::from_millis(10);
        let found = loop {
            match self.take_bytes(expected.len()) {
                Some(found) => break found,
                None if left.is_zero() => break self.rest(),
                None => {}
            }
            server.advance(tick);
            left -= tick;
        };
        assert_eq!(found.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{what}");
    }

    /// All that came and was not taken.
    pub fn rest(&mut self) -> Vec<u8> {
        self.inbox.extend(self.raw.read());
        std::mem::take(&mut self.inbox)
    }

    #[track_caller]
    pub fn expect_silence(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "silence, and no \"{}\"", rest.escape_ascii());
    }

    /// Closed for this cause, without another word.
    #[track_caller]
    pub fn expect_closed(&mut self, cause: Cause) {
        self.raw.expect_closed(cause);
        self.expect_silence();
    }

    pub fn close(&mut self) {
        self.raw.close();
    }
}
