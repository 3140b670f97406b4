//! How much waits in the queue, and who waits until it is less. Checked by a model: `tests/models.rs`.

use crate::sync::{AtomicUsize, Mutex, Ordering, PoisonError};
use std::task::{Context, Poll, Waker};

pub(crate) struct Load {
    /// At which there is no room.
    limit: usize,
    held: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
}

impl Load {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0), waiting: Mutex::new(Vec::new()) }
    }

    /// Counts an item, before it goes into the queue: it may be taken at once.
    pub(crate) fn add(&self, load: usize) {
        self.held.fetch_add(load, Ordering::Relaxed);
    }

    /// Ready while there is room; else the task is woken when there is.
    pub(crate) fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.held.load(Ordering::Relaxed) < self.limit {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at again under the lock, so that a wake-up between the two is not lost.
        if self.held.load(Ordering::SeqCst) < self.limit {
            return Poll::Ready(());
        }
        waiting.push(context.waker().clone());
        Poll::Pending
    }

    /// Takes off what was taken out of the queue. Whoever makes room wakes all that wait for it.
    pub(crate) fn give_back(&self, load: usize) {
        let before = self.held.fetch_sub(load, Ordering::SeqCst);
        if before >= self.limit && before - load < self.limit {
            let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}
