//! Logging in, and taking over.

use crate::{
    over_sockets,
    sysconn::{
        Client, frame,
        peer::{LOGIN_FLAG, Peer, account_body, who},
        request, response,
        server::{demo, seconds, with_game},
    },
};
use portcullis::{
    core::{Cause, Kick, Outbox},
    prelude::*,
    sysconn::{ClientRecord, KickCode, wire::Response},
};
use portcullis_testkit::{TestServer, TestServerBuilder, Transport, on_every_transport};

/// What waited for each connection when one was replaced.
#[derive(Resource, Default)]
struct Written(Vec<(Entity, usize)>);

fn note_outboxes(app: &mut App) {
    app.init_resource::<Written>().add_observer(
        |event: On<LoggedIn>,
         closing: Query<&Outbox, With<Closing>>,
         outboxes: Query<(Entity, &Outbox)>,
         mut written: ResMut<Written>| {
            if closing.is_empty() || !event.resumed {
                return;
            }
            written.0.extend(outboxes.iter().map(|(entity, outbox)| (entity, outbox.bytes().len())));
        },
    );
}

on_every_transport! {
    fn the_older_connection_is_told_before_the_newer_has_its_answer(server: TestServerBuilder) {
        let mut server = with_game(server, |plugin| plugin, note_outboxes);
        let (mut older, first) = Peer::logged_in(&mut server, "ann");
        let (mut newer, second) = Peer::logged_in(&mut server, "ann");
        assert_eq!((first.role, first.secret), (second.role, second.secret));
        let written = server.world_mut().remove_resource::<Written>().unwrap().0;
        let waited = |peer: &Peer| {
            let found = written.iter().find(|(entity, _)| *entity == peer.raw.entity());
            found.map(|&(_, bytes)| bytes)
        };
        assert!(waited(&older) >= Some(13), "1099 was written: {written:?}");
        assert_eq!(waited(&newer), Some(0), "and nothing else");
        older.expect_kicked(11, Cause::Replaced);
        // Nobody lingers, however late the end of the older is.
        for _ in 0..3 {
            server.advance(seconds(50));
            newer.expect_echo(5);
        }
    }

    fn what_is_asked_in_one_go_with_the_login_is_answered_behind_it(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut ann = Peer::connect(&mut server);
        server.together(|| {
            ann.say(1, 1098, &[]);
            ann.say(LOGIN_FLAG, 1002, &account_body("ann"));
            ann.say(2, 1190, b"\x0a\x01a");
            ann.say(3, 1002, &account_body("bob"));
            ann.say(4, 1190, b"\x0a\x01b");
        });
        ann.expect(0, 1, 1098, &[]);
        ann.entered(1002).unwrap();
        ann.expect(0, 2, 1190, b"\x0a\x01a");
        ann.expect(6, 3, 1002, &[]);
        ann.expect(0, 4, 1190, b"\x0a\x01b");
        ann.expect_silence();
    }

    fn two_who_make_the_same_account_at_once_come_to_one_role(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut one, mut other) = (Peer::connect(&mut server), Peer::connect(&mut server));
        server.together(|| {
            one.say(LOGIN_FLAG, 1002, &account_body("ann"));
            other.say(LOGIN_FLAG, 1002, &account_body("ann"));
        });
        let (first, second) = (one.entered(1002).unwrap(), other.entered(1002).unwrap());
        assert_eq!((first.role, first.secret), (second.role, second.secret));
        assert!(first.is_new != second.is_new, "it was made once");
        // Sockets do not tell who came first: whose login made it.
        let (mut kicked, mut stays) = if first.is_new { (one, other) } else { (other, one) };
        kicked.expect_kicked(11, Cause::Replaced);
        stays.expect_echo(1);
        let sessions = server.run_system_once(|sessions: Query<&Session>| sessions.iter().len());
        assert_eq!(sessions, 1);
    }

    fn a_kick_says_the_code_it_is_given(server: TestServerBuilder) {
        let mut server = demo(server);
        for code in [11, 12, 99] {
            let (mut ann, _) = Peer::logged_in(&mut server, "ann");
            let entity = ann.raw.entity();
            if code != 11 {
                server.world_mut().entity_mut(entity).insert(KickCode(code.into()));
            }
            server.trigger(Kick::new(entity, "time to go"));
            ann.expect_kicked(code, Cause::Kicked);
        }
        let mut stranger = Peer::connect(&mut server);
        stranger.beat();
        server.trigger(Kick::new(stranger.raw.entity(), "time to go"));
        stranger.expect_kicked(11, Cause::Kicked);
    }

    fn the_record_says_who_is_logged_in(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut ann = Peer::connect(&mut server);
        let record = |server: &TestServer, peer: &Peer| {
            let record = server.world().get::<ClientRecord>(peer.raw.entity()).cloned().unwrap();
            (record.role, record.account.map(String::from))
        };
        assert_eq!(record(&server, &ann), (0, None));
        let who = ann.log_in("ann").unwrap();
        assert_eq!(record(&server, &ann), (who.role, Some("ann".to_owned())));
        let mut back = Peer::connect(&mut server);
        assert_eq!(back.reconnect(who.role, who.secret ^ 1), Err(10));
        assert_eq!(record(&server, &back), (0, None));
        back.reconnect(who.role, who.secret).unwrap();
        assert_eq!(record(&server, &back), (who.role, Some("ann".to_owned())));
    }

    fn a_shutdown_is_said_and_no_role_stays(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, _) = Peer::logged_in(&mut server, "ann");
        server.trigger(Shutdown);
        let notice = ann.hear().unwrap();
        assert_eq!((notice.error, notice.flag, notice.command), (0, 0, 1148));
        ann.expect_closed(Cause::Shutdown);
        server.advance(seconds(61));
        let sessions = server.run_system_once(|sessions: Query<&Session>| sessions.iter().len());
        assert_eq!(sessions, 0);
    }
}

over_sockets! {
    fn a_login_and_commands_in_one_read_are_answered_in_order(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut client = Client::upgraded(&mut server);
        let asked = [
            frame(&request(1, 1002, &account_body("ann"))),
            frame(&request(2, 1190, b"\x0a\x01a")),
            frame(&request(3, 1098, &[])),
            frame(&request(4, 1137, &[])),
        ];
        client.send(&mut server, &asked.concat());
        let entered = client.expect_message(&mut server);
        assert!(who(Response::read(&entered).unwrap().body).is_new);
        for expected in [response(0, 2, 1190, b"\x0a\x01a"), response(0, 3, 1098, &[]), response(28, 4, 1137, &[])] {
            assert_eq!(client.expect_message(&mut server), expected);
        }
    }
}
