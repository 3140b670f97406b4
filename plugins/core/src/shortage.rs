//! What the server had no bytes for.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// What came of a [`Budget`](crate::Budget) that was used up. [`Shortage::label`] is a stable word to count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shortage {
    /// Newcomers had to wait, once for each time it began.
    Paused,
    /// A connection was closed because it held the most.
    Shed,
    /// A connection was closed because there was no room for what was written to it, whether it had not taken it or it
    /// waited for the flush.
    Overrun,
    /// An answer was not kept for a client that may come back, or took the place of older ones.
    Unkept,
}

impl Shortage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Paused, Self::Shed, Self::Overrun, Self::Unkept];

    /// A stable label: one word in lower case.
    pub fn label(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Shed => "shed",
            Self::Overrun => "overrun",
            Self::Unkept => "unkept",
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// How many there were of each. Transports count too, so they are atomic.
#[derive(Debug, Default)]
pub(crate) struct Shortages([AtomicU64; Shortage::ALL.len()]);

impl Shortages {
    pub(crate) fn count(&self, shortage: Shortage) -> u64 {
        self.0[shortage as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, shortage: Shortage) {
        self.0[shortage as usize].fetch_add(1, Ordering::Relaxed);
    }
}
