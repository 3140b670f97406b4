//! What the callers of the asynchronous client and its task share.

use super::{Greeted, gone, greeted, pushes::Pushes, renewal};
use crate::{Body, ClientCodec, ClientError, ClientEvent};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

/// Bytes that may wait to be written before those who say more have to wait.
const UNSENT: usize = 256 * 1024;

/// What callers and the task share.
pub(super) struct Shared {
    state: Mutex<State>,
    /// There is a push, or it is over.
    pub(super) changed: Notify,
    /// There is something to write, or nothing will come any more.
    pub(super) unsent: Notify,
    /// What there was to write was taken.
    room: Notify,
}

pub(super) struct State {
    pub(super) codec: ClientCodec,
    pub(super) pending: HashMap<u32, oneshot::Sender<Result<Body, ClientError>>>,
    pub(super) pushes: Pushes,
    /// What is to be written, in the order of the ids.
    pub(super) out: Vec<u8>,
    pub(super) heartbeat: Duration,
    /// When the ticket is getting old.
    pub(super) renew_at: Option<Instant>,
    /// We are in our session, over this connection.
    resumed: bool,
    /// Nobody will say more.
    pub(super) closing: bool,
    /// Why it is over.
    pub(super) over: Option<ClientError>,
}

impl Shared {
    pub(super) fn new(codec: ClientCodec, push_capacity: usize) -> Arc<Self> {
        let state = Mutex::new(State {
            codec,
            pending: HashMap::new(),
            pushes: Pushes::new(push_capacity),
            out: Vec::new(),
            heartbeat: Duration::MAX,
            renew_at: None,
            resumed: false,
            closing: false,
            over: None,
        });
        Arc::new(Self { state, changed: Notify::new(), unsent: Notify::new(), room: Notify::new() })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn why(&self) -> ClientError {
        self.state().over.clone().unwrap_or_else(gone)
    }

    /// Says something as soon as there is room for it. What is said under one lock goes out in one order.
    pub(super) async fn say<R>(
        &self,
        say: impl FnOnce(&mut State) -> Result<R, ClientError>,
    ) -> Result<R, ClientError> {
        loop {
            let room = self.room.notified();
            {
                let mut state = self.state();
                if let Some(error) = &state.over {
                    return Err(error.clone());
                }
                if state.out.len() < UNSENT {
                    let said = say(&mut state)?;
                    self.unsent.notify_one();
                    return Ok(said);
                }
            }
            room.await;
        }
    }

    /// What there is to write.
    pub(super) fn take_unsent(&self) -> Vec<u8> {
        let out = std::mem::take(&mut self.state().out);
        self.room.notify_waiters();
        out
    }

    /// Takes what was read. An error is the end of the connection.
    pub(super) fn take(&self, bytes: &[u8]) -> Result<(), ClientError> {
        let mut state = self.state();
        state.codec.feed(bytes);
        let mut pushed = false;
        while let Some(event) = state.codec.next_event()? {
            match greeted(event)? {
                Greeted::Welcome(heartbeat) => state.heartbeat = heartbeat,
                Greeted::Resumed => state.resumed(),
                Greeted::Other(event) => pushed |= state.hear(event),
            }
        }
        if pushed {
            self.changed.notify_waiters();
        }
        Ok(())
    }

    /// The connection is lost, and there will be another: whoever waits for what is not asked again waits no more.
    pub(super) fn lose(&self, error: &ClientError) {
        let mut state = self.state();
        for id in state.codec.restart() {
            state.answer(id, Err(error.clone()));
        }
        state.out.clear();
        (state.heartbeat, state.resumed) = (Duration::MAX, false);
        self.room.notify_waiters();
    }

    pub(super) fn end(&self, error: ClientError) {
        let mut state = self.state();
        for (_, answer) in state.pending.drain() {
            // Whoever has stopped waiting does not care.
            let _ = answer.send(Err(error.clone()));
        }
        state.over = Some(error);
        self.changed.notify_waiters();
        self.room.notify_waiters();
    }
}

impl State {
    pub(super) fn is_welcome(&self) -> bool {
        self.codec.is_welcome()
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.resumed
    }

    fn resumed(&mut self) {
        self.resumed = true;
        self.codec.resend(&mut self.out);
        self.remember_renewal();
    }

    fn remember_renewal(&mut self) {
        self.renew_at = renewal(&self.codec).map(|pause| Instant::now() + pause);
    }

    pub(super) fn renew_if_due(&mut self) -> Result<(), ClientError> {
        if self.renew_at.is_some_and(|due| due <= Instant::now()) {
            self.remember_renewal();
            let Self { codec, out, .. } = self;
            codec.renew(out)?;
        }
        Ok(())
    }

    /// Gives whether it was a push.
    fn hear(&mut self, event: ClientEvent) -> bool {
        match event {
            ClientEvent::Reply { id, body } => self.answer(id, Ok(body)),
            ClientEvent::LoggedIn { id } => {
                self.remember_renewal();
                self.answer(id, Ok(Body::default()));
            }
            ClientEvent::Refused { id, code, message } => {
                self.answer(id, Err(ClientError::Refused { code, message }));
            }
            ClientEvent::Pushed(push) => {
                self.pushes.add(push);
                return true;
            }
            // The others are for who connects.
            _ => {}
        }
        false
    }

    /// The answer to a request that was given up is dropped.
    fn answer(&mut self, id: u32, answer: Result<Body, ClientError>) {
        if let Some(waiting) = self.pending.remove(&id) {
            let _ = waiting.send(answer);
        }
    }
}

/// A request whose caller has gone is no longer waited for, and not sent again.
pub(super) struct Forget<'a> {
    pub(super) shared: &'a Shared,
    pub(super) id: u32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.pending.remove(&self.id);
        state.codec.forget(self.id);
    }
}
