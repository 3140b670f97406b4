//! Pushes that are sent together, or not at all.

use crate::{
    Pushes,
    pushes::{push_frames_in, write, write_raw},
    wire::Response,
};
use bevy_ecs::prelude::*;
use portcullis_dispatch::Refusal;
use prost::Message;
use thiserror::Error;

/// Bytes a transaction may collect, unless told otherwise: as much as a client that reads is sent at once without a
/// warning.
const DEFAULT_LIMIT: usize = 64 * 1024;

/// Pushes that go out only if what they tell of has come to its end: the send buffer of the original.
///
/// Begin, collect, then [`flush`](Self::flush) or [`discard`](Self::discard). Each collected message goes out as its
/// own, in order, to the connections the target has when it is flushed. One that is dropped is discarded; unless it is
/// empty a warning says so, so that it cannot be forgotten, which in the original silences a role for ever. Answers and
/// errors are not collected.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_dispatch::{Refusal, Request};
/// use portcullis_sysconn::{Pushes, Transaction, wire::messages::SystemNotice};
///
/// #[derive(Component)]
/// struct Coins(u32);
///
/// /// Pays for a shot, and tells of it; what was to be said of one that fails is never sent.
/// fn shoot(shot: Request<()>, mut coins: Query<&mut Coins>, mut pushes: Pushes) -> Result<(), Refusal> {
///     let mut telling = Transaction::begin(shot.connection);
///     let mut coins = coins.get_mut(shot.connection)?;
///     telling.push(1148, &SystemNotice { text: "you shoot".to_owned() })?;
///     coins.0 = match coins.0.checked_sub(10) {
///         Some(rest) => rest,
///         None => {
///             // Leaving by `?` would discard it too, and warn that nobody has thought of it.
///             telling.discard();
///             return Err(Refusal::new(Refusal::CONFLICT, "not enough coins"));
///         }
///     };
///     telling.push(1148, &SystemNotice { text: format!("{} coins are left", coins.0) })?;
///     telling.flush(&mut pushes);
///     Ok(())
/// }
/// # bevy_ecs::prelude::IntoSystem::into_system(shoot);
/// ```
#[derive(Debug)]
#[must_use = "what is neither flushed nor discarded is lost"]
pub struct Transaction {
    target: Entity,
    /// The messages, headers included.
    bytes: Vec<u8>,
    /// Where each message ends.
    ends: Vec<usize>,
    limit: usize,
}

/// A transaction cannot collect a message: it would hold more bytes than it may.
///
/// In a handler `?` makes it a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a transaction of more than {limit} bytes")]
pub struct TransactionFull {
    /// The limit, in bytes.
    pub limit: usize,
}

impl From<TransactionFull> for Refusal {
    fn from(full: TransactionFull) -> Self {
        BevyError::from(full).into()
    }
}

impl Transaction {
    /// Begins to collect pushes for a connection, an agent or a session; 64 KiB at most.
    pub fn begin(target: Entity) -> Self {
        Self { target, bytes: Vec::new(), ends: Vec::new(), limit: DEFAULT_LIMIT }
    }

    /// Sets how many bytes it may collect, headers of 11 bytes included.
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Collects a push.
    ///
    /// # Errors
    /// When it does not fit; what was collected before stays.
    pub fn push(&mut self, command: u16, message: &impl Message) -> Result<(), TransactionFull> {
        self.reserve(message.encoded_len())?;
        write(&mut self.bytes, command, message);
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// As [`push`](Self::push), a body that is encoded already.
    ///
    /// # Errors
    /// When it does not fit; what was collected before stays.
    pub fn push_raw(&mut self, command: u16, body: &[u8]) -> Result<(), TransactionFull> {
        self.reserve(body.len())?;
        write_raw(&mut self.bytes, command, body);
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Sends what was collected, and gives how many connections it went to.
    pub fn flush(mut self, pushes: &mut Pushes) -> usize {
        let (bytes, ends) = self.take();
        if ends.is_empty() { 0 } else { pushes.push_frames(self.target, messages(&bytes, &ends)) }
    }

    /// As [`flush`](Self::flush), where the whole world is at hand.
    pub fn flush_in(mut self, world: &mut World) -> usize {
        let (bytes, ends) = self.take();
        if ends.is_empty() { 0 } else { push_frames_in(world, self.target, messages(&bytes, &ends)) }
    }

    /// Forgets what was collected.
    pub fn discard(mut self) {
        self.take();
    }

    /// How many messages were collected.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether none was collected.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn reserve(&self, body: usize) -> Result<(), TransactionFull> {
        let sizes = [self.bytes.len(), Response::HEADER, body];
        let total = sizes.into_iter().try_fold(0_usize, usize::checked_add);
        if total.is_some_and(|total| total <= self.limit) {
            Ok(())
        } else {
            Err(TransactionFull { limit: self.limit })
        }
    }

    /// Leaves nothing to warn of.
    fn take(&mut self) -> (Vec<u8>, Vec<usize>) {
        (std::mem::take(&mut self.bytes), std::mem::take(&mut self.ends))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.is_empty() {
            let (target, messages) = (self.target, self.len());
            tracing::warn!(%target, messages, "a transaction was neither flushed nor discarded: it is discarded");
        }
    }
}

fn messages<'a>(bytes: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> + Clone {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(start, &end)| bytes.get(start..end).unwrap_or_default())
}
