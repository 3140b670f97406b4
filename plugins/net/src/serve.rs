//! The task of one TCP socket. It is polled when the socket is ready, and when the world has changed something.

use crate::{driver::Lanes, tcp::TcpLine};
use bevy_ecs::prelude::*;
use portcullis_core::{Assembler, Cause, Framing, Funnel, Inbound, Link, Opening};
use std::{
    cell::RefCell,
    future::Future,
    io,
    net::{Shutdown, SocketAddr},
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{TcpStream, tcp::OwnedReadHalf},
    time::{Instant, Sleep, sleep_until},
};

/// How long a peer may take nothing of what it is sent.
const WRITE_STALL: Duration = Duration::from_secs(10);
/// What one read takes at most.
const READ_SIZE: usize = 64 * 1024;

thread_local! {
    /// Where reads land. Only what belongs to an incomplete frame is kept per connection.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE].into_boxed_slice());
}

/// Tells the world of an accepted socket, and serves it in a task of its own.
pub(crate) fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    listener: Entity,
    framing: Framing,
    funnel: &Funnel,
    lanes: &Lanes,
) {
    let Ok(local) = socket.local_addr() else { return };
    let connection = funnel.reserve();
    let (reader, writer) = socket.into_split();
    let line = TcpLine::new(writer, lanes.of(connection));
    let task = Serve {
        reader,
        line: Arc::clone(&line),
        connection,
        funnel: funnel.clone(),
        assembler: Assembler::new(framing),
        reading: Reading::Frames,
        timer: None,
    };
    funnel.send(Inbound::Opened(Box::new(Opening {
        connection,
        listener,
        peer,
        local,
        transport: "tcp",
        link: Link(line),
        opened_at: funnel.now(),
    })));
    tokio::spawn(task);
}

struct Serve {
    reader: OwnedReadHalf,
    line: Arc<TcpLine>,
    connection: Entity,
    funnel: Funnel,
    assembler: Assembler,
    reading: Reading,
    /// Runs only while the peer owes us something.
    timer: Option<Timer>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Frames go to the world.
    Frames,
    /// The peer broke the framing; the world was told and will close.
    Stopped,
    /// The peer has ended its side; the world was told and will close.
    AtEnd,
    /// All is sent and our side is shut down. What still comes is thrown away, so that the peer gets our last words
    /// and not a reset.
    Lingering,
}

struct Timer {
    sleep: Pin<Box<Sleep>>,
    awaited: Awaited,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// That the peer takes something of these unsent bytes.
    Write(usize),
    /// That all is sent and the peer closes too.
    Close,
}

impl Future for Serve {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Before anything is looked at, so that no change is missed.
        self.line.task.register(context.waker());
        let cause = ready!(self.advance(context));
        self.funnel.send(Inbound::Closed { connection: self.connection, cause });
        Poll::Ready(())
    }
}

impl Serve {
    /// Ready when the socket is to be dropped.
    fn advance(&mut self, context: &mut Context<'_>) -> Poll<Cause> {
        if let Poll::Ready(cause) = self.read(context) {
            return Poll::Ready(cause);
        }
        // Most polls are for reading alone.
        if self.timer.is_none() && !self.line.attention.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        self.line.attention.store(false, Ordering::SeqCst);
        let (queued, close) = match self.write(context) {
            Poll::Ready(cause) => return Poll::Ready(cause),
            Poll::Pending => {
                let sending = self.line.sending();
                (sending.queued(), sending.close)
            }
        };
        if let Some(within) = close {
            if within.is_zero() || (queued == 0 && self.reading == Reading::AtEnd) {
                return Poll::Ready(Cause::Requested);
            }
            if queued == 0 && self.reading != Reading::Lingering {
                self.reading = Reading::Lingering;
                if socket2::SockRef::from(self.line.writer.as_ref()).shutdown(Shutdown::Write).is_err() {
                    return Poll::Ready(Cause::Reset);
                }
                if let Poll::Ready(cause) = self.read(context) {
                    return Poll::Ready(cause);
                }
            }
        }
        self.watch(context, queued, close)
    }

