use bevy_app::App;
use portcullis_core::{Clock, Lateness};
use portcullis_dispatch::{AppDispatchExt, Counters, Refusal, Request, TooBusyPlugin};
use portcullis_testkit::TestServer;
use std::time::Duration;

fn game(app: &mut App) {
    app.add_plugins(TooBusyPlugin::default()).add_handler("ping", |_: Request<()>| "pong");
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn requests_are_refused_while_ticks_are_late() {
    let mut server = TestServer::new(game);
    let mut ann = server.connect();
    server.world_mut().resource_mut::<Lateness>().0 = millis(71);
    assert_eq!(ann.request("ping", &()).expect_refusal().code, Refusal::TOO_BUSY);
    ann.notify("ping", &());
    assert_eq!(server.world().resource::<Counters>().refused, 2);
    server.world_mut().resource_mut::<Lateness>().0 = millis(70);
    ann.request("ping", &()).expect_reply::<String>();
}

#[test]
fn heartbeats_are_answered_while_requests_are_refused() {
    let mut server = TestServer::new(game);
    let mut ann = server.connect();
    server.world_mut().resource_mut::<Lateness>().0 = millis(1000);
    ann.ping();
    assert_eq!(ann.pongs(), 1);
}

#[test]
fn a_packet_that_has_waited_too_long_is_refused() {
    let mut server = TestServer::new(game);
    let mut ann = server.connect();
    let time = server.world().resource::<Clock>().source().clone();
    let (old, borne) = server.together(|| {
        let old = ann.request("ping", &());
        time.advance(millis(10));
        let borne = ann.request("ping", &());
        time.advance(millis(70));
        (old, borne)
    });
    assert_eq!(old.expect_refusal().code, Refusal::TOO_BUSY);
    borne.expect_reply::<String>();
}
