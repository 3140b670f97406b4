//! Users who come again while they are there, or were a moment ago.

use super::skynet::{
    Client,
    agent::{Executed, agents},
    facts::{facts, told},
    request,
    servers::{enter, is_logged_in, session},
};
use portcullis::{
    core::Cause,
    dispatch::ReplyCache,
    prelude::*,
    session::Logout,
    skynet::{
        login::LogoutAsked,
        msgserver::{MsgServerPlugin, wire::Handshake},
    },
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};
use std::time::Duration;

const SECRET: [u8; 8] = *b"a secret";

fn sample(builder: TestServerBuilder) -> TestServer {
    let msgserver = MsgServerPlugin::new("sample", "variant").listen("127.0.0.1:0");
    builder.tick(Duration::from_millis(10)).plugin((agents, facts, msgserver)).build()
}

fn executed(server: &TestServer, uid: &str) -> u64 {
    let session = session(server, uid);
    server.world().resource::<Executed>().0.get(&session).copied().unwrap_or_default()
}

on_every_transport! {
    /// In the original the end of the older connection clears what the user knows of the newer one.
    fn the_late_close_of_the_older_connection_neither_logs_out_nor_unbinds_the_newer(server: TestServerBuilder) {
        late_close(server, |server, older, newer, say| {
            newer.send(say);
            older.close();
            server.settle();
        });
    }

    fn the_answers_to_the_older_connection_are_kept_for_the_newer(server: TestServerBuilder) {
        let mut server = sample(server);
        let ann = enter(&mut server, "ann", &SECRET);
        let mut older = Client::greeted(&mut server, &ann, 1, &SECRET);
        older.ask(1, b"sleep:10:one");
        older.ask(2, b"sleep:20:two");
        let mut newer = Client::greeted(&mut server, &ann, 2, &SECRET);
        older.expect_closed(Cause::Replaced);
        server.advance(Duration::from_millis(150));
        // What nobody has asked for again is pushed to nobody.
        newer.expect_silence();
        newer.ask(1, b"x");
        newer.ask(2, b"x");
        newer.expect_reply(1, b"one");
        newer.expect_silence();
        server.advance(Duration::from_millis(100));
        newer.expect_reply(2, b"two");
        assert_eq!(executed(&server, "ann"), 2);
    }

    fn a_kick_during_a_takeover_ends_both_connections(server: TestServerBuilder) {
        let mut server = sample(server);
        let ann = enter(&mut server, "ann", &SECRET);
        let mut older = Client::greeted(&mut server, &ann, 1, &SECRET);
        let mut newer = Client::to_msgserver(&mut server);
        let leaving = session(&server, "ann");
        server.world_mut().add_observer(move |event: On<LoggedIn>, mut commands: Commands| {
            if event.resumed {
                commands.trigger(LogoutAsked { session: leaving });
            }
        });
        told(&mut server);
        newer.shake_hands(&ann, 2, &SECRET);
        older.expect_closed(Cause::Replaced);
        newer.raw.expect_closed(Cause::Requested);
        assert!(!is_logged_in(&server, "ann"));
        let facts = told(&mut server);
        assert_eq!(facts.iter().filter(|fact| *fact == "unbound ann").count(), 2, "{facts:?}");
        assert_eq!(facts.iter().filter(|fact| *fact == "logged out ann").count(), 1, "{facts:?}");
        assert_eq!(facts.last().map(String::as_str), Some("left ann 1"));
        // He is nobody now.
        let mut again = Client::to_msgserver(&mut server);
        again.shake_hands(&ann, 3, &SECRET);
        assert_eq!(again.expect_text(), "404 User Not Found");
    }

    fn a_request_is_handled_once_however_often_its_user_comes_back(server: TestServerBuilder) {
        const ROUNDS: u32 = 100;
        let mut server = sample(server);
        let ann = enter(&mut server, "ann", &SECRET);
        let mut unanswered: Vec<u32> = Vec::new();
        let mut answered = 0;
        for round in 0..ROUNDS {
            let mut client = Client::greeted(&mut server, &ann, i64::from(round) + 1, &SECRET);
            // What was not answered is asked again, and one more.
            for &session in &unanswered {
                client.ask(session, b"asked before");
            }
            unanswered.push(round);
            client.ask(round, format!("sleep:{}:{round}", round % 7).as_bytes());
            server.advance(Duration::from_millis(10) * (round % 3));
            while let Some(frame) = client.take_frame() {
                let response = portcullis::skynet::msgserver::wire::Response::parse(&frame).unwrap();
                let place = unanswered.iter().position(|&session| session == response.session);
                unanswered.remove(place.expect("an answer to what was not answered"));
                let content = response.session.to_string();
                assert_eq!(frame[..frame.len() - 5], *content.as_bytes());
                answered += 1;
            }
            // Half of them end, half are taken over.
            if round % 2 == 0 {
                client.close();
            } else {
                std::mem::forget(client);
            }
        }
        server.advance(Duration::from_millis(200));
        let mut last = Client::greeted(&mut server, &ann, i64::from(ROUNDS) + 1, &SECRET);
        for session in unanswered {
            last.ask(session, b"asked before");
            last.expect_reply(session, session.to_string().as_bytes());
            answered += 1;
        }
        last.expect_silence();
        assert_eq!((answered, executed(&server, "ann")), (ROUNDS, u64::from(ROUNDS)));
        let world = server.world();
        let cache = world.get::<ReplyCache>(world.resource::<Sessions>().at("sample", "ann").unwrap()).unwrap();
        assert_eq!((cache.running(), cache.version()), (0, ROUNDS + 1));
    }
}

