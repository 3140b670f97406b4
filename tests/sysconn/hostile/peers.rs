//! Peers that mean harm, or are just quick.

use crate::sysconn::{
    Client, frame,
    late::{LATE_LOGIN, answer, late_logins},
    peer::{LOGIN_FLAG, Peer, account_body},
    request,
    server::{demo, seconds, with_game},
};
use portcullis::{
    core::Cause,
    dispatch::{OnExcess, Routes},
    native::Manifest,
    prelude::*,
    sysconn::{AppSysconnExt, command_route},
};
use portcullis_testkit::{TestServer, TestServerBuilder, Transport, on_every_transport};

#[derive(Resource, Default)]
struct Saved(u32);

on_every_transport! {
    /// As all that was sent before the end.
    fn what_is_said_behind_a_login_and_before_the_end_is_handled(server: TestServerBuilder) {
        let mut server = with_game(server, |plugin| plugin, |app| {
            app.init_resource::<Saved>()
                .add_command(1120, |_: Request<()>, mut saved: ResMut<Saved>| saved.0 += 1);
        });
        let mut ann = Peer::connect(&mut server);
        server.together(|| {
            ann.say(LOGIN_FLAG, 1002, &account_body("ann"));
            ann.say(1, 1120, &[]);
            ann.raw.close();
        });
        server.settle();
        assert_eq!(server.world().resource::<Saved>().0, 1);
        assert_eq!(server.closed(ann.raw.entity()), Some(Cause::PeerClosed));
    }

    /// A server that is behind refuses what has waited for long. How long a login takes is another matter.
    fn what_has_waited_for_a_login_is_not_too_late(server: TestServerBuilder) {
        let mut server = with_game(server, |plugin| plugin, |app| {
            app.add_plugins(TooBusyPlugin::default());
            late_logins(app);
        });
        let mut ann = Peer::connect(&mut server);
        ann.say(LOGIN_FLAG, LATE_LOGIN, &account_body("ann"));
        ann.say(1, 1190, b"\x0a\x01x");
        ann.say(2, 1098, &[]);
        server.advance(seconds(5));
        answer(&mut server, None);
        ann.entered(LATE_LOGIN).unwrap();
        ann.expect(0, 1, 1190, b"\x0a\x01x");
        ann.expect(0, 2, 1098, &[]);
    }

    fn requests_that_are_refused_as_they_come_in_are_limited_like_others(server: TestServerBuilder) {
        let limit = || RateLimit::default().bucket("sysconn.*", 1.0, 10).on_excess(OnExcess::Close);
        let mut server = with_game(
            server,
            move |plugin| plugin.with(move |listener| { listener.insert(limit()); }),
            |app| { app.add_plugins(RateLimitPlugin::default()); },
        );
        let (mut ann, _) = Peer::logged_in(&mut server, "ann");
        for flag in 0..100 {
            if ann.raw.is_open() {
                ann.say(flag, 1002, &account_body("ann"));
            }
        }
        let answers = std::iter::from_fn(|| ann.hear()).filter(|heard| heard.command == 1002).count();
        assert!((9..12).contains(&answers), "{answers}");
        ann.raw.expect_closed(Cause::Kicked);
    }
}

/// A message of a single byte takes memory too.
#[test]
fn messages_that_wait_behind_a_login_are_bounded_in_number() {
    let mut server =
        with_game(TestServer::builder().transport(Transport::ALL[1]), |plugin| plugin, late_logins);
    let mut ann = Client::upgraded(&mut server);
    ann.send(&mut server, &frame(&request(LOGIN_FLAG, LATE_LOGIN, &account_body("ann"))));
    let mut said = 0;
    while said < 100_000 && ann.is_open() {
        ann.send(&mut server, &frame(b"x").repeat(1000));
        said += 1000;
    }
    // What is known of each is 8 bytes, and 16 KiB may be held.
    assert!(said <= 4000, "{said}");
    ann.expect_cause(&mut server, Cause::Abuse);
    answer(&mut server, None);
}

/// Who has to be logged in is looked at where this protocol's requests come in: other doors are closed.
#[test]
fn commands_are_not_for_clients_of_other_protocols() {
    let server = demo(TestServer::builder());
    let offered = Manifest::of_routes("any", 1, server.world().resource::<Routes>());
    for command in [1002, 1003, 1098, 1137, 1190] {
        assert!(offered.get(&command_route(command)).is_none(), "{command}");
    }
}
