//! The game's own handler of handshakes: it is asked about each client, and may refuse, take its time, or fail.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod pomelo;

use pomelo::{ACK, Client, HEARTBEAT, package, with_handlers};
use portcullis::{
    core::Cause,
    dispatch::Routes,
    native::Manifest,
    pomelo::{HANDSHAKE_ROUTE, PomeloClient, PomeloPlugin},
    prelude::*,
    watchdog::HandshakeLimit,
};
use portcullis_testkit::{Carrier, TestServer, TestServerBuilder, on_every_transport};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Deserialize)]
struct User {
    token: String,
}

#[derive(Serialize)]
struct Welcome {
    name: String,
}

/// Answers that wait until the test gives them.
#[derive(Resource, Default)]
struct Waiting(Vec<Responder<Welcome>>);

fn with_user(server: TestServerBuilder, add: fn(&mut App)) -> TestServer {
    let plugin = PomeloPlugin::listen("127.0.0.1:0").heartbeat(Duration::from_secs(3));
    with_handlers(server, &["plain"], plugin).plugin(add).build()
}

fn shake(server: &mut TestServer, token: &str) -> Client {
    let mut client = Client::connect(server, Carrier::Tcp);
    let body = format!(r#"{{"sys":{{"type":"t","version":"1"}},"user":{{"token":{token}}}}}"#);
    client.send(&package(1, body.as_bytes()));
    client
}

fn by_token(request: Request<User>, clients: Query<&PomeloClient>) -> Result<Welcome, Refusal> {
    assert_ne!(request.token, "panic", "as was asked for");
    let client = clients.get(request.connection)?;
    match &*request.token {
        "old" => Err(Refusal::new(501, "too old")),
        "bad" => Err("nobody knows it".into()),
        token => Ok(Welcome { name: format!("{token} of {}", client.kind.as_deref().unwrap_or("?")) }),
    }
}

fn later(
    request: Request<User>,
    mut defer: Defer,
    mut waiting: ResMut<Waiting>,
) -> Result<Deferred<Welcome>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    waiting.0.push(responder);
    Ok(deferred)
}

fn add_later(app: &mut App) {
    app.init_resource::<Waiting>().add_handler(HANDSHAKE_ROUTE, later);
}

on_every_transport! {
    fn the_games_handler_is_asked_about_each_client(server: TestServerBuilder) {
        let mut server = with_user(server, |app: &mut App| {
            app.add_handler(HANDSHAKE_ROUTE, by_token);
        });
        let answer = shake(&mut server, r#""ann""#).expect_package();
        let answer: serde_json::Value = serde_json::from_slice(&answer[4..]).unwrap();
        assert_eq!((&answer["code"], &answer["user"]["name"]), (&200.into(), &"ann of t".into()));
        for (token, code) in [(r#""bad""#, 500), (r#""old""#, 501), (r#""panic""#, 500), ("7", 500)] {
            let mut client = shake(&mut server, token);
            assert_eq!(client.expect_package(), package(1, format!(r#"{{"code":{code}}}"#).as_bytes()), "{token}");
            client.expect_closed(Cause::Incompatible);
        }
    }

    fn the_games_handler_answers_later(server: TestServerBuilder) {
        let mut server = with_user(server, add_later);
        let mut client = shake(&mut server, r#""ann""#);
        client.send(ACK);
        client.expect_silence();
        let responder = server.world_mut().resource_mut::<Waiting>().0.pop().unwrap();
        responder.reply(Welcome { name: "ann".into() });
        server.settle();
        assert!(client.expect_package().ends_with(br#""user":{"name":"ann"}}"#));
        client.send(ACK);
        assert_eq!(client.expect_package(), HEARTBEAT);
    }

    fn the_games_handler_never_answers(server: TestServerBuilder) {
        let plugin = PomeloPlugin::listen("127.0.0.1:0").with(|listener| {
            listener.insert(HandshakeLimit(Duration::from_secs(60)));
        });
        let mut server = with_handlers(server, &["plain"], plugin).plugin(add_later).build();
        let mut client = shake(&mut server, r#""ann""#);
        server.advance(Duration::from_secs(11));
        assert_eq!(client.expect_package(), package(1, br#"{"code":500}"#));
        client.expect_closed(Cause::Incompatible);
        server.world_mut().resource_mut::<Waiting>().0.clear();
    }

    fn a_client_is_gone_before_it_is_answered(server: TestServerBuilder) {
        let mut server = with_user(server, add_later);
        let mut client = shake(&mut server, r#""ann""#);
        client.raw.close();
        client.raw.expect_closed(Cause::PeerClosed);
        let responder = server.world_mut().resource_mut::<Waiting>().0.pop().unwrap();
        responder.reply(Welcome { name: "ann".into() });
        server.settle();
        assert_eq!(server.causes().len(), 1);
    }
}

#[test]
fn clients_of_another_protocol_cannot_ask_for_it() {
    let server = with_user(TestServer::builder(), add_later);
    let world = server.world();
    let manifest = Manifest::of_routes("any", 1, world.resource::<Routes>());
    let offered: Vec<_> = manifest.iter().map(|messages| messages.route.clone()).collect();
    assert!(offered.iter().any(|route| &**route == "plain.entryHandler.echo"));
    assert!(offered.iter().all(|route| &**route != HANDSHAKE_ROUTE), "{offered:?}");
}