/// Its FIN comes in the same run as the takeover, with requests of the newer before and behind it.
#[test]
fn nor_does_it_when_it_comes_with_the_takeover() {
    late_close(TestServer::builder(), |server, older, newer, say| {
        server.together(|| {
            let (before, behind) = say.split_at(say.len() - 9);
            newer.send(before);
            older.close();
            newer.send(behind);
        });
    });
}

/// `takes_over` has the newer connection say this, and the older end.
fn late_close(
    server: TestServerBuilder,
    takes_over: impl FnOnce(&mut TestServer, &mut Client, &mut Client, &[u8]),
) {
    let mut server = sample(server);
    let ann = enter(&mut server, "ann", &SECRET);
    let mut older = Client::greeted(&mut server, &ann, 1, &SECRET);
    let mut newer = Client::to_msgserver(&mut server);
    told(&mut server);
    let mut say = Vec::new();
    Handshake::write(&ann.encode(), 2, &SECRET, &mut say).unwrap();
    say.extend(request(1, b"sleep:20:late"));
    say.extend(request(2, b"now"));
    takes_over(&mut server, &mut older, &mut newer, &say);
    older.expect_closed(Cause::Replaced);
    assert_eq!(newer.expect_text(), "200 OK");
    newer.expect_reply(2, b"now");
    server.advance(Duration::from_millis(300));
    newer.expect_reply(1, b"late");
    newer.ask(3, b"still here");
    newer.expect_reply(3, b"still here");
    assert_eq!(told(&mut server), ["took over ann", "unbound ann"]);
    let bound = server.world().get::<BoundTo>(newer.raw.entity()).map(|bound| bound.0);
    assert_eq!(bound, Some(session(&server, "ann")));
    // And a logout finds it.
    let over = session(&server, "ann");
    server.trigger(Logout { session: over });
    newer.expect_closed(Cause::Requested);
    assert_eq!(told(&mut server), ["unbound ann", "logged out ann", "left ann 1"]);
}

#[test]
fn a_request_and_its_repetition_that_come_in_one_run_are_one() {
    let mut server = sample(TestServer::builder());
    let ann = enter(&mut server, "ann", &SECRET);
    let mut first = Client::greeted(&mut server, &ann, 1, &SECRET);
    let mut others: Vec<Client> = (0..10).map(|_| Client::to_msgserver(&mut server)).collect();
    server.together(|| {
        first.ask(1, b"count");
        for (other, index) in others.iter_mut().zip(2..) {
            other.shake_hands(&ann, index, &SECRET);
            other.send(&[request(1, b"count"), request(index as u32, b"count")].concat());
        }
    });
    // What was said before a connection's end is still heard.
    first.expect_reply(1, b"1");
    first.expect_closed(Cause::Replaced);
    for (other, index) in others.iter_mut().zip(2..) {
        assert_eq!(other.expect_text(), "200 OK");
        other.expect_reply(1, b"1");
        other.expect_reply(index, index.to_string().as_bytes());
        if index < 11 {
            other.expect_closed(Cause::Replaced);
        }
    }
    assert_eq!(executed(&server, "ann"), 11);
}
