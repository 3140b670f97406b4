//! A driver that sleeps in the ECS thread until the queue holds something. Checked by a model: `tests/models.rs`.

use crate::sync::{AtomicBool, AtomicWaker, Ordering};
use std::task::{Context, Poll};

pub(crate) struct Sleeper {
    driver: AtomicWaker,
    /// It does sleep: for all items but the first, a look at this is cheaper than a wake-up.
    asleep: AtomicBool,
}

impl Sleeper {
    pub(crate) fn new() -> Self {
        Self { driver: AtomicWaker::new(), asleep: AtomicBool::new(false) }
    }

    /// Ready when the queue holds something; else the driver is woken when it does.
    pub(crate) fn poll(&self, context: &mut Context<'_>, is_empty: impl Fn() -> bool) -> Poll<()> {
        if !is_empty() {
            return Poll::Ready(());
        }
        self.driver.register(context.waker());
        self.asleep.store(true, Ordering::SeqCst);
        // What was sent before that is seen here, what is sent after it sees that we sleep.
        if is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Wakes the driver, once something is in the queue.
    pub(crate) fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.driver.wake();
        }
    }
}
