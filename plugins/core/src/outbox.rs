//! What a connection has to say until the next flush.

mod unflushed;

use self::unflushed::Unflushed;
use crate::{Budget, Closing};
use bevy_ecs::{prelude::*, query::QueryFilter, system::SystemParam};
use thiserror::Error;

/// Wraps, in place, the frame that was appended to the buffer at this offset, as a transport with messages of its own
/// wants it: a WebSocket's frame header, say.
pub type Envelope = fn(&mut Vec<u8>, usize);

/// Bytes of whole frames that wait for the next flush. Write to it through [`Outboxes`].
///
/// It holds memory only while there is something in it.
#[derive(Component, Debug, Default)]
pub struct Outbox {
    pub(crate) bytes: Vec<u8>,
    pub(crate) frames: u32,
    /// The mark at which the next warning is due, as a power of two of [`FIRST_WARNING`]; 0 while not warned.
    pub(crate) warnings: u8,
    /// The [`Budget`] had no room for what was written: it is dropped, and the next flush closes the connection.
    pub(crate) overrun: bool,
    envelope: Option<Envelope>,
}

impl Outbox {
    /// The bytes that wait, whole frames in order.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether each write is wrapped as a message of its transport's. Where it is, and was not when the connection was
    /// opened, nothing that was written by then reaches the peer: [`Connection`](crate::Connection) is inserted anew when
    /// that changes, so that who speaks first can say it again.
    pub fn is_wrapped(&self) -> bool {
        self.envelope.is_some()
    }

    /// From now on each write is wrapped so. What was written before that cannot be read by the peer any more.
    pub(crate) fn establish(&mut self, envelope: Option<Envelope>) {
        self.envelope = envelope;
        if envelope.is_some() {
            self.bytes.clear();
            self.frames = 0;
        }
    }

    fn append<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> Appended<R> {
        let (start, capacity) = (self.bytes.len(), self.bytes.capacity());
        let result = write(&mut self.bytes);
        // A protocol that has no words for something writes nothing: that is no message.
        if self.bytes.len() > start {
            self.frames += 1;
            if let Some(envelope) = self.envelope {
                envelope(&mut self.bytes, start);
            }
        }
        Appended { result, grown: self.bytes.capacity().saturating_sub(capacity) }
    }

    /// Whether the next flush does not know of it yet.
    fn is_clean(&self) -> bool {
        self.bytes.is_empty() && !self.overrun
    }

    /// Drops what is written, and gives how much memory it had.
    #[cold]
    fn overrun(&mut self) -> usize {
        self.overrun = true;
        self.frames = 0;
        std::mem::take(&mut self.bytes).capacity()
    }

    fn give(&mut self, buffer: Vec<u8>) {
        if self.bytes.capacity() == 0 {
            self.bytes = buffer;
        }
    }
}

/// What an append has come to.
struct Appended<R> {
    result: R,
    /// Bytes of memory that were added for it.
    grown: usize,
}

/// Unsent bytes at which the first warning is given.
pub const FIRST_WARNING: usize = 64 * 1024;

/// The connections the next flush has to visit, and buffers to reuse.
///
/// What outboxes hold is charged to the [`Budget`] there was when this was made, or to one of its own where there was none.
#[derive(Resource, Debug)]
pub struct DirtyOutboxes {
    pub(crate) list: Vec<Entity>,
    spare: Vec<Vec<u8>>,
    unflushed: Unflushed,
}

/// Buffers kept for reuse: enough for a busy flush, little when idle.
const SPARE_BUFFERS: usize = 256;
/// A spare buffer larger than this is given back to the allocator.
const SPARE_CAPACITY: usize = 16 * 1024;

impl FromWorld for DirtyOutboxes {
    fn from_world(world: &mut World) -> Self {
        let budget = world.get_resource::<Budget>().cloned().unwrap_or_default();
        Self { list: Vec::new(), spare: Vec::new(), unflushed: Unflushed::new(&budget) }
    }
}

impl DirtyOutboxes {
    /// Whether the next flush has nothing to do.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Makes sure the next flush visits this connection.
    pub(crate) fn visit(&mut self, connection: Entity) {
        self.list.push(connection);
    }

    /// As [`visit`](Self::visit), and gives a buffer it may write to.
    fn add(&mut self, connection: Entity) -> Vec<u8> {
        self.visit(connection);
        let spare = self.spare.pop().unwrap_or_default();
        // There are few of these, and they were there before: where there is no room for them they are not counted.
        let _ = self.unflushed.add(spare.capacity());
        spare
    }

    /// An outbox holds so much more memory; where there is no room for it, it holds none.
    fn hold(&mut self, outbox: &mut Outbox, grown: usize) {
        if outbox.overrun || self.unflushed.add(grown).is_err() {
            let held = outbox.overrun();
            self.unflushed.remove(held.saturating_sub(grown));
        }
    }

