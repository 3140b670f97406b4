//! Roles without a connection, and connections without a role.

use crate::sysconn::{
    peer::{Peer, account_body, reconnect_body},
    server::{demo, seconds, with},
};
use portcullis::{
    core::Cause,
    prelude::*,
    session::Lingering,
    sysconn::{
        ClientRecord, Role, SERVER,
        prost::Message,
        wire::messages::{LoginAnswer, RoleInfo},
    },
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};

/// The agent of a role that is online.
fn agent(server: &mut TestServer, role: u32) -> Entity {
    server.run_system_once(move |roles: Query<(Entity, &Role)>| {
        roles.iter().find(|(_, found)| found.id == role).map(|(agent, _)| agent).expect("a role online")
    })
}

/// Sessions, agents, and how many sessions linger.
fn counts(server: &mut TestServer) -> (usize, usize, usize) {
    server.run_system_once(|sessions: Query<Has<Lingering>, With<Session>>, roles: Query<&Role>| {
        let lingering = sessions.iter().filter(|lingering| *lingering).count();
        (sessions.iter().len(), roles.iter().len(), lingering)
    })
}

on_every_transport! {
    fn whoever_comes_back_at_50_seconds_finds_the_role_and_it_lingers_no_more(server: TestServerBuilder) {
        let mut server = demo(server);
        let (ann, who) = Peer::logged_in(&mut server, "ann");
        let role = agent(&mut server, who.role);
        drop(ann);
        server.advance(seconds(50));
        assert_eq!(counts(&mut server), (1, 1, 1));
        let mut back = Peer::connect(&mut server);
        let again = back.reconnect(who.role, who.secret).unwrap();
        assert_eq!((again.role, again.secret), (who.role, who.secret));
        assert_eq!(counts(&mut server), (1, 1, 0));
        for _ in 0..4 {
            server.advance(seconds(50));
            back.expect_echo(1);
        }
        assert_eq!(agent(&mut server, who.role), role, "it is the same");
    }

    fn whoever_comes_back_at_63_seconds_has_to_log_in_and_has_another_secret(server: TestServerBuilder) {
        let mut server = demo(server);
        let (ann, who) = Peer::logged_in(&mut server, "ann");
        drop(ann);
        server.advance(seconds(63));
        assert_eq!(counts(&mut server), (0, 0, 0));
        let mut back = Peer::connect(&mut server);
        assert_eq!(back.reconnect(who.role, who.secret), Err(10));
        let again = back.log_in("ann").unwrap();
        assert_eq!(again.role, who.role);
        assert_ne!(again.secret, who.secret);
        assert!(!again.is_new);
    }

    fn a_linger_begins_anew_with_each_loss(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut held, who) = Peer::logged_in(&mut server, "ann");
        for _ in 0..4 {
            drop(held);
            server.advance(seconds(50));
            held = Peer::connect(&mut server);
            held.reconnect(who.role, who.secret).unwrap();
            server.advance(seconds(30));
            held.beat();
        }
    }

    fn who_was_replaced_starts_no_linger(server: TestServerBuilder) {
        let mut server = demo(server);
        let (older, who) = Peer::logged_in(&mut server, "ann");
        let (mut newer, _) = Peer::logged_in(&mut server, "ann");
        drop(older);
        assert_eq!(counts(&mut server), (1, 1, 0));
        server.advance(seconds(40));
        newer.beat();
        server.advance(seconds(40));
        newer.expect_echo(1);
        assert_eq!(newer.ask(2, 1003, &[]).error, 6);
        drop(newer);
        server.advance(seconds(59));
        assert!(Peer::connect(&mut server).reconnect(who.role, who.secret).is_ok());
    }

    fn what_a_role_has_become_is_told_to_who_comes_back_and_kept(server: TestServerBuilder) {
        let mut server = demo(server);
        let (ann, who) = Peer::logged_in(&mut server, "ann");
        let role = agent(&mut server, who.role);
        server.world_mut().get_mut::<RoleInfo>(role).unwrap().coin = 4711;
        drop(ann);
        let coin = |peer: &mut Peer, body: &[u8], command: u16| {
            let heard = peer.ask(1, command, body);
            assert_eq!(heard.error, 0);
            LoginAnswer::decode(&*heard.body).unwrap().info.coin
        };
        let mut back = Peer::connect(&mut server);
        let body = reconnect_body(who.role, who.secret);
        assert_eq!(coin(&mut back, &body, 1003), 4711);
        drop(back);
        server.advance(seconds(61));
        let body = account_body("ann");
        assert_eq!(coin(&mut Peer::connect(&mut server), &body, 1002), 4711);
    }

    fn the_linger_is_a_setting(server: TestServerBuilder) {
        let mut server = with(server, |plugin| plugin.linger(seconds(5)));
        let (ann, who) = Peer::logged_in(&mut server, "ann");
        drop(ann);
        server.advance(seconds(4));
        let mut back = Peer::connect(&mut server);
        back.reconnect(who.role, who.secret).unwrap();
        drop(back);
        server.advance(seconds(6));
        assert_eq!(counts(&mut server), (0, 0, 0));
    }

    fn a_logout_ends_connection_and_role(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, who) = Peer::logged_in(&mut server, "ann");
        let session = server.world().resource::<Sessions>().at(SERVER, &who.role.to_string()).unwrap();
        server.trigger(Logout { session });
        ann.raw.expect_closed(Cause::Requested);
        assert_eq!(counts(&mut server), (0, 0, 0));
        assert_eq!(Peer::connect(&mut server).reconnect(who.role, who.secret), Err(10));
    }

    fn a_role_that_is_killed_is_told_and_gone(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, who) = Peer::logged_in(&mut server, "ann");
        ann.say(1, 1191, b"\x0a\x04kill");
        ann.expect_kicked(11, Cause::Kicked);
        assert_eq!(counts(&mut server), (0, 0, 0));
        assert_eq!(Peer::connect(&mut server).reconnect(who.role, who.secret), Err(10));
    }

    fn a_connection_ends_with_the_agent_it_plays_by(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, who) = Peer::logged_in(&mut server, "ann");
        let (mut bob, _) = Peer::logged_in(&mut server, "bob");
        let role = agent(&mut server, who.role);
        server.world_mut().despawn(role);
        server.settle();
        ann.expect_closed(Cause::AgentLost);
        assert_eq!(counts(&mut server), (1, 1, 0), "the session is over, and nobody else's");
        bob.expect_echo(1);
        let mut back = Peer::connect(&mut server);
        assert_eq!(back.reconnect(who.role, who.secret), Err(10));
        let again = back.log_in("ann").unwrap();
        assert_ne!(again.secret, who.secret);
        back.expect_echo(1);
    }

    fn an_agent_that_is_lost_while_it_lingers_ends_its_session(server: TestServerBuilder) {
        let mut server = demo(server);
        let (ann, who) = Peer::logged_in(&mut server, "ann");
        drop(ann);
        server.settle();
        let role = agent(&mut server, who.role);
        server.world_mut().despawn(role);
        server.settle();
        assert_eq!(counts(&mut server), (0, 0, 0));
        assert_eq!(Peer::connect(&mut server).reconnect(who.role, who.secret), Err(10));
    }

    fn a_connection_that_logs_out_may_be_somebody_elses(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, who) = Peer::logged_in(&mut server, "ann");
        let entity = ann.raw.entity();
        server.trigger(portcullis::session::Unbind { entity });
        assert_eq!(server.world().get::<ClientRecord>(entity).unwrap().role, 0);
        let bob = ann.log_in("bob").unwrap();
        assert_ne!(bob.role, who.role);
        ann.expect_echo(1);
    }
}
