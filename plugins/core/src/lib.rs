//! The words of Portcullis: what the crates of the pipeline have in common, and nothing that touches a socket.
//!
//! **Where it stands.** Below everything. It knows neither tokio nor any protocol.
//!
//! **What it adds**
//! - Components: [`Connection`], [`Traffic`], [`Outbox`], [`Link`], [`Handshaking`], [`PutOff`], [`Closing`], [`CloseCode`], [`Agent`], and the
//!   policies [`MaxFrame`], [`InboundLimit`], [`OutboxLimit`].
//! - Relationships: [`AcceptedBy`] a listener, [`ForwardedTo`] an agent, [`BelongsTo`] who an agent plays for.
//! - Events: requests ([`Close`], [`Kick`], [`Forward`], [`Start`], [`Reload`], [`Shutdown`]) and facts ([`Opened`],
//!   [`Closed`], [`Kicked`], [`Forwarded`], [`Authenticated`], [`Backlogged`], [`ShuttingDown`]). Every [`Closed`]
//!   carries a [`Cause`]; [`Causes`] counts them.
//! - The [`Ingress`] schedule with its public sets, [`IngressSystems`].
//! - The [`Budget`] of bytes that may be held for all peers together, and what happens when it is used up.
//! - The one queue from outside ([`Funnel`] to [`Intake`]), the [`Clock`], [`Random`] bytes, and the event-driven
//!   [runner](run).
//! - An error handler that logs what a system fails of, at the first, second, fourth, eighth time; [`bound_panics`] does so
//!   with panics.
//!
//! **What it refuses to do.** It opens no socket, reads no clock outside [`TimeSource`] and no randomness outside
//! [`Random`], and never scans all connections because one of them spoke.
//!
//! A transport reserves an entity, tells of it, and feeds frames; the world answers through the connection's [`Line`]:
//!
//! ```
//! use bevy_app::App;
//! use portcullis_core::{CorePlugin, Funnel, Ingress};
//!
//! let mut app = App::new();
//! app.add_plugins(CorePlugin::default());
//! let funnel = app.world().resource::<Funnel>().clone();
//! std::thread::spawn(move || funnel.post(|world| { world.spawn_empty(); })).join().unwrap();
//! app.world_mut().run_schedule(Ingress);
//! ```

mod arrivals;
mod budget;
mod cause;
mod clock;
mod close_code;
mod connection;
mod deadlines;
mod driver;
mod events;
mod failures;
mod forward;
mod frames;
mod funnel;
mod kick;
mod lateness;
mod outbox;
mod random;
mod receive;
mod runner;
mod schedule;
mod shed;
mod shortage;
mod shutdown;
mod signals;
mod sync;

pub use arrivals::{Arrival, Arrivals};
pub use budget::{Budget, Charge, Holding, OverBudget};
pub use cause::{Cause, Causes};
pub use clock::{Clock, MANUAL_START, TimeSource};
pub use close_code::CloseCode;
pub use connection::{
    Accepted, AcceptedBy, Admitted, Agent, Agents, BelongsTo, Bindings, BoundTo, Closing, Connection,
    ForwardedTo, Forwards, Handshaking, InboundLimit, Line, Link, MaxFrame, OutboxLimit, PutOff, Traffic,
};
pub use deadlines::DeadlineQueue;
pub use driver::{ActiveDriver, Driver};
pub use events::{
    Authenticated, Backlogged, Close, Closed, Forward, Forwarded, Opened, Reload, Shutdown, ShuttingDown,
    Start,
};
pub use failures::bound_panics;
pub use forward::start_unless_forwarded;
pub use frames::{Assembler, BadMessage, Extent, FrameTooLarge, Frames, Framing};
pub use funnel::{Funnel, Inbound, Intake, Opening};
pub use kick::{Kick, Kicked};
pub use lateness::Lateness;
pub use outbox::{
    DirtyOutboxes, Envelope, FIRST_WARNING, NotConnected, Outbox, OutboxWriter, Outboxes, write_outbox,
};
pub use random::Random;
pub use receive::{Arriving, FLUSH_BEFORE_CLOSE};
pub use runner::{TickRate, run};
pub use schedule::{Ingress, IngressSystems, TickSystems};
pub use shortage::Shortage;
pub use shutdown::{DrainLimit, Draining};
pub use signals::SignalPlugin;

use bevy_app::{App, First, Last, Plugin, ScheduleRunnerPlugin};
use bevy_ecs::{error::FallbackErrorHandler, prelude::*};
use bevy_time::{Fixed, Time, TimePlugin, TimeUpdateStrategy};

/// Adds the queue, the clock, the schedules, the lifecycle and the runner.
#[derive(Clone, Debug)]
pub struct CorePlugin {
    /// Where the clock reads the time. Default: real time, from now.
    pub time: TimeSource,
    /// Whether our [runner](run) drives the app. Default true; an app with another runner sets its own afterwards, or
    /// adds `ScheduleRunnerPlugin` before, which is respected.
    pub runner: bool,
}

impl Default for CorePlugin {
    fn default() -> Self {
        Self { time: TimeSource::real(), runner: true }
    }
}

impl Plugin for CorePlugin {
    fn build(&self, app: &mut App) {
        if !app.is_plugin_added::<TimePlugin>() {
            app.add_plugins(TimePlugin);
        }
        if !app.world().contains_resource::<FallbackErrorHandler>() {
            app.set_error_handler(failures::log_error);
        }
        app.init_resource::<Budget>();
        let (funnel, intake) = Funnel::new(app.world(), self.time.clone());
        app.insert_resource(funnel)
            .insert_resource(intake)
            .insert_resource(Clock::new(self.time.clone()))
            .init_resource::<ActiveDriver>()
            .init_resource::<TickRate>()
            .init_resource::<Lateness>()
            .init_resource::<Random>()
            .init_resource::<Arrivals>()
            .init_resource::<Arriving>()
            .init_resource::<receive::Endings>()
            .init_resource::<Causes>()
            .init_resource::<DirtyOutboxes>();
        schedule::build(app);
        shutdown::build(app);
        app.add_observer(receive::apply_limits)
            .add_observer(receive::close)
            .add_observer(receive::mark_closing)
            .add_observer(forward::start)
            .add_observer(forward::forward)
            .add_observer(kick::kick)
            .add_systems(First, (clock::update_clock, driver::poll_driver).chain())
            .add_systems(
                Ingress,
                (
                    (receive::stamp, receive::receive).chain().in_set(IngressSystems::Receive),
                    receive::reap.in_set(IngressSystems::Reap),
                    (receive::flush, shed::shed).chain().in_set(IngressSystems::Flush),
                ),
            )
            .add_systems(Last, (receive::flush, shed::shed).chain().in_set(TickSystems::Flush));
        if self.runner && !app.is_plugin_added::<ScheduleRunnerPlugin>() {
            app.set_runner(run);
        }
    }

    fn finish(&self, app: &mut App) {
        if self.runner && !app.is_plugin_added::<ScheduleRunnerPlugin>() {
            let step = app.world().resource::<TickRate>().0;
            app.insert_resource(Time::<Fixed>::from_duration(step))
                .insert_resource(TimeUpdateStrategy::FixedTimesteps(1));
        }
    }
}
