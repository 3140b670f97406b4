//! The recorded conversations, and where ours are others on purpose.

use super::skynet::{
    Client, check_table, flows, replay, request,
    servers::{enter, is_logged_in, msgserver},
};
use portcullis::{core::Cause, skynet::msgserver::wire::MAX_ANSWER};
use portcullis_testkit::{TestServerBuilder, on_every_transport};
use std::time::Duration;

const SECRET: [u8; 8] = *b"a secret";

const REPLAYED: [&str; 25] = [
    "handshake_and_request",
    "handshake_plus_request_one_write",
    "unknown_user",
    "wrong_subid",
    "wrong_server_name",
    "garbage_handshake",
    "empty_first_frame",
    "bad_hmac",
    "index_rules",
    "bad_base64_hmac",
    "handshake_extra_field",
    "second_handshake_on_same_connection",
    "request_too_short",
    "request_empty_frame",
    "relogin_kicks_connection",
    "handler_error",
    "out_of_order_responses",
    "session_reuse_same_connection",
    "resend_after_reconnect_cached",
    "resend_after_reconnect_in_flight",
    "session_conflict_in_flight",
    "session_dup_in_flight_two",
    "logout_by_agent",
    "cache_expiry",
    "no_reconnect_limit_idle",
];

/// The flows in which ours does something else on purpose: why, and the test that shows what.
const TOLD_APART: [(&str, &str, &str); 5] = [
    (
        "two_connections_same_user",
        "reference bug: the late close of the older connection unhooks the newer",
        "a_second_handshake_closes_the_first_connection",
    ),
    (
        "reconnect_before_completion_repeat_after",
        "reference bug: a request is executed twice",
        "a_request_repeated_after_it_was_done_is_answered_from_the_cache",
    ),
    (
        "largest_request_and_answer",
        "an answer that does not fit fails, and costs nobody the connection",
        "an_answer_too_long_for_a_frame_fails",
    ),
    ("unauthenticated_idle", "ours has a deadline", "who_does_not_shake_hands_is_closed"),
    ("maxclient_64", "reference bug: 63 are served", "exactly_so_many_clients_as_configured_are_served"),
];

#[test]
fn every_flow_is_replayed_or_told_apart_and_has_a_test() {
    check_table("msgserver", &REPLAYED, &TOLD_APART, include_str!("flows.rs"));
}

on_every_transport! {
    fn recorded_conversations_are_repeated_byte_for_byte(server: TestServerBuilder) {
        let mut server = msgserver(server, "example");
        for flow in flows("msgserver").iter().filter(|flow| REPLAYED.contains(&&*flow.name)) {
            if !flow.params["server"].as_str().unwrap().starts_with("variant") {
                replay(&mut server, flow);
            }
        }
    }

    fn recorded_conversations_with_the_variant_are_too(server: TestServerBuilder) {
        let mut server = msgserver(server, "variant");
        for flow in flows("msgserver") {
            if flow.name == "no_reconnect_limit_idle" {
                // The number of v13, whose flow is told apart.
                enter(&mut server, "v13", &SECRET);
            }
            let variant = flow.params["server"].as_str().unwrap().starts_with("variant");
            match flow.params["uid"].as_str() {
                _ if !variant => {}
                _ if REPLAYED.contains(&&*flow.name) => replay(&mut server, &flow),
                // They count, too.
                Some(uid @ ("v6" | "v9")) => drop(enter(&mut server, uid, &SECRET)),
                _ => {}
            }
        }
    }

    fn a_second_handshake_closes_the_first_connection(server: TestServerBuilder) {
        let mut server = msgserver(server, "variant");
        let ann = enter(&mut server, "ann", &SECRET);
        let mut first = Client::greeted(&mut server, &ann, 1, &SECRET);
        first.ask(1, b"from a");
        first.expect_reply(1, b"from a");
        let mut second = Client::greeted(&mut server, &ann, 2, &SECRET);
        first.expect_closed(Cause::Replaced);
        first.close();
        server.advance(Duration::from_millis(100));
        second.ask(2, b"from b");
        second.expect_reply(2, b"from b");
        // Asked again over a later connection: the answer to the first.
        second.ask(1, b"x");
        second.expect_reply(1, b"from a");
        second.ask(4, b"logout");
        second.expect_closed(Cause::Requested);
        assert!(!is_logged_in(&server, "ann"));
    }

    fn a_request_repeated_after_it_was_done_is_answered_from_the_cache(server: TestServerBuilder) {
        let mut server = msgserver(server, "variant");
        let ann = enter(&mut server, "ann", &SECRET);
        let mut first = Client::greeted(&mut server, &ann, 1, &SECRET);
        first.ask(5, b"sleep:50:late");
        server.advance(Duration::from_millis(100));
        first.close();
        let mut second = Client::greeted(&mut server, &ann, 2, &SECRET);
        server.advance(Duration::from_millis(800));
        second.expect_silence();
        second.ask(5, b"not ignored");
        second.expect_reply(5, b"late");
        second.ask(9, b"count");
        second.expect_reply(9, b"2");
    }

    fn an_answer_too_long_for_a_frame_fails(server: TestServerBuilder) {
        let mut server = msgserver(server, "variant");
        let ann = enter(&mut server, "ann", &SECRET);
        let mut client = Client::greeted(&mut server, &ann, 1, &SECRET);
        let most = vec![0x7a; MAX_ANSWER];
        client.ask(1, &most);
        client.expect_reply(1, &most);
        client.ask(1, &vec![0x7a; MAX_ANSWER + 1]);
        assert_eq!(client.expect_answer(1), None);
        client.ask(2, b"still here");
        client.expect_reply(2, b"still here");
    }

    fn who_does_not_shake_hands_is_closed(server: TestServerBuilder) {
        let mut server = msgserver(server, "variant");
        let mut client = Client::to_msgserver(&mut server);
        // A part of a frame is no sign of life.
        client.send(&request(1, b"")[..3]);
        server.advance(Duration::from_millis(4990));
        assert!(client.raw.is_open());
        server.advance(Duration::from_millis(10));
        client.expect_closed(Cause::HandshakeTimeout);
    }

    fn exactly_so_many_clients_as_configured_are_served(server: TestServerBuilder) {
        let mut server = msgserver(server, "variant");
        let users: Vec<_> = (0..65).map(|n| enter(&mut server, &format!("u{n}"), &SECRET)).collect();
        let mut clients: Vec<Client> =
            users[..64].iter().map(|user| Client::greeted(&mut server, user, 1, &SECRET)).collect();
        let mut one_more = Client::to_msgserver(&mut server);
        one_more.raw.expect_refused();
        clients.pop().unwrap().close();
        server.settle();
        Client::greeted(&mut server, &users[64], 1, &SECRET);
    }
}
