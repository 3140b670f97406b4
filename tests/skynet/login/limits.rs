//! How much a login may cost, and how long it may take.

use super::skynet::{
    Client, PRIVATE, begin,
    gate::{answer, asked, by_hand},
    present,
    servers::{example, login_server},
    token,
};
use portcullis::{
    core::{Cause, Random},
    prelude::*,
    skynet::{
        crypt::{base64_encode, dh_public},
        login::{
            LoginListener, LoginPolicy, Relogin,
            wire::{self, MAX_BUFFERED, Status},
        },
    },
    watchdog::LoginLimit,
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};
use std::time::Duration;

fn line(bytes: &[u8]) -> Vec<u8> {
    base64_encode(bytes).into_bytes().into_iter().chain([b'\n']).collect()
}

fn key_line() -> Vec<u8> {
    line(&dh_public(&PRIVATE).unwrap())
}

on_every_transport! {
    fn a_line_of_all_the_bytes_that_may_wait_is_read(server: TestServerBuilder) {
        let mut server = example(server, LoginPolicy::default());
        let mut longest = begin(&mut server);
        longest.expect_line();
        let mut bytes = vec![b'A'; MAX_BUFFERED - 1];
        longest.send(&[&bytes[..], b"\n"].concat());
        assert_eq!(longest.expect_line(), b"401 Unauthorized\n");
        longest.expect_closed(Cause::Requested);
        // One more ends the connection without a word.
        let mut too_long = begin(&mut server);
        too_long.expect_line();
        bytes.push(b'A');
        too_long.send(&[&bytes[..], b"\n"].concat());
        too_long.expect_closed(Cause::FrameTooLarge);
    }

    fn a_client_that_foresees_the_servers_key_may_say_all_its_lines_at_once(server: TestServerBuilder) {
        let mut server = example(server, LoginPolicy::default());
        server.world_mut().insert_resource(Random::seeded(9));
        let mut foreseen = Random::seeded(9);
        let (challenge, private) = (foreseen.bytes::<8>(), foreseen.bytes::<8>());
        let mut said = Vec::new();
        let trimmed = |line: Vec<u8>| line.trim_ascii_end().to_vec();
        let challenged = wire::Client::new(PRIVATE).challenge(&trimmed(line(&challenge)), &mut said).unwrap();
        let public = line(&dh_public(&private).unwrap());
        challenged.prove(&trimmed(public.clone()), &token("ann", "sample"), &mut said).unwrap();
        let mut client = begin(&mut server);
        client.send(&said);
        assert_eq!(client.expect_line(), line(&challenge));
        assert_eq!(client.expect_line(), public);
        assert_eq!(client.expect_line(), b"200 MQ==\n");
        client.expect_closed(Cause::Requested);
    }
}

#[test]
fn a_login_may_come_byte_by_byte() {
    let mut server = example(TestServer::builder(), LoginPolicy::default());
    let mut client = begin(&mut server);
    let (mut said, challenge) = (Vec::new(), client.expect_line());
    let challenged = wire::Client::new(PRIVATE).challenge(challenge.trim_ascii_end(), &mut said).unwrap();
    for byte in said.drain(..) {
        client.send(&[byte]);
    }
    let key = client.expect_line();
    challenged.prove(key.trim_ascii_end(), &token("ann", "sample"), &mut said).unwrap();
    for byte in said {
        client.expect_silence();
        client.send(&[byte]);
    }
    assert_eq!(client.expect_line(), b"200 MQ==\n");
    client.expect_closed(Cause::Requested);
}

#[test]
fn a_login_that_waits_for_others_ends_at_its_own_limit() {
    let patient = Duration::from_secs(1000);
    let policy = LoginPolicy { answer_within: patient, ..LoginPolicy::default() };
    let mut server = TestServer::new((login_server(policy), by_hand));
    let listener = server.listeners::<LoginListener>()[0];
    server.world_mut().entity_mut(listener).insert(LoginLimit(Duration::from_secs(30)));
    let mut login = present(&mut server, &token("ann", "far"));
    server.advance(Duration::from_millis(29_950));
    login.expect_waiting();
    server.advance(Duration::from_millis(50));
    login.client.expect_closed(Cause::LoginTimeout);
}

/// Neither the deadline for logins nor that for silence is shorter than what the policy promises.
#[test]
fn a_login_may_take_as_long_as_its_policy_lets_it_wait() {
    let within = Duration::from_secs(90);
    let policy =
        LoginPolicy { relogin: Relogin::Kick { within }, answer_within: within, ..LoginPolicy::default() };
    let mut server = TestServer::new((login_server(policy), by_hand));
    let mut first = present(&mut server, &token("ann", "far"));
    let ticket = asked(&mut server);
    server.advance(Duration::from_secs(89));
    answer(&mut server, &ticket, Ok(1));
    assert_eq!(first.expect_subid(), 1);
    let mut second = present(&mut server, &token("ann", "far"));
    server.advance(Duration::from_millis(89_950));
    second.expect_waiting();
    server.advance(Duration::from_millis(50));
    second.expect_status(Status::Forbidden);
}

/// A thousand of them, at each place where a login can stop.
#[test]
fn a_flood_of_logins_that_come_to_no_end_is_closed_by_deadlines() {
    const COUNT: usize = 1000;
    let mut server = TestServer::new((login_server(LoginPolicy::default()), by_hand));
    let entities = |server: &mut TestServer| {
        let mut world = server.world_mut();
        world.query::<Entity>().iter(&world).count()
    };
    let before = entities(&mut server);
    let connect = |server: &mut TestServer, say: &dyn Fn(&mut Client)| -> Vec<Client> {
        let mut client = |_| {
            let mut client = begin(server);
            client.expect_line();
            say(&mut client);
            client
        };
        (0..COUNT).map(&mut client).collect()
    };
    let mut silent = connect(&mut server, &|_| {});
    let mut half = connect(&mut server, &|client| client.send(&key_line()[..5]));
    let mut keyed = connect(&mut server, &|client| client.send(&key_line()));
    let wrong = connect(&mut server, &|client| client.send(&[key_line(), line(&[0; 8])].concat()));
    let mut presented: Vec<Client> =
        (0..COUNT).map(|n| present(&mut server, &token(&format!("u{n}"), "far")).client).collect();
    server.settle();
    assert!(wrong.iter().all(|client| !client.raw.is_open()), "what is wrong is closed at once");
    server.advance(Duration::from_secs(5));
    for client in silent.iter_mut().chain(&mut half).chain(&mut keyed) {
        client.raw.expect_closed(Cause::HandshakeTimeout);
    }
    server.advance(Duration::from_secs(5));
    for client in &mut presented {
        assert_eq!(client.expect_line(), b"403 Forbidden\n");
        client.expect_closed(Cause::Requested);
    }
    assert_eq!(entities(&mut server), before);
    assert_eq!(super::skynet::gate::pending(&server), 0);
}

/// One that does not read what it is told is closed all the same.
#[test]
fn who_reads_nothing_keeps_nobody_waiting() {
    let mut server = example(TestServer::builder(), LoginPolicy::default());
    let mut stuck = begin(&mut server);
    stuck.raw.stop_reading();
    stuck.send(&key_line()[..3]);
    let mut quick = present(&mut server, &token("bob", "sample"));
    assert_eq!(quick.expect_subid(), 1);
    server.advance(Duration::from_secs(5));
    stuck.raw.expect_closed(Cause::HandshakeTimeout);
}
