//! Who is closed when the server holds too much: told with lines that hold what they are told to.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::*;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

const LIMIT: usize = 100 << 20;
const PERCENT: usize = 1 << 20;

/// Holds so much for its peer, until it is closed.
struct Holder {
    charge: Mutex<Charge>,
    /// What it holds goes a little later, as it does where a task holds it.
    is_slow: AtomicBool,
}

impl Line for Holder {
    fn start(&self) {}
    fn send(&self, bytes: &mut Vec<u8>) -> usize {
        bytes.clear();
        0
    }
    fn delivered(&self, _: usize, _: usize) {}
    fn limit(&self, _: usize, _: usize) {}
    fn close(&self, flush_within: Duration, _: u16) {
        if flush_within.is_zero() && !self.is_slow.load(Ordering::SeqCst) {
            self.charge.lock().unwrap().set(0);
        }
    }
    fn held(&self) -> usize {
        self.charge.lock().unwrap().bytes()
    }
}

struct Server {
    app: App,
    time: TimeSource,
    funnel: Funnel,
    budget: Budget,
}

impl Server {
    fn new() -> Self {
        let time = TimeSource::manual();
        let mut app = App::new();
        app.insert_resource(Budget::new(LIMIT))
            .add_plugins(CorePlugin { time: time.clone(), runner: false })
            .add_systems(Ingress, admit.in_set(IngressSystems::Admit));
        let funnel = app.world().resource::<Funnel>().clone();
        let budget = app.world().resource::<Budget>().clone();
        Self { app, time, funnel, budget }
    }

    fn connect(&mut self, held: usize) -> (Entity, Arc<Holder>) {
        let mut charge = Charge::new(&self.budget, Holding::Outgoing);
        charge.set(held);
        let line = Arc::new(Holder { charge: Mutex::new(charge), is_slow: AtomicBool::new(false) });
        (self.open(Link(Arc::<Holder>::clone(&line))), line)
    }

    fn open(&self, link: Link) -> Entity {
        let connection = self.funnel.reserve();
        self.funnel.send(Inbound::Opened(Box::new(Opening {
            connection,
            listener: Entity::PLACEHOLDER,
            peer: ([127, 0, 0, 1], 1).into(),
            local: ([127, 0, 0, 1], 2).into(),
            transport: "none",
            link,
            opened_at: Duration::ZERO,
        })));
        connection
    }

    fn cause(&self, connection: Entity) -> Option<Cause> {
        self.app.world().get::<Closing>(connection).map(|closing| closing.cause)
    }
}

fn admit(mut arriving: ResMut<Arriving>, mut commands: Commands) {
    for entity in arriving.0.drain(..) {
        commands.entity(entity).insert(Admitted);
    }
}

#[test]
fn at_95_percent_those_who_hold_the_most_are_closed_until_newcomers_may_come() {
    let mut server = Server::new();
    let held = [1, 20, 3, 40, 5, 15, 6];
    let connections = held.map(|percent| server.connect(percent * PERCENT).0);
    server.app.update();
    assert!(connections.iter().all(|&connection| server.cause(connection).is_none()));
    assert_eq!(server.budget.count(Shortage::Paused), 1, "newcomers wait at 90 percent");
    assert!(!server.budget.is_accepting());

    let (late, _) = server.connect(5 * PERCENT);
    server.app.update();
    let shed = |server: &Server, index: usize| server.cause(connections[index]) == Some(Cause::Shed);
    assert!(shed(&server, 3), "it held the most");
    assert_eq!(connections.iter().filter(|&&connection| server.cause(connection).is_some()).count(), 1);
    assert_eq!((server.cause(late), server.budget.count(Shortage::Shed)), (None, 1));
    assert!(server.budget.is_accepting());
    assert_eq!(server.budget.used(), 55 * PERCENT);
}

#[test]
fn who_holds_the_server_just_below_its_limit_keeps_others_out_for_five_seconds() {
    let mut server = Server::new();
    let connections: Vec<_> = (0..91).map(|_| server.connect(PERCENT).0).collect();
    let closed = |server: &Server| {
        connections.iter().filter(|&&connection| server.cause(connection) == Some(Cause::Shed)).count()
    };
    server.app.update();
    server.time.advance(Duration::from_millis(4999));
    server.app.update();
    assert_eq!(closed(&server), 0);
    server.time.advance(Duration::from_millis(1));
    server.app.update();
    assert_eq!(closed(&server), 7, "84 percent are left");
    assert!(server.budget.is_accepting());
}

#[test]
fn what_is_on_its_way_out_is_not_looked_for_again() {
    let mut server = Server::new();
    let connections = [50, 30, 16].map(|percent| server.connect(percent * PERCENT));
    connections[0].1.is_slow.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        server.app.update();
        assert_eq!(server.cause(connections[0].0), Some(Cause::Shed));
        assert_eq!((server.cause(connections[1].0), server.cause(connections[2].0)), (None, None));
    }
    assert_eq!(server.budget.count(Shortage::Shed), 1);
}

