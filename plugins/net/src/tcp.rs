//! The world's end of a TCP connection: what it may ask of the [task](crate::serve) that owns the socket.

mod bell;
mod undelivered;

use self::{bell::Bell, undelivered::Undelivered};
use crate::{
    driver::Lane,
    inlet::{http, websocket},
    tls::{Opened, Session},
};
use portcullis_core::{Budget, Cause, Charge, FIRST_WARNING, Holding, Line, OverBudget, Shortage};
use std::{
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::tcp::OwnedWriteHalf;

/// A buffer larger than this is given back when all of it is sent: of ten thousand peers that have caught up, none has to
/// keep the room it once took.
const IDLE_BUFFER: usize = 4 * 1024;

/// What the world and the task share.
pub(crate) struct TcpLine {
    pub(crate) writer: OwnedWriteHalf,
    /// Hands writing to an I/O thread; none when the world writes itself.
    lane: Option<Arc<Lane<Arc<Self>>>>,
    this: Weak<Self>,
    sending: Mutex<Sending>,
    /// Is rung when the task has to look at `sending`.
    pub(crate) bell: Bell,
    pub(crate) undelivered: Undelivered,
    /// Bytes the task holds of something incomplete.
    pub(crate) incomplete: AtomicUsize,
    pub(crate) max_frame: AtomicUsize,
}

pub(crate) struct Sending {
    backlog: Vec<u8>,
    /// For the backlog, and what the session holds.
    charge: Charge,
    /// Encrypts what goes into the backlog.
    session: Option<Box<Session>>,
    /// What the world says would not be understood: its transport is not known yet.
    muted: bool,
    /// The peer speaks WebSocket: a close is said, with a code.
    is_websocket: bool,
    /// The transport's own word for the close, which goes before the world's.
    own_code: Option<u16>,
    /// The farewell is in the backlog: nothing may follow it.
    parted: bool,
    /// Bytes of the backlog that are sent already.
    sent: usize,
    /// Bytes that were ever sent, to see whether the peer takes any.
    taken: u64,
    /// The world was warned, and wants to hear when all is sent.
    pub(crate) warned: bool,
    /// The world asked for the close: how long the rest may take.
    pub(crate) close: Option<Duration>,
    /// It is for the time the handshake took.
    timed_out: bool,
    /// The world's word for it.
    asked_code: u16,
    /// The socket has failed, or was given up: nothing is sent any more.
    pub(crate) failed: Option<Cause>,
}

impl Sending {
    fn new(budget: &Budget, session: Option<Box<Session>>, muted: bool) -> Self {
        Self {
            backlog: Vec::new(),
            charge: Charge::new(budget, Holding::Outgoing),
            session,
            muted,
            is_websocket: false,
            own_code: None,
            parted: false,
            sent: 0,
            taken: 0,
            warned: false,
            close: None,
            timed_out: false,
            asked_code: 0,
            failed: None,
        }
    }

    /// Bytes of memory that are held for the peer to take. What an empty buffer keeps is little.
    fn held(&self) -> usize {
        let backlog = if self.queued() > 0 { self.backlog.capacity() } else { 0 };
        backlog + self.session.as_ref().map_or(0, |session| session.allocated())
    }

    /// Charges what is held, whatever the budget says: of what a transport says by itself, which is little.
    fn account(&mut self) {
        self.charge.set(self.held());
    }

    /// Charges what is held of what the world says.
    fn account_within_budget(&mut self) -> Result<(), OverBudget> {
        self.charge.try_set(self.held())
    }

    /// Nothing of what is queued is sent any more.
    fn drop_queued(&mut self) {
        self.backlog = Vec::new();
        self.sent = 0;
        self.warned = false;
        if let Some(session) = &mut self.session {
            session.forget();
        }
        self.charge.set(0);
    }

    /// Whether nothing that is said from now on could be sent.
    fn is_over(&self) -> bool {
        self.failed.is_some() || self.parted || self.close == Some(Duration::ZERO)
    }

    /// Gives back what all that is sent has left.
    pub(crate) fn tidy(&mut self) {
        if self.queued() == 0 && self.backlog.capacity() > IDLE_BUFFER {
            self.backlog = Vec::new();
        }
        self.account();
    }

    pub(crate) fn queued(&self) -> usize {
        self.backlog.len() - self.sent
    }

    /// Bytes that were ever sent.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// What the peer has not taken of what the world said.
    fn unsent(&self) -> usize {
        self.queued() + self.session.as_ref().map_or(0, |session| session.waiting())
    }

    /// Appends all of `bytes`, leaving it empty.
    fn put(&mut self, bytes: &mut Vec<u8>) {
        if let Some(session) = &mut self.session {
            session.seal(bytes, &mut self.backlog);
        } else if self.queued() == 0 {
            std::mem::swap(&mut self.backlog, bytes);
            self.sent = 0;
        } else {
            self.backlog.append(bytes);
        }
    }

    /// The last words of the transport, once the world has asked for the close.
    fn part(&mut self, owes_answer: bool) {
        if self.parted || self.close.is_none_or(|within| within.is_zero()) {
            return;
        }
        self.parted = true;
        if owes_answer {
            let answer = if self.timed_out { http::TIMED_OUT } else { http::UNAVAILABLE };
            self.put(&mut answer.to_vec());
        }
        if self.is_websocket {
            let code = self.own_code.unwrap_or(self.asked_code);
            let mut farewell = Vec::new();
            websocket::put_close(&mut farewell, code);
            self.put(&mut farewell);
        }
        if let Some(session) = &mut self.session {
            session.close(&mut self.backlog);
        }
    }
}

impl TcpLine {
    /// A line that encrypts what it sends when there is a session, and is deaf to the world while `muted`.
    pub(crate) fn new(
        budget: &Budget,
        writer: OwnedWriteHalf,
        lane: Option<Arc<Lane<Arc<Self>>>>,
        session: Option<Box<Session>>,
        muted: bool,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            writer,
            lane,
            this: this.clone(),
            sending: Mutex::new(Sending::new(budget, session, muted)),
            bell: Bell::new(),
            undelivered: Undelivered::new(),
            incomplete: AtomicUsize::new(0),
            max_frame: AtomicUsize::new(0),
        })
    }

    pub(crate) fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what the kernel takes; the task goes on with the rest.
    pub(crate) fn write(&self) {
        let mut sending = self.sending();
        self.write_some(&mut sending);
        sending.tidy();
        if sending.queued() > 0 || sending.failed.is_some() {
            drop(sending);
            self.bell.ring();
        }
    }

    /// Sends what the transport itself has to say, before all that the world says from now on.
    pub(crate) fn say(&self, mut bytes: Vec<u8>) {
        let mut sending = self.sending();
        if !sending.is_over() {
            sending.put(&mut bytes);
            self.write_some(&mut sending);
            sending.account();
        }
        self.bell.mark();
    }

    /// Decrypts what came.
    pub(crate) fn open(&self, cipher: &[u8], plain: &mut Vec<u8>) -> Result<Opened, rustls::Error> {
        let mut sending = self.sending();
        let Sending { session: Some(session), backlog, .. } = &mut *sending else {
            return Ok(Opened::default());
        };
        let opened = session.open(cipher, plain, backlog);
        if sending.queued() > 0 {
            self.write_some(&mut sending);
            self.bell.mark();
        }
        sending.account();
        opened
    }

    /// From now on a close is said, as a WebSocket does.
    pub(crate) fn has_messages(&self) {
        self.sending().is_websocket = true;
    }

    /// Closes with this code, whatever the world says.
    pub(crate) fn close_with(&self, code: u16) {
        self.sending().own_code = Some(code);
    }

    /// Queues the farewell if the world has asked for the close: an answer of HTTP, to a peer that we owe one, so that
    /// browsers and proxies see why.
    pub(crate) fn part(&self, owes_answer: bool) {
        let mut sending = self.sending();
        sending.part(owes_answer);
        sending.account();
    }

    pub(crate) fn write_some(&self, sending: &mut Sending) {
        while sending.queued() > 0 && sending.failed.is_none() {
            match self.writer.try_write(&sending.backlog[sending.sent..]) {
                Ok(written) => {
                    sending.sent += written;
                    sending.taken = sending.taken.wrapping_add(written as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => sending.failed = Some(Cause::Reset),
            }
        }
        if sending.queued() == 0 || sending.failed.is_some() {
            sending.sent = 0;
            match &sending.session {
                // Nobody has a use for it, as the world has for its own buffers.
                Some(_) => sending.backlog = Vec::new(),
                None => sending.backlog.clear(),
            }
        } else if sending.sent >= FIRST_WARNING && sending.sent >= sending.queued() {
            // A peer that is always a little behind would have us keep all it was ever sent.
            sending.backlog = sending.backlog.split_off(sending.sent);
            sending.sent = 0;
        }
    }

    /// Does not send what is queued, and ends the connection: there is no room to keep it.
    fn overrun(&self, sending: &mut Sending) {
        sending.charge.budget().add(Shortage::Overrun);
        sending.drop_queued();
        sending.failed = Some(Cause::Shed);
    }
}

impl fmt::Debug for TcpLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpLine").field("queued", &self.sending().queued()).finish_non_exhaustive()
    }
}

