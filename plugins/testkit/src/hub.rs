//! What the server and its clients share: the app, the time, and the clients' ends of the connections.

use crate::{History, Transport, pipe::Pipe, talk::Talk};
use bevy_app::{App, AppExit};
use bevy_ecs::prelude::*;
use bevy_time::TimeUpdateStrategy;
use portcullis_core::{ActiveDriver, DirtyOutboxes, Driver, Funnel, Ingress, Intake, TimeSource};
use portcullis_native::{Manifest, wire::ClientFrame};
use std::{
    cell::{Ref, RefCell, RefMut},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub(crate) struct Hub {
    pub(crate) app: App,
    pub(crate) time: TimeSource,
    pub(crate) tick: Duration,
    pub(crate) transport: Transport,
    /// Where typed clients connect.
    pub(crate) listener: Entity,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) funnel: Funnel,
    intake: Intake,
    pub(crate) peers: Vec<Peer>,
    /// How long an expectation waits, in real time, for what other threads do.
    pub(crate) patience: Duration,
    /// Clients may speak, but the server does not run.
    pub(crate) held: bool,
    pub(crate) exit: Option<AppExit>,
    pub(crate) checked: bool,
    flushes: Arc<AtomicU64>,
}

/// One client.
pub(crate) struct Peer {
    pub(crate) pipe: Pipe,
    /// None for a raw client.
    pub(crate) talk: Option<Talk>,
    /// How often it pings, and when next.
    pub(crate) pings: Option<(Duration, Duration)>,
}

/// Rounds after which a server that still has something to do never comes to rest.
const MAX_ROUNDS: usize = 10_000;

impl Hub {
    pub(crate) fn new(mut app: App, time: TimeSource, transport: Transport, listener: Entity) -> Self {
        let world = app.world_mut();
        let flushes = Arc::new(AtomicU64::new(0));
        let driver = std::mem::take(&mut *world.resource_mut::<ActiveDriver>()).0;
        world.insert_resource(ActiveDriver(Box::new(Counting { driver, flushes: Arc::clone(&flushes) })));
        let (funnel, intake) = (world.resource::<Funnel>().clone(), world.resource::<Intake>().clone());
        Self {
            app,
            time,
            tick: Duration::from_millis(50),
            transport,
            listener,
            manifest: Arc::new(Manifest::new("?", 0)),
            funnel,
            intake,
            peers: Vec::new(),
            patience: Duration::from_secs(5),
            held: false,
            exit: None,
            checked: true,
            flushes,
        }
    }

    pub(crate) fn history(&self) -> &History {
        self.app.world().resource::<History>()
    }

    /// One run of Ingress, after what sockets and tasks can do at once.
    pub(crate) fn step(&mut self) {
        self.pump();
        self.poll_driver();
        self.app.world_mut().run_schedule(Ingress);
        self.pump();
    }

    /// One run of Main, this much later.
    pub(crate) fn update(&mut self, by: Duration) {
        self.time.advance(by);
        self.app.world_mut().insert_resource(TimeUpdateStrategy::ManualDuration(by));
        self.app.update();
        if let Some(exit) = self.app.should_exit() {
            self.exit = Some(exit);
        }
    }

