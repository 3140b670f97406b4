//! Roles that are kept out.

use crate::sysconn::{
    peer::Peer,
    server::{demo, seconds, strict},
};
use portcullis::{
    core::{Cause, Clock},
    prelude::*,
    sysconn::{BanRole, Blacklist, prost, wire::messages::Blacklisted},
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};

fn notice(peer: &mut Peer) -> Blacklisted {
    let heard = peer.hear().expect("a notice");
    assert_eq!((heard.error, heard.flag, heard.command), (0, 0, 1149));
    <Blacklisted as prost::Message>::decode(&*heard.body).unwrap()
}

fn sessions(server: &mut TestServer) -> usize {
    server.run_system_once(|sessions: Query<&Session>| sessions.iter().len())
}

on_every_transport! {
    fn who_is_banned_online_is_told_until_when_and_closed_and_the_role_lingers(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, who) = Peer::logged_in(&mut server, "ann");
        server.advance(seconds(7));
        let now = server.world().resource::<Clock>().unix().as_secs() as u32;
        server.trigger(BanRole(who.role));
        assert_eq!(notice(&mut ann), Blacklisted { start: now, end: now + 300 });
        ann.expect_closed(Cause::Kicked);
        assert_eq!(sessions(&mut server), 1);
        let mut back = Peer::connect(&mut server);
        assert_eq!(back.reconnect(who.role, who.secret), Err(45));
        assert_eq!(back.log_in("ann"), Err(45));
        server.advance(seconds(50));
        assert_eq!(back.log_in("ann"), Err(45));
        assert_eq!(sessions(&mut server), 1);
        server.advance(seconds(11));
        assert_eq!(sessions(&mut server), 0);
        // The connection stays, and may be somebody else's.
        back.log_in("bob").unwrap();
        back.expect_echo(1);
    }

    fn a_ban_ends_to_the_second(server: TestServerBuilder) {
        let mut server = demo(server);
        let (ann, who) = Peer::logged_in(&mut server, "ann");
        drop(ann);
        server.advance(seconds(100));
        server.trigger(BanRole(who.role));
        let mut back = Peer::connect(&mut server);
        for _ in 0..6 {
            server.advance(seconds(49));
            assert_eq!(back.log_in("ann"), Err(45));
        }
        server.advance(seconds(5));
        assert_eq!(back.log_in("ann"), Err(45), "299 seconds");
        drop(back);
        server.advance(seconds(1));
        Peer::logged_in(&mut server, "ann").0.expect_echo(1);
    }

    fn who_is_banned_while_lingering_finds_it_closed(server: TestServerBuilder) {
        let mut server = demo(server);
        let (ann, who) = Peer::logged_in(&mut server, "ann");
        drop(ann);
        server.advance(seconds(30));
        server.trigger(BanRole(who.role));
        let mut back = Peer::connect(&mut server);
        assert_eq!(back.reconnect(who.role, who.secret), Err(45));
        // Who does not know the secret learns nothing.
        assert_eq!(back.reconnect(who.role, who.secret ^ 1), Err(10));
        server.advance(seconds(31));
        assert_eq!(sessions(&mut server), 0, "it lingers no longer for that");
        assert_eq!(back.reconnect(who.role, who.secret), Err(10));
        assert_eq!(back.log_in("ann"), Err(45));
    }

    fn nobody_is_role_0(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut stranger = Peer::connect(&mut server);
        server.trigger(BanRole(0));
        stranger.beat();
        assert!(server.world().resource::<Blacklist>().is_empty());
        stranger.log_in("ann").unwrap();
    }

    fn a_bad_body_bans_its_role_where_none_is_borne_and_a_pardon_ends_it(server: TestServerBuilder) {
        let mut server = strict(server);
        let (mut ann, who) = Peer::logged_in(&mut server, "ann");
        ann.say(1, 1190, b"\x0a\x05ab");
        // As the original: it is closed, and told when it comes again.
        ann.expect_closed(Cause::Undecodable);
        let mut back = Peer::connect(&mut server);
        assert_eq!(back.log_in("ann"), Err(45));
        assert!(server.world_mut().resource_mut::<Blacklist>().pardon(who.role).is_some());
        assert_eq!(back.log_in("ann").unwrap().secret, who.secret, "it lingers");
    }

    fn each_ban_is_longer_than_the_one_before(server: TestServerBuilder) {
        let mut server = demo(server);
        let (ann, who) = Peer::logged_in(&mut server, "ann");
        drop(ann);
        for minutes in [5, 30, 120] {
            server.trigger(BanRole(who.role));
            let mut back = Peer::connect(&mut server);
            back.say(9, 1002, &crate::sysconn::peer::account_body("ann"));
            let Blacklisted { start, end } = notice(&mut back);
            assert_eq!(end - start, minutes * 60);
            back.expect(45, 9, 1002, &[]);
        }
    }
}
