//! The two ends of [`Ingress`](crate::Ingress): the queue is drained at its beginning, outboxes are sent at its end.

use crate::{
    AcceptedBy, Admitted, Arrival, Arrivals, Backlogged, Cause, Causes, Clock, Close, CloseCode, Closed,
    Closing, Connection, DirtyOutboxes, Envelope, FIRST_WARNING, Inbound, InboundLimit, Intake, Link,
    MaxFrame, Opening, Outbox, OutboxLimit, PutOff, Shortage, Traffic, close_code::closes_with,
};
use bevy_ecs::prelude::*;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// Frames taken from the queue in one run of [`Ingress`](crate::Ingress), so that ticks stay on time.
const FRAMES_PER_RUN: usize = 8192;
/// Bytes taken in one run: a packed format may unpack to many times that.
const BYTES_PER_RUN: usize = 4 * 1024 * 1024;
/// Items of all kinds taken in one run.
const ITEMS_PER_RUN: usize = 8192;
/// How long what is queued may take to leave before the socket is closed all the same.
pub const FLUSH_BEFORE_CLOSE: Duration = Duration::from_secs(1);

/// Connections whose peer has ended its side, and sockets that are gone: closed after what was sent has been handled.
#[derive(Resource, Debug, Default)]
pub(crate) struct Endings {
    ended: Vec<(Entity, Cause)>,
    closed: Vec<(Entity, Cause)>,
}

/// Connections that wait for the gate, in the order they were accepted.
#[derive(Resource, Debug, Default)]
pub struct Arriving(pub Vec<Entity>);

/// Drains the queue: new connections become entities, frames become [`Arrivals`].
pub(crate) fn receive(world: &mut World, readers: &mut QueryState<Reader>) {
    let intake = world.resource::<Intake>().clone();
    let mut arrivals = std::mem::take(&mut *world.resource_mut::<Arrivals>());
    arrivals.list.clear();
    let mut taken = Taken::default();
    // Observers run in here, and the game's may panic: that costs nobody else what came, and what was taken is given back.
    // Around all items, for it costs something.
    while catch_unwind(AssertUnwindSafe(|| {
        while taken.has_room() {
            let Ok(item) = intake.take(&mut taken.load) else { break };
            taken.items += 1;
            take(world, readers, item, &mut arrivals, &mut taken);
        }
    }))
    .is_err()
    {
        tracing::error!("what came from outside made an observer, or work posted to the world, panic");
    }
    intake.give_back(taken.load);
    *world.resource_mut::<Arrivals>() = arrivals;
    world.flush();
}

/// What one run has taken from the queue.
#[derive(Default)]
struct Taken {
    frames: usize,
    bytes: usize,
    items: usize,
    load: usize,
}

impl Taken {
    fn has_room(&self) -> bool {
        self.frames < FRAMES_PER_RUN && self.bytes < BYTES_PER_RUN && self.items < ITEMS_PER_RUN
    }
}

fn take(
    world: &mut World,
    readers: &mut QueryState<Reader>,
    item: Inbound,
    arrivals: &mut Arrivals,
    taken: &mut Taken,
) {
    match item {
        Inbound::Frames { connection, received, frames } => {
            taken.frames += frames.len();
            taken.bytes += frames.byte_len();
            arrive(world, readers, Arrival { connection, received, frames }, arrivals);
        }
        Inbound::Heard { connection, received } => hear(world, readers, connection, received),
        Inbound::Opened(opening) => open(world, *opening),
        Inbound::Established { connection, transport, envelope } => {
            establish(world, connection, transport, envelope);
        }
        Inbound::Ended { connection, cause } => {
            world.resource_mut::<Endings>().ended.push((connection, cause));
        }
        Inbound::Closed { connection, cause } => {
            world.resource_mut::<Endings>().closed.push((connection, cause));
        }
        Inbound::Drained { connection } => drained(world, connection),
        Inbound::Posted(work) => work(world),
    }
}