    /// Takes what an outbox holds; its line charges what it keeps of it.
    pub(crate) fn take(&mut self, outbox: &mut Outbox) -> Vec<u8> {
        let bytes = std::mem::take(&mut outbox.bytes);
        self.unflushed.remove(bytes.capacity());
        bytes
    }

    /// All were visited: those that were written to and are gone hold nothing any more.
    pub(crate) fn flushed(&mut self) {
        self.unflushed.clear();
    }

    pub(crate) fn budget(&self) -> &Budget {
        self.unflushed.budget()
    }

    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && (1..=SPARE_CAPACITY).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

/// The connection is not there, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("there is no connection {0}")]
pub struct NotConnected(pub Entity);

/// Writes to outboxes, as a system parameter. What is written leaves with the next flush, in one write.
#[derive(SystemParam)]
pub struct Outboxes<'w, 's> {
    outboxes: Query<'w, 's, &'static mut Outbox>,
    dirty: ResMut<'w, DirtyOutboxes>,
}

impl Outboxes<'_, '_> {
    /// As [`Outbox::is_wrapped`]; false when the connection does not exist.
    pub fn is_wrapped(&self, connection: Entity) -> bool {
        self.outboxes.get(connection).is_ok_and(Outbox::is_wrapped)
    }

    /// Lets `write` append whole frames to a connection's outbox. One write is one message, where the transport has
    /// messages.
    ///
    /// # Errors
    /// When the connection does not exist.
    pub fn write<R>(
        &mut self,
        connection: Entity,
        write: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<R, NotConnected> {
        let mut outbox = self.outboxes.get_mut(connection).map_err(|_| NotConnected(connection))?;
        Ok(append(connection, &mut outbox, &mut self.dirty, write))
    }
}

/// As [`Outboxes`], where the whole world is at hand. Keep it: making one costs more than using it.
#[derive(Debug)]
pub struct OutboxWriter {
    all: QueryState<&'static mut Outbox>,
    open: QueryState<&'static mut Outbox, Without<Closing>>,
}

impl FromWorld for OutboxWriter {
    fn from_world(world: &mut World) -> Self {
        Self { all: world.query(), open: world.query_filtered() }
    }
}

impl OutboxWriter {
    /// As [`Outboxes::write`].
    ///
    /// # Errors
    /// When the connection does not exist.
    pub fn write<R>(
        &mut self,
        world: &mut World,
        connection: Entity,
        write: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<R, NotConnected> {
        write_to(&mut self.all, world, connection, write)
    }

    /// As [`write`](Self::write), unless the connection is [`Closing`] and has said its last words.
    ///
    /// # Errors
    /// When the connection does not exist, or is closing.
    pub fn write_open<R>(
        &mut self,
        world: &mut World,
        connection: Entity,
        write: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> Result<R, NotConnected> {
        write_to(&mut self.open, world, connection, write)
    }
}

fn write_to<F: QueryFilter, R>(
    outboxes: &mut QueryState<&'static mut Outbox, F>,
    world: &mut World,
    connection: Entity,
    write: impl FnOnce(&mut Vec<u8>) -> R,
) -> Result<R, NotConnected> {
    let mut outbox = outboxes.get_mut(world, connection).map_err(|_| NotConnected(connection))?;
    if outbox.is_clean() {
        let spare = world.resource_mut::<DirtyOutboxes>().add(connection);
        outbox = outboxes.get_mut(world, connection).map_err(|_| NotConnected(connection))?;
        outbox.give(spare);
    }
    let Appended { result, grown } = outbox.append(write);
    if grown > 0 {
        world.resource_scope::<DirtyOutboxes, _>(|world, mut dirty| {
            if let Ok(mut outbox) = outboxes.get_mut(world, connection) {
                dirty.hold(&mut outbox, grown);
            }
        });
    }
    Ok(result)
}

/// As [`OutboxWriter::write`], for once.
///
/// # Errors
/// When the connection does not exist.
pub fn write_outbox<R>(
    world: &mut World,
    connection: Entity,
    write: impl FnOnce(&mut Vec<u8>) -> R,
) -> Result<R, NotConnected> {
    OutboxWriter::from_world(world).write(world, connection, write)
}

fn append<R>(
    connection: Entity,
    outbox: &mut Outbox,
    dirty: &mut DirtyOutboxes,
    write: impl FnOnce(&mut Vec<u8>) -> R,
) -> R {
    if outbox.is_clean() {
        outbox.give(dirty.add(connection));
    }
    let Appended { result, grown } = outbox.append(write);
    if grown > 0 {
        dirty.hold(outbox, grown);
    }
    result
}
