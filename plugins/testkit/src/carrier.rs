//! What a raw client's bytes travel in: WebSocket messages, TLS, or both, as real clients put them there.

use rustls::pki_types::{ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring, pki_types::CertificateDer};
use std::{
    collections::VecDeque,
    io::{self, Cursor, ErrorKind, Read, Write},
    path::Path,
    sync::Arc,
};
use tungstenite::{
    Message as WsMessage, WebSocket,
    protocol::{CloseFrame, Role, frame::coding::CloseCode},
};

/// What carries the bytes of a raw client to a listener that takes more than a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Nothing more than the socket.
    Tcp,
    /// WebSocket: what is sent at once is one binary message.
    WebSocket,
    /// TLS, with the listener's own certificate as the one to trust.
    Tls,
    /// WebSocket inside TLS.
    WebSocketTls,
}

impl Carrier {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::WebSocket, Self::Tls, Self::WebSocketTls];

    /// Whether it needs a listener with a certificate.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::WebSocketTls)
    }

    /// Whether it has messages.
    pub fn has_messages(self) -> bool {
        matches!(self, Self::WebSocket | Self::WebSocketTls)
    }
}

/// A message of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Bytes.
    Binary(Vec<u8>),
    /// Text.
    Text(String),
    /// Asks for a [`Pong`](Self::Pong). The client answers the server's own.
    Ping(Vec<u8>),
    /// Answers.
    Pong(Vec<u8>),
    /// The last one, with its code where it has one.
    Close(Option<u16>),
}

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The client's side of what carries the bytes: pure, bytes in and out.
pub(crate) struct Layers {
    tls: Option<Box<ClientConnection>>,
    socket: Option<Box<Socket>>,
}

struct Socket {
    web: WebSocket<Buffers>,
    /// The server's answer to the upgrade, until it is complete.
    head: Option<Vec<u8>>,
    /// What was to be sent before that.
    waiting: Vec<Message>,
    messages: VecDeque<Message>,
}

/// What came of bytes.
#[derive(Default)]
pub(crate) struct Heard {
    /// The bytes inside.
    pub(crate) plain: Vec<u8>,
    /// To be sent.
    pub(crate) reply: Vec<u8>,
    /// How many bytes the world counts as sent for these.
    pub(crate) counted: u64,
}

impl Layers {
    /// With the first bytes to send.
    pub(crate) fn new(carrier: Carrier, certificate: Option<&Path>) -> io::Result<(Self, Vec<u8>)> {
        let tls = match certificate {
            Some(path) => Some(Box::new(session(path).map_err(io::Error::other)?)),
            None => None,
        };
        let web = || WebSocket::from_raw_socket(Buffers::default(), Role::Client, None);
        let socket = carrier.has_messages().then(|| {
            let (waiting, messages) = (Vec::new(), VecDeque::new());
            Box::new(Socket { web: web(), head: Some(Vec::new()), waiting, messages })
        });
        let mut layers = Self { tls, socket };
        let mut first = Vec::new();
        let hello = if layers.socket.is_some() { UPGRADE } else { b"" };
        layers.seal(hello, &mut first);
        Ok((layers, first))
    }