    /// Ready when the socket failed, or has nothing more to say after we have not either.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<Cause> {
        loop {
            match self.reading {
                Reading::Stopped | Reading::AtEnd => return Poll::Pending,
                Reading::Frames => {
                    if !self.line.started.load(Ordering::SeqCst) || self.line.must_wait() {
                        return Poll::Pending;
                    }
                    if self.funnel.poll_room(context).is_pending() {
                        return Poll::Pending;
                    }
                }
                Reading::Lingering => {}
            }
            match ready!(self.read_once(context)) {
                Err(_) => return Poll::Ready(Cause::Reset),
                Ok(0) if self.reading == Reading::Lingering => return Poll::Ready(Cause::Requested),
                Ok(0) => self.stop(Reading::AtEnd, Cause::PeerClosed),
                Ok(_) => {}
            }
        }
    }

    /// One read from the socket, one item in the queue.
    fn read_once(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let room = self.line.max_held.load(Ordering::Relaxed).clamp(1, READ_SIZE);
            let mut buffer = ReadBuf::new(&mut scratch[..room]);
            ready!(Pin::new(&mut self.reader).poll_read(context, &mut buffer))?;
            let read = buffer.filled();
            if self.reading == Reading::Frames && !read.is_empty() {
                self.deliver(read);
            }
            Poll::Ready(Ok(read.len()))
        })
    }

    fn deliver(&mut self, read: &[u8]) {
        let (frames, result) = self.assembler.feed(read, self.line.max_frame.load(Ordering::Relaxed));
        if !frames.is_empty() {
            self.line.delivering(frames.len(), frames.byte_len());
            let received = self.funnel.now();
            self.funnel.send(Inbound::Frames { connection: self.connection, received, frames });
        }
        if let Err(error) = result {
            tracing::debug!(connection = %self.connection, %error, "the stream cannot be read on");
            self.stop(Reading::Stopped, Cause::FrameTooLarge);
        }
    }

    fn stop(&mut self, reading: Reading, cause: Cause) {
        self.reading = reading;
        self.funnel.send(Inbound::Ended { connection: self.connection, cause });
    }

    /// Ready when the socket failed.
    fn write(&mut self, context: &mut Context<'_>) -> Poll<Cause> {
        loop {
            let mut sending = self.line.sending();
            self.line.write_some(&mut sending);
            if sending.failed {
                return Poll::Ready(Cause::Reset);
            }
            if sending.queued() == 0 {
                if std::mem::take(&mut sending.warned) {
                    drop(sending);
                    self.funnel.send(Inbound::Drained { connection: self.connection });
                }
                return Poll::Pending;
            }
            drop(sending);
            if ready!(self.line.writer.as_ref().poll_write_ready(context)).is_err() {
                return Poll::Ready(Cause::Reset);
            }
        }
    }

    /// Keeps the one timer that fits the state. Ready when its time is up.
    fn watch(&mut self, context: &mut Context<'_>, queued: usize, close: Option<Duration>) -> Poll<Cause> {
        let (awaited, within) = match close {
            Some(within) => (Awaited::Close, within),
            None if queued > 0 => (Awaited::Write(queued), WRITE_STALL),
            None => {
                self.timer = None;
                return Poll::Pending;
            }
        };
        let timer = match &mut self.timer {
            Some(timer) if timer.awaited == awaited => timer,
            Some(timer) if shrinks_not(timer.awaited, awaited) => timer,
            slot => slot.insert(Timer { sleep: Box::pin(sleep_until(Instant::now() + within)), awaited }),
        };
        ready!(timer.sleep.as_mut().poll(context));
        Poll::Ready(if awaited == Awaited::Close { Cause::Requested } else { Cause::WriteStalled })
    }
}

/// More was queued while nothing was taken: the clock runs on.
fn shrinks_not(before: Awaited, now: Awaited) -> bool {
    matches!((before, now), (Awaited::Write(before), Awaited::Write(now)) if now >= before)
}
