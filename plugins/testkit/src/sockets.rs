//! When real sockets have come to rest: exact, where bytes can be counted at both ends.

use crate::hub::Hub;
use portcullis_core::{Closing, Traffic};
use std::time::{Duration, Instant};

/// Rounds in a row in which nothing moves, when all bytes are accounted for. More than one, for tasks of the game.
const QUIET_ROUNDS: u32 = 2;
/// How long nothing moves until it is believed that nothing will, when some bytes are not: half a frame, perhaps, or a
/// listener that is paused.
const QUIET: Duration = Duration::from_millis(150);
/// A server that still moves after this never comes to rest.
const MAX_REST: Duration = Duration::from_secs(30);

impl Hub {
    /// Moves bytes between sockets and buffers.
    pub(crate) fn pump(&mut self) -> bool {
        // What is in memory is read when somebody asks for it.
        let sockets = self.peers.iter_mut().filter(|peer| peer.pipe.is_tcp() && !peer.pipe.is_over());
        sockets.fold(false, |moved, peer| peer.pipe.pump() | moved)
    }

    pub(crate) fn settle_tcp(&mut self) {
        let started = Instant::now();
        let mut still_since = started;
        let mut quiet = 0;
        while quiet < QUIET_ROUNDS || (self.any_in_flight() && still_since.elapsed() < QUIET) {
            if self.wait() {
                assert!(started.elapsed() < MAX_REST, "the server does not come to rest within {MAX_REST:?}");
                still_since = Instant::now();
                quiet = 0;
            } else {
                quiet += 1;
            }
        }
    }

    fn any_in_flight(&mut self) -> bool {
        (0..self.peers.len()).any(|id| self.in_flight(id))
    }

    /// Whether something is on its way between this client and the world.
    fn in_flight(&mut self, id: usize) -> bool {
        let entity = self.entity(id);
        let pipe = &self.peers[id].pipe;
        let expects_end = pipe.reading && !pipe.is_over();
        let Some(entity) = entity else { return !pipe.is_over() };
        let world = self.app.world();
        let Ok(connection) = world.get_entity(entity) else { return expects_end };
        if connection.contains::<Closing>() {
            // A client that does not read does not see the end.
            return pipe.reading || pipe.closed;
        }
        let Some(traffic) = connection.get::<Traffic>() else { return false };
        let started = self.history().connections.get(&entity).is_some_and(|record| record.started);
        let inbound = started && (pipe.closed || pipe.sent > traffic.bytes_received);
        let outbound = pipe.reading && !pipe.is_over() && pipe.got < traffic.bytes_sent;
        inbound || outbound
    }
}
