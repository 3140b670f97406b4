//! Logins that are answered late, and what is sent behind them.

use crate::sysconn::{
    late::{LATE_LOGIN, answer, late_logins, waiting},
    peer::{LOGIN_FLAG, Peer, account_body, reconnect_body},
    server::{seconds, with_game},
};
use portcullis::{core::Cause, prelude::*, sysconn::BanRole};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};

fn serve(server: TestServerBuilder) -> TestServer {
    with_game(server, |plugin| plugin, late_logins)
}

/// A connection whose login waits.
fn asking(server: &mut TestServer, account: &str) -> Peer {
    let mut peer = Peer::connect(server);
    peer.say(LOGIN_FLAG, LATE_LOGIN, &account_body(account));
    peer.expect_silence();
    peer
}

fn sessions(server: &mut TestServer) -> usize {
    server.run_system_once(|sessions: Query<&Session>| sessions.iter().len())
}

on_every_transport! {
    fn what_is_sent_behind_a_login_waits_and_is_answered_in_order(server: TestServerBuilder) {
        let mut server = serve(server);
        let mut ann = asking(&mut server, "ann");
        for flag in 0..40 {
            ann.say(flag, 1190, &[0x0a, 1, flag as u8]);
            ann.say(flag, 1098, &[]);
            ann.expect_silence();
        }
        answer(&mut server, None);
        ann.entered(LATE_LOGIN).unwrap();
        for flag in 0..40 {
            ann.expect(0, flag, 1190, &[0x0a, 1, flag as u8]);
            ann.expect(0, flag, 1098, &[]);
        }
        ann.expect_silence();
        ann.expect_echo(41);
    }

    fn behind_a_login_that_is_refused_commands_are_as_early_as_ever(server: TestServerBuilder) {
        let mut server = serve(server);
        let mut ann = asking(&mut server, "ann");
        ann.say(1, 1190, b"\x0a\x01a");
        ann.say(2, 1098, &[]);
        answer(&mut server, Some(31));
        assert_eq!(ann.entered(LATE_LOGIN), Err(31));
        ann.expect(0, 2, 1098, &[]);
        ann.expect_silence();
        ann.log_in("ann").unwrap();
    }

    fn what_waits_behind_a_login_has_a_bound(server: TestServerBuilder) {
        let mut server = serve(server);
        let mut ann = asking(&mut server, "ann");
        let body = [&b"\x0a\xf4\x07"[..], &[b'x'; 1012]].concat();
        let mut said = 0;
        while said < 64 && ann.raw.is_open() {
            ann.say(said, 1190, &body);
            said += 1;
        }
        // 16 KiB are what a stranger may have wait.
        assert!((16..=18).contains(&said), "{said} KiB");
        ann.expect_closed(Cause::Abuse);
        answer(&mut server, None);
        assert_eq!(sessions(&mut server), 0, "nobody is logged in who is gone");
    }

    fn one_login_is_in_flight_and_the_next_waits_for_it(server: TestServerBuilder) {
        let mut server = serve(server);
        let mut ann = asking(&mut server, "ann");
        ann.say(1, LATE_LOGIN, &account_body("bob"));
        ann.say(2, 1002, &account_body("eve"));
        ann.say(3, 1003, &reconnect_body(1, 1));
        assert_eq!(waiting(&server), 1);
        answer(&mut server, Some(5));
        assert_eq!(ann.entered(LATE_LOGIN), Err(5));
        assert_eq!(waiting(&server), 1, "now the next");
        ann.expect_silence();
        answer(&mut server, None);
        let entered = ann.hear().unwrap();
        assert_eq!((entered.error, entered.flag, entered.command), (0, 1, LATE_LOGIN));
        ann.expect(6, 2, 1002, &[]);
        ann.expect(6, 3, 1003, &[]);
        assert_eq!(waiting(&server), 0);
        assert_eq!(sessions(&mut server), 1);
    }

    fn a_login_that_takes_too_long_is_refused_and_not_made_up_for(server: TestServerBuilder) {
        let mut server = serve(server);
        let mut ann = asking(&mut server, "ann");
        ann.say(1, 1190, b"\x0a\x01a");
        ann.say(2, 1098, &[]);
        server.advance(seconds(11));
        assert_eq!(ann.entered(LATE_LOGIN), Err(1));
        ann.expect(0, 2, 1098, &[]);
        answer(&mut server, None);
        ann.expect_silence();
        assert_eq!(sessions(&mut server), 0, "nobody is logged in behind his back");
        ann.log_in("ann").unwrap();
    }

    fn who_leaves_before_the_answer_is_not_logged_in(server: TestServerBuilder) {
        let mut server = serve(server);
        let mut ann = asking(&mut server, "ann");
        ann.raw.close();
        ann.raw.expect_closed(Cause::PeerClosed);
        answer(&mut server, None);
        assert_eq!(sessions(&mut server), 0);
        assert!(Peer::connect(&mut server).log_in("ann").is_ok());
    }

    fn who_is_banned_before_the_answer_is_kept_out(server: TestServerBuilder) {
        let mut server = serve(server);
        let (first, who) = Peer::logged_in(&mut server, "ann");
        drop(first);
        let mut ann = asking(&mut server, "ann");
        ann.say(2, 1098, &[]);
        server.trigger(BanRole(who.role));
        answer(&mut server, None);
        assert_eq!(ann.entered(LATE_LOGIN), Err(45));
        ann.expect(0, 2, 1098, &[]);
    }

    fn who_is_kicked_before_the_answer_takes_nothing_over(server: TestServerBuilder) {
        let mut server = serve(server);
        let (mut first, _) = Peer::logged_in(&mut server, "ann");
        let mut late = asking(&mut server, "ann");
        let entity = late.raw.entity();
        {
            let mut world = server.world_mut();
            world.trigger(Kick::new(entity, "time to go"));
            world.flush();
        }
        answer(&mut server, None);
        late.expect_kicked(11, Cause::Kicked);
        first.expect_echo(1);
        assert_eq!(sessions(&mut server), 1);
    }

    fn two_late_logins_to_one_role_are_a_takeover(server: TestServerBuilder) {
        let mut server = serve(server);
        let (mut one, mut other) = (asking(&mut server, "ann"), asking(&mut server, "ann"));
        answer(&mut server, None);
        let first = one.entered(LATE_LOGIN).unwrap();
        answer(&mut server, None);
        let second = other.entered(LATE_LOGIN).unwrap();
        assert_eq!((first.role, first.secret), (second.role, second.secret));
        assert!(first.is_new && !second.is_new);
        one.expect_kicked(11, Cause::Replaced);
        other.expect_echo(1);
    }
}
