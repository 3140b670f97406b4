//! By which the world calls the task of a socket. Checked by a model: `tests/models.rs`.

use crate::sync::{AtomicBool, AtomicWaker, Ordering};
use std::task::Waker;

pub(crate) struct Bell {
    task: AtomicWaker,
    /// The world lets the socket be read.
    started: AtomicBool,
    /// There is something to write, or to close: the task has to look.
    rung: AtomicBool,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self { task: AtomicWaker::new(), started: AtomicBool::new(false), rung: AtomicBool::new(false) }
    }

    /// The task listens. Before it looks at anything, so that no change is missed.
    pub(crate) fn listen(&self, task: &Waker) {
        self.task.register(task);
    }

    /// Has the task look, after what it is to see is there.
    pub(crate) fn ring(&self) {
        self.mark();
        self.wake();
    }

    /// Has the task look later in the turn it is in.
    pub(crate) fn mark(&self) {
        self.rung.store(true, Ordering::SeqCst);
    }

    /// Has the task take another turn.
    pub(crate) fn wake(&self) {
        self.task.wake();
    }

    pub(crate) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::SeqCst)
    }

    /// The task looks now: whatever comes later rings again.
    pub(crate) fn answer(&self) {
        self.rung.store(false, Ordering::SeqCst);
    }

    /// Lets the socket be read.
    pub(crate) fn start(&self) {
        if !self.started.swap(true, Ordering::SeqCst) {
            self.wake();
        }
    }

    pub(crate) fn is_started(&self) -> bool {
        self.started.load(Ordering::SeqCst)
    }
}