impl Line for TcpLine {
    fn start(&self) {
        self.bell.start();
    }

    fn send(&self, bytes: &mut Vec<u8>) -> usize {
        let mut sending = self.sending();
        if sending.is_over() || sending.muted {
            bytes.clear();
            return 0;
        }
        sending.put(bytes);
        // An I/O thread writes it, unless so much waits that only the socket can tell what the peer takes.
        let lane = self.lane.as_ref().filter(|_| sending.queued() < FIRST_WARNING);
        // The same holds where there is no room to keep it.
        let lane = lane.filter(|_| sending.account_within_budget().is_ok());
        match lane {
            Some(lane) => {
                if let Some(line) = self.this.upgrade() {
                    lane.push(line);
                }
            }
            None => {
                self.write_some(&mut sending);
                if sending.queued() == 0 && sending.session.is_none() {
                    // Gives the buffer back to the world.
                    std::mem::swap(&mut sending.backlog, bytes);
                }
                if sending.account_within_budget().is_err() {
                    self.overrun(&mut sending);
                }
            }
        }
        let queued = sending.queued();
        let unsent = sending.unsent();
        sending.warned |= unsent >= FIRST_WARNING;
        // However little is left: nobody else will write it.
        let stuck = sending.failed.is_some() || (queued > 0 && lane.is_none());
        drop(sending);
        if stuck {
            self.bell.ring();
        }
        unsent
    }

    fn delivered(&self, frames: usize, bytes: usize) {
        if self.undelivered.take(frames, bytes) {
            self.bell.wake();
        }
    }

    fn limit(&self, max_frame: usize, max_held: usize) {
        self.max_frame.store(max_frame, Ordering::Relaxed);
        self.undelivered.limit(max_held);
    }

    fn close(&self, flush_within: Duration, code: u16) {
        let mut sending = self.sending();
        if sending.close.is_none() {
            sending.asked_code = code;
        }
        // The shorter time holds: an entity that goes while it closes ends the socket at once.
        sending.close = Some(sending.close.map_or(flush_within, |before| before.min(flush_within)));
        if flush_within.is_zero() {
            sending.drop_queued();
        }
        drop(sending);
        self.bell.ring();
    }

    fn timed_out(&self) {
        self.sending().timed_out = true;
    }

    fn held(&self) -> usize {
        self.sending().charge.bytes() + self.incomplete.load(Ordering::Relaxed)
    }

    fn established(&self) {
        self.sending().muted = false;
    }
}