#[test]
fn one_that_is_closing_anyway_keeps_its_cause_and_nothing_else() {
    let mut server = Server::new();
    let (kicked, line) = server.connect(60 * PERCENT);
    server.app.update();
    server.app.world_mut().trigger(Kick::new(kicked, "enough"));
    server.app.world_mut().flush();
    let (other, _) = server.connect(35 * PERCENT);
    server.app.update();
    assert_eq!((server.cause(kicked), line.held()), (Some(Cause::Kicked), 0));
    assert_eq!(server.cause(other), None);
}

#[test]
fn what_waits_for_the_world_is_charged_until_it_is_taken() {
    let mut server = Server::new();
    let (connection, _) = server.connect(0);
    let frames = Frames::single(vec![0; 10_000]);
    server.funnel.send(Inbound::Frames { connection, received: Duration::ZERO, frames });
    let waiting = server.budget.held(Holding::Incoming);
    assert!((10_000..12_000).contains(&waiting), "{waiting}");
    server.app.update();
    assert_eq!(server.budget.used(), 0);
}

/// Half a million empty frames are a megabyte, and where each of them lies is four more.
#[test]
fn empty_frames_are_charged_for_the_memory_they_take() {
    let server = Server::new();
    let (frames, _) = Assembler::new(Framing::BE16).feed(&vec![0; 1 << 16], 10);
    assert_eq!(frames.len(), 1 << 15);
    server.funnel.send(Inbound::Frames { connection: Entity::PLACEHOLDER, received: Duration::ZERO, frames });
    let waiting = server.budget.held(Holding::Incoming);
    assert!(waiting >= 5 << 16, "{waiting}");
}

/// A line that has taken all it was given, and remembers how much.
#[derive(Default)]
struct Sink(AtomicUsize);

impl Line for Sink {
    fn start(&self) {}
    fn send(&self, bytes: &mut Vec<u8>) -> usize {
        self.0.fetch_add(bytes.len(), Ordering::SeqCst);
        bytes.clear();
        0
    }
    fn delivered(&self, _: usize, _: usize) {}
    fn limit(&self, _: usize, _: usize) {}
    fn close(&self, _: Duration, _: u16) {}
}

/// Says so much to all of them, in pieces.
fn broadcast(server: &mut Server, connections: &[Entity], bytes: usize) {
    const PIECE: usize = 10_000;
    let mut writer = OutboxWriter::from_world(server.app.world_mut());
    for _ in 0..bytes / PIECE {
        for &connection in connections {
            let write = |out: &mut Vec<u8>| out.extend_from_slice(&[7; PIECE]);
            writer.write(server.app.world_mut(), connection, write).unwrap();
        }
        assert!(server.budget.used() <= server.budget.limit());
    }
}

#[test]
fn what_one_run_writes_is_held_to_the_budget_before_it_is_flushed() {
    let mut server = Server::new();
    let lines: Vec<_> = (0..100).map(|_| Arc::new(Sink::default())).collect();
    let connections: Vec<_> = lines.iter().map(|line| server.open(Link(Arc::<Sink>::clone(line)))).collect();
    server.app.update();
    broadcast(&mut server, &connections, 2_000_000);
    assert!(server.budget.used() > 50 * PERCENT);
    server.app.update();
    assert_eq!(server.budget.used(), 0, "all of it is flushed, or dropped");
    let (closed, told): (Vec<_>, Vec<_>) = connections
        .iter()
        .zip(&lines)
        .partition(|&(&connection, _)| server.cause(connection) == Some(Cause::Shed));
    assert!(closed.len() >= 20 && told.len() >= 20, "{} of 100 are closed", closed.len());
    assert_eq!(server.budget.count(Shortage::Overrun), closed.len() as u64);
    assert!(told.iter().all(|(_, line)| line.0.load(Ordering::SeqCst) == 2_000_000), "they have all of it");
    assert!(closed.iter().all(|(_, line)| line.0.load(Ordering::SeqCst) == 0), "and the others nothing");

    // There is room again.
    let told: Vec<_> = told.into_iter().map(|(&connection, _)| connection).collect();
    broadcast(&mut server, &told, 100_000);
    server.app.update();
    assert!(told.iter().all(|&connection| server.cause(connection).is_none()));
    assert_eq!(server.budget.used(), 0);
}

#[test]
fn what_was_written_to_who_is_gone_by_the_flush_is_given_back() {
    let mut server = Server::new();
    let connection = server.open(Link(Arc::new(Sink::default())));
    server.app.update();
    broadcast(&mut server, &[connection], 1_000_000);
    assert!(server.budget.used() > 0);
    server.app.world_mut().despawn(connection);
    server.app.update();
    assert_eq!(server.budget.used(), 0);
}
