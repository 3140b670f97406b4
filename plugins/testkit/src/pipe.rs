//! The client's end of a connection, as bytes: in memory, or a real socket that never blocks.

use crate::{
    carrier::{Layers, Message},
    history::Ends,
};
use bevy_ecs::prelude::*;
use portcullis_net::memory::MemorySocket;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

/// What a client that does not read still takes, as the buffers of a kernel do.
const UNREAD_WINDOW: usize = 64 * 1024;

pub(crate) struct Pipe {
    wire: Wire,
    /// The connection, once it is known.
    pub(crate) entity: Option<Entity>,
    /// Bytes that have come and were not looked at.
    pub(crate) received: Vec<u8>,
    /// Bytes written so far.
    pub(crate) sent: u64,
    /// Bytes that have come so far.
    pub(crate) got: u64,
    pub(crate) reading: bool,
    /// The client has ended its side.
    pub(crate) closed: bool,
}

enum Wire {
    /// It is read when somebody wants to know: what the world sends waits without a limit meanwhile.
    Memory(MemorySocket),
    Tcp(Tcp),
}

struct Tcp {
    /// None after the end.
    stream: Option<TcpStream>,
    /// The addresses by which the world knows the connection.
    ends: Ends,
    /// How many connections the world had seen before this one.
    before: usize,
    unsent: Vec<u8>,
    /// Our side is to end when all is sent.
    ending: bool,
    /// What the bytes travel in.
    layers: Option<Box<Layers>>,
}

impl Pipe {
    pub(crate) fn memory(socket: MemorySocket) -> Self {
        socket.set_window(usize::MAX);
        let entity = Some(socket.connection());
        Self::new(Wire::Memory(socket), entity)
    }

    pub(crate) fn tcp(server: SocketAddr, before: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let ends = (stream.local_addr()?, stream.peer_addr()?);
        let tcp = Tcp { stream: Some(stream), ends, before, unsent: Vec::new(), ending: false, layers: None };
        Ok(Self::new(Wire::Tcp(tcp), None))
    }

    /// Puts what is said from now on into these layers, and says their first words.
    pub(crate) fn wrap(&mut self, mut layers: Layers, first: &[u8]) {
        // Who was turned away at once has been told so already.
        let early = std::mem::take(&mut self.received);
        self.received = layers.hear(&early).plain;
        if let Wire::Tcp(tcp) = &mut self.wire {
            tcp.layers = Some(Box::new(layers));
            tcp.unsent.extend_from_slice(first);
            tcp.flush();
        }
    }

    /// Whether the layers are ready to carry, or never will be.
    pub(crate) fn is_greeted(&self) -> bool {
        match &self.wire {
            Wire::Tcp(Tcp { layers: Some(layers), stream: Some(_), .. }) => layers.are_ready(),
            _ => true,
        }
    }

    /// Sends a message, where there are messages.
    pub(crate) fn write_message(&mut self, message: Message) {
        if self.closed || self.is_over() {
            return;
        }
        let Wire::Tcp(Tcp { layers: Some(layers), unsent, .. }) = &mut self.wire else { return };
        if let Message::Binary(bytes) = &message {
            self.sent += bytes.len() as u64;
        } else if let Message::Text(text) = &message {
            self.sent += text.len() as u64;
        }
        unsent.extend(layers.say_message(message));
        self.pump();
    }

    /// The next message that has come, where there are messages.
    pub(crate) fn next_message(&mut self) -> Option<Message> {
        let Wire::Tcp(Tcp { layers: Some(layers), .. }) = &mut self.wire else { return None };
        layers.next_message()
    }

    fn new(wire: Wire, entity: Option<Entity>) -> Self {
        Self { wire, entity, received: Vec::new(), sent: 0, got: 0, reading: true, closed: false }
    }

