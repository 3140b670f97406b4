//! The one queue through which all that comes from outside reaches the world.

mod sleeper;

use self::sleeper::Sleeper;
use crate::{Budget, Cause, Envelope, Frames, Holding, TimeSource};
use bevy_ecs::{entity::RemoteAllocator, prelude::*};
use crossbeam_channel::{Receiver, Select, Sender, TryRecvError};
use std::{
    fmt,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// One thing that happened outside.
pub enum Inbound {
    /// A socket was accepted.
    Opened(Box<Opening>),
    /// What carries the bytes is known now, where the first bytes had to tell. Comes before the first frames, at most
    /// once.
    Established {
        /// The connection.
        connection: Entity,
        /// What carries the bytes.
        transport: &'static str,
        /// How each write is wrapped; none where the protocol's own frames are all there is.
        envelope: Option<Envelope>,
    },
    /// What one read from a socket yielded, as time of the clock and frames in order.
    Frames {
        /// The connection.
        connection: Entity,
        /// When it was read.
        received: Duration,
        /// The complete frames.
        frames: Frames,
    },
    /// The peer is alive, though what it sent is no frame: a WebSocket's ping or pong. Is
    /// [delivered](crate::Line::delivered) as one frame of no bytes, so that a flood of them is held back like one of
    /// frames.
    Heard {
        /// The connection.
        connection: Entity,
        /// When it was read.
        received: Duration,
    },
    /// Nothing more will be read from this connection; what was read before is still handled.
    Ended {
        /// The connection.
        connection: Entity,
        /// Why.
        cause: Cause,
    },
    /// The socket is gone. Comes exactly once for each [`Inbound::Opened`], and last.
    Closed {
        /// The connection.
        connection: Entity,
        /// Why, as the transport sees it; a close the world had asked for keeps the world's cause.
        cause: Cause,
    },
    /// A peer that was behind has taken everything.
    Drained {
        /// The connection.
        connection: Entity,
    },
    /// Work from outside that runs in the world, in its turn.
    Posted(Box<dyn FnOnce(&mut World) + Send>),
}

/// A socket that was accepted, and how to make it an entity.
pub struct Opening {
    /// The id, reserved by [`Funnel::reserve`].
    pub connection: Entity,
    /// The listener that accepted it.
    pub listener: Entity,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Our address.
    pub local: SocketAddr,
    /// What carries the bytes.
    pub transport: &'static str,
    /// The I/O side.
    pub link: crate::Link,
    /// When it was accepted, as time of the clock.
    pub opened_at: Duration,
}

/// What the queue counts for one item, besides the bytes it carries.
const ITEM_LOAD: usize = 512;

/// The sending end of the queue, for transports and tasks. Clones are cheap.
///
/// The queue is bounded by what its senders hold back: each transport asks [`Funnel::poll_room`] before it reads or
/// accepts, and stops reading a connection whose frames are not [delivered](crate::Line::delivered). So the channel
/// itself never has to make a sender wait, and the world can post to itself.
#[derive(Resource, Clone)]
pub struct Funnel {
    shared: Arc<Shared>,
    sender: Sender<Inbound>,
}

struct Shared {
    time: TimeSource,
    ids: RemoteAllocator,
    budget: Budget,
    sleeper: Sleeper,
}

impl Funnel {
    /// A queue whose receiving end is an [`Intake`]. Ids are reserved from this world; what waits is charged to its
    /// [`Budget`], or to one of its own where it has none.
    pub fn new(world: &World, time: TimeSource) -> (Self, Intake) {
        let (sender, receiver) = crossbeam_channel::unbounded(); // bounded by its budget: see above
        let shared = Arc::new(Shared {
            time,
            ids: world.entity_allocator().build_remote_allocator(),
            budget: world.get_resource::<Budget>().cloned().unwrap_or_default(),
            sleeper: Sleeper::new(),
        });
        (Self { shared: Arc::clone(&shared), sender }, Intake { shared, receiver })
    }

    /// Reserves the entity a new connection will be.
    pub fn reserve(&self) -> Entity {
        self.shared.ids.alloc()
    }

    /// What the server may hold, to charge what a transport holds.
    pub fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    /// Time of the clock, to stamp what was received.
    pub fn now(&self) -> Duration {
        self.shared.time.now()
    }

    /// Puts an item into the queue and wakes the world.
    pub fn send(&self, item: Inbound) {
        self.shared.budget.charge(Holding::Incoming, load_of(&item));
        // The world may be gone already while the last tasks end.
        if self.sender.send(item).is_ok() {
            self.shared.sleeper.wake();
        }
    }

    /// Runs this in the world, in its turn.
    pub fn post(&self, work: impl FnOnce(&mut World) + Send + 'static) {
        self.send(Inbound::Posted(Box::new(work)));
    }

    /// Ready while the world keeps up, and the [`Budget`] has room; a transport reads and accepts only then.
    pub fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        self.shared.budget.poll_read(context)
    }
}

impl fmt::Debug for Funnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Funnel").field("waiting", &self.sender.len()).finish()
    }
}

/// The receiving end of the queue.
#[derive(Resource, Clone)]
pub struct Intake {
    shared: Arc<Shared>,
    receiver: Receiver<Inbound>,
}

impl Intake {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// Blocks this thread until something waits or the moment has come.
    pub fn wait(&self, until: Option<Instant>) {
        let mut select = Select::new();
        select.recv(&self.receiver);
        match until {
            Some(deadline) => {
                let _ = select.ready_deadline(deadline);
            }
            None => {
                select.ready();
            }
        }
    }

    /// Ready when something waits, for a driver that polls.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.shared.sleeper.poll(context, || self.receiver.is_empty())
    }

    /// Takes the next item, and adds what it counts to `load`, which is to be given back.
    pub(crate) fn take(&self, load: &mut usize) -> Result<Inbound, TryRecvError> {
        let item = self.receiver.try_recv()?;
        *load += load_of(&item);
        Ok(item)
    }

    /// Gives back the load of what was taken; transports that waited for it go on.
    pub(crate) fn give_back(&self, load: usize) {
        if load > 0 {
            self.shared.budget.release(Holding::Incoming, load);
        }
    }
}

fn load_of(item: &Inbound) -> usize {
    match item {
        Inbound::Frames { frames, .. } => ITEM_LOAD + frames.allocated(),
        _ => ITEM_LOAD,
    }
}
