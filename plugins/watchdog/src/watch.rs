//! The deadlines: one entry in the queue for each connection, at the moment it next has to be looked at.

use crate::{
    HandshakeLimit, Handshaking, HeartbeatDue, HeartbeatInterval, HeartbeatLimit, IdleLimit, LastHeartbeat,
    LoginLimit,
};
use bevy_ecs::{prelude::*, query::QueryData};
use portcullis_core::{
    Authenticated, Cause, Clock, Close, Closing, Connection, DeadlineQueue, Forwarded, Lateness, Traffic,
};
use std::time::Duration;

/// A tick that is so late has kept peers from being answered: what they owe us may be our fault.
const STALL: Duration = Duration::from_secs(1);
/// The longest that deadlines wait for that, after the tick: a round trip of a bad mobile network, and the first answer.
const LONGEST_MERCY: Duration = Duration::from_secs(5);

/// Connections by the moment they have to be looked at.
///
/// An entry is pushed only when a deadline comes nearer; one that has moved away is found out when it is popped. So
/// that short-lived connections leave little behind, a connection has one entry, for the nearest of its deadlines.
#[derive(Resource, Debug, Default)]
pub(crate) struct Deadlines(DeadlineQueue<Entry>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    connection: Entity,
    due: Duration,
}

/// What the watchdog knows of a connection.
#[derive(Component, Debug, Default)]
pub(crate) struct Watch {
    /// When its entry is due. Entries due at any other time are left over, and dropped.
    armed: Option<Duration>,
    /// It was forwarded, or has proved who it is.
    logged_in: bool,
    /// When the next heartbeat is due, while it has an interval.
    next_beat: Option<Duration>,
}

#[derive(QueryData)]
#[query_data(mutable)]
pub(crate) struct Watched {
    watch: &'static mut Watch,
    connection: &'static Connection,
    traffic: &'static Traffic,
    handshaking: Has<Handshaking>,
    handshake: Option<&'static HandshakeLimit>,
    login: Option<&'static LoginLimit>,
    idle: Option<&'static IdleLimit>,
    heartbeat: Option<&'static HeartbeatInterval>,
    beats: Option<(&'static HeartbeatLimit, &'static mut LastHeartbeat)>,
}

impl WatchedItem<'_, '_> {
    /// The deadlines that close a connection.
    fn deadlines(&self) -> [(Option<Duration>, Cause); 4] {
        let opened = self.connection.opened_at;
        let heard = self.traffic.last_received.max(opened);
        let login = self.login.filter(|_| !self.watch.logged_in);
        [
            (self.handshake.and_then(|limit| opened.checked_add(limit.0)), Cause::HandshakeTimeout),
            (login.and_then(|limit| opened.checked_add(limit.0)), Cause::LoginTimeout),
            (self.next_heartbeat(), Cause::HeartbeatTimeout),
            (self.idle.and_then(|limit| heard.checked_add(limit.0)), Cause::Idle),
        ]
    }

    /// By when the peer has to show that it is alive.
    fn next_heartbeat(&self) -> Option<Duration> {
        let (limit, last) = self.beats.as_ref()?;
        let heard = if limit.strict { last.0 } else { last.0.max(self.traffic.last_received) };
        heard.checked_add(limit.within)
    }

    /// The deadline that has passed.
    fn passed(&self, now: Duration) -> Option<Cause> {
        let passed = |(due, cause): (Option<Duration>, Cause)| {
            let counts = cause != Cause::HandshakeTimeout || self.handshaking;
            (due? <= now && counts).then_some(cause)
        };
        self.deadlines().into_iter().find_map(passed)
    }

    /// Whether a heartbeat is due; if so, sets the moment of the next.
    fn beat(&mut self, now: Duration) -> bool {
        let Some(due) = self.watch.next_beat.filter(|&due| due <= now) else { return false };
        let interval = self.heartbeat.map_or(Duration::ZERO, |heartbeat| heartbeat.0);
        self.watch.next_beat = following_beat(due, interval, now);
        self.heartbeat.is_some()
    }

    /// Makes sure that it is looked at when the next deadline passes.
    fn arm(&mut self, entity: Entity, now: Duration, queue: &mut Deadlines) {
        let next = self.passed(now).map(|_| now);
        // Those which have passed and do not count are over: a handshake that came to its end.
        let coming = self.deadlines().into_iter().filter_map(|(due, _)| due).filter(|&due| due > now);
        let Some(due) = next.into_iter().chain(coming).chain(self.watch.next_beat).min() else { return };
        self.arm_at(entity, due, queue);
    }

    /// Makes sure that it is looked at then.
    fn arm_at(&mut self, entity: Entity, due: Duration, queue: &mut Deadlines) {
        if self.watch.armed.is_none_or(|armed| due < armed) {
            self.watch.armed = Some(due);
            queue.0.push(due, Entry { connection: entity, due });
        }
    }
}

/// The beat after the one that was due, in its rhythm, and later than now.
fn following_beat(due: Duration, interval: Duration, now: Duration) -> Option<Duration> {
    let late = now.saturating_sub(due).as_nanos().checked_rem(interval.as_nanos())?;
    now.checked_add(interval)?.checked_sub(Duration::from_nanos(u64::try_from(late).ok()?))
}

