//! Connections that live for one request: connect, send a frame, read the reply, close.
//!
//! The client ends its half (a FIN) and then resets what is left, so the server reads an ordinary end of
//! stream, and no port is left in `TIME_WAIT` (see [`socket::connect`]). On loopback the handshake's work is
//! done by whoever connects, so the client is the busier side: besides the rate look at the server's CPU time
//! per connection.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::Instant,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    child::Server,
    frames::Frames,
    round::{Round, Tally},
    socket,
};

/// Connections open at the same time.
const AT_ONCE: usize = 16;

/// Opens and closes a tenth of `cycles` connections to warm up, then `cycles`, and reports the latter. An answer is a
/// whole cycle up to the reply.
pub fn run(server: &Server, cycles: u32, payload: u16) -> io::Result<Round> {
    let mut churn = Churn::new(server, payload)?;
    churn.cycle(cycles.div_ceil(10))?;
    churn.tally.clear();

    let (began, cpu_before) = (Instant::now(), server.cpu_time()?);
    churn.cycle(cycles)?;
    let (elapsed, cpu_after) = (began.elapsed(), server.cpu_time()?);
    Ok(churn.tally.finish(elapsed, cpu_after.saturating_sub(cpu_before)))
}

struct Churn<'a> {
    server: &'a Server,
    frames: Frames,
    /// Connections ever opened; also the number of the next one's frame.
    opened: u64,
    open: Vec<Visit>,
    reply: Vec<u8>,
    tally: Tally,
}

/// A connection that waits for its reply.
struct Visit {
    stream: TcpStream,
    number: u64,
    began: Instant,
}

impl<'a> Churn<'a> {
    fn new(server: &'a Server, payload: u16) -> io::Result<Self> {
        let frames = Frames::new(server.wire(), server.subject(), payload, 1);
        let reply = vec![0; frames.reply_size()];
        Ok(Self { server, frames, opened: 0, open: Vec::with_capacity(AT_ONCE), reply, tally: Tally::new()? })
    }

    /// Carries out `cycles` visits and waits for the last.
    fn cycle(&mut self, cycles: u32) -> io::Result<()> {
        let end = self.opened + u64::from(cycles);
        while self.opened < end || !self.open.is_empty() {
            while self.opened < end && self.open.len() < AT_ONCE {
                self.open()?;
            }
            // From behind, as a visit that ends is replaced by the last one.
            for index in self.replied()?.into_iter().rev() {
                let visit = self.open.swap_remove(index);
                self.close(visit)?;
            }
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        let began = Instant::now();
        let number = self.opened;
        let mut stream = socket::connect(self.server.addr(), None)?;
        stream.write_all(self.frames.stamp(number, 1))?;
        self.open.push(Visit { stream, number, began });
        self.opened += 1;
        Ok(())
    }

    /// Which of the open visits can read their reply; waits for at least one.
    ///
    /// `poll`, as sockets that live for one read do not repay their way into epoll and out again.
    fn replied(&self) -> io::Result<Vec<usize>> {
        let patience = Timespec { tv_sec: socket::PATIENCE.as_secs() as _, tv_nsec: 0 };
        let mut waiting: Vec<_> = self.open.iter().map(|v| PollFd::new(&v.stream, PollFlags::IN)).collect();
        if poll(&mut waiting, Some(&patience))? == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server fell silent"));
        }
        Ok(waiting
            .iter()
            .enumerate()
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|(index, _)| index)
            .collect())
    }

    fn close(&mut self, mut visit: Visit) -> io::Result<()> {
        visit.stream.read_exact(&mut self.reply)?;
        self.tally.record(visit.began.elapsed(), 1);
        self.frames.check(&self.reply, visit.number, true)?;
        visit.stream.shutdown(Shutdown::Write)
    }
}
