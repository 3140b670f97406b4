//! How plugins add routes.

use crate::{
    FromBody, Inspect, IntoAnswer, RawRequest, Received, Refusal, Request, Routes,
    deferred::Timeouts,
    dispatcher::Dispatcher,
    handler::{Handler, RawHandler, StreamHandler, SystemHandler},
    routes::{Inbound, short_type_name},
};
use bevy_app::App;
use bevy_ecs::{prelude::*, system::System};
use std::time::Duration;

/// Adds routes to an app.
pub trait AppDispatchExt {
    /// Handles a route by a system whose first parameter is a [`Request`]: in arrival order for each connection, one
    /// answer for each request. A second handler for a route replaces the first, with a warning.
    ///
    /// A system that takes the `World` itself will do too. If it closes its own connection, its peer hears the farewell
    /// and no answer; one that closes by commands is answered first.
    fn add_handler<T, O, A, M>(
        &mut self,
        route: &str,
        handler: impl IntoSystem<Request<T>, O, M> + 'static,
    ) -> &mut Self
    where
        T: FromBody,
        O: IntoAnswer<A>,
        A: 'static;

    /// Handles a route by a system whose first parameter is a [`RawRequest`]: bytes in, bytes out, no codec.
    fn add_raw_handler<M>(
        &mut self,
        route: &str,
        handler: impl IntoSystem<RawRequest<'static>, (), M> + 'static,
    ) -> &mut Self;

    /// Reads a route in batches, by `MessageReader<Received<T>>`.
    fn add_stream<T: FromBody + Sync>(&mut self, route: &str) -> &mut Self;

    /// Declares that values of this type are pushed on a route. Protocols whose peers must agree on all messages
    /// need it; a route that has no handler needs it too.
    fn add_push<T: ?Sized + 'static>(&mut self, route: &str) -> &mut Self;

    /// Puts a system between these routes (see [`Routes::set`] for patterns) and their handlers. Its first parameter is an
    /// [`Inspect`]; what it gives an error for is not handled: a request is answered with it, a notify is dropped.
    ///
    /// It runs when the packet's turn has come, so it sees what earlier packets have done: a login and what needs it may
    /// come in one read. Filters run in the order they were added; one that panics lets nothing pass.
    ///
    /// ```
    /// use bevy_app::App;
    /// use bevy_ecs::prelude::*;
    /// use portcullis_core::{BoundTo, CorePlugin};
    /// use portcullis_dispatch::{AppDispatchExt, DispatchPlugin, Inspect, Refusal};
    ///
    /// fn logged_in(packet: Inspect, bound: Query<(), With<BoundTo>>) -> Result<(), Refusal> {
    ///     match bound.contains(packet.connection) {
    ///         true => Ok(()),
    ///         false => Err(Refusal::new(Refusal::UNAUTHORIZED, "log in first")),
    ///     }
    /// }
    ///
    /// App::new()
    ///     .add_plugins((CorePlugin::default(), DispatchPlugin))
    ///     .add_filter("chat.* | arena.move", logged_in);
    /// ```
    fn add_filter<M>(
        &mut self,
        routes: &str,
        filter: impl IntoSystem<Inspect<'static>, Result<(), Refusal>, M> + 'static,
    ) -> &mut Self;

    /// How long [deferred](crate::Defer) answers of these routes may take, in place of
    /// [`DeferLimits::deadline`](crate::DeferLimits); for a route that is named twice the later call holds. What is late
    /// is answered with [`Refusal::TIMEOUT`] at the next tick.
    fn set_timeout(&mut self, routes: &str, timeout: Duration) -> &mut Self;
}

impl AppDispatchExt for App {
    fn add_handler<T, O, A, M>(
        &mut self,
        route: &str,
        handler: impl IntoSystem<Request<T>, O, M> + 'static,
    ) -> &mut Self
    where
        T: FromBody,
        O: IntoAnswer<A>,
        A: 'static,
    {
        let mut system = IntoSystem::into_system(handler);
        let exclusive = system.initialize(self.world_mut()).is_exclusive();
        let inbound =
            Inbound::Handler { request: short_type_name::<T>(), reply: short_type_name::<O::Reply>() };
        set(self, route, inbound, Box::new(SystemHandler::<_, A>::new(system, exclusive, route)));
        self
    }

    fn add_raw_handler<M>(
        &mut self,
        route: &str,
        handler: impl IntoSystem<RawRequest<'static>, (), M> + 'static,
    ) -> &mut Self {
        let mut system = IntoSystem::into_system(handler);
        let exclusive = system.initialize(self.world_mut()).is_exclusive();
        let inbound = Inbound::Handler { request: "Raw", reply: "Raw" };
        set(self, route, inbound, Box::new(RawHandler::new(system, exclusive, route)));
        self
    }

    fn add_stream<T: FromBody + Sync>(&mut self, route: &str) -> &mut Self {
        self.add_message::<Received<T>>();
        let inbound = Inbound::Stream { body: short_type_name::<T>() };
        set(self, route, inbound, Box::new(StreamHandler::<T>::new()));
        self
    }

    fn add_push<T: ?Sized + 'static>(&mut self, route: &str) -> &mut Self {
        self.init_resource::<Routes>();
        self.world_mut().resource_mut::<Routes>().set_push(route, short_type_name::<T>());
        self
    }

    fn add_filter<M>(
        &mut self,
        routes: &str,
        filter: impl IntoSystem<Inspect<'static>, Result<(), Refusal>, M> + 'static,
    ) -> &mut Self {
        let mut system = IntoSystem::into_system(filter);
        let exclusive = system.initialize(self.world_mut()).is_exclusive();
        self.init_resource::<Routes>().init_resource::<Dispatcher>();
        let set = self.world_mut().resource_mut::<Routes>().set(routes);
        self.world_mut().resource_mut::<Dispatcher>().filters.add(set, system, exclusive, routes);
        self
    }

    fn set_timeout(&mut self, routes: &str, timeout: Duration) -> &mut Self {
        self.init_resource::<Routes>().init_resource::<Timeouts>();
        let routes = self.world_mut().resource_mut::<Routes>().set(routes);
        self.world_mut().resource_mut::<Timeouts>().set(routes, timeout);
        self
    }
}

fn set(app: &mut App, route: &str, inbound: Inbound, handler: Box<dyn Handler>) {
    // A game's plugin may be built before ours.
    app.init_resource::<Routes>().init_resource::<Dispatcher>();
    let id = app.world_mut().resource_mut::<Routes>().set_inbound(route, inbound);
    if !app.world_mut().resource_mut::<Dispatcher>().set(id, handler) {
        tracing::warn!(route, "the route had a handler already: the new one takes its place");
    }
}