/// What an arrival touches.
type Reader = (&'static Link, &'static mut Traffic, Has<Closing>);

fn arrive(world: &mut World, readers: &mut QueryState<Reader>, arrival: Arrival, arrivals: &mut Arrivals) {
    let Ok((link, mut traffic, closing)) = readers.get_mut(world, arrival.connection) else { return };
    let (count, bytes) = (arrival.frames.len(), arrival.frames.byte_len());
    link.0.delivered(count, bytes);
    if closing {
        return;
    }
    traffic.received += count as u64;
    traffic.bytes_received += bytes as u64;
    traffic.last_received = arrival.received;
    arrivals.list.push(arrival);
}

fn hear(world: &mut World, readers: &mut QueryState<Reader>, connection: Entity, received: Duration) {
    let Ok((link, mut traffic, closing)) = readers.get_mut(world, connection) else { return };
    link.0.delivered(1, 0);
    if !closing {
        traffic.last_received = received;
    }
}

fn open(world: &mut World, opening: Opening) {
    let listener = world.get_entity(opening.listener).ok();
    let policy = |entity: &EntityRef| {
        (
            entity.get::<MaxFrame>().copied().unwrap_or_default(),
            entity.get::<InboundLimit>().copied().unwrap_or_default(),
            entity.get::<OutboxLimit>().copied().unwrap_or_default(),
        )
    };
    let policies = listener.as_ref().map(policy).unwrap_or_default();
    let known_listener = listener.is_some();
    let connection = Connection {
        peer: opening.peer,
        local: opening.local,
        transport: opening.transport,
        opened_at: opening.opened_at,
    };
    match world.spawn_at(opening.connection, (connection, opening.link, policies)) {
        Ok(mut entity) => {
            if known_listener {
                entity.insert(AcceptedBy(opening.listener));
            }
            world.resource_mut::<Arriving>().0.push(opening.connection);
        }
        Err(error) => tracing::error!(%error, "an accepted socket could not become an entity"),
    }
}

fn establish(world: &mut World, id: Entity, transport: &'static str, envelope: Option<Envelope>) {
    let Ok(mut entity) = world.get_entity_mut(id) else { return };
    let Some(connection) = entity.get::<Connection>().cloned() else { return };
    if let Some(mut outbox) = entity.get_mut::<Outbox>() {
        outbox.establish(envelope);
    }
    if let Some(link) = entity.get::<Link>() {
        link.0.established();
    }
    // Last, for observers look at it: also where only the way it is written to has changed.
    if connection.transport != transport || envelope.is_some() {
        entity.insert(Connection { transport, ..connection });
    }
}

/// Tells the transport when a connection's limits are set or change.
pub(crate) fn apply_limits(
    event: On<Insert<(MaxFrame, InboundLimit, Link)>>,
    connections: Query<(&Link, &MaxFrame, &InboundLimit)>,
) {
    if let Ok((link, max_frame, held)) = connections.get(event.entity) {
        link.0.limit(max_frame.0, held.0);
    }
}

/// Closes connections whose peer has ended, and despawns those whose socket is gone.
pub(crate) fn reap(
    mut endings: ResMut<Endings>,
    connections: Query<(Option<&Closing>, Has<Admitted>), With<Connection>>,
    put_off: Query<(), With<PutOff>>,
    mut causes: ResMut<Causes>,
    mut commands: Commands,
) {
    endings.ended.retain(|&(entity, cause)| {
        let waits = put_off.contains(entity);
        if !waits {
            commands.trigger(Close::new(entity, cause));
        }
        waits
    });
    for (entity, cause) in endings.closed.drain(..) {
        let Ok((closing, admitted)) = connections.get(entity) else { continue };
        if admitted {
            let cause = closing.map_or(cause, |closing| closing.cause);
            causes.add(cause);
            commands.trigger(Closed { entity, cause });
        }
        commands.entity(entity).despawn();
    }
}

