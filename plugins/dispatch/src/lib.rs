//! What peers asked: routes, typed handlers and streams, filters, deferred replies, push.
//!
//! **Where it stands in the flow.** Protocols decode frames into [`Packets`] in
//! [`IngressSystems::Decode`](portcullis_core::IngressSystems); here they are handled and answered, in
//! [`IngressSystems::Dispatch`](portcullis_core::IngressSystems).
//!
//! **What it adds**
//! - [`add_handler`](AppDispatchExt::add_handler): any Bevy system whose first parameter is a typed [`Request`].
//! - [`add_stream`](AppDispatchExt::add_stream): batches for hot routes, by `MessageReader<Received<T>>`.
//! - [`Defer`] and [`Responder`]: answers that come later. [`Pusher`]: messages nobody asked for.
//! - [`ReplyCache`], beside a session: its requests are handled once, however often its client has to ask, and answers that
//!   were lost with a connection are sent again over the next.
//! - Filters: systems in [`FilterSystems`] before [`Dispatch`](portcullis_core::IngressSystems::Dispatch) turn [`Packets`]
//!   away, systems after it look at the [`Outcomes`]; [`add_filter`](AppDispatchExt::add_filter) guards single routes, in
//!   the order of packets. [`Counters`] count them all.
//! - Filters ready made, each a plugin: [`RateLimitPlugin`], [`TooBusyPlugin`], [`TimeLogPlugin`]. A timeout for deferred
//!   answers is always there, by [`set_timeout`](AppDispatchExt::set_timeout) for routes of their own; one request of a
//!   connection at a time is by construction.
//! - [`Protocol`]: what a protocol crate implements so that every handler serves it.
//!
//! **What it promises.** One connection's packets are handled in the order they came. Each request gets exactly one
//! answer: the handler's, its error, or an error because it panicked, timed out or dropped its [`Responder`]. A
//! handler that panics costs its one request; it stays usable, and no one else notices.
//!
//! **What it refuses to do.** It knows no protocol, and reads no socket.
//!
//! ```
//! use bevy_app::App;
//! use bevy_ecs::prelude::*;
//! use portcullis_core::CorePlugin;
//! use portcullis_dispatch::{AppDispatchExt, DispatchPlugin, Refusal, Request};
//!
//! #[derive(Resource, Default)]
//! struct Sum(i64);
//!
//! fn add(request: Request<i64>, mut sum: ResMut<Sum>) -> Result<i64, Refusal> {
//!     sum.0 = sum.0.checked_add(*request).ok_or("the sum is too large")?;
//!     Ok(sum.0)
//! }
//!
//! App::new()
//!     .add_plugins((CorePlugin::default(), DispatchPlugin))
//!     .init_resource::<Sum>()
//!     .add_handler("sum.add", add);
//! ```

mod answer;
mod app;
mod body;
mod broadcast;
mod busy;
mod deferred;
mod dispatcher;
mod filter;
mod handler;
mod outcome;
mod packets;
mod protocol;
mod push;
mod rate_limit;
mod refusal;
mod reply_cache;
mod request;
mod route_set;
mod routes;
mod time_log;

pub use answer::{Answer, AnsweredLate, IntoAnswer, NoReply};
pub use app::AppDispatchExt;
pub use body::{FromBody, IntoBody, Raw};
pub use broadcast::{Broadcast, Told};
pub use busy::{MaxLag, TooBusyPlugin};
pub use deferred::{Defer, DeferLimits, Deferred, Outstanding, Responder, WaitingAnswers};
pub use filter::{FilterSystems, Inspect};
pub use outcome::{Counters, Handled, Outcome, Outcomes};
pub use packets::{Buffer, Packet, PacketKind, Packets};
pub use protocol::{Bad, BodyError, Content, Encode, OnBad, Outgoing, Protocol, Protocols, Speaks};
pub use push::Pusher;
pub use rate_limit::{OnExcess, RateLimit, RateLimitPlugin, RateLimited};
pub use refusal::Refusal;
pub use reply_cache::{ReplyCache, ReplyLimits};
pub use request::{RawRequest, Received, Request};
pub use route_set::RouteSet;
pub use routes::{Inbound, RouteId, RouteInfo, Routes, short_type_name};
pub use time_log::{RouteTimes, TimeLog, TimeLogPlugin};

use bevy_app::{App, Plugin, PreUpdate};
use bevy_ecs::{change_detection::CheckChangeTicks, prelude::*};
use dispatcher::Dispatcher;
use portcullis_core::{AcceptedBy, Connection, Ingress, IngressSystems, Opened, TickSystems};

/// Adds the dispatcher.
#[derive(Clone, Copy, Debug, Default)]
pub struct DispatchPlugin;

impl Plugin for DispatchPlugin {
    fn build(&self, app: &mut App) {
        filter::build(app);
        app.init_resource::<Routes>()
            .init_resource::<Dispatcher>()
            .init_resource::<Packets>()
            .init_resource::<Outcomes>()
            .init_resource::<Counters>()
            .init_resource::<Protocols>()
            .init_resource::<DeferLimits>()
            .init_resource::<deferred::Timeouts>()
            .init_resource::<WaitingAnswers>()
            .init_resource::<answer::LateWriter>()
            .register_required_components::<Connection, Outstanding>()
            .add_observer(inherit_protocol)
            .add_observer(reply_cache::bound)
            .add_observer(reply_cache::unbound)
            .add_observer(check_change_ticks)
            .add_systems(Ingress, dispatcher::dispatch.in_set(IngressSystems::Dispatch))
            .add_systems(PreUpdate, deferred::expire.in_set(TickSystems::Watch));
    }

    fn cleanup(&self, app: &mut App) {
        for patterns in app.world().resource::<Routes>().empty_sets() {
            tracing::warn!(patterns, "a filter, a limit or a timeout is for routes of which there are none");
        }
    }
}

/// A connection speaks what its listener says.
fn inherit_protocol(
    event: On<Opened>,
    connections: Query<&AcceptedBy>,
    listeners: Query<&Speaks>,
    mut commands: Commands,
) {
    if let Ok(accepted) = connections.get(event.entity)
        && let Ok(&speaks) = listeners.get(accepted.0)
    {
        commands.entity(event.entity).insert(speaks);
    }
}

/// Systems outside schedules must be told, or change detection ends after some billions of runs.
fn check_change_ticks(event: On<CheckChangeTicks>, mut dispatcher: ResMut<Dispatcher>) {
    dispatcher.check_change_ticks(*event);
}
