//! The closed loop: C connections, each with D requests in flight; every reply is answered by the next request.
//!
//! One thread, edge-triggered epoll, one read and one write for all frames that have come on a connection. The client
//! must not be what is measured, so per frame it only compares and stamps ten bytes; times are taken per read.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::TcpStream,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};

use crate::{
    child::Server,
    frames::Frames,
    peer,
    round::{Round, Tally},
    socket,
};

/// Bytes of one read at most.
const SCRATCH: usize = 256 * 1024;

/// The shape of the load.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Connections.
    pub connections: usize,
    /// Frames in flight on each.
    pub depth: usize,
    /// Bytes of a frame's payload.
    pub payload: u16,
}

/// Loads `server` for a quarter of `window` to warm up, then for `window`, and reports the latter.
pub fn run(server: &Server, shape: Shape, window: Duration) -> io::Result<Round> {
    let mut peers = Peers::connect(server, shape)?;
    let mut client = Client::new(server, shape)?;
    for peer in &mut peers.all {
        peer.send(&mut client, shape.depth, Instant::now())?;
    }

    let warm = Instant::now() + window / 4;
    while Instant::now() < warm {
        peers.turn(&mut client)?;
    }
    client.tally.clear();
    client.every_byte = false;

    let (began, cpu_before) = (Instant::now(), server.cpu_time()?);
    while began.elapsed() < window {
        peers.turn(&mut client)?;
    }
    let (elapsed, cpu_after) = (began.elapsed(), server.cpu_time()?);
    Ok(client.tally.finish(elapsed, cpu_after.saturating_sub(cpu_before)))
}

/// What all connections share.
struct Client {
    frames: Frames,
    /// Where reads go.
    scratch: Vec<u8>,
    tally: Tally,
    /// Whether fillers are compared too: in the warm-up, where it costs the server nothing.
    every_byte: bool,
}

impl Client {
    fn new(server: &Server, shape: Shape) -> io::Result<Self> {
        let frames = Frames::new(server.wire(), server.subject(), shape.payload, shape.depth);
        let scratch = vec![0; SCRATCH.max(2 * frames.reply_size())];
        Ok(Self { frames, scratch, tally: Tally::new()?, every_byte: true })
    }
}

/// All connections, and who of them has something to do.
struct Peers {
    all: Vec<Peer>,
    epoll: OwnedFd,
    /// Room for one event a connection.
    ready: Vec<epoll::Event>,
}

impl Peers {
    fn connect(server: &Server, shape: Shape) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut all = Vec::with_capacity(shape.connections);
        for index in 0..shape.connections {
            let stream = peer::connect(server, None)?;
            stream.set_nonblocking(true)?;
            let wanted = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            epoll::add(&epoll, &stream, epoll::EventData::new_u64(index as u64), wanted)?;
            all.push(Peer::new(stream));
        }
        Ok(Self { all, epoll, ready: Vec::with_capacity(shape.connections) })
    }

    /// Waits for events and serves them once.
    fn turn(&mut self, client: &mut Client) -> io::Result<()> {
        let patience = Timespec { tv_sec: socket::PATIENCE.as_secs() as _, tv_nsec: 0 };
        self.ready.clear();
        if epoll::wait(&self.epoll, spare_capacity(&mut self.ready), Some(&patience))? == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server fell silent"));
        }
        for event in &self.ready {
            let index = event.data.u64() as usize;
            self.all[index].serve(client)?;
        }
        Ok(())
    }
}

/// One connection.
struct Peer {
    stream: TcpStream,
    /// The number of the next frame to send.
    next_out: u64,
    /// The number of the next frame to come back.
    next_in: u64,
    /// When frames still in flight were sent, and how many together.
    sent: VecDeque<(Instant, u64)>,
    /// The beginning of a frame whose end has not come yet.
    cut: Vec<u8>,
    /// What the socket did not take.
    unsent: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        Self { stream, next_out: 0, next_in: 0, sent: VecDeque::new(), cut: Vec::new(), unsent: Vec::new() }
    }

    /// Reads all there is and answers it.
    fn serve(&mut self, client: &mut Client) -> io::Result<()> {
        self.flush()?;
        loop {
            let kept = self.cut.len();
            let read = match self.stream.read(&mut client.scratch[kept..]) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the server closed a connection",
                    ));
                }
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            };
            let now = Instant::now();
            client.scratch[..kept].copy_from_slice(&self.cut);
            let arrived = self.take(client, kept + read, now)?;
            self.send(client, arrived, now)?;
            // A short read has emptied the socket, and what comes later is a new edge: no need to ask again.
            if kept + read < client.scratch.len() {
                return Ok(());
            }
        }
    }

    /// Checks and counts the frames in the first `received` bytes of the scratch buffer.
    fn take(&mut self, client: &mut Client, received: usize, now: Instant) -> io::Result<usize> {
        let whole = received - received % client.frames.reply_size();
        let (frames, rest) = client.scratch[..received].split_at(whole);
        let arrived = client.frames.check(frames, self.next_in, client.every_byte)?;
        self.cut.clear();
        self.cut.extend_from_slice(rest);
        self.next_in += arrived;

        let mut left = arrived;
        while left > 0 {
            let Some((at, count)) = self.sent.front_mut() else {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the server sent a frame nobody asked for",
                ));
            };
            let done = left.min(*count);
            client.tally.record(now - *at, done);
            *count -= done;
            left -= done;
            if *count == 0 {
                self.sent.pop_front();
            }
        }
        Ok(arrived as usize)
    }

    /// Sends `count` new frames by one write.
    fn send(&mut self, client: &mut Client, count: usize, now: Instant) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let frames = client.frames.stamp(self.next_out, count);
        self.next_out += count as u64;
        self.sent.push_back((now, count as u64));
        if self.unsent.is_empty() {
            let written = written(self.stream.write(frames))?;
            self.unsent.extend_from_slice(&frames[written..]);
        } else {
            self.unsent.extend_from_slice(frames);
        }
        Ok(())
    }

    /// Sends what the socket did not take before. It is bounded: never more than the frames in flight.
    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            let written = written(self.stream.write(&self.unsent))?;
            if written == 0 {
                break;
            }
            self.unsent.drain(..written);
        }
        Ok(())
    }
}

/// Bytes written: none if the socket is full.
fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}
