use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Cause, Clock, Close};
use portcullis_watchdog::{
    AgentTemplate, HeartbeatDue, HeartbeatInterval, HeartbeatLimit, IdleLimit, LastHeartbeat,
};
use std::time::Duration;

/// When each beat was told, in milliseconds.
#[derive(Resource, Default)]
struct Beats(Vec<u128>);

fn server_with_beats() -> Server {
    let mut server = Server::new();
    server.app.init_resource::<Beats>().add_observer(
        |_: On<HeartbeatDue>, clock: Res<Clock>, mut beats: ResMut<Beats>| {
            beats.0.push(clock.now().as_millis());
        },
    );
    server
}

fn policies(interval: Duration) -> impl Bundle {
    (AgentTemplate::new(|| ()), IdleLimit(Duration::MAX), HeartbeatInterval(interval))
}

fn tick(server: &mut Server, times: usize, step: u64) {
    for _ in 0..times {
        server.advance(Duration::from_millis(step));
    }
}

#[test]
fn beats_come_every_interval_without_drift() {
    let mut server = server_with_beats();
    let listener = server.world().spawn(policies(Duration::from_secs(5))).id();
    let _socket = server.connect(listener);
    // Ticks that never meet the beat: each is told in the first tick after its moment.
    tick(&mut server, 430, 70);
    assert_eq!(server.app.world().resource::<Beats>().0, [5040, 10_010, 15_050, 20_020, 25_060, 30_030]);
}

#[test]
fn missed_beats_are_skipped() {
    let mut server = server_with_beats();
    let listener = server.world().spawn(policies(Duration::from_secs(5))).id();
    let _socket = server.connect(listener);
    tick(&mut server, 1, 22_000);
    tick(&mut server, 10, 1000);
    assert_eq!(server.app.world().resource::<Beats>().0, [22_000, 25_000, 30_000]);
}

#[test]
fn another_interval_holds_at_once_and_none_is_off() {
    let mut server = server_with_beats();
    let listener = server.world().spawn(policies(Duration::from_secs(5))).id();
    let socket = server.connect(listener);
    tick(&mut server, 6, 1000);
    server.world().entity_mut(socket.connection()).insert(HeartbeatInterval(Duration::from_secs(2)));
    tick(&mut server, 5, 1000);
    server.world().entity_mut(socket.connection()).insert(HeartbeatInterval(Duration::from_secs(8)));
    tick(&mut server, 9, 1000);
    server.world().entity_mut(socket.connection()).insert(HeartbeatInterval(Duration::ZERO));
    tick(&mut server, 20, 1000);
    server.world().entity_mut(socket.connection()).insert(HeartbeatInterval(Duration::from_secs(3)));
    tick(&mut server, 4, 1000);
    server.world().entity_mut(socket.connection()).remove::<HeartbeatInterval>();
    tick(&mut server, 20, 1000);
    assert_eq!(server.app.world().resource::<Beats>().0, [5000, 8000, 10_000, 19_000, 43_000]);
}

#[test]
fn a_connection_that_is_closing_has_no_beats() {
    let mut server = server_with_beats();
    let listener = server.world().spawn(policies(Duration::from_secs(1))).id();
    let socket = server.connect(listener);
    server.world().trigger(Close::new(socket.connection(), Cause::Requested));
    tick(&mut server, 5, 1000);
    assert!(server.app.world().resource::<Beats>().0.is_empty());
}

/// A connection that has agreed to send heartbeats, opened at 0 s.
fn listened_to(server: &mut Server, strict: bool) -> portcullis_net::memory::MemorySocket {
    let listener = server.world().spawn((AgentTemplate::new(|| ()), IdleLimit(Duration::MAX))).id();
    let socket = server.connect(listener);
    let limit = HeartbeatLimit { within: Duration::from_secs(6), strict };
    server.world().entity_mut(socket.connection()).insert(limit);
    socket
}

#[test]
fn a_peer_whose_heartbeats_stay_away_is_closed() {
    let mut server = Server::new();
    let socket = listened_to(&mut server, true);
    tick(&mut server, 5, 1000);
    let now = LastHeartbeat(Duration::from_secs(5));
    server.world().entity_mut(socket.connection()).insert(now);
    tick(&mut server, 5, 1000);
    assert!(server.causes().is_empty(), "the beat at 5 s counts until 11 s");
    tick(&mut server, 1, 1000);
    assert_eq!(server.causes(), [Cause::HeartbeatTimeout]);
}

#[test]
fn whatever_comes_counts_as_a_heartbeat_unless_the_limit_is_strict() {
    let mut server = Server::new();
    let (lenient, strict) = (listened_to(&mut server, false), listened_to(&mut server, true));
    for _ in 0..12 {
        lenient.write(&[0, 1, b'x']);
        strict.write(&[0, 1, b'x']);
        tick(&mut server, 1, 1000);
    }
    assert!(strict.is_closed() && !lenient.is_closed());
    tick(&mut server, 6, 1000);
    assert_eq!(server.causes(), [Cause::HeartbeatTimeout; 2]);
}
