//! What has happened to whom: observers write it down, expectations and invariants read it.

use bevy_app::App;
use bevy_ecs::{entity::EntityHashMap, prelude::*};
use portcullis_core::{Cause, Clock, Closed, Closing, Connection, Forwarded, Line, Link, Opened, Start};
use portcullis_gate::{Refusal, Refused};
use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

/// All that the lifecycle events of connections have told since the server started, in order.
#[derive(Resource, Debug, Default)]
pub struct History {
    entries: Vec<Entry>,
    pub(crate) connections: EntityHashMap<Record>,
    /// The last connection between two addresses, and how many had been accepted before it.
    by_ends: HashMap<Ends, (usize, Entity)>,
}

/// The client's address, and the server's: one port of a client may lead to two listeners at once.
pub(crate) type Ends = (SocketAddr, SocketAddr);

/// One thing that happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, as time of the [`Clock`].
    pub at: Duration,
    /// To whom.
    pub connection: Entity,
    /// What.
    pub fact: Fact,
}

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The transport accepted it.
    Accepted,
    /// The gate let it in.
    Opened,
    /// The gate did not.
    Refused(Refusal),
    /// It got this agent.
    Forwarded(Entity),
    /// It began to close.
    Closing(Cause),
    /// It is over.
    Closed(Cause),
}

/// What is known of one connection.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) line: Weak<dyn Line>,
    pub(crate) opened: u32,
    pub(crate) refused: Option<Refusal>,
    /// Whether it is read, so that it notices a close.
    pub(crate) started: bool,
    pub(crate) causes: Vec<Cause>,
}

impl History {
    /// Everything, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// The connections the gate has let in, in order.
    pub fn opened(&self) -> impl Iterator<Item = Entity> {
        self.iter().filter(|entry| entry.fact == Fact::Opened).map(|entry| entry.connection)
    }

    /// Why the gate did not let this connection in.
    pub fn refused(&self, connection: Entity) -> Option<Refusal> {
        self.connections.get(&connection)?.refused
    }

    /// Why this connection is over; none while it is not, or when it was never let in.
    pub fn closed(&self, connection: Entity) -> Option<Cause> {
        self.connections.get(&connection)?.causes.first().copied()
    }

    pub(crate) fn accepted(&self) -> usize {
        self.connections.len()
    }

    /// The connection between these addresses, when it is not one of the first `before`.
    pub(crate) fn opened_between(&self, ends: Ends, before: usize) -> Option<Entity> {
        self.by_ends.get(&ends).filter(|(number, _)| *number >= before).map(|&(_, connection)| connection)
    }

    fn write(&mut self, clock: &Clock, connection: Entity, fact: Fact) -> Option<&mut Record> {
        self.entries.push(Entry { at: clock.now(), connection, fact });
        self.connections.get_mut(&connection)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:9.3} s] {} ", self.at.as_secs_f64(), self.connection)?;
        match self.fact {
            Fact::Accepted => f.write_str("accepted"),
            Fact::Opened => f.write_str("opened"),
            Fact::Refused(why) => write!(f, "refused: {why}"),
            Fact::Forwarded(agent) => write!(f, "forwarded to {agent}"),
            Fact::Closing(cause) => write!(f, "closing: {cause}"),
            Fact::Closed(cause) => write!(f, "closed: {cause}"),
        }
    }
}

pub(crate) fn build(app: &mut App) {
    app.init_resource::<History>()
        .add_observer(accepted)
        .add_observer(opened)
        .add_observer(refused)
        .add_observer(started)
        .add_observer(forwarded)
        .add_observer(closing)
        .add_observer(closed);
}

fn accepted(
    event: On<Add<Connection>>,
    connections: Query<(&Connection, Option<&Link>)>,
    clock: Res<Clock>,
    mut history: ResMut<History>,
) {
    let Ok((connection, link)) = connections.get(event.entity) else { return };
    let line: Weak<dyn Line> = match link {
        Some(link) => Arc::downgrade(&link.0),
        None => Weak::<NoLine>::new(),
    };
    let record = Record { line, opened: 0, refused: None, started: false, causes: Vec::new() };
    let number = history.connections.len();
    history.by_ends.insert((connection.peer, connection.local), (number, event.entity));
    history.connections.insert(event.entity, record);
    history.write(&clock, event.entity, Fact::Accepted);
}

fn opened(event: On<Opened>, clock: Res<Clock>, mut history: ResMut<History>) {
    if let Some(record) = history.write(&clock, event.entity, Fact::Opened) {
        record.opened += 1;
    }
}

fn refused(event: On<Refused>, clock: Res<Clock>, mut history: ResMut<History>) {
    if let Some(record) = history.write(&clock, event.entity, Fact::Refused(event.why)) {
        record.refused = Some(event.why);
    }
}

fn started(event: On<Start>, mut history: ResMut<History>) {
    if let Some(record) = history.connections.get_mut(&event.entity) {
        record.started = true;
    }
}

fn forwarded(event: On<Forwarded>, clock: Res<Clock>, mut history: ResMut<History>) {
    if let Some(record) = history.write(&clock, event.entity, Fact::Forwarded(event.agent)) {
        record.started = true;
    }
}

fn closing(
    event: On<Add<Closing>>,
    connections: Query<&Closing>,
    clock: Res<Clock>,
    mut history: ResMut<History>,
) {
    if let Ok(closing) = connections.get(event.entity) {
        history.write(&clock, event.entity, Fact::Closing(closing.cause));
    }
}

fn closed(event: On<Closed>, clock: Res<Clock>, mut history: ResMut<History>) {
    if let Some(record) = history.write(&clock, event.entity, Fact::Closed(event.cause)) {
        record.causes.push(event.cause);
    }
}

/// The type of a line that was never there.
struct NoLine;

impl Line for NoLine {
    fn start(&self) {}
    fn send(&self, _: &mut Vec<u8>) -> usize {
        0
    }
    fn delivered(&self, _: usize, _: usize) {}
    fn limit(&self, _: usize, _: usize) {}
    fn close(&self, _: Duration, _: u16) {}
}
