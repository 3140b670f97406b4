//! skynet's recorded conversations, replayed against its example server as we serve it: in memory, and over TCP under
//! both drivers. The bytes are those of the original; see `tests/vectors/skynet/README.md`.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use portcullis::{
    core::OutboxLimit,
    demo::simpledb::{CLIENT_TO_SERVER, SERVER_TO_CLIENT, SimpleDbPlugin},
    prelude::*,
    skynet::{
        SkynetListener, WATCHDOG_ROUTE,
        sproto::{Host, Schema},
    },
    watchdog::{HeartbeatInterval, IdleLimit},
};
use portcullis_testkit::{RawClient, TestServer, TestServerBuilder, on_every_transport};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Flows with bytes too many to have been recorded, which have tests of their own below; and the half close, which
/// `net` tests on real sockets.
const TOLD_APART: [&str; 6] = [
    "quit_overtakes_requests",
    "quit_flushes_backlog",
    "large_frame_65535",
    "maxclient",
    "slow_reader_warning",
    "half_close",
];

const HANDSHAKE: &str = "000415020404";
const WELCOME: &str = "003f5502010401c4355765ff056c636f6d6520746f20736b796e65742c20492077696c6c2073656e6420\
                       686561727462656174206576657279203520730765632e";

/// skynet's example, with an outbox as unlimited as skynet's where a flow needs that.
fn example(builder: TestServerBuilder, outbox: OutboxLimit) -> TestServer {
    let gate =
        SkynetPlugin::sproto(CLIENT_TO_SERVER, SERVER_TO_CLIENT).unwrap().agent(|| ()).max_clients(64).with(
            move |listener| {
                let silent_clients = IdleLimit(Duration::MAX);
                listener.insert((HeartbeatInterval(Duration::from_secs(5)), silent_clients, outbox));
            },
        );
    builder.plugin((SimpleDbPlugin { max_bytes: 64 << 20, ..SimpleDbPlugin::default() }, gate)).build()
}

fn connect(server: &mut TestServer) -> RawClient {
    let gate = server.listeners::<SkynetListener>()[0];
    server.connect_raw(gate)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[derive(Serialize)]
struct Set {
    what: &'static str,
    value: Option<String>,
}

#[derive(Serialize)]
struct Get {
    what: &'static str,
}

/// A request as skynet's clients frame it.
fn request(protocol: &str, session: i64, body: &impl Serialize) -> Vec<u8> {
    let asked = Arc::new(Schema::parse(CLIENT_TO_SERVER).unwrap());
    let client = Host::new(Schema::parse(SERVER_TO_CLIENT).unwrap(), Arc::clone(&asked)).unwrap();
    let protocol = asked.protocol_named(protocol).unwrap();
    let (mut scratch, mut payload) = (Vec::new(), Vec::new());
    client.encode_request(protocol, Some(session), &(), body, &mut scratch, &mut payload).unwrap();
    [&(payload.len() as u16).to_be_bytes(), &payload[..]].concat()
}

fn flows() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/skynet/gate_sproto.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["flows"].as_array().unwrap().clone()
}

/// Does what the client did, and expects what skynet answered; time passes as it did then.
fn replay(server: &mut TestServer, flow: &Value) {
    let mut clients: BTreeMap<u64, RawClient> = BTreeMap::new();
    let mut now = None;
    for message in flow["messages"].as_array().unwrap() {
        let at = Duration::from_millis(message["t_ms"].as_u64().unwrap());
        server.advance(at - now.replace(at).unwrap_or(at));
        let number = message["conn"].as_u64().unwrap();
        let action = message["dir"].as_str().or(message["event"].as_str()).unwrap();
        if action == "connect" {
            clients.insert(number, connect(server));
            continue;
        }
        let client = clients.get_mut(&number).expect("a flow begins with a connect");
        match action {
            "c2s" => client.send_bytes(&bytes(message["hex"].as_str().unwrap())),
            "s2c" => client.expect_bytes(&bytes(message["hex"].as_str().unwrap())),
            "silence" => client.expect_silence(),
            "server_close" => client.expect_closed(Cause::Kicked),
            "client_close" => client.close(),
            "client_reset" => client.reset(),
            other => panic!("{other} is not known here"),
        }
    }
}

#[test]
fn the_flows_told_apart_exist() {
    let flows = flows();
    let names: Vec<&str> = flows.iter().map(|flow| flow["name"].as_str().unwrap()).collect();
    assert!(TOLD_APART.iter().all(|name| names.contains(name)), "{names:?}");
    assert!(names.len() - TOLD_APART.len() >= 16, "most are replayed: {names:?}");
}

