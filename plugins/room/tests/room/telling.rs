use crate::chat::*;
use bevy_ecs::prelude::*;
use portcullis_core::{BoundTo, Connection};
use portcullis_dispatch::Told;
use portcullis_room::{Teller, ToldUids};
use portcullis_skynet::{SkynetListener, SkynetPlugin};
use portcullis_testkit::TestServer;

fn told(connections: usize) -> Told {
    Told { connections, unreachable: 0 }
}

#[test]
fn others_are_told_and_the_speaker_is_not() {
    let mut server = server();
    let (mut ann, mut bob) = (server.connect(), server.connect());
    join_room(&mut server, ann.entity(), "lobby");
    join_room(&mut server, bob.entity(), "lobby");
    let (lobby, speaker) = (room(&server, "lobby").unwrap(), ann.entity());
    let tell = move |mut teller: Teller| teller.to_others(lobby, speaker, "line", &line("hello"));
    assert_eq!(server.run_system_once(tell), told(1));
    assert_eq!(bob.expect_push::<Line>("line"), line("hello"));
    ann.expect_no_push();
}

#[test]
fn nobody_is_told_twice_who_is_in_a_room_by_connection_and_by_session() {
    let mut server = server();
    let mut ann = server.connect();
    ann.request("login", "ann").expect_reply::<()>();
    let session = session(&server, "ann");
    join_room(&mut server, session, "lobby");
    join_room(&mut server, ann.entity(), "lobby");
    assert_eq!(ann.request("say", &line("hello")).expect_reply::<usize>(), 1);
    assert_eq!(ann.pushes().len(), 1);
}

#[test]
fn users_who_are_offline_come_back_by_name() {
    let mut server = server();
    let (mut ann, mut bob) = (server.connect(), server.connect());
    ann.request("login", "ann").expect_reply::<()>();
    bob.request("login", "bob").expect_reply::<()>();
    let tell = |mut teller: Teller| teller.to_uids(["ann", "carl", "bob", "dora"], "line", &line("mail"));
    let expected = ToldUids { connections: 2, offline: vec!["carl".into(), "dora".into()] };
    assert_eq!(server.run_system_once(tell), expected);
    assert_eq!(ann.expect_push::<Line>("line"), line("mail"));
    assert_eq!(bob.expect_push::<Line>("line"), line("mail"));
    bob.close();
    let expected = ToldUids { connections: 1, offline: ["carl", "bob", "dora"].map(Into::into).to_vec() };
    assert_eq!(server.run_system_once(tell), expected);
}

#[test]
fn all_are_those_whose_handshake_is_over() {
    let mut server = server();
    let mut ann = server.connect();
    let listener = server.listener();
    let mut silent = server.connect_raw(listener);
    let tell = |mut teller: Teller| teller.to_all("line", &line("hello"));
    assert_eq!(server.run_system_once(tell), told(1));
    assert_eq!(ann.expect_push::<Line>("line"), line("hello"));
    silent.expect_silence();
}

#[test]
fn all_are_told_where_there_is_no_handshake_too() {
    let mut server = TestServer::new((chat, SkynetPlugin::raw("echo")));
    let gate = server.listeners::<SkynetListener>()[0];
    let mut raw = server.connect_raw(gate);
    let tell = |mut teller: Teller| {
        teller.to_all("line", &portcullis_dispatch::Raw(bytes::Bytes::from_static(b"hello")))
    };
    assert_eq!(server.run_system_once(tell), told(1));
    assert_eq!(raw.expect_frame(), b"hello");
}

#[test]
fn a_query_chooses_who_is_told() {
    let mut server = server();
    let (mut ann, mut bob) = (server.connect(), server.connect());
    ann.request("login", "ann").expect_reply::<()>();
    let tell = |bound: Query<Entity, (With<Connection>, With<BoundTo>)>, mut teller: Teller| {
        teller.to(bound.iter(), "line", &line("members only"))
    };
    assert_eq!(server.run_system_once(tell), told(1));
    assert_eq!(ann.expect_push::<Line>("line"), line("members only"));
    bob.expect_no_push();
}

#[test]
fn a_room_that_is_not_there_has_nobody() {
    let mut server = server();
    let nowhere = server.world_mut().spawn_empty().id();
    let tell = move |mut teller: Teller| teller.to_room(nowhere, "line", &line("hello?"));
    assert_eq!(server.run_system_once(tell), told(0));
}