    /// By what the world knows it: its addresses, and how many connections came before it.
    pub(crate) fn ends(&self) -> Option<(Ends, usize)> {
        match &self.wire {
            Wire::Memory(_) => None,
            Wire::Tcp(tcp) => Some((tcp.ends, tcp.before)),
        }
    }

    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.wire, Wire::Tcp(_))
    }

    /// Whether the server has closed its side, or the connection is broken.
    pub(crate) fn is_over(&self) -> bool {
        match &self.wire {
            Wire::Memory(socket) => socket.is_closed(),
            Wire::Tcp(tcp) => tcp.stream.is_none(),
        }
    }

    /// Sends this. Bytes to a closed connection are lost.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if self.closed || self.is_over() {
            return;
        }
        self.sent += bytes.len() as u64;
        match &mut self.wire {
            Wire::Memory(socket) => socket.write(bytes),
            Wire::Tcp(tcp) => {
                match &mut tcp.layers {
                    Some(layers) => tcp.unsent.extend(layers.say(bytes)),
                    None => tcp.unsent.extend_from_slice(bytes),
                }
                tcp.flush();
            }
        }
    }

    /// Takes what has come, and sends on what had to wait. Gives whether anything moved.
    pub(crate) fn pump(&mut self) -> bool {
        let before = self.received.len();
        let mut counted = None;
        let moved = match &mut self.wire {
            Wire::Memory(socket) => {
                if self.reading {
                    self.received.append(&mut socket.read());
                }
                false
            }
            Wire::Tcp(tcp) => {
                let sent = tcp.flush();
                let ended = self.reading && tcp.read(&mut self.received);
                if let Some(layers) = &mut tcp.layers {
                    let heard = layers.hear(&self.received.split_off(before));
                    self.received.extend(heard.plain);
                    counted = Some(heard.counted);
                    tcp.unsent.extend(heard.reply);
                    tcp.flush();
                }
                sent || ended
            }
        };
        let more = self.received.len() - before;
        self.got += counted.unwrap_or(more as u64);
        moved || more > 0
    }

    /// Takes nothing more, until [`read`](Self::read_all) or [`resume`](Self::resume).
    pub(crate) fn stop_reading(&mut self) {
        self.pump();
        self.reading = false;
        if let Wire::Memory(socket) = &self.wire {
            socket.set_window(UNREAD_WINDOW);
        }
    }

    pub(crate) fn resume(&mut self) {
        self.reading = true;
        if let Wire::Memory(socket) = &self.wire {
            socket.set_window(usize::MAX);
        }
        self.pump();
    }

    /// Takes what is there, also while it does not read.
    pub(crate) fn read_all(&mut self) -> Vec<u8> {
        let reading = std::mem::replace(&mut self.reading, true);
        self.pump();
        self.reading = reading;
        std::mem::take(&mut self.received)
    }

    /// Ends our side; what was written before still arrives.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        match &mut self.wire {
            Wire::Memory(socket) => socket.close(),
            Wire::Tcp(tcp) => {
                tcp.ending = true;
                tcp.flush();
            }
        }
    }

    /// Breaks the connection off.
    pub(crate) fn reset(&mut self) {
        self.closed = true;
        match &mut self.wire {
            Wire::Memory(socket) => socket.reset(),
            Wire::Tcp(tcp) => {
                if let Some(stream) = tcp.stream.take() {
                    // Where this fails, the drop alone still ends the connection.
                    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                }
            }
        }
    }
}

impl Tcp {
    /// Sends what the kernel takes. Gives whether anything was sent.
    fn flush(&mut self) -> bool {
        let mut moved = false;
        while !self.unsent.is_empty() {
            let Some(stream) = &mut self.stream else { return moved };
            match stream.write(&self.unsent) {
                Ok(count) => {
                    self.unsent.drain(..count);
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return moved,
                // The read tells how it ended.
                Err(_) => self.unsent.clear(),
            }
        }
        if std::mem::take(&mut self.ending)
            && let Some(stream) = &self.stream
        {
            moved = true;
            if stream.shutdown(Shutdown::Write).is_err() {
                self.stream = None;
            }
        }
        moved
    }

    /// Takes what has come. Gives whether the end was reached: then the socket is closed, as clients do.
    fn read(&mut self, into: &mut Vec<u8>) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let mut buffer = [0; 16 * 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => into.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => break,
            }
        }
        self.stream = None;
        true
    }
}
