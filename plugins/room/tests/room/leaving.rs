use crate::chat::*;
use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_core::{BelongsTo, Cause, Close, Forward};
use portcullis_room::{Join, Joined, Leave, Left, RoomError, Teller, close};
use portcullis_session::{LoggedIn, Logout, SessionLinger, SessionPlugin};
use portcullis_testkit::TestServer;
use std::time::Duration;

#[test]
fn who_closes_has_left_before_anybody_is_told_again() {
    let mut server = server();
    let (mut ann, mut bob) = (server.connect(), server.connect());
    ann.request("enter", &enter_body("lobby")).expect_reply::<Count>();
    bob.request("enter", &enter_body("lobby")).expect_reply::<Count>();
    facts(&mut server);
    ann.close();
    assert_eq!(facts(&mut server), ["left lobby: closed"]);
    assert_eq!(bob.request("say", &line("where is she?")).expect_reply::<usize>(), 1);
    let lobby = room(&server, "lobby").unwrap();
    assert_eq!(members(&server, lobby), [bob.entity()]);
}

#[test]
fn a_connection_that_is_closing_has_left_and_joins_nothing() {
    let mut server = server();
    let ann = server.connect();
    let member = ann.entity();
    join_room(&mut server, member, "lobby");
    server.run_system_once(move |mut commands: Commands| {
        commands.trigger(Close::new(member, Cause::Requested));
        commands.trigger(Join::new(member, "arena"));
    });
    let refused = RoomError::Gone(member).to_string();
    assert_eq!(facts(&mut server), ["joined lobby", "left lobby: closed", &refused]);
    assert_eq!((room(&server, "lobby"), room(&server, "arena")), (None, None));
}

#[test]
fn an_agent_leaves_with_the_connection_it_belongs_to() {
    let mut server = server();
    let mut ann = server.connect();
    let connection = ann.entity();
    let agent = server.world_mut().spawn(BelongsTo(connection)).id();
    server.trigger(Forward { entity: connection, agent });
    join_room(&mut server, agent, "lobby");
    ann.close();
    assert_eq!(facts(&mut server), ["joined lobby", "left lobby: closed"]);
}

#[test]
fn a_session_leaves_when_it_is_logged_out_and_with_it_its_agents() {
    let mut server = server();
    let mut ann = server.connect();
    ann.request("login", "ann").expect_reply::<()>();
    let session = session(&server, "ann");
    let agent = server.world_mut().spawn(BelongsTo(session)).id();
    join_room(&mut server, session, "users");
    join_room(&mut server, agent, "players");
    facts(&mut server);
    server.trigger(Logout { session });
    assert_eq!(facts(&mut server), ["left users: logged_out", "left players: logged_out"]);
    ann.expect_closed(Cause::Requested);
}

#[test]
fn a_session_that_lingers_stays_and_is_told_when_its_user_is_back() {
    let forward = |app: &mut App| {
        app.add_observer(|event: On<LoggedIn>, mut commands: Commands| {
            commands.trigger(Join::new(event.session, "users"));
        });
    };
    let session_plugin =
        SessionPlugin { linger: SessionLinger(Duration::from_secs(60)), ..SessionPlugin::default() };
    let mut server = TestServer::builder().set(session_plugin).plugin((chat, forward)).build();
    let mut ann = server.connect();
    ann.request("login", "ann").expect_reply::<()>();
    ann.close();
    let users = room(&server, "users").unwrap();
    let tell = move |mut teller: Teller| teller.to_room(users, "line", &line("hello"));
    assert_eq!(server.run_system_once(tell).unreachable, 1);
    let mut again = server.connect();
    again.request("login", "ann").expect_reply::<()>();
    assert_eq!(server.run_system_once(tell).connections, 1);
    assert_eq!(again.expect_push::<Line>("line"), line("hello"));
    assert_eq!(facts(&mut server), ["joined users"]);
    again.close();
    server.advance(Duration::from_secs(61));
    assert_eq!(facts(&mut server), ["left users: logged_out"]);
}

#[test]
fn who_is_despawned_has_left() {
    let mut server = server();
    let member = server.world_mut().spawn_empty().id();
    join_room(&mut server, member, "lobby");
    join_room(&mut server, member, "arena");
    server.world_mut().despawn(member);
    server.settle();
    assert_eq!(
        facts(&mut server),
        ["joined lobby", "joined arena", "left arena: despawned", "left lobby: despawned"]
    );
    assert_eq!((room(&server, "lobby"), room(&server, "arena")), (None, None));
}

#[test]
fn all_have_left_a_room_that_is_despawned() {
    let mut server = server();
    let (ann, bob) = (server.connect(), server.connect());
    join_room(&mut server, ann.entity(), "lobby");
    join_room(&mut server, bob.entity(), "lobby");
    facts(&mut server);
    let lobby = room(&server, "lobby").unwrap();
    server.world_mut().despawn(lobby);
    assert_eq!(facts(&mut server), ["left ?: room_closed", "left ?: room_closed"]);
    assert!(rooms_of(&server, ann.entity()).is_empty() && rooms_of(&server, bob.entity()).is_empty());
}

#[test]
fn a_room_that_is_closed_can_be_asked_while_its_members_leave() {
    let mut server = server();
    let (ann, bob) = (server.connect(), server.connect());
    join_room(&mut server, ann.entity(), "lobby");
    join_room(&mut server, bob.entity(), "lobby");
    facts(&mut server);
    let lobby = room(&server, "lobby").unwrap();
    assert!(close(&mut server.world_mut(), lobby));
    assert!(!close(&mut server.world_mut(), lobby));
    assert_eq!(facts(&mut server), ["left lobby: room_closed", "left lobby: room_closed"]);
    assert_eq!(room(&server, "lobby"), None);
}

#[test]
fn who_leaves_can_be_told_of_to_those_who_stay() {
    let farewell = |app: &mut App| {
        app.add_observer(|event: On<Left>, mut teller: Teller| {
            teller.to_room(event.room, "line", &line("somebody went"));
        });
    };
    let mut server = TestServer::new((chat, farewell));
    let (mut ann, mut bob) = (server.connect(), server.connect());
    join_room(&mut server, ann.entity(), "lobby");
    join_room(&mut server, bob.entity(), "lobby");
    ann.close();
    assert_eq!(bob.pushes().len(), 1);
    assert!(ann.pushes().is_empty());
}

#[test]
fn who_comes_back_to_a_room_its_own_leaving_would_close_keeps_it() {
    let back = |app: &mut App| {
        app.add_observer(|event: On<Left>, mut commands: Commands| {
            commands.trigger(Join::new(event.member, event.room));
        });
    };
    let mut server = TestServer::new((chat, back));
    let ann = server.connect();
    join_room(&mut server, ann.entity(), "lobby");
    let lobby = room(&server, "lobby").unwrap();
    leave_room(&mut server, ann.entity(), "lobby");
    assert_eq!(room(&server, "lobby"), Some(lobby));
    assert_eq!(members(&server, lobby), [ann.entity()]);
}

#[test]
fn a_room_whose_only_member_is_shown_out_at_once_is_closed() {
    let mut server = server();
    server.app_mut().add_observer(|event: On<Joined>, mut commands: Commands| {
        commands.trigger(Leave::new(event.member, event.room));
    });
    let ann = server.connect();
    let member = ann.entity();
    join_room(&mut server, member, "arena");
    assert_eq!(facts(&mut server), ["joined arena", "left arena: asked"]);
    assert_eq!(room(&server, "arena"), None);
}