    /// What is to be sent for these bytes.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self.socket {
            Some(_) => self.say_message(Message::Binary(bytes.to_vec())),
            None => {
                let mut out = Vec::new();
                self.seal(bytes, &mut out);
                out
            }
        }
    }

    /// What is to be sent for a message.
    pub(crate) fn say_message(&mut self, message: Message) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(socket) = &mut self.socket {
            let plain = socket.say(message);
            self.seal(&plain, &mut out);
        }
        out
    }

    pub(crate) fn are_ready(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking())
            && self.socket.as_ref().is_none_or(|socket| socket.head.is_none())
    }

    pub(crate) fn next_message(&mut self) -> Option<Message> {
        self.socket.as_mut()?.messages.pop_front()
    }

    /// Takes what came.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Heard {
        let mut heard = Heard::default();
        let opened = self.open(bytes);
        let Some(socket) = &mut self.socket else {
            heard.counted = opened.len() as u64;
            heard.plain = opened;
            self.seal(&[], &mut heard.reply);
            return heard;
        };
        let reply = socket.hear(&opened, &mut heard);
        self.seal(&reply, &mut heard.reply);
        heard
    }

    fn open(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(tls) = &mut self.tls else { return bytes.to_vec() };
        let (mut cipher, mut plain) = (Cursor::new(bytes), Vec::new());
        while cipher.position() < bytes.len() as u64 {
            if tls.read_tls(&mut cipher).is_err() || tls.process_new_packets().is_err() {
                break;
            }
            // It ends with `WouldBlock`, having given all there is.
            let _ = tls.reader().read_to_end(&mut plain);
        }
        plain
    }

    fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let Some(tls) = &mut self.tls else { return out.extend_from_slice(plain) };
        // To memory: it cannot fail.
        let _ = tls.writer().write_all(plain);
        while tls.wants_write() && tls.write_tls(out).is_ok() {}
    }
}

impl Socket {
    fn say(&mut self, message: Message) -> Vec<u8> {
        if self.head.is_some() {
            self.waiting.push(message);
            return Vec::new();
        }
        let message = match message {
            Message::Binary(bytes) => WsMessage::Binary(bytes.into()),
            Message::Text(text) => WsMessage::Text(text.into()),
            Message::Ping(bytes) => WsMessage::Ping(bytes.into()),
            Message::Pong(bytes) => WsMessage::Pong(bytes.into()),
            Message::Close(code) => WsMessage::Close(
                code.map(|code| CloseFrame { code: CloseCode::from(code), reason: "".into() }),
            ),
        };
        // After the end nothing can be said any more.
        let _ = self.web.send(message);
        std::mem::take(&mut self.web.get_mut().outbound)
    }

    fn hear(&mut self, bytes: &[u8], heard: &mut Heard) -> Vec<u8> {
        let mut reply = Vec::new();
        if let Some(head) = &mut self.head {
            head.extend_from_slice(bytes);
            let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else { return reply };
            let rest = head.split_off(end + 4);
            self.head = None;
            self.web.get_mut().inbound.extend(rest);
            for message in std::mem::take(&mut self.waiting) {
                reply.extend(self.say(message));
            }
        } else {
            self.web.get_mut().inbound.extend(bytes);
        }
        while let Ok(message) = self.web.read() {
            let message = match message {
                WsMessage::Binary(bytes) => Message::Binary(bytes.to_vec()),
                WsMessage::Text(text) => Message::Text(text.as_str().to_owned()),
                WsMessage::Ping(bytes) => Message::Ping(bytes.to_vec()),
                WsMessage::Pong(bytes) => Message::Pong(bytes.to_vec()),
                WsMessage::Close(frame) => Message::Close(frame.map(|frame| frame.code.into())),
                WsMessage::Frame(_) => continue,
            };
            if let Message::Binary(bytes) = &message {
                // The world counts what it wrote: each frame with its header.
                heard.counted += (bytes.len() + header_of(bytes.len())) as u64;
                heard.plain.extend_from_slice(bytes);
            }
            self.messages.push_back(message);
        }
        let _ = self.web.flush();
        reply.append(&mut self.web.get_mut().outbound);
        reply
    }
}

/// The bytes before the payload of a frame that is not masked (RFC 6455, 5.2).
fn header_of(payload: usize) -> usize {
    match payload {
        ..126 => 2,
        126..65_536 => 4,
        _ => 10,
    }
}

fn session(certificate: &Path) -> Result<ClientConnection, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(certificate)? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut session = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
    session.set_buffer_limit(None);
    Ok(session)
}

/// Both directions of a socket, in memory.
#[derive(Default)]
struct Buffers {
    inbound: VecDeque<u8>,
    outbound: Vec<u8>,
}

impl Read for Buffers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inbound.read(buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Buffers {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbound.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
