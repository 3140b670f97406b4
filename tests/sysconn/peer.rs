//! A client that speaks whole messages, in memory and over WebSocket alike: all it says was handled when it is said.

use super::{frames::request, server::InMemory};
use portcullis::{
    core::Cause,
    sysconn::{
        SysconnListener,
        prost::Message,
        wire::{
            Response, errors,
            messages::{LoginAnswer, Reconnect},
        },
    },
};
use portcullis_testkit::{Carrier, RawClient, TestServer};
use std::net::IpAddr;

pub struct Peer {
    pub raw: RawClient,
    inbox: Vec<u8>,
}

/// A message of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub error: u16,
    pub flag: u32,
    pub command: u16,
    pub body: Vec<u8>,
}

/// Who a connection is by its login answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    pub role: u32,
    pub secret: u32,
    pub is_new: bool,
}

/// The flag of all logins and reconnects.
pub const LOGIN_FLAG: u32 = 0x10_9111;

impl Peer {
    #[track_caller]
    pub fn connect(server: &mut TestServer) -> Self {
        let listener = server.listeners::<SysconnListener>()[0];
        let carrier = if server.world().resource::<InMemory>().0 { Carrier::Tcp } else { Carrier::WebSocket };
        Self { raw: server.connect_over(listener, carrier), inbox: Vec::new() }
    }

    /// From this address, in memory.
    #[track_caller]
    pub fn from(server: &mut TestServer, address: impl Into<IpAddr>) -> Self {
        let listener = server.listeners::<SysconnListener>()[0];
        Self { raw: server.connect_raw_from(listener, address.into()), inbox: Vec::new() }
    }

    /// A connection that is logged in, and who it is.
    #[track_caller]
    pub fn logged_in(server: &mut TestServer, account: &str) -> (Self, Who) {
        let mut peer = Self::connect(server);
        let who = peer.log_in(account).unwrap();
        (peer, who)
    }

    pub fn say(&mut self, flag: u32, command: u16, body: &[u8]) {
        self.raw.send_bytes(&request(flag, command, body));
    }

    /// The next message, if it has come.
    pub fn hear(&mut self) -> Option<Heard> {
        self.inbox.extend(self.raw.read());
        let size = self.inbox.get(2..4)?;
        let end = Response::HEADER + usize::from(u16::from_be_bytes([size[0], size[1]]));
        let message: Vec<u8> = self.inbox.get(..end)?.to_vec();
        self.inbox.drain(..end);
        let Response { error, flag, command, body } = Response::read(&message).unwrap();
        Some(Heard { error, flag, command, body: body.to_vec() })
    }

    #[track_caller]
    pub fn expect(&mut self, error: u16, flag: u32, command: u16, body: &[u8]) {
        let expected = Heard { error, flag, command, body: body.to_vec() };
        assert_eq!(self.hear(), Some(expected));
    }

    /// Asks, and gives the answer.
    #[track_caller]
    pub fn ask(&mut self, flag: u32, command: u16, body: &[u8]) -> Heard {
        self.say(flag, command, body);
        let heard = self.hear().expect("an answer");
        assert_eq!((heard.flag, heard.command), (flag, command), "{heard:?}");
        heard
    }

    /// An echo, which only those get who are logged in.
    #[track_caller]
    pub fn expect_echo(&mut self, flag: u32) {
        assert_eq!(self.ask(flag, 1190, b"\x0a\x01x").body, b"\x0a\x01x");
    }

    #[track_caller]
    pub fn beat(&mut self) {
        assert_eq!(self.ask(1, 1098, &[]).error, 0);
    }

    /// Nothing has come that was not taken.
    #[track_caller]
    pub fn expect_silence(&mut self) {
        assert_eq!(self.hear(), None);
        assert!(self.inbox.is_empty());
    }

    /// Logs in by 1002, or is refused.
    #[track_caller]
    pub fn log_in(&mut self, account: &str) -> Result<Who, u16> {
        self.say(LOGIN_FLAG, 1002, &account_body(account));
        self.entered(1002)
    }

    /// Comes back by 1003, or is refused.
    #[track_caller]
    pub fn reconnect(&mut self, role: u32, secret: u32) -> Result<Who, u16> {
        self.say(LOGIN_FLAG, 1003, &reconnect_body(role, secret));
        self.entered(1003)
    }

    /// The answer to a login. Whoever is banned is told until when before it.
    #[track_caller]
    pub fn entered(&mut self, command: u16) -> Result<Who, u16> {
        let mut heard = self.hear().expect("an answer to a login");
        let told = heard.command == 1149;
        if told {
            heard = self.hear().expect("an answer behind the notice");
        }
        assert_eq!((heard.flag, heard.command), (LOGIN_FLAG, command), "{heard:?}");
        assert_eq!(told, heard.error == errors::BLACKLISTED, "{heard:?}");
        match heard.error {
            0 => Ok(who(&heard.body)),
            error => Err(error),
        }
    }

    /// Was told 1099 with this code, and closed.
    #[track_caller]
    pub fn expect_kicked(&mut self, code: u8, cause: Cause) {
        self.expect(0, 0, 1099, &[8, code]);
        self.expect_silence();
        self.raw.expect_closed(cause);
    }

    /// Was closed without another word.
    #[track_caller]
    pub fn expect_closed(&mut self, cause: Cause) {
        self.expect_silence();
        self.raw.expect_closed(cause);
    }
}

/// The body of 1002.
pub fn account_body(account: &str) -> Vec<u8> {
    [&[0x0a, account.len() as u8], account.as_bytes()].concat()
}

/// The body of 1003.
pub fn reconnect_body(role: u32, secret: u32) -> Vec<u8> {
    Reconnect { role_id: Some(role), id: Some(secret) }.encode_to_vec()
}

/// What a login answer says.
pub fn who(body: &[u8]) -> Who {
    let answer = LoginAnswer::decode(body).unwrap();
    assert_eq!(answer.encode_to_vec(), body, "nothing else is in it");
    Who { role: answer.info.role_id, secret: answer.id, is_new: answer.info.regist == Some(1) }
}
