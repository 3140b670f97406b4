//! With a ticket.

use crate::common::*;
use portcullis_accounts::{AccountLoginPlugin, LOGOUT};
use portcullis_core::Cause;
use portcullis_dispatch::Refusal;
use portcullis_session::{Ticket, TicketLife};
use portcullis_testkit::TestClient;
use std::time::Duration;

/// Nobody is told why.
fn expect_anew(client: &mut TestClient, ticket: &Ticket) {
    let refusal = resume(client, ticket).expect_refusal();
    assert_eq!((refusal.code, &*refusal.message), (Refusal::UNAUTHORIZED, "log in anew"));
}

#[test]
fn who_comes_back_with_a_ticket_finds_session_and_agent() {
    for seed in 0..4 {
        let mut server = builder().seed(seed).build();
        let mut client = server.connect();
        let ticket = register(&mut client);
        client.request("game.add", &5u64).expect_reply::<u64>();
        let agent: u64 = client.request("game.who", &()).expect_reply();
        client.reset();
        server.advance(Duration::from_secs(59));
        let mut client = server.connect();
        resume(&mut client, &ticket).expect_reply::<Ticket>();
        skip(&mut client);
        assert_eq!(client.request("game.who", &()).expect_reply::<u64>(), agent);
        assert_eq!(count(&server), Some(5));
    }
}

/// A client of tests begins its ids anew: these are answered with what was answered before.
fn skip(client: &mut TestClient) {
    for _ in 0..3 {
        let _ = client.request("game.add", &0u64).reply::<u64>();
    }
}

#[test]
fn an_answer_that_was_missed_comes_over_the_second_connection_and_is_given_once() {
    let mut server = server();
    let mut client = server.connect();
    let ticket = register(&mut client);
    // Ids of a test's client: the login was 1, this is 2.
    let _missed = client.request("game.hold", &7u64);
    client.reset();
    assert_eq!(server.world().resource::<Runs>().holds, 1);
    let mut client = server.connect();
    resume(&mut client, &ticket).expect_reply::<Ticket>();
    let again = client.request("game.hold", &7u64);
    assert_eq!(server.world().resource::<Runs>().holds, 1);
    let (value, responder) = server.world_mut().resource_mut::<Held>().0.remove(0);
    responder.reply(value);
    assert_eq!(again.expect_reply::<u64>(), 7);
    client.reset();
    // And a third time, when it is kept.
    let mut client = server.connect();
    resume(&mut client, &ticket).expect_reply::<Ticket>();
    assert_eq!(client.request("game.hold", &7u64).expect_reply::<u64>(), 7);
    assert_eq!(server.world().resource::<Runs>().holds, 1);
}

#[test]
fn a_deferred_answer_that_is_given_while_nobody_is_there_waits_for_who_comes_back() {
    let mut server = server();
    let mut client = server.connect();
    let ticket = register(&mut client);
    let _missed = client.request("game.hold", &7u64);
    client.reset();
    server.advance(Duration::from_secs(5));
    let (value, responder) = server.world_mut().resource_mut::<Held>().0.remove(0);
    responder.reply(value);
    server.advance(Duration::from_secs(5));
    let mut client = server.connect();
    resume(&mut client, &ticket).expect_reply::<Ticket>();
    assert_eq!(client.request("game.hold", &7u64).expect_reply::<u64>(), 7);
    assert_eq!(server.world().resource::<Runs>().holds, 1);
}

#[test]
fn a_connection_that_is_open_still_makes_room_for_who_comes_with_its_ticket() {
    let mut server = server();
    let mut client = server.connect();
    let ticket = register(&mut client);
    let mut other = server.connect();
    resume(&mut other, &ticket).expect_reply::<Ticket>();
    client.expect_closed(Cause::Replaced);
    assert!(other.is_open());
}

#[test]
fn a_ticket_is_good_again_until_the_next_was_used() {
    let mut server = server();
    let mut client = server.connect();
    let first = register(&mut client);
    client.reset();
    let mut client = server.connect();
    // The answer may have been lost.
    resume(&mut client, &first).expect_reply::<Ticket>();
    client.reset();
    let mut client = server.connect();
    let second = resume(&mut client, &first).expect_reply::<Ticket>();
    client.reset();
    let mut client = server.connect();
    resume(&mut client, &second).expect_reply::<Ticket>();
    expect_anew(&mut server.connect(), &first);
    assert!(client.is_open());
}

