//! Peers that do not take what they are sent.

use bevy_ecs::prelude::*;
use portcullis_core::Backlogged;

/// One line for each doubling, as skynet's example watchdog prints; at debug, for it is the peer who causes it.
pub(crate) fn log(event: On<Backlogged>) {
    tracing::debug!(connection = %event.entity, bytes = event.bytes, "backlog");
}
