//! Virtual time.

use bevy_app::{App, FixedUpdate, PreUpdate, Update};
use bevy_ecs::prelude::*;
use bevy_time::Time;
use portcullis_core::{Cause, Clock, TickSystems};
use portcullis_testkit::{Fact, TestServer};
use portcullis_watchdog::{AgentTemplate, IdleLimit, LoginLimit};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Resource, Default)]
struct Seen {
    updates: Vec<Duration>,
    steps: usize,
}

fn watched(app: &mut App) {
    app.init_resource::<Seen>()
        .add_systems(PreUpdate, compare.before(TickSystems::Watch))
        .add_systems(Update, |clock: Res<Clock>, mut seen: ResMut<Seen>| seen.updates.push(clock.now()))
        .add_systems(FixedUpdate, |mut seen: ResMut<Seen>| seen.steps += 1);
}

fn compare(clock: Res<Clock>, time: Res<Time>) {
    assert_eq!(clock.now(), time.elapsed());
}

#[test]
fn time_passes_tick_by_tick_and_all_clocks_agree() {
    let mut server = TestServer::new(watched);
    assert_eq!(server.now(), Duration::ZERO);
    server.advance(SECOND);
    server.tick();
    assert_eq!(server.now(), Duration::from_millis(1050));
    let world = server.world();
    let seen = world.resource::<Seen>();
    assert_eq!(seen.updates.len(), 22); // the first at the start
    assert!(seen.updates.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_millis(50)));
    assert_eq!(seen.steps, 21);
}

#[test]
fn what_ticks_do_not_divide_passes_too() {
    let mut server = TestServer::new(watched);
    server.advance(Duration::from_millis(120));
    assert_eq!(server.now(), Duration::from_millis(120));
    assert_eq!(server.world().resource::<Seen>().steps, 2);
    server.advance(Duration::from_millis(30));
    assert_eq!(server.world().resource::<Seen>().steps, 3);
}

#[test]
fn a_tick_may_be_of_any_length() {
    let mut server = TestServer::builder().plugin(watched).tick(Duration::from_millis(400)).build();
    server.advance(4 * SECOND);
    let world = server.world();
    assert_eq!((world.resource::<Seen>().updates.len(), world.resource::<Seen>().steps), (11, 10));
}

#[test]
fn nothing_but_the_test_moves_time() {
    let mut server = TestServer::new(watched);
    let ann = server.connect();
    server.step();
    server.settle();
    assert!(ann.is_open());
    assert_eq!(server.now(), Duration::ZERO);
}

#[test]
fn deadlines_pass_in_their_order() {
    let mut server = TestServer::builder()
        .listener(|listener| {
            listener.insert((AgentTemplate::new(|| ()), IdleLimit(9 * SECOND)));
        })
        .build();
    let mut clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for (number, client) in clients.iter().enumerate() {
        let limit = IdleLimit(SECOND * (9 - number as u32));
        server.world_mut().entity_mut(client.entity()).insert(limit);
    }
    server.advance(60 * SECOND);
    let at = |fact| {
        let history = server.history();
        history.iter().filter(|entry| entry.fact == fact).map(|entry| entry.at).collect::<Vec<_>>()
    };
    assert_eq!(at(Fact::Closed(Cause::Idle)), [5, 6, 7, 8, 9].map(Duration::from_secs));
    clients.iter_mut().for_each(|client| client.expect_closed(Cause::Idle));
}

#[test]
fn a_listener_has_its_own_policies() {
    let mut server = TestServer::builder()
        .listener(|listener| {
            listener.insert(LoginLimit(2 * SECOND));
        })
        .build();
    let mut ann = server.connect();
    server.advance(Duration::from_millis(1950));
    assert!(ann.is_open());
    server.tick();
    ann.expect_closed(Cause::LoginTimeout);
}
