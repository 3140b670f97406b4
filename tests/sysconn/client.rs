//! A client that sends what bytes it likes over a socket, and takes frames as they come.

use super::frames::{self, messages_in, response, whole_frame};
use portcullis::{
    net::ListenerHandle,
    prelude::*,
    sysconn::{SysconnListener, wire::Response},
};
use portcullis_testkit::TestServer;
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// A request as the recorded client's.
pub const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// How long is waited, in real time, for what is on its way.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Client {
    /// None after the end.
    stream: Option<TcpStream>,
    local: SocketAddr,
    /// None where the world had closed it before anybody looked.
    pub entity: Option<Entity>,
    inbox: Vec<u8>,
    /// Whole messages that were sent.
    said: u64,
    pub was_reset: bool,
}

impl Client {
    /// A socket to the first listener, over which nothing was said.
    #[track_caller]
    pub fn connect(server: &mut TestServer) -> Self {
        let listener = server.listeners::<SysconnListener>()[0];
        let address = server.world().get::<ListenerHandle>(listener).unwrap().address();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        let local = stream.local_addr().unwrap();
        let (inbox, entity) = (Vec::new(), None);
        let mut client = Self { stream: Some(stream), local, entity, inbox, said: 0, was_reset: false };
        client.wait(server, |client, server| client.find(server) || client.stream.is_none());
        client
    }

    /// A WebSocket.
    #[track_caller]
    pub fn upgraded(server: &mut TestServer) -> Self {
        let mut client = Self::connect(server);
        client.send(server, UPGRADE);
        let head = client.expect_head(server);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    /// A WebSocket that is logged in as this account.
    #[track_caller]
    pub fn logged_in(server: &mut TestServer, account: &str) -> Self {
        let mut client = Self::upgraded(server);
        client.log_in(server, account);
        client
    }

    /// Logs in by 1002, and gives the answer's body.
    #[track_caller]
    pub fn log_in(&mut self, server: &mut TestServer, account: &str) -> Vec<u8> {
        let body = [&[0x0a, account.len() as u8], account.as_bytes()].concat();
        self.send(server, &frames::frame(&frames::request(0xabcd, 1002, &body)));
        let message = self.expect_message(server);
        let answer = Response::read(&message).unwrap();
        assert_eq!((answer.error, answer.flag, answer.command), (0, 0xabcd, 1002));
        answer.body.to_vec()
    }

    /// Sends these bytes as they are. Whole messages among them were taken by the world when this returns.
    pub fn send(&mut self, server: &mut TestServer, said: &[u8]) {
        if !said.first().is_some_and(u8::is_ascii_alphabetic) {
            self.said += messages_in(said);
        }
        let mut rest = said;
        let begun = Instant::now();
        while let Some(stream) = self.stream.as_mut().filter(|_| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.run(server),
                // The read tells how it ended.
                Err(_) => break,
            }
            assert!(begun.elapsed() < PATIENCE, "nobody reads this");
        }
        self.settle(server);
    }

