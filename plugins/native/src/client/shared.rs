//! What the callers of the asynchronous client and its tasks share.

use super::{gone, pushes::Pushes};
use crate::{Body, ClientCodec, ClientError, ClientEvent};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, oneshot};

/// What callers and the reading task share.
pub(super) struct Shared {
    state: Mutex<State>,
    /// There is a push, or the connection is over.
    pub(super) changed: Notify,
}

pub(super) struct State {
    pub(super) codec: ClientCodec,
    pub(super) pending: HashMap<u32, oneshot::Sender<Result<Body, ClientError>>>,
    pub(super) pushes: Pushes,
    /// Why the connection is over.
    pub(super) over: Option<ClientError>,
}

impl Shared {
    pub(super) fn new(codec: ClientCodec, push_capacity: usize) -> Arc<Self> {
        let pushes = Pushes::new(push_capacity);
        let state = Mutex::new(State { codec, pending: HashMap::new(), pushes, over: None });
        Arc::new(Self { state, changed: Notify::new() })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn alive(&self) -> Result<MutexGuard<'_, State>, ClientError> {
        let state = self.state();
        match &state.over {
            Some(error) => Err(error.clone()),
            None => Ok(state),
        }
    }

    pub(super) fn why(&self) -> ClientError {
        self.state().over.clone().unwrap_or_else(gone)
    }

    /// Takes what was read. An error is the end.
    pub(super) fn take(&self, bytes: &[u8]) -> Result<(), ClientError> {
        let mut state = self.state();
        state.codec.feed(bytes);
        let mut pushed = false;
        while let Some(event) = state.codec.next_event()? {
            match event {
                ClientEvent::Reply { id, body } => state.answer(id, Ok(body)),
                ClientEvent::Refused { id, code, message } => {
                    state.answer(id, Err(ClientError::Refused { code, message }));
                }
                ClientEvent::Pushed(push) => {
                    state.pushes.add(push);
                    pushed = true;
                }
                ClientEvent::Bye { cause, reason } => return Err(ClientError::Closed { cause, reason }),
                ClientEvent::Pong | ClientEvent::Welcome { .. } | ClientEvent::Rejected { .. } => {}
            }
        }
        if pushed {
            self.changed.notify_waiters();
        }
        Ok(())
    }

    pub(super) fn end(&self, error: ClientError) {
        let mut state = self.state();
        for (_, answer) in state.pending.drain() {
            // Whoever has stopped waiting does not care.
            let _ = answer.send(Err(error.clone()));
        }
        state.over = Some(error);
        self.changed.notify_waiters();
    }
}

impl State {
    /// The answer to a request that was given up is dropped.
    fn answer(&mut self, id: u32, answer: Result<Body, ClientError>) {
        if let Some(waiting) = self.pending.remove(&id) {
            let _ = waiting.send(answer);
        }
    }
}

/// A request whose caller has gone is no longer waited for.
pub(super) struct Forget<'a> {
    pub(super) shared: &'a Shared,
    pub(super) id: u32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.shared.state().pending.remove(&self.id);
    }
}
