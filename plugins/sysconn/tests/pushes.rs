//! Pushes by number: whom they reach, and what is written.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

mod common;

use bevy_app::prelude::*;
use bevy_ecs::{prelude::*, system::RunSystemOnce};
use common::{client, foreign, message, world, written};
use portcullis_core::{
    BoundTo, Cause, Closing, DirtyOutboxes, ForwardedTo, Framing, Handshaking, Opened, Start, Traffic,
};
use portcullis_net::{DriverKind, Listener};
use portcullis_sysconn::wire::{commands, messages::Kicked};
use portcullis_sysconn::{ClientRecord, Pushes, Transaction, push_in};
use portcullis_testkit::{Carrier, Message, TestServer, Transport};

#[test]
fn a_push_reaches_a_connection_and_all_those_of_an_agent_or_session() {
    let mut world = world();
    let (agent, session) = (world.spawn_empty().id(), world.spawn_empty().id());
    let [alone, one, two, bound] = [(); 4].map(|()| client(&mut world));
    world.entity_mut(one).insert(ForwardedTo(agent));
    world.entity_mut(two).insert(ForwardedTo(agent));
    world.entity_mut(bound).insert(BoundTo(session));
    let told = world
        .run_system_once(move |mut pushes: Pushes| {
            [alone, agent, session].map(|target| pushes.push_raw(target, 1101, b"abc"))
        })
        .unwrap();
    assert_eq!(told, [1, 2, 1]);
    for connection in [alone, one, two, bound] {
        assert_eq!(written(&world, connection), message(1101, b"abc"));
    }
}

#[test]
fn nobody_is_told_who_is_handshaking_closing_gone_or_of_another_protocol() {
    let mut world = world();
    let agent = world.spawn_empty().id();
    let closing = Closing { cause: Cause::Requested, reason: None };
    let deaf = [
        world.spawn((foreign(), ForwardedTo(agent))).id(),
        world.spawn((foreign(), ClientRecord::default(), Handshaking, ForwardedTo(agent))).id(),
        world.spawn((foreign(), ClientRecord::default(), closing, ForwardedTo(agent))).id(),
    ];
    let gone = client(&mut world);
    world.despawn(gone);
    let told = world
        .run_system_once(move |mut pushes: Pushes| {
            [deaf[0], deaf[1], deaf[2], gone, agent].map(|target| pushes.notice(target, "hello"))
        })
        .unwrap();
    assert_eq!(told, [0; 5]);
    assert_eq!(push_in(&mut world, agent, commands::KICK, &Kicked { error_code: 11 }), 0);
    assert!(deaf.iter().all(|&connection| written(&world, connection).is_empty()));
    assert!(world.resource::<DirtyOutboxes>().is_empty());
}

#[test]
fn pushes_are_those_that_were_recorded() {
    let mut world = world();
    let connection = client(&mut world);
    world
        .run_system_once(move |mut pushes: Pushes| {
            pushes.push(connection, commands::KICK, &Kicked { error_code: 11 });
            pushes.notice(connection, "abc合理");
        })
        .unwrap();
    push_in(&mut world, connection, commands::KICK, &Kicked { error_code: 11 });
    let kick = b"\0\0\0\x02\0\0\0\0\0\x04\x4b\x08\x0b";
    let notice = b"\0\0\0\x0b\0\0\0\0\0\x04\x7c\x0a\x09abc\xe5\x90\x88\xe7\x90\x86";
    assert_eq!(written(&world, connection), [&kick[..], notice, kick].concat());
}

/// What this test listens with: the protocol itself is not here.
fn listen(app: &mut App) {
    app.world_mut().spawn(Listener::new(([127, 0, 0, 1], 0).into(), Framing::WHOLE).websocket());
    app.add_observer(|opened: On<Opened>, records: Query<&ClientRecord>, mut commands: Commands| {
        if !records.contains(opened.entity) {
            commands.entity(opened.entity).insert(ClientRecord::default());
            commands.trigger(Start { entity: opened.entity });
        }
    });
}

#[test]
fn over_websocket_each_push_is_a_message_of_its_own() {
    let mut server =
        TestServer::builder().transport(Transport::Tcp(DriverKind::Inline)).plugin(listen).build();
    let listener = server.listeners::<Listener>();
    let whole = |&entity: &Entity| {
        server.world().get::<Listener>(entity).is_some_and(|listener| listener.framing.name == "whole")
    };
    let listener = listener.into_iter().find(whole).unwrap();
    let mut client = server.connect_over(listener, Carrier::WebSocket);
    let connection = client.entity();
    let mut telling = Transaction::begin(connection);
    telling.push_raw(1101, b"one").unwrap();
    telling.push_raw(1102, b"").unwrap();
    let told = server.run_system_once(move |mut pushes: Pushes| pushes.push_raw(connection, 1100, b"first"));
    assert_eq!(told, 1);
    assert_eq!(telling.flush_in(&mut server.world_mut()), 1);
    server.settle();
    for (command, body) in [(1100, &b"first"[..]), (1101, b"one"), (1102, b"")] {
        assert_eq!(client.expect_message(), Message::Binary(message(command, body)));
    }
    assert_eq!(server.world().get::<Traffic>(connection).map(|traffic| traffic.sent), Some(3));
}
