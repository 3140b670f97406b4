//! What becomes of packets: one by one for filters that look back, and counted since the start.

use crate::{PacketKind, RouteId};
use bevy_ecs::prelude::*;

/// What has become of all packets since the start.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Handled as asked; deferred ones included.
    pub handled: u64,
    /// Refused by a handler, a filter, or a dropped responder.
    pub refused: u64,
    /// The handler panicked, could not be run, or gave what could not be written.
    pub failed: u64,
    /// Deferred answers that did not come in time.
    pub timed_out: u64,
    /// The route is known to nobody.
    pub unknown: u64,
    /// The body did not fit the route.
    pub undecodable: u64,
    /// Dropped by a filter, or because the connection was closing.
    pub dropped: u64,
}

/// What became of one packet, for systems after [`Dispatch`](portcullis_core::IngressSystems::Dispatch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handled {
    /// Who sent it.
    pub connection: Entity,
    /// Where it went.
    pub route: RouteId,
    /// Whether an answer was wanted.
    pub kind: PacketKind,
    /// What came of it.
    pub outcome: Outcome,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Handled as asked.
    Done,
    /// A responder will answer.
    Deferred,
    /// Refused, with this code.
    Refused(u16),
    /// The handler panicked, could not be run, or gave what could not be written.
    Failed,
    /// The route is known to nobody.
    Unknown,
    /// The body did not fit the route.
    Undecodable,
    /// Dropped by a filter, or because the connection was closing.
    Dropped,
}

/// What became of the packets of this run, in order: the place for filters that look back.
#[derive(Resource, Debug, Default)]
pub struct Outcomes(pub(crate) Vec<Handled>);

impl Outcomes {
    /// One for each packet.
    pub fn iter(&self) -> impl Iterator<Item = &Handled> {
        self.0.iter()
    }
}

impl Counters {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Done | Outcome::Deferred => &mut self.handled,
            Outcome::Refused(_) => &mut self.refused,
            Outcome::Failed => &mut self.failed,
            Outcome::Unknown => &mut self.unknown,
            Outcome::Undecodable => &mut self.undecodable,
            Outcome::Dropped => &mut self.dropped,
        };
        *counter += 1;
    }

    pub(crate) fn add(&mut self, more: &Self) {
        self.handled += more.handled;
        self.refused += more.refused;
        self.failed += more.failed;
        self.unknown += more.unknown;
        self.undecodable += more.undecodable;
        self.dropped += more.dropped;
    }
}
