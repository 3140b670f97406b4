//! What of one connection waits for the world. Checked by a model: `tests/models.rs`.

use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Frames of one connection that may wait for the world; the limit in bytes is set by the world.
const MAX_FRAMES: u64 = 64;
/// One frame, where frames and bytes are counted in one number. A connection's bytes are bounded far below it.
const FRAME: u64 = 1 << 40;

pub(crate) struct Undelivered {
    /// Bytes in the lower part, frames above [`FRAME`].
    count: AtomicU64,
    max_bytes: AtomicUsize,
    /// The socket waits for the world.
    paused: AtomicBool,
}

impl Undelivered {
    pub(crate) fn new() -> Self {
        Self { count: AtomicU64::new(0), max_bytes: AtomicUsize::new(0), paused: AtomicBool::new(false) }
    }

    /// The limit in bytes.
    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self, max_bytes: usize) {
        self.max_bytes.store(max_bytes.max(1), Ordering::Relaxed);
    }

    /// Counts frames on their way to the world.
    pub(crate) fn add(&self, frames: usize, bytes: usize) {
        self.count.fetch_add(frames as u64 * FRAME + bytes as u64, Ordering::SeqCst);
    }

    /// The world has taken some. Whether the socket has waited for that, and its task is to be woken.
    #[must_use]
    pub(crate) fn take(&self, frames: usize, bytes: usize) -> bool {
        self.count.fetch_sub(frames as u64 * FRAME + bytes as u64, Ordering::SeqCst);
        let goes_on = self.paused.load(Ordering::SeqCst) && !self.is_ahead();
        if goes_on {
            self.paused.store(false, Ordering::SeqCst);
        }
        goes_on
    }

    /// Whether the socket must wait for the world.
    pub(crate) fn must_wait(&self) -> bool {
        if !self.is_ahead() {
            return false;
        }
        self.paused.store(true, Ordering::SeqCst);
        // The world may have caught up between the look and the mark.
        self.is_ahead()
    }

    /// Whether the world has so much of this connection that its socket must wait.
    fn is_ahead(&self) -> bool {
        let count = self.count.load(Ordering::SeqCst);
        count / FRAME >= MAX_FRAMES || count % FRAME >= self.max_bytes() as u64
    }
}
