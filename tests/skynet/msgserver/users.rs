//! Users from their login to their logout.

use super::skynet::{
    Client,
    agent::{Executed, agents},
    facts::{assert_secret, facts, logged, told},
    request,
    servers::{enter, is_logged_in, msgserver, msgserver_with, session},
};
use portcullis::{
    core::Cause,
    prelude::*,
    session::{LoginRefusal, Logout},
    skynet::{
        login::LogoutAsked,
        msgserver::{MsgServerPlugin, MsgUser, log_in, wire::Handshake},
    },
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};
use std::time::Duration;

const SECRET: [u8; 8] = *b"a secret";

fn sample(builder: TestServerBuilder) -> TestServer {
    let msgserver = MsgServerPlugin::new("sample", "variant").listen("127.0.0.1:0");
    builder.tick(Duration::from_millis(10)).plugin((agents, facts, msgserver)).build()
}

on_every_transport! {
    fn a_user_outlives_his_connections(server: TestServerBuilder) {
        let mut server = sample(server);
        let ann = enter(&mut server, "ann", &SECRET);
        assert_eq!(told(&mut server), ["began ann"]);
        let mut first = Client::greeted(&mut server, &ann, 1, &SECRET);
        assert_eq!(told(&mut server), ["logged in ann"]);
        first.close();
        first.raw.expect_closed(Cause::PeerClosed);
        server.advance(Duration::from_secs(120));
        assert_eq!(told(&mut server), ["unbound ann", "detached ann"]);
        let mut second = Client::greeted(&mut server, &ann, 2, &SECRET);
        assert_eq!(told(&mut server), ["took over ann", "resumed ann"]);
        let leaving = session(&server, "ann");
        server.trigger(LogoutAsked { session: leaving });
        second.expect_closed(Cause::Requested);
        assert_eq!(told(&mut server), ["asked out ann", "unbound ann", "logged out ann", "left ann 1"]);
    }

    fn what_waits_for_an_answer_at_the_logout_is_never_answered(server: TestServerBuilder) {
        let mut server = sample(server);
        let ann = enter(&mut server, "ann", &SECRET);
        let mut client = Client::greeted(&mut server, &ann, 1, &SECRET);
        for session in 0..20 {
            client.ask(session, b"sleep:10:late");
        }
        let leaving = session(&server, "ann");
        server.trigger(Logout { session: leaving });
        client.expect_closed(Cause::Requested);
        // And it does not come to who is that user next.
        let again = enter(&mut server, "ann", &SECRET);
        let mut client = Client::greeted(&mut server, &again, 1, &SECRET);
        server.advance(Duration::from_millis(200));
        client.expect_silence();
        client.ask(0, b"count");
        client.expect_reply(0, b"1");
    }

    fn a_frame_too_short_ends_the_connection_after_what_came_before_it_was_answered(server: TestServerBuilder) {
        let mut server = sample(server);
        let ann = enter(&mut server, "ann", &SECRET);
        for (index, short) in (1..).zip([&b""[..], b"a", b"ab", b"abc"]) {
            let mut client = Client::to_msgserver(&mut server);
            let mut out = Vec::new();
            Handshake::write(&ann.encode(), index, &SECRET, &mut out).unwrap();
            out.extend(request(1, b"one"));
            out.extend(request(2, b"err"));
            out.extend((short.len() as u16).to_be_bytes());
            out.extend_from_slice(short);
            out.extend(request(3, b"never"));
            client.send(&out);
            assert_eq!(client.expect_text(), "200 OK");
            client.expect_reply(1, b"one");
            assert_eq!(client.expect_answer(2), None);
            client.expect_closed(Cause::Malformed);
        }
        let session = session(&server, "ann");
        // Those of a later connection were answered from the cache.
        assert_eq!(server.world().resource::<Executed>().0[&session], 2);
    }

    fn what_is_pushed_goes_nowhere(server: TestServerBuilder) {
        let mut server = sample(server.plugin(|app: &mut App| {
            app.add_handler("news", |_: Request<()>| ());
        }));
        let ann = enter(&mut server, "ann", &SECRET);
        let mut client = Client::greeted(&mut server, &ann, 1, &SECRET);
        let (connection, session) = (client.raw.entity(), session(&server, "ann"));
        let told = server.run_system_once(move |mut pusher: Pusher| {
            pusher.broadcast([connection, session], "news", &"the gates are open");
            [connection, session].map(|target| pusher.push(target, "news", &"the gates are open"))
        });
        assert_eq!(told, [0, 0]);
        client.expect_silence();
        client.ask(1, b"still here");
        client.expect_reply(1, b"still here");
        assert_eq!(server.world().get::<Traffic>(connection).unwrap().send_errors, 0);
    }
}

