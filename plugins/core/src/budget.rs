//! How many bytes the server holds for its peers, all of them together.
//!
//! Each connection has limits of its own, and ten thousand connections at their limits are more than a machine has. So
//! whoever holds bytes for a peer charges them here, and lets go of them where it lets go of the memory.

#[cfg(test)]
mod tests;
mod waiters;

use self::waiters::Waiters;
use crate::shortage::{Shortage, Shortages};
use bevy_ecs::prelude::*;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use thiserror::Error;

/// What the server may hold for its peers, in bytes, and what it holds. Clones share it: the world's are the transports'.
///
/// Default limit: 1 GiB. It is what a small machine can give, and a hundred times what 10,000 players who read and are
/// answered make us hold. It does not count what a connection costs by being there, some KiB, of which the gate's caps
/// bound the number; nor what one run of the world reads and works on; nor the first 64 KiB it writes before its flush.
///
/// | held | what happens |
/// | --- | --- |
/// | 90 % | newcomers wait in the kernel's backlog until it is below 85 % |
/// | 90 % for five seconds, or 95 % | those who hold the most are closed with [`Cause::Shed`](crate::Cause::Shed), until it is below 85 % |
/// | 95 % | nobody is read |
/// | 100 % | who does not take what is written to it, or is written what no room is left for before the flush, is closed with [`Cause::Shed`](crate::Cause::Shed), and nothing of it is kept |
///
/// Two kinds have a part of their own, so that neither can take the place of the others: what waits for the world an
/// eighth, and 64 MiB at most; answers that are kept a half. So at 95 % there is always somebody to be closed.
///
/// **The bound.** Above 95 % only that is added which was being read when it passed them, one read of each I/O thread, and
/// 512 bytes for each connection that ends. A read is 64 KiB, and at worst, empty frames and a buffer that has just grown,
/// is held as 1 MiB. So with a limit of at least 20 MiB for each I/O thread, and 20 KiB for each connection,
/// [`used`](Self::used) is never above the limit.
#[derive(Resource, Clone, Default)]
pub struct Budget(Arc<Shared>);

struct Shared {
    limit: AtomicUsize,
    held: [AtomicUsize; Holding::ALL.len()],
    /// Newcomers wait.
    paused: AtomicBool,
    readers: Waiters,
    newcomers: Waiters,
    shortages: Shortages,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            limit: AtomicUsize::new(Budget::DEFAULT_LIMIT),
            held: Default::default(),
            paused: AtomicBool::new(false),
            readers: Waiters::new(),
            newcomers: Waiters::new(),
            shortages: Shortages::default(),
        }
    }
}

/// What bytes are held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holding {
    /// Was written to peers that have not taken it, or waits for the flush.
    Outgoing,
    /// Waits for the world, with 512 bytes for each read, opening or end.
    Incoming,
    /// Belongs to frames, messages and greetings that are not complete, with 16 KiB for each TLS session.
    Incomplete,
    /// Are answers that sessions keep.
    Kept,
}

impl Holding {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Outgoing, Self::Incoming, Self::Incomplete, Self::Kept];

    /// A stable label: one word in lower case.
    pub fn label(self) -> &'static str {
        match self {
            Self::Outgoing => "outgoing",
            Self::Incoming => "incoming",
            Self::Incomplete => "incomplete",
            Self::Kept => "kept",
        }
    }
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the byte budget of the server is used up")]
pub struct OverBudget;

/// What may wait for the world at most, however large the budget is.
const MAX_INCOMING: usize = 64 * 1024 * 1024;

impl Budget {
    /// The limit where none is set: 1 GiB.
    pub const DEFAULT_LIMIT: usize = 1 << 30;
    /// The smallest limit: less is taken for this. A few reads have to fit.
    pub const MIN_LIMIT: usize = 1 << 20;

    /// A budget of so many bytes; `usize::MAX` is none.
    pub fn new(limit: usize) -> Self {
        let budget = Self::default();
        budget.set_limit(limit);
        budget
    }

    /// Changes the limit, for all clones; `usize::MAX` is none. What is held above it is shed.
    pub fn set_limit(&self, bytes: usize) {
        self.0.limit.store(bytes.max(Self::MIN_LIMIT), Ordering::SeqCst);
        self.ease();
    }

