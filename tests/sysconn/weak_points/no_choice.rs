//! Where compatibility leaves no choice.

use crate::sysconn::{
    peer::Peer,
    request, response,
    server::{demo, seconds, strict},
};
use portcullis::{core::Cause, prelude::*, sysconn::wire::errors};
use portcullis_testkit::{TestServerBuilder, on_every_transport};
use std::time::Duration;

on_every_transport! {
    fn headers_have_9_bytes_in_and_11_out_and_the_flag_comes_back(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, _) = Peer::logged_in(&mut server, "ann");
        assert_eq!(request(0x0102_0304, 0x04a6, b"x"), b"\0\x01\0\x01\x02\x03\x04\x04\xa6x");
        assert_eq!(response(0x1c, 0x0102_0304, 0x0471, b""), b"\0\x1c\0\0\0\x01\x02\x03\x04\x04\x71");
        for flag in [0, 1, 0xff, 0x0102_0304, i32::MAX as u32, 1 << 31, u32::MAX] {
            ann.expect_echo(flag);
            assert_eq!(ann.ask(flag, 1137, &[]).error, 28);
        }
    }

    fn before_the_login_and_where_modules_are_silent_nothing_is_said(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut ann = Peer::connect(&mut server);
        for command in [1190, 1137, 1199, 1299, 1500, 1799, 1999, 1001, 1005, 1050, 1097] {
            ann.say(1, command, &[]);
            ann.expect_silence();
        }
        ann.say(1, 1003, &[]);
        ann.expect_silence();
        ann.log_in("ann").unwrap();
        for command in [1199, 1299, 1399, 1999] {
            ann.say(1, command, &[]);
            ann.expect_silence();
        }
    }

    fn the_older_connection_hears_1099_and_ends(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut older, _) = Peer::logged_in(&mut server, "ann");
        let _newer = Peer::logged_in(&mut server, "ann");
        older.expect_kicked(11, Cause::Replaced);
    }

    fn the_secret_stays_as_long_as_the_role_is_online(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut held, first) = Peer::logged_in(&mut server, "ann");
        for round in 0..4 {
            let mut next = Peer::connect(&mut server);
            let who = match round % 2 {
                0 => next.log_in("ann"),
                _ => next.reconnect(first.role, first.secret),
            };
            assert_eq!(who.map(|who| (who.role, who.secret)), Ok((first.role, first.secret)));
            held.expect_kicked(11, Cause::Replaced);
            held = next;
        }
    }

    fn sixty_seconds_of_silence_end_a_connection(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, _) = Peer::logged_in(&mut server, "ann");
        let mut stranger = Peer::connect(&mut server);
        server.advance(seconds(30));
        ann.beat();
        server.advance(Duration::from_millis(29_900));
        assert!(stranger.raw.is_open());
        server.advance(Duration::from_millis(200));
        stranger.expect_closed(Cause::Idle);
        server.advance(Duration::from_millis(29_800));
        assert!(ann.raw.is_open());
        server.advance(Duration::from_millis(200));
        ann.expect_closed(Cause::Idle);
    }

    fn a_login_has_300_seconds_and_heartbeats_do_not_help(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut stranger, mut ann) = (Peer::connect(&mut server), Peer::connect(&mut server));
        for _ in 0..14 {
            server.advance(seconds(20));
            stranger.beat();
            ann.beat();
        }
        ann.log_in("ann").unwrap();
        server.advance(Duration::from_millis(19_900));
        stranger.beat();
        server.advance(Duration::from_millis(200));
        stranger.expect_closed(Cause::LoginTimeout);
        ann.beat();
    }

    fn a_role_lingers_for_60_seconds(server: TestServerBuilder) {
        let mut server = demo(server);
        for (milliseconds, is_there) in [(59_900, true), (60_100, false)] {
            let (ann, who) = Peer::logged_in(&mut server, &format!("after-{milliseconds}"));
            drop(ann);
            server.advance(Duration::from_millis(milliseconds));
            let sessions = server.run_system_once(|sessions: Query<&Session>| sessions.iter().len());
            assert_eq!(sessions, usize::from(is_there));
            let back = Peer::connect(&mut server).reconnect(who.role, who.secret);
            assert_eq!(back.is_ok(), is_there);
            server.advance(seconds(61));
        }
    }

    fn only_the_answer_that_made_the_role_says_so(server: TestServerBuilder) {
        let mut server = demo(server);
        let (ann, who) = Peer::logged_in(&mut server, "ann");
        assert!(who.is_new);
        assert!(!Peer::logged_in(&mut server, "ann").1.is_new);
        assert!(!Peer::connect(&mut server).reconnect(who.role, who.secret).unwrap().is_new);
        drop(ann);
        server.advance(seconds(61));
        assert!(!Peer::logged_in(&mut server, "ann").1.is_new);
    }

    fn errors_have_their_numbers(server: TestServerBuilder) {
        let mut server = strict(server);
        let (mut ann, who) = Peer::logged_in(&mut server, "ann");
        assert_eq!(ann.ask(1, 1799, &[]).error, errors::BUSY);
        assert_eq!(errors::BUSY, 1);
        assert_eq!(ann.ask(1, 1499, &[]).error, 5);
        assert_eq!(ann.log_in("ann"), Err(6));
        assert_eq!(ann.ask(1, 1050, b"\xff").error, 6, "whatever it is");
        assert_eq!(Peer::connect(&mut server).reconnect(who.role, 0), Err(10));
        assert_eq!(Peer::connect(&mut server).log_in(""), Err(5));
        ann.say(1, 1190, b"\xff\xff");
        ann.expect_closed(Cause::Undecodable);
        assert_eq!(Peer::connect(&mut server).log_in("ann"), Err(45));
        assert_eq!(Peer::connect(&mut server).reconnect(who.role, who.secret), Err(45));
        let numbers = (errors::ROLE_DATA, errors::LOGGED_IN_ELSEWHERE, errors::PHONE, errors::PHONE_CODE);
        assert_eq!(numbers, (7, 11, 21, 23));
        assert_eq!((errors::PHONE_PASSWORD, errors::EMPTY_PASSWORD), (31, 32));
    }
}
