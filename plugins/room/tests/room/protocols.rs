use crate::chat::*;
use portcullis_skynet::{
    SkynetListener, SkynetPlugin,
    sproto::{Host, Incoming, Schema, unpack},
};
use portcullis_testkit::{RawClient, TestServer};
use serde::{Deserialize, Serialize};

const PACKAGE: &str = ".package { type 0 : integer  session 1 : integer }";
const REQUESTS: &str = "enter 1 { request { room 0 : string } response { members 0 : integer } }";
const PUSHES: &str = "line 1 { request { text 0 : string } }";

/// The client's side of sproto.
fn host() -> Host {
    let schema = |text: &str| Schema::parse(&format!("{PACKAGE} {text}")).unwrap();
    Host::new(schema(PUSHES), schema(REQUESTS)).unwrap()
}

fn send(client: &mut RawClient, body: &impl Serialize) {
    let host = host();
    let enter = host.outgoing().protocol_named("enter").unwrap();
    let (mut scratch, mut payload) = (Vec::new(), Vec::new());
    host.encode_request(enter, Some(1), &(), body, &mut scratch, &mut payload).unwrap();
    client.send_frame(&payload);
}

fn expect_line(client: &mut RawClient) -> Line {
    let (host, mut message) = (host(), Vec::new());
    unpack(&client.expect_frame(), &mut message, 64 * 1024).unwrap();
    match host.read(&message).unwrap() {
        Incoming::Request { protocol, body, .. } => {
            Line::deserialize(host.request_body(protocol, body).unwrap()).unwrap()
        }
        Incoming::Response { .. } => panic!("an answer where a push was to come"),
    }
}

#[test]
fn a_room_spans_protocols() {
    let gate =
        SkynetPlugin::sproto(&format!("{PACKAGE} {REQUESTS}"), &format!("{PACKAGE} {PUSHES}")).unwrap();
    let mut server = TestServer::new((chat, gate.agent(|| ())));
    let gate = server.listeners::<SkynetListener>()[0];
    let mut old = server.connect_raw(gate);
    let mut new = server.connect();
    send(&mut old, &enter_body("lobby"));
    let _entered = old.expect_frame();
    let count = new.request("enter", &enter_body("lobby")).expect_reply::<Count>();
    assert_eq!(count, Count { members: 2 });
    assert_eq!(new.request("say", &line("hello, all")).expect_reply::<usize>(), 2);
    assert_eq!(new.expect_push::<Line>("line"), line("hello, all"));
    assert_eq!(expect_line(&mut old), line("hello, all"));
    old.expect_silence();
    new.expect_no_push();
    new.close();
    assert_eq!(members(&server, room(&server, "lobby").unwrap()), [old.entity()]);
}
