//! Games that do as they like in observers and handlers.

use crate::sysconn::{
    peer::{LOGIN_FLAG, Peer, account_body, reconnect_body},
    server::{demo, seconds, with_game},
};
use portcullis::{
    core::{Agents, Cause},
    prelude::*,
    session::{LoggedIn, Unbind},
    sysconn::{AppSysconnExt, Pushes, Role},
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};

/// The agent of a role that is online.
fn agent(server: &mut TestServer, role: u32) -> Option<Entity> {
    server.run_system_once(move |roles: Query<(Entity, &Role)>| {
        roles.iter().find(|(_, found)| found.id == role).map(|(agent, _)| agent)
    })
}

/// How many connections hear what the agent is told.
fn told(server: &mut TestServer, agent: Entity) -> usize {
    server.run_system_once(move |mut pushes: Pushes| pushes.notice(agent, "a secret"))
}

on_every_transport! {
    fn a_connection_that_is_nobodys_any_more_hears_nothing_of_the_role(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, who) = Peer::logged_in(&mut server, "ann");
        let agent = agent(&mut server, who.role).unwrap();
        server.trigger(Unbind { entity: ann.raw.entity() });
        assert_eq!(told(&mut server, agent), 0);
        ann.expect_silence();
        // The role ends, and that is no matter of this connection's.
        server.advance(seconds(40));
        ann.beat();
        server.advance(seconds(40));
        ann.beat();
        assert!(server.world().get_entity(agent).is_err());
    }

    fn a_login_that_an_observer_takes_back_is_none(server: TestServerBuilder) {
        let mut server = with_game(server, |plugin| plugin, |app| {
            app.add_observer(|event: On<LoggedIn>, mut commands: Commands| {
                commands.trigger(Unbind { entity: event.connection });
            });
        });
        let mut ann = Peer::connect(&mut server);
        assert!(ann.log_in("ann").is_err(), "it is not told that it is logged in");
        let record = server.world().get::<portcullis::sysconn::ClientRecord>(ann.raw.entity()).unwrap().clone();
        assert_eq!((record.role, record.account), (0, None));
        let forwarded = server.run_system_once(|forwards: Query<&portcullis::core::Forwards>| forwards.iter().len());
        assert_eq!(forwarded, 0);
    }

    fn an_observer_of_a_login_may_end_its_agent(server: TestServerBuilder) {
        let mut server = with_game(server, |plugin| plugin, |app| {
            app.add_observer(|event: On<LoggedIn>, agents: Query<&Agents>, mut commands: Commands| {
                for agent in agents.get(event.session).into_iter().flat_map(RelationshipTarget::iter) {
                    commands.entity(agent).despawn();
                }
            });
        });
        let mut ann = Peer::connect(&mut server);
        ann.say(LOGIN_FLAG, 1002, &account_body("ann"));
        let heard = ann.hear();
        assert!(!ann.raw.is_open(), "{heard:?}");
        let sessions = server.run_system_once(|sessions: Query<&Session>| sessions.iter().len());
        assert_eq!(sessions, 0);
        Peer::connect(&mut server).beat();
    }

    fn a_login_whose_observer_panics_is_refused_and_may_be_tried_again(server: TestServerBuilder) {
        #[derive(Resource, Default)]
        struct Panicked(bool);
        let mut server = with_game(server, |plugin| plugin, |app| {
            app.init_resource::<Panicked>().add_observer(|_: On<LoggedIn>, mut panicked: ResMut<Panicked>| {
                assert!(std::mem::replace(&mut panicked.0, true), "an observer that panics");
            });
        });
        let mut ann = Peer::connect(&mut server);
        assert_eq!(ann.log_in("ann").map(|who| who.role), Err(1));
        ann.log_in("ann").unwrap();
        ann.expect_echo(1);
        let role = server.world().get::<portcullis::sysconn::ClientRecord>(ann.raw.entity()).unwrap().role;
        let agent = agent(&mut server, role).unwrap();
        assert_eq!(told(&mut server, agent), 1);
    }

    fn whoever_comes_back_is_told_the_number_that_it_comes_back_by(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, who) = Peer::logged_in(&mut server, "ann");
        let agent = agent(&mut server, who.role).unwrap();
        {
            let mut world = server.world_mut();
            let mut info = world.get_mut::<portcullis::sysconn::wire::messages::RoleInfo>(agent).unwrap();
            (info.role_id, info.regist) = (7, Some(1));
        }
        let mut back = Peer::connect(&mut server);
        let again = back.reconnect(who.role, who.secret).unwrap();
        assert_eq!((again.role, again.is_new), (who.role, false));
        ann.expect_kicked(11, Cause::Replaced);
    }

    fn a_login_that_fails_at_its_end_leaves_its_client_as_it_was(server: TestServerBuilder) {
        let mut server = demo(server);
        let (ann, who) = Peer::logged_in(&mut server, "ann");
        let agent = agent(&mut server, who.role).unwrap();
        server.world_mut().entity_mut(agent).remove::<portcullis::sysconn::wire::messages::RoleInfo>();
        drop(ann);
        let mut back = Peer::connect(&mut server);
        assert!(back.log_in("ann").is_err());
        let record = server.world().get::<portcullis::sysconn::ClientRecord>(back.raw.entity()).unwrap().role;
        assert_eq!(record, 0);
        back.log_in("bob").unwrap();
        back.expect_echo(1);
    }

    fn a_handler_may_log_out_and_despawn_what_it_is_called_for(server: TestServerBuilder) {
        let mut server = with_game(server, |plugin| plugin, |app| {
            app.add_command(1120, |request: Request<()>, mut commands: Commands| {
                commands.entity(request.agent.unwrap()).despawn();
            })
            .add_command(1121, |request: Request<()>, world: &mut World| {
                world.despawn(request.agent.unwrap());
                world.flush();
            });
        });
        for (command, answers) in [(1120, 1), (1121, 0)] {
            let (mut ann, _) = Peer::logged_in(&mut server, "ann");
            server.together(|| {
                ann.say(1, command, &[]);
                ann.say(2, 1190, b"\x0a\x01x");
            });
            for _ in 0..answers {
                ann.expect(0, 1, command, &[]);
            }
            ann.expect_closed(Cause::AgentLost);
            let sessions = server.run_system_once(|sessions: Query<&Session>| sessions.iter().len());
            assert_eq!(sessions, 0);
        }
    }

    fn under_a_policy_that_allows_several_they_all_hear_the_role(server: TestServerBuilder) {
        let mut server = with_game(
            server,
            |plugin| plugin.with(|listener| { listener.insert(MultiLogin::Allow(2)); }),
            |_| {},
        );
        let (mut one, who) = Peer::logged_in(&mut server, "ann");
        let (mut two, same) = Peer::logged_in(&mut server, "ann");
        assert_eq!((who.role, who.secret), (same.role, same.secret));
        let mut three = Peer::connect(&mut server);
        assert_eq!(three.log_in("ann"), Err(11));
        assert_eq!(three.reconnect(who.role, who.secret), Err(11));
        let agent = agent(&mut server, who.role).unwrap();
        assert_eq!(told(&mut server, agent), 2);
        assert_eq!(one.hear(), two.hear());
        drop(one);
        server.settle();
        assert_eq!(told(&mut server, agent), 1);
        two.hear().unwrap();
        server.trigger(Kick::new(agent, "killed"));
        two.expect_kicked(11, Cause::Kicked);
        let back = three.ask(LOGIN_FLAG, 1003, &reconnect_body(who.role, who.secret));
        assert_eq!(back.error, 0);
    }

    fn what_a_protocol_has_no_words_for_is_no_message(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, _) = Peer::logged_in(&mut server, "ann");
        let entity = ann.raw.entity();
        let sent = |server: &TestServer| server.world().get::<Traffic>(entity).unwrap().sent;
        let before = sent(&server);
        server.run_system_once(move |mut outboxes: Outboxes| {
            for _ in 0..10 {
                outboxes.write(entity, |_| ()).unwrap();
            }
        });
        ann.beat();
        assert_eq!(sent(&server), before + 1);
    }
}