    /// Lets time pass, tick by tick, and a last shorter step where it does not divide.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.settle();
        let mut left = by;
        while !left.is_zero() {
            let step = left.min(self.tick);
            self.ping(step);
            let before = (self.flushes.load(Ordering::Relaxed), self.history().iter().len());
            self.update(step);
            left -= step;
            let after = (self.flushes.load(Ordering::Relaxed), self.history().iter().len());
            if before != after || !self.intake.is_empty() || !self.is_flushed() {
                self.settle();
            }
        }
        self.settle();
    }

    /// Sends the pings that come due in this step, as they would be on the wire when it ends.
    fn ping(&mut self, step: Duration) {
        let now = self.time.now() + step;
        let mut any = false;
        for peer in &mut self.peers {
            let Some((interval, due)) = &mut peer.pings else { continue };
            if *due <= now {
                *due += *interval;
                let mut bytes = Vec::new();
                // A frame without fields always has a place on the wire.
                let _ = ClientFrame::Ping.write(&mut bytes);
                peer.pipe.write(&bytes);
                any = true;
            }
        }
        if any {
            self.settle();
        }
    }

    /// Runs until nothing moves: all that was sent was handled, and its answers have come.
    pub(crate) fn settle(&mut self) {
        if self.held {
            return;
        }
        if self.transport == Transport::Memory { self.settle_memory() } else { self.settle_tcp() }
    }

    fn settle_memory(&mut self) {
        for _ in 0..MAX_ROUNDS {
            self.poll_driver();
            if self.intake.is_empty() && self.is_flushed() {
                return;
            }
            self.app.world_mut().run_schedule(Ingress);
        }
        panic!(
            "the server does not come to rest: after {MAX_ROUNDS} runs of Ingress there is still something to do"
        );
    }

    fn poll_driver(&mut self) {
        self.app.world_mut().resource_mut::<ActiveDriver>().0.poll();
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.app.world().resource::<DirtyOutboxes>().is_empty()
    }

    pub(crate) fn has_input(&self) -> bool {
        !self.intake.is_empty()
    }

    /// Waits a moment, in real time, for what sockets and other threads do, and handles it. Gives whether there was
    /// anything.
    pub(crate) fn wait(&mut self) -> bool {
        let before = self.flushes.load(Ordering::Relaxed);
        let mut moved = self.pump();
        let until = Instant::now() + Duration::from_millis(1);
        let intake = self.intake.clone();
        let world = self.app.world_mut();
        world.resource_scope(|_, mut driver: Mut<ActiveDriver>| driver.0.wait(&intake, Some(until)));
        if !self.intake.is_empty() || !self.is_flushed() {
            moved = true;
            self.app.world_mut().run_schedule(Ingress);
        }
        moved |= self.pump();
        moved || self.flushes.load(Ordering::Relaxed) != before
    }

    /// Settles, then waits until this is there, or for as long as patience lasts.
    pub(crate) fn wait_for<T>(&mut self, mut look: impl FnMut(&mut Self) -> Option<T>) -> Option<T> {
        self.settle();
        let started = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return Some(found);
            }
            if self.held || started.elapsed() >= self.patience {
                return None;
            }
            self.wait();
        }
    }

    /// A client's end, with all that has come by now.
    pub(crate) fn peer(&mut self, id: usize) -> &mut Peer {
        let peer = &mut self.peers[id];
        peer.pipe.pump();
        if let Some(talk) = &mut peer.talk
            && !peer.pipe.received.is_empty()
        {
            talk.hear(&std::mem::take(&mut peer.pipe.received));
        }
        peer
    }

    /// The connection of a client, once the world has seen it.
    pub(crate) fn entity(&mut self, id: usize) -> Option<Entity> {
        let pipe = &self.peers[id].pipe;
        let entity = pipe.entity.or_else(|| {
            let (ends, before) = pipe.ends()?;
            self.history().opened_between(ends, before)
        });
        self.peers[id].pipe.entity = entity;
        entity
    }
}

/// The driver as it is, with the flushes counted.
struct Counting {
    driver: Box<dyn Driver>,
    flushes: Arc<AtomicU64>,
}

impl Driver for Counting {
    fn wait(&mut self, intake: &Intake, until: Option<Instant>) {
        self.driver.wait(intake, until);
    }

    fn poll(&mut self) {
        self.driver.poll();
    }

    fn flushed(&self) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.driver.flushed();
    }
}

/// The server and its clients hold the hub together; tests run in one thread.
#[derive(Clone)]
pub(crate) struct Shared(Rc<RefCell<Hub>>);

const BORROWED: &str =
    "the world is borrowed: drop what `world`, `world_mut` or `app_mut` gave before the server runs again";

impl Shared {
    pub(crate) fn new(hub: Hub) -> Self {
        Self(Rc::new(RefCell::new(hub)))
    }

    #[track_caller]
    pub(crate) fn get(&self) -> Ref<'_, Hub> {
        self.0.try_borrow().expect(BORROWED)
    }

    #[track_caller]
    pub(crate) fn get_mut(&self) -> RefMut<'_, Hub> {
        self.0.try_borrow_mut().expect(BORROWED)
    }

    /// For drops, which must not panic.
    pub(crate) fn try_get_mut(&self) -> Option<RefMut<'_, Hub>> {
        self.0.try_borrow_mut().ok()
    }
}
