//! A transport without sockets: bytes in, bytes out, through the same framing and the same queue.
//!
//! It behaves as a socket does: what is sent before the connection is started waits; a peer that does not read holds
//! back what exceeds its window; reading stops while the world is behind.

use bevy_ecs::prelude::*;
use portcullis_core::{
    Assembler, Cause, Charge, FIRST_WARNING, Framing, Funnel, Holding, Inbound, Line, Link, Opening, Shortage,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Wake, Waker},
    time::Duration,
};

/// Frames that may wait for the world.
const MAX_UNDELIVERED: usize = 64;
/// What a client that does not read still takes, as the kernel's buffers do.
const WINDOW: usize = 64 * 1024;

/// The client's end of a connection in memory.
#[derive(Debug)]
pub struct MemorySocket {
    shared: Arc<Shared>,
}

/// Connects to a world by its queue. The connection is opened when the world next drains it.
pub fn connect(funnel: &Funnel, listener: Entity, framing: Framing, peer: SocketAddr) -> MemorySocket {
    let connection = funnel.reserve();
    let shared = Arc::new_cyclic(|shared| Shared {
        connection,
        funnel: funnel.clone(),
        state: Mutex::new(State::new(funnel, framing)),
        goes_on: Waker::from(Arc::new(GoesOn(Weak::clone(shared)))),
    });
    funnel.send(Inbound::Opened(Box::new(Opening {
        connection,
        listener,
        peer,
        local: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        transport: "memory",
        link: Link(Arc::<Shared>::clone(&shared)),
        opened_at: funnel.now(),
    })));
    MemorySocket { shared }
}

impl MemorySocket {
    /// The entity this connection is in the world.
    pub fn connection(&self) -> Entity {
        self.shared.connection
    }

    /// Sends bytes, cut as the caller likes. Bytes to a closed connection are lost.
    pub fn write(&self, bytes: &[u8]) {
        let mut state = self.shared.state();
        if !state.ended && !state.closed {
            state.to_server.extend_from_slice(bytes);
            self.shared.pump(&mut state);
        }
    }

    /// Takes what has come.
    pub fn read(&self) -> Vec<u8> {
        let mut state = self.shared.state();
        let mut read = std::mem::take(&mut state.to_client);
        read.extend_from_slice(&state.backlog);
        state.backlog.clear();
        self.shared.drained(&mut state);
        read
    }

    /// How many bytes a client that does not read still takes. Default 64 KiB.
    pub fn set_window(&self, bytes: usize) {
        self.shared.state().window = bytes;
    }

    /// Ends the client's side; what was written before still arrives.
    pub fn close(&self) {
        let mut state = self.shared.state();
        state.ended = true;
        self.shared.pump(&mut state);
    }

    /// Breaks the connection off.
    pub fn reset(&self) {
        let mut state = self.shared.state();
        self.shared.finish(&mut state, Cause::Reset);
    }

    /// Whether the server has closed its side. What it had sent can still be read.
    pub fn is_closed(&self) -> bool {
        self.shared.state().closed
    }
}

impl Drop for MemorySocket {
    fn drop(&mut self) {
        self.close();
    }
}

#[derive(Debug)]
struct Shared {
    connection: Entity,
    funnel: Funnel,
    state: Mutex<State>,
    goes_on: Waker,
}

/// Delivers what waited for the budget, when the world comes to it: whoever made room may hold a lock.
struct GoesOn(Weak<Shared>);

impl Wake for GoesOn {
    fn wake(self: Arc<Self>) {
        let Some(shared) = self.0.upgrade() else { return };
        shared.funnel.clone().post(move |_| shared.pump(&mut shared.state()));
    }
}

#[derive(Debug)]
struct State {
    outgoing: Charge,
    incomplete: Charge,
    assembler: Assembler,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    backlog: Vec<u8>,
    window: usize,
    started: bool,
    ended: bool,
    told: bool,
    closed: bool,
    warned: bool,
    close: Option<Duration>,
    undelivered: (usize, usize),
    max_frame: usize,
    max_held: usize,
}

