//! A client's connection: TCP, with TLS or without, plain or as a WebSocket; frames out, frames in.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use portcullis::core::Framing;
use rustix::net::sockopt;
use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};
use socket2::{Domain, Socket, Type};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

use crate::trouble::Trouble;

/// The greeting of a WebSocket client, with the example key of RFC 6455.
pub const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: soak\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// The mask of all messages. Any will do, but for zeros: those a server could skip.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// One read at most, in bytes.
const SCRATCH: usize = 16 * 1024;
/// What a server may say in one frame, in bytes: more than any here has to.
const LONGEST: usize = 1 << 20;

/// What carries a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    Tcp,
    WebSocket,
    Tls,
    TlsWebSocket,
}

impl Carrier {
    fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::TlsWebSocket)
    }

    fn has_messages(self) -> bool {
        matches!(self, Self::WebSocket | Self::TlsWebSocket)
    }
}

/// One end of a connection.
pub struct Link {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    messages: bool,
    framing: Framing,
    /// To be sent, as it goes over the wire but for TLS.
    out: Vec<u8>,
    /// Came, and is not a whole frame yet.
    inbox: Vec<u8>,
    frames: VecDeque<Vec<u8>>,
}

impl Link {
    /// Connects, and says what its carrier has to say first.
    pub async fn open(
        address: SocketAddr,
        carrier: Carrier,
        framing: Framing,
        tls: &Arc<ClientConfig>,
    ) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(stream, carrier, framing, tls).await
    }

    /// As [`open`](Self::open) over plain TCP, but both kernels keep as little as can be of what is not read: on loopback they
    /// would else keep megabytes.
    pub async fn narrow(address: SocketAddr, framing: Framing) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_recv_buffer_size(4096)?;
        socket.set_tcp_mss(536)?;
        socket.set_nonblocking(true)?;
        let socket = TcpSocket::from_std_stream(socket.into());
        Ok(Self::plain(socket.connect(address).await?, framing))
    }

    fn plain(stream: TcpStream, framing: Framing) -> Self {
        let (out, inbox) = (Vec::new(), Vec::new());
        Self { stream, tls: None, messages: false, framing, out, inbox, frames: VecDeque::new() }
    }

    async fn over(
        stream: TcpStream,
        carrier: Carrier,
        framing: Framing,
        tls: &Arc<ClientConfig>,
    ) -> Result<Self, Trouble> {
        let peer = stream.peer_addr()?.ip();
        let mut link = Self::plain(stream, framing);
        if carrier.is_encrypted() {
            let name = ServerName::from(peer);
            let session = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
            link.tls = Some(Box::new(session));
            while link.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
                link.flush().await?;
                link.read().await?;
            }
        }
        if carrier.has_messages() {
            link.out.extend_from_slice(UPGRADE);
            link.flush().await?;
            let end = loop {
                if let Some(end) = link.inbox.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                    break end + 4;
                }
                link.read().await?;
            };
            let head: Vec<u8> = link.inbox.drain(..end).collect();
            if !head.starts_with(b"HTTP/1.1 101 ") {
                return Err(Trouble::wrong(format!("no WebSocket: {}", head.escape_ascii())));
            }
            link.messages = true;
        }
        Ok(link)
    }

    /// Queues one frame, its header included.
    pub fn frame(&mut self, frame: &[u8]) {
        if self.messages {
            write_message(2, frame, &mut self.out);
        } else {
            self.out.extend_from_slice(frame);
        }
    }

    /// Queues bytes that are no frame, or no whole one.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Sends what is queued.
    pub async fn flush(&mut self) -> io::Result<()> {
        let mut out = std::mem::take(&mut self.out);
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(&out)?;
            out.clear();
            while tls.wants_write() {
                tls.write_tls(&mut out)?;
            }
        }
        let sent = self.stream.write_all(&out).await;
        out.clear();
        self.out = out;
        sent
    }

    /// The next frame's payload, waited for.
    pub async fn next(&mut self) -> Result<Vec<u8>, Trouble> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(frame);
            }
            self.read().await?;
            self.cut()?;
            // A pong, or what TLS has to say.
            if !self.out.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
                self.flush().await?;
            }
        }
    }

    /// What came, waited for, and not cut into frames.
    pub async fn bytes(&mut self) -> Result<Vec<u8>, Trouble> {
        if self.inbox.is_empty() {
            self.read().await?;
        }
        Ok(std::mem::take(&mut self.inbox))
    }

    /// Reads and drops whatever comes until the server closes.
    pub async fn end(&mut self) {
        while self.read().await.is_ok() {
            self.inbox.clear();
        }
    }

    /// One read of the socket.
    async fn read(&mut self) -> Result<(), Trouble> {
        loop {
            self.stream.readable().await?;
            // Not kept over an await: that would be so much for each bot.
            let mut scratch = [0; SCRATCH];
            match self.stream.try_read(&mut scratch) {
                Ok(0) => return Err(Trouble::Closed),
                Ok(count) => return self.take(&scratch[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(Trouble::Closed),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Trouble> {
        let Some(tls) = &mut self.tls else {
            self.inbox.extend_from_slice(bytes);
            return Ok(());
        };
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes)?;
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let start = self.inbox.len();
            self.inbox.resize(start + state.plaintext_bytes_to_read(), 0);
            tls.reader().read_exact(&mut self.inbox[start..])?;
        }
        Ok(())
    }

    /// Cuts what came into frames.
    fn cut(&mut self) -> Result<(), Trouble> {
        if self.messages { self.cut_messages() } else { self.cut_stream() }
    }

    fn cut_stream(&mut self) -> Result<(), Trouble> {
        let mut start = 0;
        while let Some(extent) = (self.framing.measure)(&self.inbox[start..]) {
            let (from, to) = (start + extent.header, start + extent.header + extent.payload);
            if extent.payload > LONGEST {
                return Err(Trouble::wrong(format!("a frame of {} bytes", extent.payload)));
            }
            let Some(payload) = self.inbox.get(from..to) else { break };
            self.frames.push_back(payload.to_vec());
            start = to;
        }
        self.inbox.drain(..start);
        Ok(())
    }

    fn cut_messages(&mut self) -> Result<(), Trouble> {
        while let Some((opcode, header, length)) = message_extent(&self.inbox) {
            let Some(payload) = self.inbox.get(header..header + length) else { break };
            match opcode {
                1 | 2 => self.frames.push_back(payload.to_vec()),
                8 => return Err(Trouble::Closed),
                9 => write_message(10, payload, &mut self.out),
                10 => {}
                other => return Err(Trouble::wrong(format!("a WebSocket frame of kind {other}"))),
            }
            self.inbox.drain(..header + length);
        }
        Ok(())
    }

    /// Reads one byte, if there is one.
    pub fn read_byte(&mut self) -> io::Result<()> {
        match self.stream.try_read(&mut [0]) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Says that nothing more will come.
    pub async fn finish(&mut self) {
        if self.messages {
            // 1000.
            write_message(8, &[3, 0xe8], &mut self.out);
        }
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        if self.flush().await.is_ok() {
            let _ = self.stream.shutdown().await;
        }
    }

    /// Ends it as a crashed client does: the server gets a reset.
    pub fn reset(self) {
        let _ = sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
    }
}

/// Kind, header and payload length of the message that begins there.
fn message_extent(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let [first, second] = *bytes.first_chunk()?;
    let (header, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize),
        short => (2, usize::from(short)),
    };
    Some((first & 0x0f, header, length))
}

/// Appends a masked message of this kind.
pub fn write_message(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match payload.len() {
        short @ ..126 => out.push(0x80 | short as u8),
        medium @ ..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
}
