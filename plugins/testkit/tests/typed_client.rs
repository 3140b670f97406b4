//! What a typed client can do, on every transport.

mod game;

use bevy_ecs::prelude::*;
use game::{GamePlugin, Join, Joined, Move, News, Player, Waiting, join_as};
use portcullis_core::{Cause, Close};
use portcullis_dispatch::Refusal;
use portcullis_native::ClientError;
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};
use portcullis_watchdog::Kick;
use std::time::Duration;

on_every_transport! {
    fn a_request_is_answered(server: TestServerBuilder) {
        let mut server = server.plugin(GamePlugin).build();
        let mut ann = server.connect();
        let mut bob = server.connect();
        assert_eq!(ann.request("join", &join_as("ann")).expect_reply::<Joined>(), Joined { players: 1 });
        assert_eq!(bob.request("join", &join_as("bob")).expect_reply::<Joined>(), Joined { players: 2 });
        assert_ne!(ann.entity(), bob.entity());
    }

    fn answers_find_their_requests(server: TestServerBuilder) {
        let mut server = server.plugin(GamePlugin).build();
        let mut ann = server.connect();
        let first = ann.request("think", &1u32);
        let second = ann.request("join", &join_as(""));
        let third = ann.request("think", &3u32);
        assert_eq!(third.expect_reply::<u32>(), 4);
        assert_eq!(second.expect_refusal(), Refusal::new(Refusal::CONFLICT, "a player needs a name"));
        assert_eq!(first.expect_reply::<u32>(), 2);
    }

    fn pushes_wait_by_route_until_they_are_taken(server: TestServerBuilder) {
        let mut server = server.plugin(GamePlugin).build();
        let (mut ann, mut bob) = (server.connect(), server.connect());
        bob.expect_no_push();
        let news = News { text: "hello".to_owned() };
        assert_eq!(ann.request("shout", &news).expect_reply::<usize>(), 2);
        ann.notify("move", &Move { by: 3 });
        ann.notify("move", &Move { by: 4 });
        server.tick();
        assert_eq!(ann.expect_push::<i32>("moved"), 3);
        assert_eq!(ann.expect_push::<News>("news"), news);
        assert_eq!(ann.expect_push::<i32>("moved"), 7);
        ann.expect_no_push();
        assert_eq!(bob.pushes().len(), 1);
        bob.expect_no_push();
    }

    fn a_kicked_client_knows_why(server: TestServerBuilder) {
        let mut server = server.plugin(GamePlugin).build();
        let mut ann = server.connect();
        assert!(ann.is_open());
        server.trigger(Kick::new(ann.entity(), "no room for cheats"));
        ann.expect_closed(Cause::Kicked);
        let goodbye = ann.goodbye().expect("kicks are explained");
        assert_eq!((goodbye.cause, goodbye.reason.as_deref()), (Some(Cause::Kicked), Some("no room for cheats")));
        assert!(!ann.is_open());
        assert_eq!(server.causes(), [(ann.entity(), Cause::Kicked)]);
    }

    fn a_client_may_go_in_three_ways(server: TestServerBuilder) {
        let mut server = server.plugin(GamePlugin).build();
        let (mut ann, mut bob, cid) = (server.connect(), server.connect(), server.connect());
        ann.close();
        ann.expect_closed(Cause::PeerClosed);
        bob.reset();
        bob.expect_closed(Cause::Reset);
        let entity = cid.entity();
        drop(cid);
        server.settle();
        assert_eq!(server.closed(entity), Some(Cause::PeerClosed));
    }

    fn what_was_sent_before_the_close_is_still_answered(server: TestServerBuilder) {
        let mut server = server.plugin(GamePlugin).build();
        let mut ann = server.connect();
        let reply = server.together(|| {
            let reply = ann.request("join", &join_as("ann"));
            ann.close();
            reply
        });
        assert_eq!(reply.expect_reply::<Joined>(), Joined { players: 1 });
        ann.expect_closed(Cause::PeerClosed);
    }

    fn a_silent_client_is_idle_after_a_minute_and_a_lively_one_is_not(server: TestServerBuilder) {
        let mut server = server.plugin(GamePlugin).build();
        let (mut ann, mut bob) = (server.connect(), server.connect());
        bob.keep_alive();
        server.advance(Duration::from_secs(61));
        ann.expect_closed(Cause::Idle);
        server.advance(Duration::from_secs(600));
        assert!(bob.is_open());
        assert_eq!(bob.pongs(), 33);
    }

    fn requests_sent_together_arrive_in_one_run(server: TestServerBuilder) {
        let mut server = server.plugin(GamePlugin).build();
        let mut ann = server.connect();
        let replies = server.together(|| {
            let replies = [ann.request("join", &join_as("ann")), ann.request("join", &join_as("anna"))];
            assert!(!replies[0].is_answered());
            replies
        });
        assert!(replies.into_iter().all(|reply| reply.expect_reply::<Joined>().players == 1));
    }
}

#[test]
fn a_deferred_answer_waits_for_virtual_time() {
    let mut server = TestServer::new(GamePlugin);
    let mut ann = server.connect();
    let (first, second) = (ann.request("wait", &()), ann.request("wait", &()));
    assert!(!first.is_answered());
    let responder = server.world_mut().resource_mut::<Waiting>().0.remove(0);
    responder.reply(7);
    assert_eq!(first.expect_reply::<u32>(), 7);
    server.advance(Duration::from_millis(9_950));
    assert!(!second.is_answered());
    server.tick();
    assert_eq!(second.expect_refusal().code, Refusal::TIMEOUT);
}

#[test]
fn a_reply_that_cannot_come_is_an_error() {
    let mut server = TestServer::new(GamePlugin);
    let mut ann = server.connect();
    let waiting = ann.request("wait", &());
    server.trigger(Close::new(ann.entity(), Cause::Requested));
    let error = waiting.reply::<u32>().unwrap_err();
    assert_eq!(error.cause(), Some(Cause::Requested));
    let error = ann.request("join", &join_as("ann")).reply::<Joined>().unwrap_err();
    assert!(matches!(error, ClientError::Closed { .. }));
    server.world_mut().resource_mut::<Waiting>().0.clear();
}

#[test]
fn a_reply_of_another_type_is_an_error() {
    let mut server = TestServer::new(GamePlugin);
    let mut ann = server.connect();
    let error = ann.request("join", &join_as("ann")).reply::<Join>().unwrap_err();
    assert!(matches!(error, ClientError::WrongType { expected: "Joined", given: "Join", .. }));
}

#[test]
fn a_system_can_be_run_in_the_middle_of_a_test() {
    let mut server = TestServer::new(GamePlugin);
    let mut ann = server.connect();
    let _ = ann.request("join", &join_as("ann"));
    let names = server.run_system_once(|players: Query<&Player>| {
        players.iter().map(|player| player.name.clone()).collect::<Vec<_>>()
    });
    assert_eq!(names, ["ann"]);
}
