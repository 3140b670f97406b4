//! How plugins add routes.

use crate::{
    FromBody, IntoAnswer, RawRequest, Received, Request, Routes,
    dispatcher::Dispatcher,
    handler::{Handler, RawHandler, StreamHandler, SystemHandler},
    routes::{Inbound, short_type_name},
};
use bevy_app::App;
use bevy_ecs::{prelude::*, system::System};

/// Adds routes to an app.
pub trait AppDispatchExt {
    /// Handles a route by a system whose first parameter is a [`Request`]: in arrival order for each connection, one
    /// answer for each request. A second handler for a route replaces the first, with a warning.
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
        system.initialize(self.world_mut());
        let inbound =
            Inbound::Handler { request: short_type_name::<T>(), reply: short_type_name::<O::Reply>() };
        set(self, route, inbound, Box::new(SystemHandler::<_, A>::new(system)));
        self
    }

    fn add_raw_handler<M>(
        &mut self,
        route: &str,
        handler: impl IntoSystem<RawRequest<'static>, (), M> + 'static,
    ) -> &mut Self {
        let mut system = IntoSystem::into_system(handler);
        system.initialize(self.world_mut());
        let inbound = Inbound::Handler { request: "Raw", reply: "Raw" };
        set(self, route, inbound, Box::new(RawHandler::new(system)));
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
}

fn set(app: &mut App, route: &str, inbound: Inbound, handler: Box<dyn Handler>) {
    // A game's plugin may be built before ours.
    app.init_resource::<Routes>().init_resource::<Dispatcher>();
    let id = app.world_mut().resource_mut::<Routes>().set_inbound(route, inbound);
    if !app.world_mut().resource_mut::<Dispatcher>().set(id, handler) {
        tracing::warn!(route, "the route had a handler already: the new one takes its place");
    }
}
