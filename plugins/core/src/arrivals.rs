//! Frames on their way from the queue to the protocols.

use crate::Frames;
use bevy_ecs::prelude::*;
use std::time::Duration;

/// What one read from a connection yielded.
#[derive(Debug)]
pub struct Arrival {
    /// The connection.
    pub connection: Entity,
    /// When it was read, as time of the [`Clock`](crate::Clock).
    pub received: Duration,
    /// The complete frames, in order.
    pub frames: Frames,
}

/// The reads of this run, in the order they came. Each protocol [takes](Arrivals::take_if) those of its connections
/// in [`IngressSystems::Decode`](crate::IngressSystems::Decode).
#[derive(Resource, Debug, Default)]
pub struct Arrivals {
    pub(crate) list: Vec<Arrival>,
}

impl Arrivals {
    /// Hands over, in order, the reads of the connections that `mine` recognises, and keeps the others.
    pub fn take_if(&mut self, mut mine: impl FnMut(Entity) -> bool, mut take: impl FnMut(Arrival)) {
        for arrival in self.list.extract_if(.., |arrival| mine(arrival.connection)) {
            take(arrival);
        }
    }

    /// The reads nobody has taken yet.
    pub fn iter(&self) -> impl Iterator<Item = &Arrival> {
        self.list.iter()
    }

    /// Whether nothing has arrived, or all of it was taken.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
