//! What becomes of a token.

use super::skynet::{
    facts::{assert_secret, logged},
    gate::by_hand,
    present,
    servers::{example, login_server},
    token,
};
use portcullis::{
    prelude::*,
    skynet::{
        crypt::base64_encode,
        login::{Identity, LOGIN_ROUTE, LoginPolicy, LoginServerPlugin, wire::Status, wire::Token},
    },
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};
use std::time::Duration;

/// Who looks at tokens, and has not made up his mind.
#[derive(Resource, Default)]
struct Undecided(Vec<Responder<Identity>>);

fn undecided(app: &mut App) {
    app.init_resource::<Undecided>().add_plugins(LoginServerPlugin::default().listen("127.0.0.1:0"));
    app.add_handler(
        LOGIN_ROUTE,
        |token: Request<Token>, mut defer: Defer, mut undecided: ResMut<Undecided>| {
            assert_ne!(token.user, b"panic", "as it was told");
            let begun: Result<(Deferred<Identity>, _), Refusal> = defer.begin(&token);
            begun.map(|(deferred, responder)| {
                undecided.0.push(responder);
                deferred
            })
        },
    );
}

fn decide(server: &mut TestServer) -> Responder<Identity> {
    server.world_mut().resource_mut::<Undecided>().0.remove(0)
}

on_every_transport! {
    fn who_somebody_is_may_be_said_later(server: TestServerBuilder) {
        let mut server = server.plugin((undecided, by_hand)).build();
        let mut login = present(&mut server, &token("ann", "far"));
        server.advance(Duration::from_secs(9));
        login.expect_waiting();
        decide(&mut server).reply(Identity::new("ann", "nosuch"));
        server.settle();
        login.expect_status(Status::Forbidden);
    }
}

#[test]
fn a_token_is_unauthorized_that_nobody_decides_about() {
    let mut server = TestServer::new((undecided, by_hand));
    let mut never = present(&mut server, &token("ann", "far"));
    server.advance(Duration::from_secs(10));
    never.expect_status(Status::Unauthorized);
    drop(decide(&mut server));
    let mut dropped = present(&mut server, &token("ann", "far"));
    drop(decide(&mut server));
    dropped.expect_status(Status::Unauthorized);
    let mut refused = present(&mut server, &token("ann", "far"));
    decide(&mut server).refuse("who is that?");
    refused.expect_status(Status::Unauthorized);
    present(&mut server, &token("panic", "far")).expect_status(Status::Unauthorized);
    // And the next one is looked at all the same.
    let mut waiting = present(&mut server, &token("ann", "far"));
    waiting.expect_waiting();
    drop(decide(&mut server));
}

#[test]
fn a_login_server_without_a_game_says_so_once() {
    let log = logged(|| {
        let mut server = TestServer::new(LoginServerPlugin::default().listen("127.0.0.1:0"));
        for _ in 0..3 {
            present(&mut server, &token("ann", "sample")).expect_status(Status::Unauthorized);
        }
    });
    assert_eq!(log.matches("nobody can log in").count(), 1, "{log}");
    assert!(log.contains("ERROR") && log.contains(LOGIN_ROUTE), "{log}");
}

#[test]
fn a_slow_look_at_one_token_keeps_nobody_else_waiting() {
    let mut server = TestServer::new((undecided, by_hand));
    let mut slow = present(&mut server, &token("ann", "far"));
    let mut quick = present(&mut server, &token("bob", "far"));
    server.world_mut().resource_mut::<Undecided>().0.remove(1).reply(Identity::new("bob", "nosuch"));
    server.settle();
    quick.expect_status(Status::Forbidden);
    slow.expect_waiting();
    drop(decide(&mut server));
    slow.expect_status(Status::Unauthorized);
}

#[test]
fn nothing_secret_is_logged() {
    let mut secrets = Vec::new();
    let log = logged(|| {
        let mut server = example(TestServer::builder(), LoginPolicy::default());
        let mut right = present(&mut server, &token("ann", "sample"));
        right.expect_subid();
        secrets.push(right.secret);
        let wrong =
            Token { user: "ann".into(), server: "sample".into(), password: b"p4ssw0rd".to_vec().into() };
        for token in [&wrong.encode()[..], b"ann:p4ssw0rd"] {
            let mut login = present(&mut server, token);
            login.expect_status(Status::Unauthorized);
            secrets.push(login.secret);
        }
    });
    // Something was.
    assert!(log.contains("a token was refused"), "{log}");
    for secret in &secrets {
        assert_secret(&log, secret);
    }
    for secret in [&b"p4ssw0rd"[..], b"password", &token("ann", "sample")] {
        let text = String::from_utf8(secret.to_vec()).unwrap();
        assert!(text == "password" || !log.contains(&text), "{text} was logged:\n{log}");
        assert!(!log.contains(&base64_encode(secret)), "{text} was logged:\n{log}");
    }
}

#[test]
fn the_policy_of_the_first_login_server_holds() {
    let strict = LoginPolicy { answer_within: Duration::from_secs(1), ..LoginPolicy::default() };
    let second = LoginServerPlugin::default().listen("127.0.0.1:0");
    let mut server = TestServer::new((login_server(strict), second, by_hand));
    let mut login = present(&mut server, &token("ann", "far"));
    server.advance(Duration::from_secs(1));
    login.expect_status(Status::Forbidden);
}
