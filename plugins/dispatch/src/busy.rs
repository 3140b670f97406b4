//! Refusing work while there is too much of it.

use crate::{FilterSystems, Packets, Refusal};
use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use portcullis_core::{Clock, Ingress, Lateness};
use std::time::Duration;

/// Refuses packets with [`Refusal::TOO_BUSY`] while the loop lags; notifies are dropped.
///
/// The lag is the [`Lateness`] of the last tick or, if larger, the age of the packet: the time from its read to this run.
/// What protocols answer themselves, heartbeats and handshakes, never comes here.
#[derive(Clone, Copy, Debug)]
pub struct TooBusyPlugin {
    /// The lag that is still borne. Default 70 ms, as Pomelo's `toobusy`: a tick and a bit.
    pub max_lag: Duration,
}

impl Default for TooBusyPlugin {
    fn default() -> Self {
        Self { max_lag: Duration::from_millis(70) }
    }
}

impl Plugin for TooBusyPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(MaxLag(self.max_lag))
            .init_resource::<Lateness>()
            .add_systems(Ingress, refuse_when_busy.in_set(FilterSystems::GlobalBefore));
    }
}

/// The lag that is still borne; it can be changed while the server runs.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxLag(pub Duration);

fn refuse_when_busy(
    max_lag: Res<MaxLag>,
    lateness: Res<Lateness>,
    clock: Res<Clock>,
    mut packets: ResMut<Packets>,
) {
    if packets.list.is_empty() {
        return;
    }
    let behind = lateness.0 > max_lag.0;
    let oldest = clock.now().saturating_sub(max_lag.0);
    packets.judge(|_, received| {
        let late = behind || received < oldest;
        late.then(|| Refusal::new(Refusal::TOO_BUSY, "the server is too busy").into())
    });
}