    /// Sends this again and again, while the server does not run, until so many bytes are taken or no more are for a
    /// while. Gives how many: the last piece may be cut.
    pub fn press(&mut self, said: &[u8], most: usize) -> usize {
        let (mut taken, mut last) = (0, Instant::now());
        let stream = self.stream.as_mut().unwrap();
        while taken < most && last.elapsed() < Duration::from_millis(300) {
            let rest = &said[taken % said.len()..];
            match stream.write(rest) {
                Ok(count) => (taken, last) = (taken + count, Instant::now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
        taken
    }

    /// Lets the world take what was sent.
    pub fn settle(&mut self, server: &mut TestServer) {
        self.wait(server, |client, server| {
            let world = server.world();
            let connection = client.entity.and_then(|entity| world.get_entity(entity).ok());
            connection.is_none_or(|connection| {
                let received = connection.get::<Traffic>().map_or(0, |traffic| traffic.received);
                connection.contains::<Closing>() || received >= client.said
            })
        });
        self.run(server);
    }

    /// The next frame that comes, header and all.
    pub fn next_frame(&mut self, server: &mut TestServer) -> Option<Vec<u8>> {
        self.wait(server, |client, _| whole_frame(&client.inbox).is_some() || client.stream.is_none());
        let end = whole_frame(&self.inbox)?;
        Some(self.inbox.drain(..end).collect())
    }

    /// The next frame that comes is this.
    #[track_caller]
    pub fn expect(&mut self, server: &mut TestServer, frame: &[u8], what: &str) {
        let found = self.next_frame(server);
        let found = found.unwrap_or_else(|| panic!("{what}: no frame has come; rest {}", hex(&self.inbox)));
        assert!(found == frame, "{what}:\n found {}\nwanted {}", hex(&found), hex(frame));
    }

    /// The next frame that comes is a binary message: this is it.
    #[track_caller]
    pub fn expect_message(&mut self, server: &mut TestServer) -> Vec<u8> {
        let frame = self.next_frame(server).expect("a frame");
        assert_eq!(frame[0], 0x82, "a message, and not {}", hex(&frame));
        frames::payload(&frame)
    }

    /// Asks, and expects this answer, with the flag and the command of the request.
    #[track_caller]
    pub fn ask(&mut self, server: &mut TestServer, flag: u32, command: u16, body: &[u8], answer: Answer<'_>) {
        self.send(server, &frames::frame(&frames::request(flag, command, body)));
        match answer {
            Answer::Body(body) => self.expect_answer(server, &response(0, flag, command, body)),
            Answer::Error(error) => self.expect_answer(server, &response(error, flag, command, &[])),
            Answer::Nothing => self.expect_silence(server, "nothing is answered"),
        }
    }

    #[track_caller]
    fn expect_answer(&mut self, server: &mut TestServer, expected: &[u8]) {
        let found = self.expect_message(server);
        assert!(found == expected, "\n found {}\nwanted {}", hex(&found), hex(expected));
    }

    /// A heartbeat, and its answer.
    #[track_caller]
    pub fn beat(&mut self, server: &mut TestServer) {
        self.ask(server, 0xbea7, 1098, &[], Answer::Body(&[]));
    }

    /// The head of an answer of HTTP.
    #[track_caller]
    pub fn expect_head(&mut self, server: &mut TestServer) -> String {
        let end = |inbox: &[u8]| inbox.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        self.wait(server, |client, _| end(&client.inbox).is_some() || client.stream.is_none());
        let Some(end) = end(&self.inbox) else { panic!("no head, but {}", self.inbox.escape_ascii()) };
        String::from_utf8(self.inbox.drain(..end).collect()).unwrap()
    }

    /// Nothing has come, and the connection is there.
    #[track_caller]
    pub fn expect_silence(&mut self, server: &mut TestServer, what: &str) {
        self.settle(server);
        assert!(self.inbox.is_empty(), "{what}, but {}", hex(&self.inbox));
        assert!(self.stream.is_some(), "{what}, but the connection is over");
    }

    /// A close frame with this code, then the end, and nothing else.
    #[track_caller]
    pub fn expect_close(&mut self, server: &mut TestServer, code: u16, what: &str) {
        self.expect(server, &frames::close(code), what);
        self.expect_end(server, what);
    }

    /// The end, without another word.
    #[track_caller]
    pub fn expect_end(&mut self, server: &mut TestServer, what: &str) {
        self.wait(server, |client, _| client.stream.is_none());
        assert!(self.stream.is_none(), "{what}: it is open");
        assert!(self.inbox.is_empty(), "{what}, but {}", hex(&self.inbox));
        assert!(!self.was_reset, "{what}: a last word may be lost");
    }

    /// Why the connection is over, as the world knows it.
    #[track_caller]
    pub fn expect_cause(&mut self, server: &mut TestServer, cause: Cause) {
        let entity = self.entity.expect("a connection");
        self.wait(server, |_, server| server.closed(entity).is_some());
        assert_eq!(server.closed(entity), Some(cause));
    }

    pub fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    pub fn has_heard_nothing(&self) -> bool {
        self.inbox.is_empty()
    }

    /// Closes the socket.
    pub fn leave(mut self, server: &mut TestServer) {
        self.stream = None;
        let entity = self.entity;
        self.wait(server, |_, server| entity.is_none_or(|entity| server.world().get_entity(entity).is_err()));
    }

    /// All bytes that have come and were not taken.
    pub fn rest(&mut self, server: &mut TestServer) -> Vec<u8> {
        self.settle(server);
        std::mem::take(&mut self.inbox)
    }

    /// Runs the server until this holds, or patience is at its end.
    fn wait(&mut self, server: &mut TestServer, mut holds: impl FnMut(&mut Self, &mut TestServer) -> bool) {
        let begun = Instant::now();
        loop {
            self.run(server);
            if holds(self, server) || begun.elapsed() > PATIENCE {
                return;
            }
        }
    }

    fn run(&mut self, server: &mut TestServer) {
        server.settle();
        let Some(stream) = &mut self.stream else { return };
        let mut buffer = [0; 16 * 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.inbox.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.was_reset = true;
                    break;
                }
            }
        }
        self.stream = None;
    }

    fn find(&mut self, server: &mut TestServer) -> bool {
        let mut world = server.world_mut();
        let mut connections = world.query::<(Entity, &Connection)>();
        let found = connections.iter(&world).find(|(_, connection)| connection.peer == self.local);
        self.entity = found.map(|(entity, _)| entity);
        self.entity.is_some()
    }
}

/// What a request is answered with.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    Body(&'a [u8]),
    Error(u16),
    Nothing,
}

fn hex(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(200)];
    let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex} ({} bytes)", bytes.len())
}