    /// Bytes that may be held.
    pub fn limit(&self) -> usize {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Bytes that are held.
    pub fn used(&self) -> usize {
        self.0.held.iter().map(|held| held.load(Ordering::SeqCst)).fold(0, usize::saturating_add)
    }

    /// Bytes that are held for this.
    pub fn held(&self, holding: Holding) -> usize {
        self.0.held[holding as usize].load(Ordering::SeqCst)
    }

    /// How often it came short, and what of, since the server started.
    pub fn count(&self, shortage: Shortage) -> u64 {
        self.0.shortages.count(shortage)
    }

    /// Counts one more.
    pub fn add(&self, shortage: Shortage) {
        self.0.shortages.add(shortage);
    }

    /// Whether newcomers are let in: up to 90 %, and after that below 85 %.
    pub fn is_accepting(&self) -> bool {
        let (used, limit) = (self.used(), self.limit());
        let paused = &self.0.paused;
        if paused.load(Ordering::SeqCst) {
            if used < low(limit) && paused.swap(false, Ordering::SeqCst) && self.is_told() {
                let shed = self.count(Shortage::Shed) + self.count(Shortage::Overrun);
                tracing::info!(used, limit, shed, "the byte budget has room again: newcomers are accepted");
            }
        } else if used >= high(limit) && !paused.swap(true, Ordering::SeqCst) {
            self.add(Shortage::Paused);
            if self.is_told() {
                let [outgoing, incoming, incomplete, kept] = Holding::ALL.map(|holding| self.held(holding));
                tracing::warn!(
                    used,
                    limit,
                    outgoing,
                    incoming,
                    incomplete,
                    kept,
                    times = self.count(Shortage::Paused),
                    "the byte budget is nearly used up: newcomers wait. Raise it, or lower what a connection may hold"
                );
            }
        }
        !paused.load(Ordering::SeqCst)
    }

    /// Whether the operator is told of this shortage: of the first, the second, the fourth, and so on. Peers who do not read
    /// bring them about as often as they like, twenty times a second, and must not flood the log.
    fn is_told(&self) -> bool {
        self.count(Shortage::Paused).is_power_of_two()
    }

    /// Ready while newcomers are let in; an acceptor accepts only then.
    pub fn poll_newcomers(&self, context: &mut Context<'_>) -> Poll<()> {
        self.0.newcomers.poll(context, || self.is_accepting())
    }

    /// Ready while there is room for what a read may bring; a transport reads only then.
    pub(crate) fn poll_read(&self, context: &mut Context<'_>) -> Poll<()> {
        self.0.readers.poll(context, || self.may_read())
    }

    fn may_read(&self) -> bool {
        let limit = self.limit();
        self.held(Holding::Incoming) < (limit / 8).min(MAX_INCOMING) && self.used() < shed(limit)
    }

    /// Whether so much more may be kept of answers: up to half of the budget, and while newcomers are let in.
    pub fn may_keep(&self, more: usize) -> bool {
        let limit = self.limit();
        self.held(Holding::Kept).saturating_add(more) <= limit / 2
            && self.used().saturating_add(more) < high(limit)
    }

    /// Bytes that have to go at once: none below 95 %, and then as many as are held above 85 %.
    pub(crate) fn excess(&self) -> usize {
        if self.used() < shed(self.limit()) { 0 } else { self.above_low() }
    }

    /// Bytes that have to go so that newcomers may come in again.
    pub(crate) fn above_low(&self) -> usize {
        let low = low(self.limit());
        // Below it, and not just at it.
        self.used().checked_sub(low).map_or(0, |above| above + 1)
    }

    pub(crate) fn charge(&self, holding: Holding, bytes: usize) {
        self.0.held[holding as usize].fetch_add(bytes, Ordering::SeqCst);
    }

    fn try_charge(&self, holding: Holding, bytes: usize) -> Result<(), OverBudget> {
        // Charged before it is looked at: of two who share the last of it, the later sees both.
        self.charge(holding, bytes);
        if self.used() > self.limit() {
            self.release(holding, bytes);
            return Err(OverBudget);
        }
        Ok(())
    }

    pub(crate) fn release(&self, holding: Holding, bytes: usize) {
        self.0.held[holding as usize].fetch_sub(bytes, Ordering::SeqCst);
        self.ease();
    }

    /// Wakes who waited, as far as there is room again.
    fn ease(&self) {
        self.0.readers.ease(|| self.may_read());
        self.0.newcomers.ease(|| self.is_accepting());
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Budget");
        debug.field("limit", &self.limit());
        for holding in Holding::ALL {
            debug.field(holding.label(), &self.held(holding));
        }
        debug.finish()
    }
}

/// 85 %: newcomers come in again.
fn low(limit: usize) -> usize {
    limit - limit / 20 * 3
}

/// 90 %: newcomers wait.
fn high(limit: usize) -> usize {
    limit - limit / 10
}

/// 95 %: nobody is read, and some are closed.
fn shed(limit: usize) -> usize {
    limit - limit / 20
}

/// Bytes that somebody holds, as long as this lives.
///
/// ```
/// use portcullis_core::{Budget, Charge, Holding};
///
/// let budget = Budget::new(8 << 20);
/// let mut charge = Charge::new(&budget, Holding::Outgoing);
/// charge.set(1000);
/// assert_eq!(budget.used(), 1000);
/// assert!(charge.try_set(9 << 20).is_err());
/// drop(charge);
/// assert_eq!(budget.used(), 0);
/// ```
#[derive(Debug)]
pub struct Charge {
    budget: Budget,
    holding: Holding,
    bytes: usize,
}

impl Charge {
    /// Nothing yet.
    pub fn new(budget: &Budget, holding: Holding) -> Self {
        Self { budget: budget.clone(), holding, bytes: 0 }
    }

    /// How many are charged.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is charged.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// So many are held now, whatever the limit says. Costs nothing when there were as many before.
    pub fn set(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes > before {
            self.budget.charge(self.holding, bytes - before);
        } else if bytes < before {
            self.budget.release(self.holding, before - bytes);
        }
    }

    /// So many are to be held now.
    ///
    /// # Errors
    /// When they are more than before, and the budget does not allow it. Then nothing has changed.
    pub fn try_set(&mut self, bytes: usize) -> Result<(), OverBudget> {
        if let Some(more) = bytes.checked_sub(self.bytes).filter(|&more| more > 0) {
            self.budget.try_charge(self.holding, more)?;
            self.bytes = bytes;
        } else {
            self.set(bytes);
        }
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}
