//! Whether a listener accepts: the world's to say, the acceptor's to obey. Checked by a model: `tests/models.rs`.

use crate::sync::{AtomicU8, Notify, Ordering};
use std::future::Future;

const OPEN: u8 = 0;
const PAUSED: u8 = 1;
const CLOSED: u8 = 2;

#[derive(Debug)]
pub(crate) struct Switch {
    state: AtomicU8,
    changed: Notify,
}

impl Switch {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU8::new(OPEN), changed: Notify::new() }
    }

    pub(crate) fn pause(&self) {
        self.turn(OPEN, PAUSED);
    }

    pub(crate) fn resume(&self) {
        self.turn(PAUSED, OPEN);
    }

    /// For good, whatever else is asked of it, by whoever has a handle yet.
    pub(crate) fn close(&self) {
        self.state.swap(CLOSED, Ordering::SeqCst);
        self.changed.notify_one();
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.state.load(Ordering::SeqCst) == PAUSED
    }

    fn turn(&self, from: u8, to: u8) {
        if self.state.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            self.changed.notify_one();
        }
    }

    /// Waits until the acceptor may accept; false when it is to end.
    pub(crate) async fn opened(&self) -> bool {
        loop {
            match self.state.load(Ordering::SeqCst) {
                CLOSED => return false,
                PAUSED => self.changed.notified().await,
                _ => return true,
            }
        }
    }

    /// Ends when the state may have changed since it was looked at.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> {
        self.changed.notified()
    }
}
