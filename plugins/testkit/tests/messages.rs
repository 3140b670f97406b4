//! What a failed expectation says.

mod game;

use game::{GamePlugin, Joined, join_as};
use portcullis_core::Cause;
use portcullis_testkit::{TestClient, TestServer};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// What a test is told that expects too much of a client.
fn complaint(expect: impl FnOnce(&mut TestServer, &mut TestClient)) -> String {
    let mut server = TestServer::builder().plugin(GamePlugin).patience(Duration::ZERO).build();
    let mut ann = server.connect();
    let panic = catch_unwind(AssertUnwindSafe(|| expect(&mut server, &mut ann))).expect_err("it is too much");
    panic.downcast_ref::<String>().cloned().expect("a text")
}

#[track_caller]
fn assert_says(complaint: &str, words: &[&str]) {
    for word in words {
        assert!(complaint.contains(word), "{word:?} is missing:\n{complaint}");
    }
}

#[test]
fn a_close_that_did_not_come_shows_what_did() {
    let told = complaint(|server, ann| {
        server.advance(Duration::from_secs(30));
        ann.expect_closed(Cause::Idle);
    });
    assert_says(
        &told,
        &["closed with cause idle", "which is open", "clock 30.000 s", "opened", "forwarded to"],
    );
    let told = complaint(|server, ann| {
        server.advance(Duration::from_secs(61));
        ann.expect_closed(Cause::Kicked);
    });
    assert_says(&told, &["closed with cause kicked", "which is closed: idle", "[   60.000 s]"]);
}

#[test]
fn a_reply_that_did_not_come_says_why() {
    let told = complaint(|_, ann| {
        ann.request("join", &join_as("")).expect_reply::<Joined>();
    });
    assert_says(&told, &["as reply to `join`", "409 a player needs a name"]);
    let told = complaint(|_, ann| {
        ann.request("join", &join_as("ann")).expect_refusal();
    });
    assert_says(&told, &["a refusal of the request to `join`", "it was answered"]);
    let told = complaint(|server, ann| {
        server.skip_invariants(); // nobody ever answers
        ann.request("wait", &()).expect_reply::<u32>();
    });
    assert_says(&told, &["no answer came in time", "which is open"]);
}

#[test]
fn a_wrong_route_or_type_is_named() {
    let told = complaint(|_, ann| {
        ann.request("jion", &join_as("ann"));
    });
    assert_says(&told, &["to send a request to `jion`", "the manifest has no such request"]);
    let told = complaint(|_, ann| {
        ann.request("join", &7u8);
    });
    assert_says(&told, &["`join` takes a Join, not a u8"]);
}

#[test]
fn a_push_that_did_not_come_shows_those_that_did() {
    let told = complaint(|server, ann| {
        ann.notify("move", &game::Move { by: 1 });
        server.tick();
        ann.expect_push::<game::News>("news");
    });
    assert_says(&told, &["a push on `news`", "pushes nobody has taken: [\"moved\"]"]);
}

#[test]
fn a_world_that_is_borrowed_says_so() {
    let mut server = TestServer::new(GamePlugin);
    let ann = server.connect();
    let world = server.world();
    let panic = catch_unwind(AssertUnwindSafe(|| ann.is_open())).expect_err("the world is borrowed");
    assert_says(panic.downcast_ref::<String>().expect("a text"), &["the world is borrowed"]);
    drop(world);
    assert!(ann.is_open());
}
