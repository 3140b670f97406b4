//! Which core whom: server and client on one each, so that the one's work is not the other's delay.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where the two processes run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// One core each.
    Pinned { client: usize, server: usize },
    /// Wherever the kernel likes.
    Free,
}

impl Placement {
    /// The first two cores this process may use, or [`Self::Free`] if it has just one.
    pub fn pinned() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        Ok(match (cores.next(), cores.next()) {
            (Some(client), Some(server)) => Self::Pinned { client, server },
            _ => Self::Free,
        })
    }
}

/// Keeps this process on `core`; its later threads and children inherit that.
pub fn pin(core: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}
