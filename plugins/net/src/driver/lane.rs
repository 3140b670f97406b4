//! The list by which the world hands written connections to an I/O thread: one list, one wake-up a flush. Checked by a
//! model: `tests/models.rs`.

use crate::sync::{Mutex, Notify, PoisonError};

#[derive(Debug)]
pub(crate) struct Lane<T> {
    lines: Mutex<Vec<T>>,
    flushed: Notify,
}

impl<T> Lane<T> {
    pub(crate) fn new() -> Self {
        Self { lines: Mutex::new(Vec::new()), flushed: Notify::new() }
    }

    pub(crate) fn push(&self, line: T) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub(crate) fn flush(&self) {
        if !self.lines.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.flushed.notify_one();
        }
    }

    /// Waits for a flush, and swaps what was pushed with `lines`, which are empty.
    pub(crate) async fn flushed(&self, lines: &mut Vec<T>) {
        self.flushed.notified().await;
        std::mem::swap(lines, &mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