/// Handles [`Close`]: marks the connection, and makes sure the next flush sees it.
pub(crate) fn close(
    event: On<Close>,
    connections: Query<Has<Closing>, With<Connection>>,
    mut commands: Commands,
) {
    let Ok(false) = connections.get(event.entity) else { return };
    let closing = Closing { cause: event.cause, reason: event.reason.clone() };
    commands.entity(event.entity).insert(closing);
}

/// After the farewells of the protocols, which observe the same insertion, the next flush closes the socket.
pub(crate) fn mark_closing(event: On<Add<Closing>>, mut dirty: ResMut<DirtyOutboxes>) {
    dirty.visit(event.entity);
}

/// Hands each written outbox to its transport, as one buffer.
pub(crate) fn flush(
    mut dirty: ResMut<DirtyOutboxes>,
    mut connections: Query<(&mut Outbox, &Link, &OutboxLimit, &mut Traffic, Option<&Closing>)>,
    codes: Query<&CloseCode>,
    driver: Option<Res<crate::ActiveDriver>>,
    mut commands: Commands,
) {
    if dirty.list.is_empty() {
        return;
    }
    let mut list = std::mem::take(&mut dirty.list);
    let mut overruns = 0_usize;
    for entity in list.drain(..) {
        let Ok((mut outbox, link, limit, mut traffic, closing)) = connections.get_mut(entity) else {
            continue;
        };
        if std::mem::take(&mut outbox.overrun) {
            overruns += 1;
            dirty.budget().add(Shortage::Overrun);
            link.0.close(Duration::ZERO, Cause::Shed.close_code());
            if closing.is_none() {
                commands.trigger(Close::new(entity, Cause::Shed));
            }
            continue;
        }
        let mut bytes = dirty.take(&mut outbox);
        if !bytes.is_empty() {
            traffic.sent += u64::from(std::mem::take(&mut outbox.frames));
            traffic.bytes_sent += bytes.len() as u64;
            let queued = link.0.send(&mut bytes);
            if queued > limit.0 && closing.is_none() {
                commands.trigger(Close::new(entity, Cause::SlowConsumer));
            } else if queued >= FIRST_WARNING {
                warn(entity, queued, &mut outbox, &mut commands);
            }
        }
        dirty.recycle(bytes);
        if let Some(closing) = closing {
            let within = if closing.cause.flushes() { FLUSH_BEFORE_CLOSE } else { Duration::ZERO };
            if closing.cause == Cause::HandshakeTimeout {
                link.0.timed_out();
            }
            link.0.close(within, closes_with(closing, codes.get(entity).ok()));
        }
    }
    dirty.flushed();
    if overruns > 0 {
        let budget = dirty.budget();
        tracing::warn!(
            overruns,
            limit = budget.limit(),
            "what was written in one run is more than the byte budget has room for: those it did not fit are closed"
        );
    }
    // What observers of this flush mark dirty again stays for the next.
    dirty.list.append(&mut list);
    if let Some(driver) = driver {
        driver.0.flushed();
    }
}

fn warn(entity: Entity, queued: usize, outbox: &mut Outbox, commands: &mut Commands) {
    let due = FIRST_WARNING.checked_shl(u32::from(outbox.warnings)).unwrap_or(usize::MAX);
    if queued >= due {
        outbox.warnings = (queued / FIRST_WARNING).ilog2() as u8 + 1;
        commands.trigger(Backlogged { entity, bytes: queued });
    }
}

fn drained(world: &mut World, entity: Entity) {
    let Some(mut outbox) = world.get_mut::<Outbox>(entity) else { return };
    if std::mem::take(&mut outbox.warnings) > 0 {
        world.trigger(Backlogged { entity, bytes: 0 });
    }
}

/// Stamps the clock before anything of this run looks at it.
pub(crate) fn stamp(mut clock: ResMut<Clock>) {
    clock.update();
}
