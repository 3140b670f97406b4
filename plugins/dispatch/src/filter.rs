//! Filters: what stands between a packet and its handler, and what looks back at what came of it.

use crate::{
    FromBody, Outcome, PacketKind, Refusal, RouteId, RouteSet, Routes,
    answer::Writer,
    handler::{Call, Owned, fail, refuse},
};
use bevy_app::App;
use bevy_ecs::{
    change_detection::CheckChangeTicks,
    prelude::*,
    system::{System, SystemInput},
};
use portcullis_core::{Closing, Ingress, IngressSystems};
use std::{fmt, time::Duration};

/// The stations of filters in [`Ingress`], in order: two before [`Dispatch`](IngressSystems::Dispatch), behind
/// [`Authenticate`](IngressSystems::Authenticate), and two after it, ahead of [`Reap`](IngressSystems::Reap).
///
/// Systems before see all [`Packets`](crate::Packets) of the run and turn some away; they see the world as it is before
/// the first of these packets is handled. A filter that must see what an earlier packet of the same read has done is an
/// [`add_filter`](crate::AppDispatchExt::add_filter). Systems after see the [`Outcomes`](crate::Outcomes).
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FilterSystems {
    /// What holds for all routes: overload, rate limits.
    GlobalBefore,
    /// What the game turns away.
    Before,
    /// What the game does behind its handlers.
    After,
    /// What holds for all routes, behind all else.
    GlobalAfter,
}

pub(crate) fn build(app: &mut App) {
    app.configure_sets(
        Ingress,
        (
            (FilterSystems::GlobalBefore, FilterSystems::Before)
                .chain()
                .after(IngressSystems::Authenticate)
                .before(IngressSystems::Dispatch),
            (FilterSystems::After, FilterSystems::GlobalAfter)
                .chain()
                .after(IngressSystems::Dispatch)
                .before(IngressSystems::Reap),
        ),
    );
}

/// The first parameter of a [filter](crate::AppDispatchExt::add_filter): a packet that is about to be handled.
pub struct Inspect<'a> {
    /// Who sent it.
    pub connection: Entity,
    /// The agent the connection is forwarded to.
    pub agent: Option<Entity>,
    /// Where it goes.
    pub route: RouteId,
    /// Whether an answer is wanted.
    pub kind: PacketKind,
    /// When it was read from the socket, as time of the clock.
    pub received: Duration,
    /// The body as it came.
    pub body: &'a [u8],
    call: &'a Call<'a>,
}

impl<'a> Inspect<'a> {
    fn new(call: &'a Call<'a>) -> Self {
        let origin = &call.origin;
        Self {
            connection: origin.connection,
            agent: call.agent,
            route: origin.route(),
            kind: origin.id().map_or(PacketKind::Notify, PacketKind::Request),
            received: origin.received(),
            body: &call.buffer[call.span.0..call.span.1],
            call,
        }
    }

    /// The body as the handler will see it. It is decoded again for the handler.
    ///
    /// # Errors
    /// With [`Refusal::BAD_REQUEST`], when it does not hold such a value.
    pub fn read<T: FromBody>(&self) -> Result<T, Refusal> {
        self.call.body().map_err(|error| Refusal::from(error.0))
    }
}

impl fmt::Debug for Inspect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspect").field("origin", &self.call.origin).finish_non_exhaustive()
    }
}

impl SystemInput for Inspect<'_> {
    type Param<'i> = Inspect<'i>;
    type Inner<'i> = Inspect<'i>;

    fn wrap(this: Self::Inner<'_>) -> Self::Param<'_> {
        this
    }
}

/// The filters of single routes, in the order they were added.
#[derive(Default)]
pub(crate) struct Filters(Vec<(RouteSet, Box<dyn Check>)>);

impl Filters {
    pub(crate) fn add(
        &mut self,
        routes: RouteSet,
        system: impl System<In = Inspect<'static>, Out = Result<(), Refusal>>,
        exclusive: bool,
        patterns: &str,
    ) {
        self.0.push((routes, Box::new(Owned::new(system, exclusive, patterns))));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What becomes of a packet that a filter turns away; none for one that passes them all.
    pub(crate) fn check(
        &mut self,
        world: &mut World,
        writer: &mut Writer,
        call: &Call<'_>,
    ) -> Option<Outcome> {
        let route = call.origin.route();
        self.0.iter_mut().find_map(|(routes, filter)| {
            let named = world.resource::<Routes>().contains(*routes, route);
            named.then(|| filter.check(world, writer, call))?
        })
    }

    pub(crate) fn check_change_ticks(&mut self, check: CheckChangeTicks) {
        self.0.iter_mut().for_each(|(_, filter)| filter.check_change_ticks(check));
    }
}

/// A filter's system, whatever its type.
trait Check: Send + Sync {
    fn check(&mut self, world: &mut World, writer: &mut Writer, call: &Call<'_>) -> Option<Outcome>;

    fn check_change_ticks(&mut self, check: CheckChangeTicks);
}

impl<S: System<In = Inspect<'static>, Out = Result<(), Refusal>>> Check for Owned<S> {
    fn check(&mut self, world: &mut World, writer: &mut Writer, call: &Call<'_>) -> Option<Outcome> {
        let ran = self.catch(|system| system.run_without_applying_deferred(Inspect::new(call), world));
        let outcome = match ran {
            Some(Ok(())) => None,
            // It takes the world, and has said goodbye already.
            _ if world.get::<Closing>(call.origin.connection).is_some() => Some(Outcome::Dropped),
            Some(Err(refusal)) => Some(refuse(world, writer, call, &refusal)),
            // Who is to keep others out and cannot, lets nobody in.
            None => Some(fail(world, writer, call)),
        };
        self.apply(world);
        outcome
    }

    fn check_change_ticks(&mut self, check: CheckChangeTicks) {
        self.system.check_change_tick(check);
    }
}
