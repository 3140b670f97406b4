//! Game servers that answer late, twice, or never.

use super::skynet::{
    Presented,
    gate::{ByHand, answer, asked, by_hand, kicks, leave, online, pending},
    present,
    servers::login_server,
    token,
};
use portcullis::{
    core::Cause,
    prelude::*,
    session::Uid,
    skynet::login::{GameServer, GameServers, LoginPolicy, LoginTicket, wire::Status},
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};
use std::time::Duration;

fn far(builder: TestServerBuilder, multi_login: bool) -> TestServer {
    let policy = LoginPolicy { multi_login, ..LoginPolicy::default() };
    builder.plugin((login_server(policy), by_hand)).build()
}

#[track_caller]
fn log_in(server: &mut TestServer) -> Presented {
    present(server, &token("ann", "far"))
}

fn at(subid: u64) -> Option<(String, u64)> {
    Some(("far".into(), subid))
}

on_every_transport! {
    fn a_game_server_may_answer_later(server: TestServerBuilder) {
        let mut server = far(server, false);
        let mut login = log_in(&mut server);
        let ticket = asked(&mut server);
        assert_eq!((ticket.uid().as_str(), ticket.server().as_str()), ("ann", "far"));
        server.advance(Duration::from_secs(9));
        login.expect_waiting();
        answer(&mut server, &ticket, Ok(7));
        assert_eq!(login.expect_subid(), 7);
        assert_eq!((online(&server, "ann"), pending(&server)), (at(7), 0));
    }
}

#[test]
fn a_game_server_that_refuses_makes_a_login_forbidden() {
    let mut server = far(TestServer::builder(), false);
    let mut login = log_in(&mut server);
    let ticket = asked(&mut server);
    answer(&mut server, &ticket, Err("no room"));
    login.expect_status(Status::Forbidden);
    assert_eq!((online(&server, "ann"), pending(&server)), (None, 0));
}

#[test]
fn a_game_server_that_never_answers_makes_a_login_forbidden() {
    let mut server = far(TestServer::builder(), false);
    let mut login = log_in(&mut server);
    server.advance(Duration::from_millis(9950));
    login.expect_waiting();
    server.advance(Duration::from_millis(50));
    login.expect_status(Status::Forbidden);
    assert_eq!((online(&server, "ann"), pending(&server)), (None, 0));
}

#[test]
fn a_login_that_is_answered_after_its_deadline_is_ended_again() {
    let mut server = far(TestServer::builder(), false);
    let mut login = log_in(&mut server);
    let ticket = asked(&mut server);
    server.advance(Duration::from_secs(10));
    login.expect_status(Status::Forbidden);
    answer(&mut server, &ticket, Ok(7));
    assert_eq!(kicks(&mut server), [("ann".into(), 7)]);
    assert_eq!(online(&server, "ann"), at(7));
    // He who comes meanwhile waits until that is over.
    let mut again = log_in(&mut server);
    assert_eq!(kicks(&mut server), [("ann".into(), 7)]);
    leave(&mut server, "ann", 7);
    let ticket = asked(&mut server);
    answer(&mut server, &ticket, Ok(8));
    assert_eq!(again.expect_subid(), 8);
}

#[test]
fn an_answer_that_comes_too_late_does_not_end_the_login_after_it() {
    let mut server = far(TestServer::builder(), false);
    let mut first = log_in(&mut server);
    let late = asked(&mut server);
    server.advance(Duration::from_secs(10));
    first.expect_status(Status::Forbidden);
    let mut second = log_in(&mut server);
    let ticket = asked(&mut server);
    answer(&mut server, &late, Ok(7));
    second.expect_waiting();
    assert_eq!(kicks(&mut server), [("ann".into(), 7)]);
    answer(&mut server, &ticket, Ok(8));
    assert_eq!(second.expect_subid(), 8);
    leave(&mut server, "ann", 7);
    assert_eq!(online(&server, "ann"), at(8));
}

#[test]
fn an_answer_that_comes_twice_is_one() {
    let mut server = far(TestServer::builder(), false);
    let mut login = log_in(&mut server);
    let ticket = asked(&mut server);
    answer(&mut server, &ticket, Ok(7));
    answer(&mut server, &ticket, Ok(7));
    answer(&mut server, &ticket, Err("on second thoughts"));
    assert_eq!(login.expect_subid(), 7);
    assert_eq!((online(&server, "ann"), kicks(&mut server)), (at(7), vec![]));
    // Another session for the same login is one that nobody knows of.
    answer(&mut server, &ticket, Ok(8));
    assert_eq!((online(&server, "ann"), kicks(&mut server)), (at(7), vec![("ann".into(), 8)]));
}

#[test]
fn who_leaves_before_the_answer_is_logged_out_again() {
    let mut server = far(TestServer::builder(), false);
    let mut login = log_in(&mut server);
    let ticket = asked(&mut server);
    login.client.close();
    login.client.expect_closed(Cause::PeerClosed);
    answer(&mut server, &ticket, Ok(7));
    assert_eq!(kicks(&mut server), [("ann".into(), 7)]);
    leave(&mut server, "ann", 7);
    assert_eq!((online(&server, "ann"), pending(&server)), (None, 0));
}

