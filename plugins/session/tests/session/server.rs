//! A server in memory, with time of its own.

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::{
    Authenticated, BoundTo, Cause, Closed, CorePlugin, Framing, Funnel, Ingress, TimeSource,
};
use portcullis_gate::GatePlugin;
use portcullis_net::memory::{MemorySocket, connect};
use portcullis_session::{
    Detached, Kicked, LoggedIn, LoggedOut, Login, LoginRefusal, LoginRefused, Resumed, SessionPlugin,
    Sessions, Unbound, begin, bind, resume, unbind,
};
use std::time::Duration;

pub struct Server {
    pub app: App,
    funnel: Funnel,
    time: TimeSource,
    listener: Entity,
}

/// The facts, in the order they were told.
#[derive(Resource, Default)]
pub struct Told(pub Vec<String>);

impl Server {
    pub fn new(session: SessionPlugin) -> Self {
        let mut app = App::new();
        let time = TimeSource::manual();
        let core = CorePlugin { time: time.clone(), runner: false };
        app.add_plugins((core, GatePlugin::default(), session)).init_resource::<Told>();
        app.add_observer(|_: On<Authenticated>, told: ResMut<Told>| say(told, "authenticated"))
            .add_observer(|event: On<LoggedIn>, told: ResMut<Told>| {
                say(told, if event.resumed { "logged in again" } else { "logged in" });
            })
            .add_observer(|event: On<LoginRefused>, told: ResMut<Told>| say(told, event.why.label()))
            .add_observer(|_: On<Unbound>, told: ResMut<Told>| say(told, "unbound"))
            .add_observer(|event: On<Kicked>, told: ResMut<Told>| say(told, &event.reason))
            .add_observer(|_: On<Detached>, told: ResMut<Told>| say(told, "detached"))
            .add_observer(|_: On<Resumed>, told: ResMut<Told>| say(told, "resumed"))
            .add_observer(|event: On<LoggedOut>, told: ResMut<Told>| say(told, &format!("{} out", event.uid)))
            .add_observer(|event: On<Closed>, told: ResMut<Told>| say(told, event.cause.label()));
        let funnel = app.world().resource::<Funnel>().clone();
        let listener = app.world_mut().spawn_empty().id();
        Self { app, funnel, time, listener }
    }

    pub fn world(&mut self) -> &mut World {
        self.app.world_mut()
    }

    /// A listener with these policies.
    pub fn listen(&mut self, policies: impl Bundle) -> Entity {
        self.world().spawn(policies).id()
    }

    /// A connection that is open.
    pub fn connect(&mut self) -> MemorySocket {
        self.connect_to(self.listener)
    }

    /// A connection that this listener has accepted.
    pub fn connect_to(&mut self, listener: Entity) -> MemorySocket {
        let socket = connect(&self.funnel, listener, Framing::BE16, "127.0.0.1:7".parse().unwrap());
        self.app.update();
        socket
    }

    /// A connection that is open, though no tick has passed.
    pub fn connect_unticked(&mut self) -> MemorySocket {
        let socket = connect(&self.funnel, self.listener, Framing::BE16, "127.0.0.1:7".parse().unwrap());
        self.world().run_schedule(Ingress);
        socket
    }

    /// A connection whose user has asked to log in.
    pub fn login(&mut self, uid: &str) -> MemorySocket {
        let socket = self.connect();
        self.world().trigger(Login::new(socket.connection(), uid));
        self.run();
        socket
    }

    pub fn bind(&mut self, socket: &MemorySocket, uid: &str) -> Result<Entity, LoginRefusal> {
        bind(self.world(), socket.connection(), uid)
    }

    pub fn begin(&mut self, uid: &str, server: &str, linger: Duration) -> Result<Entity, LoginRefusal> {
        begin(self.world(), uid, server, linger)
    }

    pub fn resume(&mut self, socket: &MemorySocket, session: Entity) -> Result<(), LoginRefusal> {
        resume(self.world(), socket.connection(), session)
    }

    pub fn unbind(&mut self, socket: &MemorySocket) -> Option<Entity> {
        unbind(self.world(), socket.connection())
    }

    /// Closes from the server's side: without a start, memory does not read, and no close of the peer is noticed.
    pub fn close(&mut self, socket: &MemorySocket) {
        let close = portcullis_core::Close::new(socket.connection(), Cause::PeerClosed);
        self.world().trigger(close);
        self.run();
    }

    /// Enough for a socket that was closed in the first run to be gone in the second.
    pub fn run(&mut self) {
        self.app.update();
        self.app.update();
    }

    pub fn advance(&mut self, by: Duration) {
        self.time.advance(by);
        self.run();
    }

    /// Lets time pass, and one tick.
    pub fn advance_once(&mut self, by: Duration) {
        self.time.advance(by);
        self.app.update();
    }

    pub fn now(&self) -> Duration {
        self.time.now()
    }

    pub fn at(&self, server: &str, uid: &str) -> Option<Entity> {
        self.app.world().resource::<Sessions>().at(server, uid)
    }

    pub fn session(&self, uid: &str) -> Option<Entity> {
        self.app.world().resource::<Sessions>().get(uid)
    }

    pub fn bound_to(&self, socket: &MemorySocket) -> Option<Entity> {
        self.app.world().get::<BoundTo>(socket.connection()).map(|bound| bound.0)
    }

    /// What was told since the last time.
    pub fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.world().resource_mut::<Told>().0)
    }

    pub fn count_entities(&mut self) -> usize {
        let world = self.world();
        world.query::<Entity>().iter(world).count()
    }
}

fn say(mut told: ResMut<Told>, what: &str) {
    told.0.push(what.to_owned());
}