on_every_transport! {
    fn recorded_conversations_are_repeated_byte_for_byte(server: TestServerBuilder) {
        let mut server = example(server, OutboxLimit::default());
        for flow in flows() {
            let name = flow["name"].as_str().unwrap().to_owned();
            if !TOLD_APART.contains(&name.as_str()) {
                replay(&mut server, &flow);
            }
        }
    }

    fn quit_does_not_overtake_what_was_asked_before_it(server: TestServerBuilder) {
        let mut server = example(server, OutboxLimit::default());
        let mut client = connect(&mut server);
        let mut write = request("set", 1, &Set { what: "k", value: Some("v".into()) });
        for session in 2..32 {
            write.extend(request("get", session, &Get { what: "k" }));
        }
        write.extend(request("quit", 9999, &()));
        write.extend(request("get", 32, &Get { what: "k" }));
        client.send_bytes(&write);
        // The original answers between 3 and 12 of the 30. Here all are, and what comes after quit is not.
        for _ in 0..31 {
            client.expect_frame();
        }
        client.expect_closed(Cause::Kicked);
        assert!(client.read().is_empty());
    }

    fn what_was_answered_is_flushed_after_quit(server: TestServerBuilder) {
        let mut server = example(server, OutboxLimit(64 << 20));
        let mut client = connect(&mut server);
        client.send_bytes(&request("set", 1, &Set { what: "big", value: Some("x".repeat(60_000)) }));
        client.expect_bytes(&bytes("000415020104"));
        client.stop_reading();
        let asked: Vec<u8> = (0..200).flat_map(|session| request("get", session, &Get { what: "big" })).collect();
        client.send_bytes(&asked);
        client.send_bytes(&request("quit", 9999, &()));
        client.resume_reading();
        for _ in 0..200 {
            assert!(client.expect_frame().len() > 60_000);
        }
        client.expect_closed(Cause::Kicked);
    }

    fn a_client_that_does_not_read_is_closed_at_the_outbox_limit(server: TestServerBuilder) {
        let mut server = example(server, OutboxLimit::default());
        let mut client = connect(&mut server);
        client.send_bytes(&request("set", 1, &Set { what: "big", value: Some("x".repeat(60_000)) }));
        client.expect_bytes(&bytes("000415020104"));
        client.stop_reading();
        for _ in 0..50 {
            let asked: Vec<u8> = (0..20).flat_map(|session| request("get", session, &Get { what: "big" })).collect();
            client.send_bytes(&asked);
        }
        client.expect_closed(Cause::SlowConsumer);
    }

    fn the_largest_frame_is_taken(server: TestServerBuilder) {
        let mut server = example(server, OutboxLimit::default());
        let mut client = connect(&mut server);
        let mut payload = bytes("15020404");
        payload.resize(65_535, 0);
        client.send_frame(&payload);
        client.expect_bytes(&bytes(WELCOME));
    }

    fn packets_of_a_connection_without_an_agent_go_to_the_watchdog(server: TestServerBuilder) {
        #[derive(Resource)]
        struct Player(Entity);
        let gate = SkynetPlugin::sproto(CLIENT_TO_SERVER, SERVER_TO_CLIENT).unwrap();
        let watchdog = |app: &mut App| {
            let player = app.world_mut().spawn_empty().id();
            app.insert_resource(Player(player))
                .add_observer(|event: On<Opened>, mut commands: Commands| {
                    commands.trigger(Start { entity: event.entity });
                })
                // Echoes what it cannot read, and forwards who knows the word.
                .add_handler(
                    WATCHDOG_ROUTE,
                    |request: Request<Raw>, player: Res<Player>, mut commands: Commands| {
                        if &*request.0 == b"sesame" {
                            commands.trigger(Forward { entity: request.connection, agent: player.0 });
                        }
                        request.body
                    },
                );
        };
        let mut server = server.plugin((SimpleDbPlugin::default(), gate, watchdog)).build();
        let mut client = connect(&mut server);
        client.send_bytes(&bytes(HANDSHAKE));
        client.expect_bytes(&bytes(HANDSHAKE));
        client.send_frame(b"sesame");
        client.expect_bytes(b"\0\x06sesame");
        client.send_bytes(&bytes(HANDSHAKE));
        client.expect_bytes(&bytes(WELCOME));
    }

    fn exactly_so_many_clients_as_configured_are_served(server: TestServerBuilder) {
        let mut server = example(server, OutboxLimit::default());
        let mut clients: Vec<RawClient> = (0..64).map(|_| connect(&mut server)).collect();
        for client in &mut clients {
            client.send_bytes(&bytes(HANDSHAKE));
            client.expect_bytes(&bytes(WELCOME));
        }
        let mut one_more = connect(&mut server);
        one_more.expect_refused();
        clients.pop().unwrap().close();
        server.settle();
        let mut again = connect(&mut server);
        again.send_bytes(&bytes(HANDSHAKE));
        again.expect_bytes(&bytes(WELCOME));
    }
}
