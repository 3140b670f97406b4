//! The server of a test.

use crate::{
    Carrier, Entry, History, RawClient, TestClient, TestServerBuilder, Transport,
    builder::framing,
    carrier::Layers,
    client::Handle,
    errors,
    hub::{Hub, Peer, Shared},
    pipe::Pipe,
    report::fail,
    talk::Talk,
};
use bevy_app::{App, AppExit, Plugins};
use bevy_ecs::{
    prelude::*,
    system::{RunSystemOnce, SystemInput},
};
use portcullis_core::{Cause, Framing};
use portcullis_net::{BindError, Listener, ListenerHandle, memory};
use std::{
    cell::{Ref, RefMut},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// A whole server in a test: its world, its virtual time, and its clients.
///
/// It runs when a client does something, when time is told to pass, and when it is told to. When it is dropped it
/// closes its clients and checks the [invariants](Self::check_invariants).
pub struct TestServer {
    pub(crate) hub: Shared,
}

impl TestServer {
    /// A server with these plugins of the game, connected by memory.
    pub fn new<M>(plugins: impl Plugins<M> + 'static) -> Self {
        Self::builder().plugin(plugins).build()
    }

    /// For a server with other settings.
    pub fn builder() -> TestServerBuilder {
        TestServerBuilder::default()
    }

    pub(crate) fn new_with(hub: Shared) -> Self {
        Self { hub }
    }

    /// A client that speaks the native protocol with the server's own routes. The handshake is done when the gate lets
    /// it in and the server is willing; what else came of it the client tells.
    #[track_caller]
    pub fn connect(&mut self) -> TestClient {
        self.connect_typed(None)
    }

    /// As [`connect`](Self::connect), from this address. In memory only: a socket's address is not ours to choose.
    #[track_caller]
    pub fn connect_from(&mut self, address: IpAddr) -> TestClient {
        self.connect_typed(Some(address))
    }

    /// So many clients at once: they arrive together, as a crowd does.
    #[track_caller]
    pub fn connect_many(&mut self, count: usize) -> Vec<TestClient> {
        let ids: Vec<usize> = (0..count).map(|_| self.hub.get_mut().greet(None)).collect();
        ids.into_iter().map(|id| self.welcome(id)).collect()
    }

    #[track_caller]
    fn connect_typed(&mut self, address: Option<IpAddr>) -> TestClient {
        let id = self.hub.get_mut().greet(address);
        self.welcome(id)
    }

    /// Waits for the end of the handshake.
    fn welcome(&mut self, id: usize) -> TestClient {
        // A connection that is accepted later, or never, is for the test to judge.
        self.hub.get_mut().wait_for(|hub| {
            let known = hub.entity(id).is_some();
            let peer = hub.peer(id);
            let settled = peer.talk.as_ref().is_none_or(Talk::is_settled) || peer.pipe.is_over();
            (settled || !known || hub.transport == Transport::Memory).then_some(())
        });
        TestClient { handle: Handle::new(&self.hub, id) }
    }

    /// A client that speaks bytes to this listener: see [`listeners`](Self::listeners).
    #[track_caller]
    pub fn connect_raw(&mut self, listener: Entity) -> RawClient {
        self.connect_raw_from(listener, None)
    }

    /// As [`connect_raw`](Self::connect_raw), from this address, where there is one. In memory only.
    #[track_caller]
    pub fn connect_raw_from(&mut self, listener: Entity, address: impl Into<Option<IpAddr>>) -> RawClient {
        let mut hub = self.hub.get_mut();
        let framing = framing(hub.app.world(), listener);
        let pipe = hub.open(listener, framing, address.into());
        let id = hub.add(pipe, None);
        hub.settle();
        drop(hub);
        RawClient { handle: Handle::new(&self.hub, id) }
    }

    /// As [`connect_raw`](Self::connect_raw), with what it says carried by this. Over sockets only: memory carries
    /// frames, and nothing else.
    #[track_caller]
    pub fn connect_over(&mut self, listener: Entity, carrier: Carrier) -> RawClient {
        if carrier != Carrier::Tcp && self.hub.get().transport == Transport::Memory {
            fail(format!("{carrier:?} needs sockets: test this over TCP"));
        }
        let certificate = carrier.is_encrypted().then(|| self.certificate(listener));
        let client = self.connect_raw(listener);
        if carrier != Carrier::Tcp {
            match Layers::new(carrier, certificate.as_deref()) {
                Ok((layers, first)) => {
                    let mut hub = self.hub.get_mut();
                    hub.peers[client.handle.id].pipe.wrap(layers, &first);
                    // A greeting is no frame, so nobody counts it.
                    hub.wait_for(|hub| hub.peer(client.handle.id).pipe.is_greeted().then_some(()));
                }
                Err(error) => fail(format!("the client cannot be put into {carrier:?}: {error}")),
            }
        }
        client
    }

    #[track_caller]
    fn certificate(&self, listener: Entity) -> PathBuf {
        let world = self.world();
        let tls = world.get::<Listener>(listener).and_then(|listener| listener.tls.as_ref());
        let Some(tls) = tls else { fail(format!("{listener} has no certificate")) };
        tls.certificate().to_owned()
    }

    /// The listener that typed clients connect to.
    pub fn listener(&self) -> Entity {
        self.hub.get().listener
    }

    /// The entities that a protocol has marked as its listeners, in the order they were spawned.
    pub fn listeners<Marker: Component>(&self) -> Vec<Entity> {
        let mut hub = self.hub.get_mut();
        let world = hub.app.world_mut();
        let mut query = world.query_filtered::<Entity, With<Marker>>();
        query.iter(world).collect()
    }

    /// Lets virtual time pass: tick by tick, so that every deadline passes in its order, and a last shorter step when
    /// the ticks do not divide it. Whatever is closed, sent or answered meanwhile has arrived when it returns.
    pub fn advance(&mut self, time: Duration) {
        self.hub.get_mut().advance(time);
    }

    /// Lets one tick pass.
    pub fn tick(&mut self) {
        let mut hub = self.hub.get_mut();
        let tick = hub.tick;
        hub.advance(tick);
    }

    /// Runs `Ingress` once, at the same virtual time.
    pub fn step(&mut self) {
        self.hub.get_mut().step();
    }

    /// Runs `Ingress` until nothing moves, at the same virtual time. Every client call does so by itself.
    pub fn settle(&mut self) {
        self.hub.get_mut().settle();
    }

    /// What clients send in here arrives together: the server does not run until it ends.
    pub fn together<R>(&mut self, send: impl FnOnce() -> R) -> R {
        self.hub.get_mut().held = true;
        let sent = send();
        let mut hub = self.hub.get_mut();
        hub.held = false;
        hub.settle();
        sent
    }

    /// The virtual time that has passed: what the [`Clock`](portcullis_core::Clock) and Bevy's `Time` say.
    pub fn now(&self) -> Duration {
        self.hub.get().time.now()
    }

    /// The world. What this gives must be dropped before the server runs again.
    #[track_caller]
    pub fn world(&self) -> Ref<'_, World> {
        Ref::map(self.hub.get(), |hub| hub.app.world())
    }

    /// The world, to change it. What this gives must be dropped before the server runs again.
    #[track_caller]
    pub fn world_mut(&mut self) -> RefMut<'_, World> {
        RefMut::map(self.hub.get_mut(), |hub| hub.app.world_mut())
    }

    /// The app. What this gives must be dropped before the server runs again.
    #[track_caller]
    pub fn app_mut(&mut self) -> RefMut<'_, App> {
        RefMut::map(self.hub.get_mut(), |hub| &mut hub.app)
    }

    /// Runs a system once, with its commands, and then settles.
    ///
    /// # Panics
    /// When it cannot be run, for want of a resource perhaps.
    #[track_caller]
    pub fn run_system_once<T, Out, Marker>(&mut self, system: T) -> Out
    where
        T: IntoSystem<(), Out, Marker>,
        <() as SystemInput>::Inner<'static>: Default,
    {
        let mut hub = self.hub.get_mut();
        match hub.app.world_mut().run_system_once(system) {
            Ok(output) => {
                hub.settle();
                output
            }
            Err(error) => fail(hub.report_with("a system that can be run", format_args!("{error:?}"))),
        }
    }

    /// Triggers an event, with the commands of its observers, and then settles.
    pub fn trigger<'a>(&mut self, event: impl Event<Trigger<'a>: Default>) {
        let mut hub = self.hub.get_mut();
        let world = hub.app.world_mut();
        world.trigger(event);
        world.flush();
        hub.settle();
    }

    /// All that has happened to connections since the server started.
    #[track_caller]
    pub fn history(&self) -> Ref<'_, History> {
        Ref::map(self.hub.get(), Hub::history)
    }

    /// Why this connection is over; none while it is not, or when the gate never let it in.
    pub fn closed(&self, connection: Entity) -> Option<Cause> {
        self.history().closed(connection)
    }

    /// Who has been closed, and why, in order.
    pub fn causes(&self) -> Vec<(Entity, Cause)> {
        let cause = |entry: &Entry| match entry.fact {
            crate::Fact::Closed(cause) => Some((entry.connection, cause)),
            _ => None,
        };
        self.history().iter().filter_map(cause).collect()
    }

    /// What the app has exited with, after a shutdown.
    pub fn exit(&self) -> Option<AppExit> {
        self.hub.get().exit.clone()
    }

    /// Takes the errors and panics of systems, observers and commands. What is not taken fails the invariants.
    pub fn errors(&mut self) -> Vec<String> {
        errors::take()
    }
}

