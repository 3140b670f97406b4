//! A socket for whoever does something wrong: the test kit does not wait for what it leaves unsaid.

use crate::{House, Protocol, house::PATIENCE};
use portcullis::prelude::*;
use portcullis_testkit::TestServer;
use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// A request of WebSocket's, as browsers make it.
pub const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Its answer.
pub const UPGRADED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

pub struct Socket {
    protocol: Protocol,
    /// None after the end.
    stream: Option<TcpStream>,
    local: SocketAddr,
    remote: SocketAddr,
    entity: Option<Entity>,
    pub inbox: Vec<u8>,
}

impl Socket {
    /// A socket over which nothing was said, and which the server has accepted, as far as it tells.
    #[track_caller]
    pub fn connect(house: &mut House, protocol: Protocol) -> Self {
        let mut socket = Self::dial(house, protocol);
        // Whom a proxy speaks for, the world learns later.
        if protocol != Protocol::Proxied {
            house.until("a socket is accepted", |server| socket.find(server).is_some());
        }
        socket
    }

    /// The same, and nobody looks whether it is accepted.
    #[track_caller]
    pub fn dial(house: &House, protocol: Protocol) -> Self {
        let remote = house.address(protocol);
        let stream = TcpStream::connect(remote).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        let local = stream.local_addr().unwrap();
        Self { protocol, stream: Some(stream), local, remote, entity: None, inbox: Vec::new() }
    }

    /// Sends this, and lets the server do what it does about it.
    pub fn send(&mut self, house: &mut House, mut bytes: &[u8]) {
        let begun = Instant::now();
        while let Some(stream) = self.stream.as_mut().filter(|_| !bytes.is_empty()) {
            match stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => house.server.settle(),
                // The read tells how it ended.
                Err(_) => break,
            }
            assert!(begun.elapsed() < PATIENCE, "{:?}: nobody reads this", self.protocol);
        }
        house.server.settle();
        self.read();
    }

    /// Sends what the kernel takes of this, and does not run the server.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        self.stream.as_mut().map_or(0, |stream| stream.write(bytes).unwrap_or(0))
    }

    /// Takes what has come.
    pub fn read(&mut self) {
        self.read_most(usize::MAX);
    }

    /// Takes so many bytes at most.
    pub fn read_most(&mut self, most: usize) {
        let Some(stream) = &mut self.stream else { return };
        let mut left = most;
        let mut buffer = [0; 16 * 1024];
        while left > 0 {
            let room = left.min(buffer.len());
            match stream.read(&mut buffer[..room]) {
                Ok(0) => break,
                Ok(count) => {
                    self.inbox.extend_from_slice(&buffer[..count]);
                    left -= count;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => break,
            }
        }
        if left > 0 {
            self.stream = None;
        }
    }

    pub fn is_over(&self) -> bool {
        self.stream.is_none()
    }

    /// Has the kernel hold little of what it does not take.
    pub fn be_deaf(&mut self) {
        if let Some(stream) = &self.stream {
            set_socket_recv_buffer_size(stream, 16 * 1024).unwrap();
        }
    }

    /// Whether the world has closed it. What has come stays where it is.
    pub fn is_closed_by(&mut self, house: &mut House) -> bool {
        self.entity.is_some_and(|entity| house.server.closed(entity).is_some())
    }

    /// Ends its side, and goes on reading.
    pub fn half_close(&mut self) {
        if let Some(stream) = &self.stream {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }

    /// Breaks it off, without a word.
    pub fn reset(&mut self) {
        if let Some(stream) = self.stream.take() {
            set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        }
    }

    /// The connection, as the world knows it.
    pub fn find(&mut self, server: &mut TestServer) -> Option<Entity> {
        if self.entity.is_none() {
            let mut world = server.world_mut();
            let mut connections = world.query::<(Entity, &Connection)>();
            // A port of ours may be another socket's to another listener.
            let is_ours = |connection: &Connection| {
                connection.peer == self.local && connection.local.port() == self.remote.port()
            };
            let found = connections.iter(&world).find(|(_, connection)| is_ours(connection));
            self.entity = found.map(|(entity, _)| entity);
        }
        self.entity
    }

    /// This comes, behind whatever has come before it.
    #[track_caller]
    pub fn expect(&mut self, house: &mut House, part: &[u8], what: &str) {
        let begun = Instant::now();
        loop {
            self.read();
            if let Some(at) = self.inbox.windows(part.len()).position(|window| window == part) {
                self.inbox.drain(..at + part.len());
                return;
            }
            let over = self.stream.is_none() || begun.elapsed() > PATIENCE;
            assert!(!over, "{:?}, {what}: not \"{}\"", self.protocol, self.inbox.escape_ascii());
            house.server.settle();
        }
    }

    /// The next line that comes, with its end.
    #[track_caller]
    pub fn expect_line(&mut self, house: &mut House) -> Vec<u8> {
        let begun = Instant::now();
        loop {
            self.read();
            if let Some(at) = self.inbox.iter().position(|&byte| byte == b'\n') {
                return self.inbox.drain(..=at).collect();
            }
            assert!(self.stream.is_some() && begun.elapsed() < PATIENCE, "{:?}: no line", self.protocol);
            house.server.settle();
        }
    }

    /// The connection is over, and this is why.
    #[track_caller]
    pub fn expect_closed(&mut self, house: &mut House, cause: Cause) {
        let entity = self.find(&mut house.server);
        let entity = entity.unwrap_or_else(|| panic!("{:?}: the world has never seen it", self.protocol));
        let begun = Instant::now();
        while house.server.closed(entity).is_none() && begun.elapsed() < PATIENCE {
            house.server.settle();
            self.read();
        }
        assert_eq!(house.server.closed(entity), Some(cause), "{:?}", self.protocol);
    }

    /// The end comes, for whatever reason.
    #[track_caller]
    pub fn expect_end(&mut self, house: &mut House, what: &str) {
        let begun = Instant::now();
        while self.stream.is_some() {
            assert!(begun.elapsed() < PATIENCE, "{:?}, {what}: it is open", self.protocol);
            house.server.settle();
            self.read();
        }
    }

    pub fn is_open(&mut self, house: &mut House) -> bool {
        house.server.settle();
        self.read();
        self.stream.is_some()
    }
}
