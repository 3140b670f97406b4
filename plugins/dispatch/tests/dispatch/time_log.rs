use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::Clock;
use portcullis_dispatch::{AppDispatchExt, Request, RouteTimes, Routes, TimeLog, TimeLogPlugin};
use portcullis_testkit::TestServer;
use std::time::Duration;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn game(app: &mut App) {
    app.add_handler("work", |time: Request<u64>, clock: Res<Clock>| {
        clock.source().advance(millis(time.body));
    })
    .add_handler("rest", |_: Request<()>| ());
}

#[test]
fn handlers_are_measured_by_route() {
    let plugin = TimeLogPlugin { slower_than: millis(20) };
    let mut server = TestServer::new((game, plugin));
    let mut ann = server.connect();
    server.together(|| {
        for time in [5_u64, 30, 20] {
            ann.notify("work", &time);
        }
        ann.notify("rest", &());
    });
    let world = server.world();
    let routes = world.resource::<Routes>();
    let log = world.resource::<TimeLog>();
    let times = |name| log.get(routes.get(name).unwrap());
    assert_eq!(times("work"), RouteTimes { count: 3, total: millis(55), max: millis(30), slow: 1 });
    assert_eq!(times("rest"), RouteTimes { count: 1, ..RouteTimes::default() });
    assert_eq!(log.iter().count(), 2);
}

#[test]
fn nothing_is_measured_without_the_plugin() {
    let mut server = TestServer::new(game);
    let mut ann = server.connect();
    ann.request("rest", &()).expect_reply::<()>();
    assert!(server.world().get_resource::<TimeLog>().is_none());
}
