//! Users who are logged in, and log in again.

use super::skynet::{
    Client, Presented,
    agent::agents,
    facts::{facts, told},
    gate::{online, pending},
    present,
    servers::{example, is_logged_in, login_server, session},
    token,
};
use portcullis::{
    core::Cause,
    prelude::*,
    session::Logout,
    skynet::{
        login::{LoginPolicy, Relogin, wire::Status},
        msgserver::{MsgServerListener, MsgServerPlugin, wire::Username},
    },
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};
use std::time::Duration;

/// Its game logs out by itself, when it has saved.
fn saves_first(builder: TestServerBuilder, policy: LoginPolicy) -> TestServer {
    let msgserver = MsgServerPlugin::new("sample", "example").listen("127.0.0.1:0").logs_out_by_itself();
    builder.plugin((agents, facts, msgserver, login_server(policy))).build()
}

fn ann(subid: u64) -> Username {
    Username { uid: "ann".into(), server: "sample".into(), subid }
}

#[track_caller]
fn log_in(server: &mut TestServer) -> Presented {
    present(server, &token("ann", "sample"))
}

on_every_transport! {
    fn a_later_login_waits_until_the_game_has_saved(server: TestServerBuilder) {
        let mut server = saves_first(server, LoginPolicy::default());
        let mut first = log_in(&mut server);
        assert_eq!(first.expect_subid(), 1);
        let mut playing = Client::greeted(&mut server, &ann(1), 1, &first.secret);
        told(&mut server);
        let mut second = log_in(&mut server);
        assert_eq!(told(&mut server), ["asked out ann"]);
        server.advance(Duration::from_secs(4));
        second.expect_waiting();
        assert!(playing.raw.is_open());
        let session = session(&server, "ann");
        server.trigger(Logout { session });
        server.step();
        playing.expect_closed(Cause::Requested);
        assert_eq!(second.expect_subid(), 2);
        assert_eq!(told(&mut server), ["unbound ann", "logged out ann", "left ann 1", "began ann"]);
        Client::greeted(&mut server, &ann(2), 1, &second.secret);
    }
}

#[test]
fn a_later_login_is_forbidden_when_the_older_session_takes_too_long_to_end() {
    let mut server = saves_first(TestServer::builder(), LoginPolicy::default());
    let mut first = log_in(&mut server);
    assert_eq!(first.expect_subid(), 1);
    let mut playing = Client::greeted(&mut server, &ann(1), 1, &first.secret);
    let mut second = log_in(&mut server);
    server.advance(Duration::from_secs(5));
    second.expect_status(Status::Forbidden);
    // Nothing has happened to the older session.
    assert_eq!(online(&server, "ann"), Some(("sample".into(), 1)));
    playing.ask(1, b"still here");
    server.advance(Duration::from_millis(150));
    playing.expect_reply(1, b"still here");
    // It ends when the game is done, and that costs nobody anything.
    let older = session(&server, "ann");
    server.trigger(Logout { session: older });
    playing.expect_closed(Cause::Requested);
    assert_eq!((online(&server, "ann"), pending(&server)), (None, 0));
    assert_eq!(log_in(&mut server).expect_subid(), 2);
}

#[test]
fn an_older_session_that_ends_by_itself_meanwhile_lets_the_later_login_in() {
    let policy = LoginPolicy::default();
    let msgserver = MsgServerPlugin::new("sample", "example")
        .listen("127.0.0.1:0")
        .logs_out_by_itself()
        .linger(Duration::from_secs(3));
    let mut server = TestServer::builder().plugin((agents, msgserver, login_server(policy))).build();
    assert_eq!(log_in(&mut server).expect_subid(), 1);
    server.advance(Duration::from_secs(1));
    let mut second = log_in(&mut server);
    server.advance(Duration::from_millis(1950));
    second.expect_waiting();
    server.advance(Duration::from_millis(50));
    assert_eq!(second.expect_subid(), 2);
}

#[test]
fn a_later_login_is_not_acceptable_where_the_policy_says_so() {
    let policy = LoginPolicy { relogin: Relogin::Refuse, ..LoginPolicy::default() };
    let mut server = saves_first(TestServer::builder(), policy);
    let mut first = log_in(&mut server);
    first.expect_subid();
    Client::greeted(&mut server, &ann(1), 1, &first.secret);
    told(&mut server);
    log_in(&mut server).expect_status(Status::NotAcceptable);
    assert_eq!(told(&mut server), [""; 0]);
    let older = session(&server, "ann");
    server.trigger(Logout { session: older });
    assert_eq!(log_in(&mut server).expect_subid(), 2);
}

#[test]
fn an_unknown_server_costs_nobody_his_session() {
    let mut server = example(TestServer::builder(), LoginPolicy::default());
    let mut first = log_in(&mut server);
    first.expect_subid();
    let playing = Client::greeted(&mut server, &ann(1), 1, &first.secret);
    present(&mut server, &token("ann", "nosuch")).expect_status(Status::Forbidden);
    assert!(playing.raw.is_open() && is_logged_in(&server, "ann"));
}

#[test]
fn a_login_at_another_server_ends_the_session_at_the_first() {
    let servers = |app: &mut App| {
        for name in ["one", "two"] {
            app.add_plugins(MsgServerPlugin::new(name, "example").listen("127.0.0.1:0"));
        }
    };
    let policy = LoginPolicy::default();
    let mut server = TestServer::builder().plugin((agents, facts, servers, login_server(policy))).build();
    let listeners = server.listeners::<MsgServerListener>();
    let mut one = present(&mut server, &token("ann", "one"));
    let at_one = Username { uid: "ann".into(), server: "one".into(), subid: one.expect_subid() };
    let mut playing = Client::connect(&mut server, listeners[0]);
    playing.shake_hands(&at_one, 1, &one.secret);
    assert_eq!(playing.expect_text(), "200 OK");
    let mut two = present(&mut server, &token("ann", "two"));
    // Servers count by themselves.
    let at_two = Username { uid: "ann".into(), server: "two".into(), subid: two.expect_subid() };
    assert_eq!((at_one.subid, at_two.subid), (1, 1));
    playing.expect_closed(Cause::Requested);
    assert_eq!(online(&server, "ann"), Some(("two".into(), 1)));
    // A user of one is nobody at the other.
    for (listener, answer) in [(listeners[0], "404 User Not Found"), (listeners[1], "200 OK")] {
        let mut client = Client::connect(&mut server, listener);
        client.shake_hands(&at_two, 1, &two.secret);
        assert_eq!(client.expect_text(), answer);
    }
}

#[test]
fn a_login_server_that_has_missed_the_end_of_a_session_hears_of_it_when_it_asks() {
    let mut server = example(TestServer::builder(), LoginPolicy::default());
    assert_eq!(log_in(&mut server).expect_subid(), 1);
    // By other hands, and in an order in which nobody can tell whose session it was.
    let older = session(&server, "ann");
    server.world_mut().entity_mut(older).remove::<Session>();
    server.world_mut().despawn(older);
    assert_eq!(online(&server, "ann"), Some(("sample".into(), 1)));
    assert_eq!(log_in(&mut server).expect_subid(), 2);
}
