//! Who waits for room, until whoever lets go of bytes makes some. Checked by a model: `tests/models.rs`.

use crate::sync::{AtomicBool, Mutex, Ordering, PoisonError};
use std::{
    collections::HashSet,
    task::{Context, Poll, Waker},
};

pub(crate) struct Waiters {
    /// Somebody waits: whoever lets go of bytes has to look.
    awaited: AtomicBool,
    waiting: Mutex<Waiting>,
}

/// Those who wait, in the order they came. A task that asks again, because something else woke it, waits once.
#[derive(Default)]
struct Waiting {
    wakers: Vec<Waker>,
    /// What they wake.
    known: HashSet<(usize, usize)>,
}

impl Waiting {
    fn add(&mut self, waker: &Waker) {
        if self.known.insert((waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())) {
            self.wakers.push(waker.clone());
        }
    }
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self { awaited: AtomicBool::new(false), waiting: Mutex::new(Waiting::default()) }
    }

    /// Ready while there is room; else the task is woken when there is.
    pub(crate) fn poll(&self, context: &mut Context<'_>, is_room: impl Fn() -> bool) -> Poll<()> {
        if is_room() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.awaited.store(true, Ordering::SeqCst);
        // Looked at again now that those who let go would see that somebody waits.
        if is_room() {
            return Poll::Ready(());
        }
        waiting.add(context.waker());
        Poll::Pending
    }

    /// Wakes all who wait if there is room, once something was let go of.
    pub(crate) fn ease(&self, is_room: impl Fn() -> bool) {
        if !self.awaited.load(Ordering::SeqCst) {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_room() {
            return;
        }
        self.awaited.store(false, Ordering::SeqCst);
        let woken = std::mem::take(&mut *waiting);
        drop(waiting);
        woken.wakers.into_iter().for_each(Waker::wake);
    }
}