impl std::fmt::Debug for TestServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestServer")
    }
}

impl Hub {
    /// A typed client that has said its first words.
    #[track_caller]
    fn greet(&mut self, address: Option<IpAddr>) -> usize {
        let talk = Talk::new(self.manifest.clone());
        let mut hello = Vec::new();
        // The name of our manifest has a place on the wire.
        let _ = talk.codec.hello(&mut hello);
        let mut pipe = self.open(self.listener, Framing::LE32, address);
        pipe.write(&hello);
        self.add(pipe, Some(talk))
    }

    #[track_caller]
    fn open(&mut self, listener: Entity, framing: Framing, address: Option<IpAddr>) -> Pipe {
        if self.transport == Transport::Memory {
            // Ports as the system gives them: all different, for as long as there are some.
            let port = 1024 + (self.peers.len() % 64_000) as u16;
            let peer = SocketAddr::from((address.unwrap_or(Ipv4Addr::LOCALHOST.into()), port));
            return Pipe::memory(memory::connect(&self.funnel, listener, framing, peer));
        }
        assert!(address.is_none(), "a real socket has the address the system gives it: test this in memory");
        let world = self.app.world();
        let found = match (world.get::<ListenerHandle>(listener), world.get::<BindError>(listener)) {
            (Some(handle), _) => match Pipe::tcp(handle.address(), self.history().accepted()) {
                Ok(pipe) => return pipe,
                Err(error) => error.to_string(),
            },
            (None, Some(error)) => error.to_string(),
            (None, None) => format!("{listener} does not listen"),
        };
        fail(self.report_with("a listener that can be reached", found))
    }

    fn add(&mut self, pipe: Pipe, talk: Option<Talk>) -> usize {
        self.peers.push(Peer { pipe, talk, pings: None });
        self.peers.len() - 1
    }
}