#[test]
fn who_comes_again_after_he_left_waits_for_the_login_that_he_left() {
    let mut server = far(TestServer::builder(), false);
    let mut left = log_in(&mut server);
    let ticket = asked(&mut server);
    left.client.close();
    left.client.expect_closed(Cause::PeerClosed);
    for _ in 0..20 {
        let mut again = log_in(&mut server);
        again.client.close();
        again.client.expect_closed(Cause::PeerClosed);
        assert!(pending(&server) <= 2, "who comes and goes leaves no queue behind");
    }
    let mut login = log_in(&mut server);
    login.expect_waiting();
    let mut overlapping = log_in(&mut server);
    overlapping.expect_status(Status::NotAcceptable);
    answer(&mut server, &ticket, Ok(7));
    leave(&mut server, "ann", 7);
    let ticket = asked(&mut server);
    answer(&mut server, &ticket, Ok(8));
    assert_eq!(login.expect_subid(), 8);
    assert_eq!((online(&server, "ann"), pending(&server)), (at(8), 0));
}

#[test]
fn the_end_of_an_older_session_says_nothing_of_the_one_there_is() {
    let mut server = far(TestServer::builder(), false);
    let mut login = log_in(&mut server);
    let ticket = asked(&mut server);
    answer(&mut server, &ticket, Ok(7));
    login.expect_subid();
    leave(&mut server, "ann", 6);
    leave(&mut server, "bob", 7);
    assert_eq!(online(&server, "ann"), at(7));
    leave(&mut server, "ann", 7);
    assert_eq!(online(&server, "ann"), None);
}

#[test]
fn logins_of_one_user_wait_for_each_other_in_the_order_they_came() {
    const COUNT: usize = 3000;
    let mut server = far(TestServer::builder(), true);
    let mut logins: Vec<Presented> = (0..COUNT).map(|_| log_in(&mut server)).collect();
    assert_eq!(pending(&server), COUNT);
    // The server is another one now: it answers at once, so that each of them lets the next go on.
    let ticket = asked(&mut server);
    server.world_mut().resource_mut::<GameServers>().register("far", at_once::AtOnce::default());
    answer(&mut server, &ticket, Ok(1));
    for (login, number) in logins.iter_mut().zip(1..) {
        assert_eq!(login.expect_subid(), number);
    }
    assert_eq!((online(&server, "ann"), pending(&server)), (at(COUNT as u64), 0));
}

#[test]
fn who_leaves_while_he_waits_for_his_turn_is_passed_over() {
    let mut server = far(TestServer::builder(), true);
    let (mut first, mut second, mut third) = (log_in(&mut server), log_in(&mut server), log_in(&mut server));
    let ticket = asked(&mut server);
    second.client.close();
    second.client.expect_closed(Cause::PeerClosed);
    answer(&mut server, &ticket, Err("not now"));
    first.expect_status(Status::Forbidden);
    let ticket = asked(&mut server);
    answer(&mut server, &ticket, Ok(1));
    assert_eq!(third.expect_subid(), 1);
    assert_eq!((pending(&server), kicks(&mut server)), (0, vec![]));
}

#[test]
fn a_game_server_that_panics_costs_its_user_the_login_alone() {
    struct Broken;
    impl GameServer for Broken {
        fn login(&self, _: &mut World, _: &Uid, _: &[u8; 8], _: LoginTicket) {
            panic!("as it was told");
        }
        fn kick(&self, _: &mut World, _: &Uid, _: u64) {}
    }
    let mut server = far(TestServer::builder(), false);
    server.world_mut().resource_mut::<GameServers>().register("broken", Broken);
    let mut broken = present(&mut server, &token("bob", "broken"));
    assert_eq!(server.errors().len(), 1);
    let mut login = log_in(&mut server);
    let ticket = asked(&mut server);
    answer(&mut server, &ticket, Ok(7));
    assert_eq!(login.expect_subid(), 7);
    server.advance(Duration::from_secs(10));
    broken.expect_status(Status::Forbidden);
    assert_eq!(pending(&server), 0);
}

#[test]
fn who_is_logged_in_at_a_server_that_was_removed_is_forbidden_until_he_has_left() {
    let mut server = far(TestServer::builder(), false);
    let mut login = log_in(&mut server);
    let ticket = asked(&mut server);
    answer(&mut server, &ticket, Ok(7));
    login.expect_subid();
    server.world_mut().resource_mut::<GameServers>().remove("far");
    server.world_mut().resource_mut::<GameServers>().register("near", ByHand);
    present(&mut server, &token("ann", "near")).expect_status(Status::Forbidden);
    assert_eq!(kicks(&mut server), []);
    leave(&mut server, "ann", 7);
    let mut login = present(&mut server, &token("ann", "near"));
    let ticket = asked(&mut server);
    answer(&mut server, &ticket, Ok(1));
    assert_eq!(login.expect_subid(), 1);
}

mod at_once {
    use portcullis::{
        prelude::*,
        session::Uid,
        skynet::login::{GameServer, LoginAnswered, LoginTicket, UserLeft},
    };
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Counts from 2 on.
    pub struct AtOnce(AtomicU64);

    impl Default for AtOnce {
        fn default() -> Self {
            Self(AtomicU64::new(2))
        }
    }

    impl GameServer for AtOnce {
        fn login(&self, world: &mut World, _: &Uid, _: &[u8; 8], ticket: LoginTicket) {
            world.trigger(LoginAnswered { ticket, subid: Ok(self.0.fetch_add(1, Ordering::Relaxed)) });
            world.flush();
        }

        fn kick(&self, world: &mut World, uid: &Uid, subid: u64) {
            world.trigger(UserLeft { server: "far".into(), uid: uid.clone(), subid });
            world.flush();
        }
    }
}