#[test]
fn a_ticket_is_renewed_over_the_same_connection() {
    let mut server = server();
    let mut client = server.connect();
    client.keep_alive();
    let first = register(&mut client);
    server.advance(Duration::from_secs(400));
    let second = resume(&mut client, &first).expect_reply::<Ticket>();
    server.advance(Duration::from_secs(400));
    client.reset();
    expect_anew(&mut server.connect(), &first);
    resume(&mut server.connect(), &second).expect_reply::<Ticket>();
}

#[test]
fn a_ticket_that_is_no_good_lets_nobody_in_and_changes_nothing() {
    let mut server = server();
    let mut client = server.connect();
    let ticket = register(&mut client);
    let mut stranger = server.connect();
    let mut forged = ticket.clone();
    // Another number of the claim.
    forged.token.replace_range(30..31, if &forged.token[30..31] == "A" { "B" } else { "A" });
    expect_anew(&mut stranger, &forged);
    for token in ["", "x", &"A".repeat(86), &"A".repeat(10_000), "höchst seltsam"] {
        expect_anew(&mut stranger, &Ticket { token: token.to_owned(), seconds: 1 });
    }
    assert!(client.is_open());
    assert_eq!(client.request("game.add", &1u64).expect_reply::<u64>(), 1);
    resume(&mut stranger, &ticket).expect_reply::<Ticket>();
}

#[test]
fn a_ticket_expires() {
    let mut server =
        builder_with(settings(), AccountLoginPlugin { linger: Duration::MAX, ..login() }).build();
    server.world_mut().insert_resource(TicketLife(Duration::from_secs(30)));
    let mut client = server.connect();
    let ticket = register(&mut client);
    assert_eq!(ticket.seconds, 30);
    client.reset();
    server.advance(Duration::from_secs(30));
    expect_anew(&mut server.connect(), &ticket);
    assert!(session(&server).is_some());
    // The password is another way in.
    log_in(&mut server.connect());
}

#[test]
fn a_session_that_has_waited_long_enough_is_over_and_so_is_its_ticket() {
    let mut server = server();
    let mut client = server.connect();
    let ticket = register(&mut client);
    client.reset();
    server.advance(Duration::from_secs(61));
    assert_eq!(session(&server), None);
    expect_anew(&mut server.connect(), &ticket);
}

#[test]
fn a_password_voids_the_tickets_of_before() {
    let mut server = server();
    let mut client = server.connect();
    let old = register(&mut client);
    let mut client = server.connect();
    let new = log_in(&mut client);
    expect_anew(&mut server.connect(), &old);
    assert!(client.is_open());
    resume(&mut server.connect(), &new).expect_reply::<Ticket>();
}

#[test]
fn a_logout_is_answered_and_ends_all_even_while_requests_wait() {
    let mut server = server();
    let mut client = server.connect();
    let ticket = register(&mut client);
    let held = client.request("game.hold", &7u64);
    client.request(LOGOUT, &()).expect_reply::<()>();
    client.expect_closed(Cause::Requested);
    let goodbye = client.goodbye().unwrap();
    assert_eq!(goodbye.cause, Some(Cause::Requested));
    assert!(!held.is_answered());
    let (value, responder) = server.world_mut().resource_mut::<Held>().0.remove(0);
    responder.reply(value);
    server.settle();
    assert_eq!(session(&server), None);
    expect_anew(&mut server.connect(), &ticket);
}

#[test]
fn a_ticket_of_one_user_does_not_move_the_connection_of_another() {
    let mut server = server();
    let mut first = server.connect();
    let ticket = register(&mut first);
    let mut bob = server.connect();
    let credentials = portcullis_session::Credentials::new("bob", "correct horse");
    bob.request(portcullis_accounts::REGISTER, &credentials).expect_reply::<Ticket>();
    assert_eq!(resume(&mut bob, &ticket).expect_refusal().code, Refusal::CONFLICT);
    assert!(first.is_open() && bob.is_open());
}