/// A limit was set, or changed.
pub(crate) fn arm(
    event: On<Insert<(HandshakeLimit, LoginLimit, IdleLimit)>>,
    mut connections: Query<Watched>,
    clock: Res<Clock>,
    mut queue: ResMut<Deadlines>,
) {
    // A listener's limits are no deadlines: it is not watched.
    if let Ok(mut watched) = connections.get_mut(event.entity) {
        watched.arm(event.entity, clock.now(), &mut queue);
    }
}

/// A heartbeat was set, or got another rhythm.
pub(crate) fn start_beating(
    event: On<Insert<HeartbeatInterval>>,
    mut connections: Query<Watched>,
    clock: Res<Clock>,
    mut queue: ResMut<Deadlines>,
) {
    if let Ok(mut watched) = connections.get_mut(event.entity) {
        let interval = watched.heartbeat.map(|heartbeat| heartbeat.0).filter(|interval| !interval.is_zero());
        watched.watch.next_beat = interval.and_then(|interval| clock.now().checked_add(interval));
        watched.arm(event.entity, clock.now(), &mut queue);
    }
}

/// The peer was told to send heartbeats: the first is awaited from now on.
pub(crate) fn start_listening(
    event: On<Insert<HeartbeatLimit>>,
    mut connections: Query<Watched>,
    clock: Res<Clock>,
    mut queue: ResMut<Deadlines>,
) {
    if let Ok(mut watched) = connections.get_mut(event.entity) {
        if let Some((_, last)) = &mut watched.beats {
            last.0 = clock.now();
        }
        watched.arm(event.entity, clock.now(), &mut queue);
    }
}

pub(crate) fn on_forwarded(event: On<Forwarded>, mut connections: Query<&mut Watch>) {
    if let Ok(mut watch) = connections.get_mut(event.entity) {
        watch.logged_in = true;
    }
}

pub(crate) fn on_authenticated(event: On<Authenticated>, mut connections: Query<&mut Watch>) {
    if let Ok(mut watch) = connections.get_mut(event.entity) {
        watch.logged_in = true;
    }
}

/// Looks at the connections whose moment has come, in `TickSystems::Watch`.
///
/// After a tick that was late nobody is closed for as long as it was late, so that who has waited for us can be heard.
/// Ticks that are late all the time get that once, and not again before deadlines were looked at.
pub(crate) fn watch(
    clock: Res<Clock>,
    lateness: Res<Lateness>,
    mut mercy: Local<Duration>,
    mut queue: ResMut<Deadlines>,
    mut connections: Query<Watched, Without<Closing>>,
    mut commands: Commands,
) {
    let now = clock.now();
    if lateness.0 >= STALL && now.saturating_sub(lateness.0) >= *mercy {
        *mercy = now.saturating_add(lateness.0.min(LONGEST_MERCY));
    }
    while let Some(Entry { connection, due }) = queue.0.pop_due(now) {
        // Closed meanwhile: an entity that came after it has another generation.
        let Ok(mut watched) = connections.get_mut(connection) else { continue };
        if watched.watch.armed != Some(due) {
            continue;
        }
        watched.watch.armed = None;
        let passed = watched.passed(now);
        if let Some(cause) = passed.filter(|_| now >= *mercy) {
            commands.trigger(Close::new(connection, cause));
            continue;
        }
        if watched.beat(now) {
            commands.trigger(HeartbeatDue { entity: connection });
        }
        if passed.is_some() {
            let due = watched.watch.next_beat.map_or(*mercy, |beat| beat.min(*mercy));
            watched.arm_at(connection, due, &mut queue);
        } else {
            watched.arm(connection, now, &mut queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy_app::{App, Update};
    use portcullis_core::TimeSource;
    use std::net::SocketAddr;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_connection_has_one_entry_however_often_its_limits_change() {
        let time = TimeSource::manual();
        let mut app = App::new();
        app.insert_resource(Clock::new(time.clone()))
            .init_resource::<Deadlines>()
            .init_resource::<Lateness>();
        app.add_observer(arm).add_systems(Update, watch);
        let (peer, local) = (SocketAddr::from(([127, 0, 0, 1], 7)), SocketAddr::from(([127, 0, 0, 1], 8)));
        let connection = Connection { peer, local, transport: "memory", opened_at: Duration::ZERO };
        let entity = app.world_mut().spawn((connection, Watch::default())).id();
        for round in 0..100 {
            // Nearer, then farther again: the entries of the nearer ones are left over.
            for seconds in [50 - round / 2, 1000] {
                app.world_mut().entity_mut(entity).insert(IdleLimit(seconds * SECOND));
            }
        }
        assert_eq!(app.world().resource::<Deadlines>().0.len(), 50, "one for each that came nearer");
        time.advance(60 * SECOND);
        app.world_mut().resource_mut::<Clock>().update();
        app.update();
        assert_eq!(app.world().resource::<Deadlines>().0.len(), 1);
    }

    #[test]
    fn beats_keep_their_rhythm_and_missed_ones_are_skipped() {
        assert_eq!(following_beat(5 * SECOND, 5 * SECOND, 6 * SECOND), Some(10 * SECOND));
        assert_eq!(following_beat(5 * SECOND, 5 * SECOND, 5 * SECOND), Some(10 * SECOND));
        assert_eq!(following_beat(5 * SECOND, 5 * SECOND, 21 * SECOND), Some(25 * SECOND));
        assert_eq!(following_beat(5 * SECOND, Duration::ZERO, 6 * SECOND), None);
    }
}