#[test]
fn a_user_who_does_not_come_back_is_logged_out_where_the_operator_wants_it() {
    let mut server =
        msgserver_with(TestServer::builder(), "variant", |plugin| plugin.linger(Duration::from_secs(10)));
    // One who never comes, and one who comes and goes.
    enter(&mut server, "bob", &SECRET);
    let ann = enter(&mut server, "ann", &SECRET);
    server.advance(Duration::from_secs(9));
    let mut client = Client::greeted(&mut server, &ann, 1, &SECRET);
    server.advance(Duration::from_secs(1));
    assert!(!is_logged_in(&server, "bob"));
    server.advance(Duration::from_secs(40));
    assert!(is_logged_in(&server, "ann"));
    client.close();
    server.advance(Duration::from_millis(9990));
    assert!(is_logged_in(&server, "ann"));
    server.advance(Duration::from_millis(20));
    assert!(!is_logged_in(&server, "ann"));
    let mut late = Client::to_msgserver(&mut server);
    late.shake_hands(&ann, 2, &SECRET);
    assert_eq!(late.expect_text(), "404 User Not Found");
}

#[test]
fn a_user_is_logged_in_once() {
    let mut server = msgserver(TestServer::builder(), "variant");
    enter(&mut server, "ann", &SECRET);
    let twice = log_in(&mut server.world_mut(), "sample", "ann", &SECRET);
    assert_eq!(twice, Err(LoginRefusal::HasSession));
    let nowhere = log_in(&mut server.world_mut(), "nosuch", "ann", &SECRET);
    assert_eq!(nowhere, Err(LoginRefusal::NoSession));
}

#[test]
fn the_game_may_send_a_new_user_away() {
    let mut server = sample(TestServer::builder().plugin(|app: &mut App| {
        app.add_observer(|event: On<Add<MsgUser>>, mut commands: Commands| {
            commands.trigger(Logout { session: event.entity });
        });
    }));
    let refused = log_in(&mut server.world_mut(), "sample", "ann", &SECRET);
    assert_eq!(refused, Err(LoginRefusal::NoSession));
    assert!(!is_logged_in(&server, "ann"));
}

#[test]
fn a_game_that_is_to_save_first_is_asked_and_nothing_else_happens() {
    let mut server = msgserver_with(TestServer::builder(), "variant", MsgServerPlugin::logs_out_by_itself);
    let ann = enter(&mut server, "ann", &SECRET);
    let mut client = Client::greeted(&mut server, &ann, 1, &SECRET);
    let asked = session(&server, "ann");
    server.trigger(LogoutAsked { session: asked });
    client.ask(1, b"still here");
    client.expect_reply(1, b"still here");
    assert!(is_logged_in(&server, "ann"));
}

#[test]
fn nothing_secret_is_logged() {
    let log = logged(|| {
        let mut server = sample(TestServer::builder());
        let ann = enter(&mut server, "ann", &SECRET);
        let mut client = Client::greeted(&mut server, &ann, 1, &SECRET);
        client.ask(1, b"my diary");
        client.expect_reply(1, b"my diary");
        client.send(b"\0\x03abc");
        client.expect_closed(Cause::Malformed);
        let mut stranger = Client::to_msgserver(&mut server);
        stranger.shake_hands(&ann, 2, b"a guess!");
        assert_eq!(stranger.expect_text(), "401 Unauthorized");
        let debug = format!(
            "{:?}",
            server.world().entity(session(&server, "ann")).get::<portcullis::session::Secret>()
        );
        assert_eq!(debug, "Some(Secret)");
    });
    assert!(log.contains("a handshake was refused"), "{log}");
    for secret in [&SECRET[..], b"a guess!", b"my diary"] {
        assert_secret(&log, secret);
    }
}
