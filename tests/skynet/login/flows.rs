//! The recorded conversations, and where ours are others on purpose.

use super::skynet::{
    Client, Flow, PRIVATE, begin, check_table, flows, present, replay, request,
    servers::{example, login_server, slow_logins},
    token,
};
use portcullis::{
    core::Cause,
    skynet::{
        login::{LoginPolicy, wire::Status},
        msgserver::{MsgServerPlugin, wire::Username},
    },
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};
use std::time::Duration;

const REPLAYED: [&str; 21] = [
    "login_client_unmodified",
    "success",
    "success_lines_4_5_joined",
    "relogin_kicks",
    "wrong_hmac",
    "client_key_wrong_size",
    "client_key_bad_base64",
    "client_key_empty_line",
    "client_key_zero",
    "wrong_password",
    "bad_token_cipher",
    "bad_token_length",
    "malformed_token",
    "unknown_server",
    "crlf_line_endings",
    "extra_data_after_line5",
    "split_line",
    "line_too_long",
    "disconnect_mid_handshake",
    "concurrent_same_uid_multilogin_false",
    "concurrent_same_uid_multilogin_true",
];

/// The flows in which ours does something else on purpose: why, and the test that shows what.
///
/// In all others, whatever comes after the last line is another: `still_open` there is a close here. That has a test of its own,
/// `the_server_closes_after_the_last_line`.
const TOLD_APART: [(&str, &str, &str); 2] = [
    ("half_close_mid_handshake", "reference bug: the socket is kept for ever", "who_half_closes_is_closed"),
    ("silent_client", "ours has a deadline", "who_says_nothing_is_closed"),
];

#[test]
fn every_flow_is_replayed_or_told_apart_and_has_a_test() {
    check_table("login", &REPLAYED, &TOLD_APART, include_str!("flows.rs"));
}

/// A login takes a second there.
fn slow(builder: TestServerBuilder, multi_login: bool) -> TestServer {
    let policy = LoginPolicy { multi_login, ..LoginPolicy::default() };
    let msgserver = MsgServerPlugin::new("sample", "example").listen("127.0.0.1:0");
    let agents = super::skynet::agent::agents;
    let plugins = (agents, msgserver, login_server(policy), slow_logins);
    builder.tick(Duration::from_millis(10)).plugin(plugins).build()
}

fn flow(name: &str) -> Flow {
    flows("login").into_iter().find(|flow| flow.name == name).unwrap()
}

on_every_transport! {
    fn recorded_conversations_are_repeated_line_for_line(server: TestServerBuilder) {
        let mut server = example(server, LoginPolicy::default());
        for flow in flows("login").iter().filter(|flow| REPLAYED.contains(&&*flow.name)) {
            if !flow.params["server"].as_str().unwrap().starts_with("variant") {
                replay(&mut server, flow);
            }
        }
    }

    fn a_login_that_overlaps_another_is_not_acceptable(server: TestServerBuilder) {
        replay(&mut slow(server, false), &flow("concurrent_same_uid_multilogin_false"));
    }

    fn overlapping_logins_wait_for_each_other_where_they_may(server: TestServerBuilder) {
        replay(&mut slow(server, true), &flow("concurrent_same_uid_multilogin_true"));
    }

    fn the_server_closes_after_the_last_line(server: TestServerBuilder) {
        let mut server = example(server, LoginPolicy::default());
        let mut ann = present(&mut server, &token("ann", "sample"));
        assert_eq!(ann.client.expect_line(), b"200 MQ==\n");
        ann.client.expect_closed(Cause::Requested);
    }

    fn who_half_closes_is_closed(server: TestServerBuilder) {
        let mut server = example(server, LoginPolicy::default());
        let mut client = begin(&mut server);
        client.expect_line();
        client.close();
        client.expect_closed(Cause::PeerClosed);
    }

    fn who_says_nothing_is_closed(server: TestServerBuilder) {
        let mut server = example(server, LoginPolicy::default());
        let mut client = begin(&mut server);
        client.expect_line();
        server.advance(Duration::from_millis(4990));
        assert!(client.raw.is_open());
        server.advance(Duration::from_millis(10));
        client.expect_closed(Cause::HandshakeTimeout);
    }
}

#[test]
fn the_whole_script_of_skynets_client_passes_though_its_last_connection_comes_with_the_request() {
    let mut server = example(TestServer::builder(), LoginPolicy::default());
    let mut login = present(&mut server, &token("hello", "sample"));
    let user = Username { uid: "hello".into(), server: "sample".into(), subid: login.expect_subid() };
    let mut first = Client::greeted(&mut server, &user, 1, &login.secret);
    let mut second = Client::to_msgserver(&mut server);
    // The client's second half is there before the server has looked at the request of its first.
    server.together(|| {
        first.ask(0, b"echo");
        first.close();
        second.shake_hands(&user, 2, &login.secret);
        second.send(&[request(0, b"fake"), request(1, b"again")].concat());
    });
    assert_eq!(second.expect_text(), "200 OK");
    second.expect_silence();
    server.advance(Duration::from_millis(100));
    second.expect_reply(0, b"echo");
    second.expect_reply(1, b"again");
    assert_ne!(login.secret, PRIVATE);
    assert_eq!(present(&mut server, &token("hello", "nosuch")).status(), Some(Status::Forbidden));
}
