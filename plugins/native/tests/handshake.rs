//! Who may speak: the first frames of a connection.

mod common;

use bevy_ecs::prelude::*;
use common::*;
use portcullis_core::{Cause, Close, Connection, ForwardedTo};
use portcullis_native::{ClientEvent, Manifest, NativePlugin, NativeState, wire::ClientFrame};
use portcullis_watchdog::{AgentTemplate, IdleLimit};
use std::time::Duration;

#[test]
fn a_client_with_the_same_messages_is_welcome_and_told_the_heartbeat() {
    let plugin = NativePlugin::default().name("arena", 1).heartbeat(Duration::from_secs(7));
    let mut server = Server::with(plugin);
    let mut ann = server.dial();
    let welcome = ann.hello(&mut server);
    assert!(
        matches!(welcome[..], [ClientEvent::Welcome { heartbeat }] if heartbeat == Duration::from_secs(7))
    );
    let state = server.app.world().get::<NativeState>(ann.socket.connection());
    assert_eq!(state, Some(&NativeState::Ready));
}

fn refused(manifest: Manifest) -> (String, Server) {
    let mut server = Server::new();
    let mut ann = server.dial_with(manifest);
    let events = ann.hello(&mut server);
    let [ClientEvent::Rejected { message }] = &events[..] else { panic!("{events:?}") };
    assert!(ann.socket.is_closed());
    assert_eq!(server.resource::<Seen>().closed, [Cause::Incompatible]);
    assert!(server.app.world_mut().query::<&Connection>().iter(server.app.world()).next().is_none());
    (message.clone(), server)
}

#[test]
fn a_client_of_another_version_is_refused_and_both_sides_are_named() {
    let other = Manifest::new("arena", 2).request::<Join, Joined>("arena.join");
    let (message, _) = refused(other.clone());
    assert_eq!(message, format!("server speaks {}; client speaks {other}", arena()));
    assert!(message.contains("arena 1 (hash ") && message.contains("arena 2 (hash "), "{message}");
}

#[test]
fn a_client_of_another_game_is_refused() {
    let (message, _) = refused(Manifest::new("chess", 1));
    assert!(message.contains("arena 1") && message.contains("chess 1"), "{message}");
}

#[test]
fn a_client_with_other_types_is_refused_and_told_where_to_look() {
    let (message, _) = refused(arena().push::<Join>("arena.state"));
    assert!(message.contains("compare the manifests"), "{message}");
}

#[test]
fn a_client_of_another_wire_format_is_refused_by_its_number() {
    let mut server = Server::new();
    let mut ann = server.dial();
    let events = ann.say(&mut server, &[3, 0, 0, 0, 1, 2, 0]);
    let [ClientEvent::Rejected { message }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(message, "server speaks wire format 1; client speaks wire format 2");
    assert_eq!(server.resource::<Seen>().closed, [Cause::Incompatible]);
}

#[test]
fn a_client_that_asks_before_it_greets_is_closed() {
    let mut server = Server::new();
    let mut ann = server.dial();
    let mut out = Vec::new();
    ClientFrame::Ping.write(&mut out).unwrap();
    let events = ann.say(&mut server, &out);
    assert!(matches!(&events[..], [ClientEvent::Bye { cause, .. }] if cause == "malformed"), "{events:?}");
    assert_eq!(server.resource::<Seen>().closed, [Cause::Malformed]);
}

#[test]
fn a_client_that_greets_twice_is_closed() {
    let mut server = Server::new();
    let mut ann = server.connect();
    let events = ann.hello(&mut server);
    assert!(matches!(&events[..], [ClientEvent::Bye { cause, .. }] if cause == "malformed"), "{events:?}");
}

#[test]
fn a_client_may_ask_before_it_is_welcomed() {
    let mut server = Server::new();
    let mut ann = server.dial();
    let mut out = Vec::new();
    ann.codec.hello(&mut out).unwrap();
    ann.codec.request(&mut out, "arena.join", &common::ann()).unwrap();
    let events = ann.say(&mut server, &out);
    assert!(matches!(events[..], [ClientEvent::Welcome { .. }, ClientEvent::Reply { .. }]), "{events:?}");
}

#[test]
fn who_is_still_greeting_is_a_query() {
    let mut server = Server::new();
    let _ann = server.dial();
    let _bob = server.connect();
    let world = server.app.world_mut();
    let states: Vec<NativeState> = world.query::<&NativeState>().iter(world).copied().collect();
    assert_eq!(states.iter().filter(|state| **state == NativeState::Greeting).count(), 1);
    assert_eq!(states.iter().filter(|state| **state == NativeState::Ready).count(), 1);
}

#[test]
fn the_server_says_why_it_closes() {
    let mut server = Server::new();
    let mut ann = server.connect();
    let entity = ann.socket.connection();
    server.app.world_mut().trigger(Close {
        entity,
        cause: Cause::Kicked,
        reason: Some("you are rude".into()),
    });
    server.run();
    let events = ann.hear();
    let [ClientEvent::Bye { cause, reason }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&**cause, reason.as_deref()), ("kicked", Some("you are rude")));
    assert!(ann.socket.is_closed());
}

#[test]
fn a_peer_that_has_gone_is_told_nothing() {
    let mut server = Server::new();
    let mut ann = server.connect();
    ann.socket.close();
    server.run();
    assert!(ann.hear().is_empty());
    assert_eq!(server.resource::<Seen>().closed, [Cause::PeerClosed]);
}

#[test]
fn a_client_that_never_greets_is_closed_by_the_watchdog() {
    let mut server = Server::new();
    let (mut silent, _ann) = (server.dial(), server.connect());
    server.advance(Duration::from_secs(6));
    let events = silent.hear();
    assert!(
        matches!(&events[..], [ClientEvent::Bye { cause, .. }] if cause == "handshake_timeout"),
        "{events:?}"
    );
    assert_eq!(server.resource::<Seen>().closed, [Cause::HandshakeTimeout]);
}

fn with_agents(listener: &mut EntityWorldMut) {
    listener.insert((AgentTemplate::new(|| ()), IdleLimit(Duration::from_secs(30))));
}

#[test]
fn a_client_that_pings_stays_and_a_silent_one_is_closed() {
    let mut server = Server::with(NativePlugin::default().name("arena", 1).with(with_agents));
    let (mut ann, mut silent) = (server.connect(), server.connect());
    for _ in 0..4 {
        server.advance(Duration::from_secs(10));
        let mut ping = Vec::new();
        ann.codec.ping(&mut ping);
        assert!(matches!(ann.say(&mut server, &ping)[..], [ClientEvent::Pong]));
    }
    let events = silent.hear();
    assert!(matches!(&events[..], [ClientEvent::Bye { cause, .. }] if cause == "idle"), "{events:?}");
    assert_eq!(server.resource::<Seen>().closed, [Cause::Idle]);
}

#[test]
fn the_heartbeat_follows_the_idle_limit() {
    let mut server = Server::with(NativePlugin::default().name("arena", 1).with(with_agents));
    let mut ann = server.dial();
    let welcome = ann.hello(&mut server);
    assert!(
        matches!(welcome[..], [ClientEvent::Welcome { heartbeat }] if heartbeat == Duration::from_secs(10))
    );
}

#[test]
fn a_connection_that_has_an_agent_from_the_start_keeps_it() {
    let mut server = Server::with(NativePlugin::default().name("arena", 1).with(with_agents));
    let ann = server.connect();
    assert!(server.app.world().get::<ForwardedTo>(ann.socket.connection()).is_some());
}
