//! The schedules and the public sets between which plugins put their systems.

use bevy_app::{App, First, Last, MainScheduleOrder, PreUpdate};
use bevy_ecs::{
    prelude::*,
    schedule::{ScheduleLabel, SingleThreadedExecutor},
};

/// Runs whenever there is input, and once in every [`App::update`], after [`First`].
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ingress;

/// The stations of [`Ingress`], in order. A mod is a system between two of them.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IngressSystems {
    /// The queue is drained: entities are spawned, frames become [`Arrivals`](crate::Arrivals).
    Receive,
    /// The gate decides about new connections; [`Opened`](crate::Opened) tells of those that may stay.
    Admit,
    /// Protocols turn frames into packets: handshakes and heartbeats end here, requests go on.
    Decode,
    /// Where a game or a protocol with a login refuses packets of connections that may not ask yet; empty otherwise.
    Authenticate,
    /// Handlers run and answer.
    Dispatch,
    /// Connections whose peer has gone are closed, after what it had sent was handled.
    Reap,
    /// Each connection that has something to say gets one write.
    Flush,
}

/// The stations of the tick, in the schedules of Bevy's `Main`.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TickSystems {
    /// Deadlines that have passed are acted upon; in [`PreUpdate`].
    Watch,
    /// What systems of the tick have written is sent; in [`Last`].
    Flush,
}

pub(crate) fn build(app: &mut App) {
    let mut ingress = Schedule::new(Ingress);
    // The default executor follows a cargo feature any crate may switch on; a wake-up costs microseconds only here.
    ingress.set_executor(SingleThreadedExecutor::new());
    ingress.configure_sets(
        (
            IngressSystems::Receive,
            IngressSystems::Admit,
            IngressSystems::Decode,
            IngressSystems::Authenticate,
            IngressSystems::Dispatch,
            IngressSystems::Reap,
            IngressSystems::Flush,
        )
            .chain(),
    );
    app.add_schedule(ingress);
    app.world_mut().resource_mut::<MainScheduleOrder>().insert_after(First, Ingress);
    app.configure_sets(PreUpdate, TickSystems::Watch);
    app.configure_sets(Last, TickSystems::Flush);
}
