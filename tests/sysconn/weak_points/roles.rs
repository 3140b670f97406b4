//! Roles and their secrets.

use crate::sysconn::{
    late::{LATE_LOGIN, answer, late_logins},
    peer::{LOGIN_FLAG, Peer, account_body},
    server::{demo, seconds, with_game},
};
use portcullis::core::Cause;
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};
use std::{collections::HashSet, net::Ipv4Addr};

on_every_transport! {
    /// (17) The original's secrets have seven digits at most, and may be tried for ever.
    fn a_secret_has_32_bits_and_is_guessed_at_a_few_times_only(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, who) = Peer::logged_in(&mut server, "ann");
        let mut guesser = Peer::connect(&mut server);
        for guess in 1..=10 {
            assert_eq!(guesser.reconnect(who.role, who.secret.wrapping_add(guess)), Err(10));
        }
        // By now the right one is refused too, and who guesses on learns nothing.
        assert_eq!(guesser.reconnect(who.role, who.secret), Err(10));
        ann.expect_echo(1);
        for _ in 0..11 {
            server.advance(seconds(55));
            ann.beat();
        }
        assert_eq!(Peer::connect(&mut server).reconnect(who.role, who.secret).unwrap().secret, who.secret);
        ann.expect_kicked(11, Cause::Replaced);
    }

    /// Part of 17.
    fn a_secret_dies_with_its_role_and_the_next_is_another(server: TestServerBuilder) {
        let mut server = demo(server);
        let secrets: HashSet<u32> =
            (0..20).map(|number| Peer::logged_in(&mut server, &format!("role-{number}")).1.secret).collect();
        assert_eq!(secrets.len(), 20);
        assert!(secrets.iter().any(|&secret| secret > 0x8000_0000), "all 32 bits are used: {secrets:?}");
        assert!(secrets.iter().any(|&secret| secret < 0x8000_0000));

        let (ann, who) = Peer::logged_in(&mut server, "ann");
        drop(ann);
        server.advance(seconds(61));
        let mut again = Peer::connect(&mut server);
        assert_eq!(again.reconnect(who.role, who.secret), Err(10));
        let newer = again.log_in("ann").unwrap();
        assert_eq!(newer.role, who.role);
        assert_ne!(newer.secret, who.secret);
        assert_eq!(Peer::connect(&mut server).reconnect(who.role, who.secret), Err(10));
    }

    /// (18) The original asks a web server three times while its connection does nothing else.
    fn a_login_that_takes_long_keeps_nobody_waiting_but_its_client(server: TestServerBuilder) {
        let mut server = with_game(server, |plugin| plugin, late_logins);
        let (mut slow, mut other) = (Peer::connect(&mut server), Peer::connect(&mut server));
        slow.say(LOGIN_FLAG, LATE_LOGIN, &account_body("ann"));
        other.log_in("bob").unwrap();
        other.expect_echo(7);
        slow.expect_silence();
        server.advance(seconds(5));
        answer(&mut server, None);
        assert!(slow.entered(LATE_LOGIN).unwrap().is_new);
        slow.expect_echo(8);
    }

    /// (19) A `stop` that is on its way ends the role that somebody has just come back to.
    fn whoever_comes_back_as_the_linger_ends_has_the_role_or_has_it_not(server: TestServerBuilder) {
        let mut server = demo(server);
        let tick = std::time::Duration::from_millis(50);
        for ticks in 0..6 {
            let account = format!("ann-{ticks}");
            let (ann, who) = Peer::logged_in(&mut server, &account);
            drop(ann);
            server.settle();
            let mut back = Peer::connect(&mut server);
            server.advance(seconds(30));
            back.beat();
            server.advance(seconds(30) - 3 * tick + ticks * tick);
            let who = match back.reconnect(who.role, who.secret) {
                Ok(same) => {
                    assert_eq!(same.secret, who.secret);
                    same
                }
                Err(error) => {
                    assert_eq!(error, 10);
                    let newer = back.log_in(&account).unwrap();
                    assert_ne!(newer.secret, who.secret);
                    newer
                }
            };
            // Nothing that was on its way takes it back.
            for _ in 0..3 {
                server.advance(seconds(50));
                back.expect_echo(9);
            }
            let mut newer = Peer::connect(&mut server);
            assert_eq!(newer.reconnect(who.role, who.secret).unwrap().secret, who.secret);
            back.expect_kicked(11, Cause::Replaced);
        }
    }
}

/// Part of 17: an address that guesses at many roles.
#[test]
fn an_address_guesses_at_a_few_secrets_only() {
    let mut server = demo(TestServer::builder());
    let roles: Vec<_> =
        (0..5).map(|number| Peer::logged_in(&mut server, &format!("role-{number}"))).collect();
    let mut guesser = Peer::from(&mut server, Ipv4Addr::new(192, 0, 2, 7));
    for guess in 0..20 {
        let who = roles[guess % 5].1;
        assert_eq!(guesser.reconnect(who.role, who.secret ^ 1), Err(10));
    }
    let who = roles[0].1;
    let mut again = Peer::from(&mut server, Ipv4Addr::new(192, 0, 2, 7));
    assert_eq!(again.reconnect(who.role, who.secret), Err(10));
    let mut elsewhere = Peer::from(&mut server, Ipv4Addr::new(192, 0, 2, 8));
    assert_eq!(elsewhere.reconnect(who.role, who.secret).unwrap().role, who.role);
    // It is no ban: a login is not a guess.
    assert!(again.log_in("role-1").is_ok());
}
