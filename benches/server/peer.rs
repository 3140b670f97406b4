//! The client's end of a connection up to its first request: whatever a protocol has to say before.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use portcullis::{
    skynet::msgserver::wire::Handshake,
    sysconn::{
        prost::Message,
        wire::{Response, commands, messages::LoginAccount},
    },
};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::{
    child::Server,
    frames::{command, message, package},
    socket,
    subject::Subject,
    users,
    wire::Wire,
};

/// The greeting of a WebSocket client, with the example key of RFC 6455.
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A stream, encrypted or not.
pub trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// Connects to a server of an unencrypted wire, and says what has to be said first.
pub fn connect(server: &Server, source: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let mut stream = socket::connect(server.addr(), source)?;
    begin(&mut stream, server)?;
    Ok(stream)
}

/// As [`connect`], to any server.
pub fn connect_any(
    server: &Server,
    source: Option<Ipv4Addr>,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<Box<dyn Stream>> {
    let Some(config) = tls else { return Ok(Box::new(connect(server, source)?)) };
    let socket = socket::connect(server.addr(), source)?;
    let name = ServerName::from(SocketAddr::ip(&server.addr()));
    let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, socket);
    begin(&mut stream, server)?;
    Ok(Box::new(stream))
}

fn begin(stream: &mut impl Stream, server: &Server) -> io::Result<()> {
    let wire = server.wire();
    match wire {
        Wire::Be16 => return Ok(()),
        Wire::MsgServer if server.subject() == Subject::Raw => return Ok(()),
        Wire::MsgServer => return shake_hands(stream),
        Wire::PomeloTcp | Wire::PomeloWs | Wire::PomeloTls | Wire::Sysconn => {}
    }
    if wire.is_websocket() {
        stream.write_all(UPGRADE)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(byte(stream)?);
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the upgrade was refused"));
        }
    }
    if wire == Wire::Sysconn {
        return match server.subject() {
            Subject::Raw => Ok(()),
            Subject::Inline | Subject::Thread => log_in(stream),
        };
    }
    // Each of the two is answered by one package: the acknowledgement by a heartbeat. Raw echoes them.
    for said in [package(1, br#"{"sys":{"type":"bench","version":"1"}}"#), package(2, b"")] {
        stream.write_all(&if wire.is_websocket() { message(&said, true).0 } else { said })?;
        let answer = if wire.is_websocket() { read_message(stream)? } else { read_package(stream)? };
        if !matches!(answer.first(), Some(1..=3)) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the handshake was refused"));
        }
    }
    Ok(())
}

/// Each connection is of another user, as long as there are some.
fn shake_hands(stream: &mut impl Stream) -> io::Result<()> {
    static INDEX: AtomicUsize = AtomicUsize::new(1);
    let index = INDEX.fetch_add(1, Ordering::Relaxed);
    let number = index % users::COUNT;
    let mut hello = Vec::new();
    Handshake::write(&users::name(number), index as i64, &users::SECRET, &mut hello)
        .map_err(io::Error::other)?;
    stream.write_all(&hello)?;
    let mut answer = [0; 8];
    stream.read_exact(&mut answer)?;
    match &answer == b"\0\x06200 OK" {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "the handshake was refused")),
    }
}

/// Each connection is of another account.
fn log_in(stream: &mut impl Stream) -> io::Result<()> {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    let account = LoginAccount { account: Some(NUMBER.fetch_add(1, Ordering::Relaxed).to_string()) };
    let mut login = Vec::new();
    command(commands::LOGIN, &account.encode_to_vec()).write(&mut login);
    stream.write_all(&message(&login, true).0)?;
    let answer = read_message(stream)?;
    match Response::read(&answer) {
        Ok(Response { error: 0, command: commands::LOGIN, .. }) => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the login was refused")),
    }
}

fn read_package(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut package = vec![0; 4];
    stream.read_exact(&mut package)?;
    let len = usize::from(package[1]) << 16 | usize::from(package[2]) << 8 | usize::from(package[3]);
    package.resize(4 + len, 0);
    stream.read_exact(&mut package[4..])?;
    Ok(package)
}

fn read_message(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    byte(stream)?;
    let len = match byte(stream)? {
        126 => usize::from(byte(stream)?) << 8 | usize::from(byte(stream)?),
        short => usize::from(short),
    };
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload)?;
    Ok(payload)
}

fn byte(stream: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    Ok(byte[0])
}
