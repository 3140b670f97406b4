//! The world's end of a TCP connection: what it may ask of the [task](crate::serve) that owns the socket.

use crate::driver::Lane;
use atomic_waker::AtomicWaker;
use portcullis_core::{FIRST_WARNING, Line};
use std::{
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::tcp::OwnedWriteHalf;

/// Frames of one connection that may wait for the world; the limit in bytes is set by the world.
const MAX_UNDELIVERED: u64 = 64;
/// One frame, where frames and bytes are counted in one number. A connection's bytes are bounded far below it.
const FRAME: u64 = 1 << 40;
/// What the world and the task share.
pub(crate) struct TcpLine {
    pub(crate) writer: OwnedWriteHalf,
    /// Hands writing to an I/O thread; none when the world writes itself.
    lane: Option<Arc<Lane>>,
    this: Weak<Self>,
    sending: Mutex<Sending>,
    pub(crate) task: AtomicWaker,
    pub(crate) started: AtomicBool,
    paused: AtomicBool,
    /// Bytes in the lower part, frames above [`FRAME`].
    undelivered: AtomicU64,
    /// There is something to write, or to close: the task has to look at `sending`.
    pub(crate) attention: AtomicBool,
    pub(crate) max_frame: AtomicUsize,
    pub(crate) max_held: AtomicUsize,
}

#[derive(Default)]
pub(crate) struct Sending {
    backlog: Vec<u8>,
    /// Bytes of the backlog that are sent already.
    sent: usize,
    /// The world was warned, and wants to hear when all is sent.
    pub(crate) warned: bool,
    /// The world asked for the close: how long the rest may take.
    pub(crate) close: Option<Duration>,
    pub(crate) failed: bool,
}

impl Sending {
    pub(crate) fn queued(&self) -> usize {
        self.backlog.len() - self.sent
    }
}

impl TcpLine {
    pub(crate) fn new(writer: OwnedWriteHalf, lane: Option<Arc<Lane>>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            writer,
            lane,
            this: this.clone(),
            sending: Mutex::default(),
            task: AtomicWaker::new(),
            started: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            undelivered: AtomicU64::new(0),
            attention: AtomicBool::new(false),
            max_frame: AtomicUsize::new(0),
            max_held: AtomicUsize::new(0),
        })
    }

    pub(crate) fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what the kernel takes; the task goes on with the rest.
    pub(crate) fn write(&self) {
        let mut sending = self.sending();
        self.write_some(&mut sending);
        if sending.queued() > 0 || sending.failed {
            drop(sending);
            self.call();
        }
    }

    /// Has the task look at what is to be sent.
    fn call(&self) {
        self.attention.store(true, Ordering::SeqCst);
        self.task.wake();
    }

    pub(crate) fn write_some(&self, sending: &mut Sending) {
        while sending.queued() > 0 && !sending.failed {
            match self.writer.try_write(&sending.backlog[sending.sent..]) {
                Ok(written) => sending.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => sending.failed = true,
            }
        }
        if sending.queued() == 0 || sending.failed {
            sending.backlog.clear();
            sending.sent = 0;
        }
    }

    /// Counts frames on their way to the world.
    pub(crate) fn delivering(&self, frames: usize, bytes: usize) {
        self.undelivered.fetch_add(frames as u64 * FRAME + bytes as u64, Ordering::SeqCst);
    }

    /// Whether the socket must wait for the world; the world wakes the task when it need not any more.
    pub(crate) fn must_wait(&self) -> bool {
        if !self.is_ahead() {
            return false;
        }
        self.paused.store(true, Ordering::SeqCst);
        // The world may have caught up between the look and the mark.
        self.is_ahead()
    }

    /// Whether the world has so much of this connection that its socket must wait.
    fn is_ahead(&self) -> bool {
        let undelivered = self.undelivered.load(Ordering::SeqCst);
        undelivered / FRAME >= MAX_UNDELIVERED
            || undelivered % FRAME >= self.max_held.load(Ordering::Relaxed) as u64
    }
}

impl fmt::Debug for TcpLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpLine").field("queued", &self.sending().queued()).finish_non_exhaustive()
    }
}

impl Line for TcpLine {
    fn start(&self) {
        if !self.started.swap(true, Ordering::SeqCst) {
            self.task.wake();
        }
    }

    fn send(&self, bytes: &mut Vec<u8>) -> usize {
        let mut sending = self.sending();
        if sending.failed {
            bytes.clear();
            return 0;
        }
        if sending.queued() == 0 {
            std::mem::swap(&mut sending.backlog, bytes);
            sending.sent = 0;
        } else {
            sending.backlog.append(bytes);
        }
        match &self.lane {
            // An I/O thread writes it, unless so much waits that only the socket can tell what the peer takes.
            Some(lane) if sending.queued() < FIRST_WARNING => {
                if let Some(line) = self.this.upgrade() {
                    lane.push(line);
                }
            }
            _ => {
                self.write_some(&mut sending);
                if sending.queued() == 0 {
                    // Gives the buffer back to the world.
                    std::mem::swap(&mut sending.backlog, bytes);
                }
            }
        }
        let queued = sending.queued();
        sending.warned |= queued >= FIRST_WARNING;
        let stuck = sending.failed || (queued > 0 && (self.lane.is_none() || queued >= FIRST_WARNING));
        drop(sending);
        if stuck {
            self.call();
        }
        queued
    }

    fn delivered(&self, frames: usize, bytes: usize) {
        self.undelivered.fetch_sub(frames as u64 * FRAME + bytes as u64, Ordering::SeqCst);
        if self.paused.load(Ordering::SeqCst) && !self.is_ahead() {
            self.paused.store(false, Ordering::SeqCst);
            self.task.wake();
        }
    }

    fn limit(&self, max_frame: usize, max_held: usize) {
        self.max_frame.store(max_frame, Ordering::Relaxed);
        self.max_held.store(max_held.max(1), Ordering::Relaxed);
    }

    fn close(&self, flush_within: Duration) {
        self.sending().close.get_or_insert(flush_within);
        self.call();
    }
}
