//! Pomelo's recorded conversations, replayed against its connector as we serve it: in memory, over TCP under both
//! drivers, and once more inside WebSocket, TLS and both.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod pomelo;

use pomelo::{
    Client, bytes, data,
    flow::{Flow, flows, replay},
    listener, package, request, serve,
};
use portcullis::{core::Cause, net::Tls, pomelo::PomeloPlugin};
use portcullis_testkit::{Carrier, Message, TestServer, TestServerBuilder, Transport, on_every_transport};
use std::{env, fs, process};

/// The flows in which ours does something else on purpose: why, and the test that shows what.
const TOLD_APART: [(&str, &str, &str); 18] = [
    ("errors/unknown-dict-code", "the request is answered", "a_route_code_that_nobody_knows_is_answered"),
    (
        "errors/dict-code-without-dict",
        "the request is answered",
        "a_route_code_that_nobody_knows_is_answered",
    ),
    ("errors/route-without-dot", "the request is answered", "a_route_that_leads_nowhere_is_answered"),
    ("errors/empty-route", "the request is answered", "a_route_that_leads_nowhere_is_answered"),
    ("errors/bad-protobuf", "reference bug", "a_body_that_its_schema_cannot_read_costs_its_request_alone"),
    ("errors/throwing-handler-poisons-the-connection", "reference bug", "a_handler_that_panics_answers_500"),
    ("messages/array-body-forges-the-session", "reference bug", "an_array_for_a_body_forges_no_session"),
    ("states/data-empty-body", "reference bug", "a_data_package_without_a_message_is_ignored"),
    ("states/largest-length", "ours has a limit", "a_length_beyond_the_limit_closes_at_its_head"),
    ("handshake/crypto", "there is no useCrypto", "a_client_is_not_asked_for_a_key"),
    (
        "switcher/get-split-after-two-bytes",
        "reference bug: any split will do",
        "http_is_told_by_its_first_byte",
    ),
    ("switcher/plain-get", "it is answered, not left hanging", "plain_http_is_answered"),
    ("switcher/post", "it is answered, not left hanging", "plain_http_is_answered"),
    ("switcher/delete", "it is HTTP, and answered", "plain_http_is_answered"),
    ("switcher/options", "it is HTTP, and answered", "plain_http_is_answered"),
    ("switcher/lower-case-get", "it is HTTP, and answered", "plain_http_is_answered"),
    ("switcher/upgrade-deflate-offered", "compression is declined", "an_offer_of_compression_is_declined"),
    ("websocket/truncated-message", "missing bytes are no zeros", "a_truncated_message_closes_the_websocket"),
];

/// Flows about how a stream is cut, or about what is no package at all.
const ABOUT_STREAMS: [&str; 4] = [
    "states/byte-by-byte",
    "states/coalesced",
    "states/unknown-type-needs-whole-head",
    "states/tls-hello-on-plain-port",
];

fn is_told_apart(flow: &Flow) -> bool {
    TOLD_APART.iter().any(|(title, ..)| *title == flow.title())
}

fn as_it_is(plugin: PomeloPlugin) -> PomeloPlugin {
    plugin
}

/// Each flow with a server of its own, as it was recorded: users and rooms of one would be in the way of the next.
fn replay_all(server: impl Fn() -> TestServerBuilder, kind: &str, carrier: Carrier) {
    let tls = carrier.is_encrypted().then(certificate);
    let chosen = flows().into_iter().filter(|flow| flow.transport == kind && flow.file != "switcher");
    for flow in chosen.filter(|flow| !is_told_apart(flow)) {
        if carrier.has_messages() && ABOUT_STREAMS.contains(&&*flow.title()) {
            continue;
        }
        let tls = tls.clone();
        let mut server = serve(server(), &flow.server, move |plugin| match tls.clone() {
            Some(tls) => plugin.with(move |listener| {
                let address = ([127, 0, 0, 1], 0).into();
                listener.insert(PomeloPlugin::listener(address).tls(tls.clone()));
            }),
            None => plugin,
        });
        replay(&mut server, &flow, carrier);
    }
}