impl State {
    fn new(funnel: &Funnel, framing: Framing) -> Self {
        Self {
            outgoing: Charge::new(funnel.budget(), Holding::Outgoing),
            incomplete: Charge::new(funnel.budget(), Holding::Incomplete),
            assembler: Assembler::new(framing),
            to_server: Vec::new(),
            to_client: Vec::new(),
            backlog: Vec::new(),
            window: WINDOW,
            started: false,
            ended: false,
            told: false,
            closed: false,
            warned: false,
            close: None,
            undelivered: (0, 0),
            max_frame: 0,
            max_held: 0,
        }
    }

    fn backlog_size(&self) -> usize {
        if self.backlog.is_empty() { 0 } else { self.backlog.capacity() }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers what may be delivered.
    fn pump(&self, state: &mut State) {
        while state.started && !state.closed && !state.told {
            let (frames, bytes) = state.undelivered;
            if frames >= MAX_UNDELIVERED || bytes >= state.max_held {
                return;
            }
            if state.to_server.is_empty() {
                if state.ended {
                    self.end(state, Cause::PeerClosed);
                }
                return;
            }
            if self.funnel.poll_room(&mut Context::from_waker(&self.goes_on)).is_pending() {
                return;
            }
            let rest = state.to_server.split_off(state.max_held.min(state.to_server.len()));
            let read = std::mem::replace(&mut state.to_server, rest);
            let (frames, result) = state.assembler.feed(&read, state.max_frame);
            state.incomplete.set(state.assembler.allocated());
            if !frames.is_empty() {
                state.undelivered.0 += frames.len();
                state.undelivered.1 += frames.byte_len();
                let received = self.funnel.now();
                self.funnel.send(Inbound::Frames { connection: self.connection, received, frames });
            }
            if result.is_err() {
                self.end(state, Cause::FrameTooLarge);
            }
        }
    }

    fn end(&self, state: &mut State, cause: Cause) {
        state.told = true;
        self.funnel.send(Inbound::Ended { connection: self.connection, cause });
    }

    fn finish(&self, state: &mut State, cause: Cause) {
        if !std::mem::replace(&mut state.closed, true) {
            // What can still be read is the client's.
            state.outgoing.set(0);
            state.incomplete.set(0);
            self.funnel.send(Inbound::Closed { connection: self.connection, cause });
        }
    }

    /// The client took all.
    fn drained(&self, state: &mut State) {
        state.outgoing.set(0);
        if std::mem::take(&mut state.warned) && !state.closed {
            self.funnel.send(Inbound::Drained { connection: self.connection });
        }
        if state.close.is_some() {
            self.finish(state, Cause::Requested);
        }
    }
}

impl Line for Shared {
    fn start(&self) {
        let mut state = self.state();
        state.started = true;
        self.pump(&mut state);
    }

    fn send(&self, bytes: &mut Vec<u8>) -> usize {
        let mut state = self.state();
        if state.closed {
            bytes.clear();
            return 0;
        }
        let room = state.window.saturating_sub(state.to_client.len());
        let taken = if state.backlog.is_empty() { room.min(bytes.len()) } else { 0 };
        state.to_client.extend(bytes.drain(..taken));
        state.backlog.append(bytes);
        state.warned |= state.backlog.len() >= FIRST_WARNING;
        let held = state.backlog_size();
        if state.outgoing.try_set(held).is_err() {
            state.outgoing.budget().add(Shortage::Overrun);
            state.backlog = Vec::new();
            self.finish(&mut state, Cause::Shed);
        }
        state.backlog.len()
    }

    fn delivered(&self, frames: usize, bytes: usize) {
        let mut state = self.state();
        state.undelivered.0 -= frames;
        state.undelivered.1 -= bytes;
        self.pump(&mut state);
    }

    fn limit(&self, max_frame: usize, max_held: usize) {
        let mut state = self.state();
        state.max_frame = max_frame;
        state.max_held = max_held.max(1);
    }

    fn close(&self, flush_within: Duration, _: u16) {
        let mut state = self.state();
        if *state.close.get_or_insert(flush_within) == Duration::ZERO {
            state.backlog = Vec::new();
        }
        // There is no timer here: what is queued can still be read.
        self.finish(&mut state, Cause::Requested);
    }
    fn held(&self) -> usize {
        let state = self.state();
        state.outgoing.bytes() + state.incomplete.bytes()
    }
}