/// A certificate made for this test, in files of its own.
fn certificate() -> Tls {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = |kind: &str| {
        let thread = std::thread::current().name().unwrap_or("main").replace(':', "-");
        env::temp_dir().join(format!("portcullis-pomelo-{}-{thread}-{kind}.pem", process::id()))
    };
    let (certificate, key) = (file("certificate"), file("key"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    Tls::from_pem_files(&certificate, &key).unwrap()
}

fn sockets() -> TestServerBuilder {
    TestServer::builder().transport(Transport::ALL[1])
}

#[test]
fn every_flow_is_replayed_or_told_apart_and_has_a_test() {
    let titles: Vec<String> = flows().iter().map(Flow::title).collect();
    let source = include_str!("pomelo_flows.rs");
    for (title, why, test) in TOLD_APART {
        assert!(titles.iter().any(|known| known == title), "{title} is not in the files");
        assert!(source.contains(&format!("fn {test}(")), "{title} ({why}) has no test {test}");
    }
    assert!(ABOUT_STREAMS.iter().all(|title| titles.iter().any(|known| known == title)));
    let kinds = ["tcp", "ws"];
    assert!(flows().iter().all(|flow| kinds.contains(&&*flow.transport)), "another transport");
}

#[test]
fn conversations_over_tcp_are_repeated_in_memory() {
    replay_all(TestServer::builder, "tcp", Carrier::Tcp);
}

#[test]
fn conversations_over_tcp_are_repeated_over_sockets_inline() {
    replay_all(sockets, "tcp", Carrier::Tcp);
}

#[test]
fn conversations_over_tcp_are_repeated_over_sockets_in_threads() {
    replay_all(|| TestServer::builder().transport(Transport::ALL[2]), "tcp", Carrier::Tcp);
}

#[test]
fn conversations_over_websocket_are_repeated_there() {
    replay_all(sockets, "ws", Carrier::WebSocket);
}

#[test]
fn conversations_over_websocket_are_repeated_inside_tls() {
    replay_all(sockets, "ws", Carrier::WebSocketTls);
}

#[test]
fn conversations_over_tcp_are_the_same_over_websocket() {
    replay_all(sockets, "tcp", Carrier::WebSocket);
}

#[test]
fn conversations_over_tcp_are_the_same_inside_tls() {
    replay_all(sockets, "tcp", Carrier::Tls);
}

#[test]
fn conversations_over_tcp_are_the_same_over_websocket_inside_tls() {
    replay_all(sockets, "tcp", Carrier::WebSocketTls);
}

/// The HTTP of the port: the status line and the key's proof are to be the same, other headers are free.
#[test]
fn the_first_bytes_decide_as_recorded() {
    for flow in flows().iter().filter(|flow| flow.file == "switcher" && !is_told_apart(flow)) {
        let mut server = serve(sockets(), &flow.server, as_it_is);
        let at = listener(&server);
        let mut client = server.connect_raw(at);
        for step in &flow.steps {
            let after = std::time::Duration::from_millis(step["after_ms"].as_u64().unwrap_or(0));
            match (step["dir"].as_str().unwrap(), step["event"].as_str()) {
                ("c2s", None) => client.send_bytes(&bytes(step["hex"].as_str().unwrap())),
                ("s2c", Some("nothing")) => client.expect_silence(),
                ("s2c", Some("close")) => {
                    server.advance(after);
                    assert!(!client.is_open(), "{}", flow.title());
                }
                ("s2c", None) => {
                    let expected = String::from_utf8(bytes(step["hex"].as_str().unwrap())).unwrap();
                    let found = String::from_utf8(client.read()).unwrap();
                    assert_eq!(found.lines().next(), expected.lines().next(), "{}", flow.title());
                    for line in expected.lines().filter(|line| line.starts_with("Sec-WebSocket-")) {
                        assert!(
                            found.lines().any(|other| other == line),
                            "{}: {line} in {found}",
                            flow.title()
                        );
                    }
                }
                other => panic!("{other:?} is not known here"),
            }
        }
    }
}

on_every_transport! {
    fn a_route_code_that_nobody_knows_is_answered(server: TestServerBuilder) {
        let mut server = serve(server, "connector", as_it_is);
        let mut client = Client::working(&mut server);
        for (id, code) in [(1, [0xff, 0xff]), (2, [0, 0])] {
            client.send(&data(&[&[1, id], &code[..], b"{}"].concat()));
            assert_eq!(client.expect_answer(id)["code"], 500);
        }
    }

    fn a_route_that_leads_nowhere_is_answered(server: TestServerBuilder) {
        let mut server = serve(server, "plain", as_it_is);
        let mut client = Client::working(&mut server);
        assert_eq!(client.ask(1, "plain", "{}")["code"], 500);
        assert_eq!(client.ask(2, "", "{}")["code"], 500);
        // Neither is a code on a server that has none.
        client.send(&data(b"\x01\x03\0\x01{}"));
        assert_eq!(client.expect_answer(3)["code"], 500);
    }

    fn a_body_that_its_schema_cannot_read_costs_its_request_alone(server: TestServerBuilder) {
        let mut server = serve(server, "connector", as_it_is);
        let mut client = Client::working(&mut server);
        client.send(&request(1, "connector.entryHandler.note", b"\xf8\x01\x05"));
        assert!(client.expect_answer(1)["code"].as_u64() >= Some(400));
        client.send(&request(2, "connector.entryHandler.enter", br#"{"uid":"a","room":"b"}"#));
        assert_eq!(client.expect_answer(2)["code"], 200);
    }

    fn a_handler_that_panics_answers_500(server: TestServerBuilder) {
        let mut server = serve(server, "plain", as_it_is);
        let mut client = Client::working(&mut server);
        assert_eq!(client.ask(1, "plain.entryHandler.throwing", "{}")["code"], 500);
        assert_eq!(client.ask(2, "plain.entryHandler.entry", "{}")["code"], 200);
    }

    fn an_array_for_a_body_forges_no_session(server: TestServerBuilder) {
        let mut server = serve(server, "plain", as_it_is);
        let (mut victim, mut other) = (Client::working(&mut server), Client::working(&mut server));
        victim.ask(1, "plain.entryHandler.enter", r#"{"uid":"victim","room":"v"}"#);
        let answer = other.ask(1, "plain.entryHandler.note", r#"[{"n":666},{"uid":"victim"}]"#);
        assert!(answer["code"].as_u64() >= Some(400), "{answer}");
        victim.expect_silence();
    }

    fn a_data_package_without_a_message_is_ignored(server: TestServerBuilder) {
        let mut server = serve(server, "plain", as_it_is);
        let mut client = Client::working(&mut server);
        client.send(&data(&[]));
        client.expect_silence();
        assert_eq!(client.ask(1, "plain.entryHandler.entry", "{}")["code"], 200);
    }

    fn a_length_beyond_the_limit_closes_at_its_head(server: TestServerBuilder) {
        let mut server = serve(server, "plain", as_it_is);
        let mut client = Client::working(&mut server);
        client.send(&[4, 0xff, 0xff, 0xff]);
        client.expect_closed(Cause::FrameTooLarge);
    }

    fn a_client_is_not_asked_for_a_key(server: TestServerBuilder) {
        let mut server = serve(server, "bufpush", as_it_is);
        let mut client = Client::connect(&mut server, Carrier::Tcp);
        client.send(&package(1, br#"{"sys":{"type":"t","version":"1","rsa":{}}}"#));
        assert!(client.expect_package().starts_with(b"\x01\0\0\x22{\"code\":200"));
    }
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

#[test]
fn a_listener_of_ones_own_keeps_its_certificate() {
    let tls = certificate();
    let mut server = serve(sockets(), "plain", move |plugin| {
        let tls = tls.clone();
        plugin.with(move |listener| {
            let address = ([127, 0, 0, 1], 0).into();
            listener.insert(PomeloPlugin::listener(address).tls(tls.clone()));
        })
    });
    let at = listener(&server);
    let mut client = server.connect_raw(at);
    client.send_bytes(&package(1, pomelo::HANDSHAKE));
    client.expect_closed(Cause::TlsFailed);
    Client::connect(&mut server, Carrier::Tls).shake_hands();
}

#[test]
fn http_is_told_by_its_first_byte() {
    let mut server = serve(sockets(), "plain", as_it_is);
    let at = listener(&server);
    let mut client = server.connect_raw(at);
    client.send_bytes(b"GE");
    client.send_bytes(&UPGRADE.as_bytes()[2..]);
    client.send_bytes(b"\r\n");
    assert!(client.read().starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn plain_http_is_answered() {
    let mut server = serve(sockets(), "plain", as_it_is);
    let at = listener(&server);
    for method in ["GET", "POST", "DELETE", "OPTIONS", "get"] {
        let mut client = server.connect_raw(at);
        client.send_bytes(format!("{method} /index.html HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        assert!(client.read().starts_with(b"HTTP/1.1 426 "), "{method}");
        client.expect_closed(Cause::Http);
    }
}

#[test]
fn an_offer_of_compression_is_declined() {
    let mut server = serve(sockets(), "plain", as_it_is);
    let at = listener(&server);
    let mut client = server.connect_raw(at);
    client.send_bytes(format!("{UPGRADE}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n").as_bytes());
    let answer = String::from_utf8(client.read()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 ") && !answer.contains("Extensions"), "{answer}");
}

#[test]
fn a_truncated_message_closes_the_websocket() {
    let mut server = serve(sockets(), "plain", as_it_is);
    let mut client = Client::connect(&mut server, Carrier::WebSocket);
    client.shake_hands();
    client.raw.send_bytes(&bytes("040000210001"));
    client.expect_closed(Cause::Malformed);
    while let Message::Binary(_) = client.raw.expect_message() {}
}
