//! Listeners as entities, under both drivers.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod common;

use common::{frame, plain, under_both_drivers};
use portcullis_core::*;
use portcullis_net::{BindError, Listener, ListenerHandle};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

#[test]
fn a_taken_port_is_an_error_that_says_what_to_do() {
    under_both_drivers(|mut edge| {
        let address = edge.address();
        let world = edge.app.world_mut();
        let second = world.spawn(Listener::new(address, Framing::BE16)).id();
        world.flush();
        let error = world.get::<BindError>(second).expect("two listeners on one port").to_string();
        assert!(error.contains(&address.to_string()) && error.contains("choose another port"), "{error}");
        assert!(world.get::<ListenerHandle>(second).is_none());
    });
}

#[test]
fn a_paused_listener_accepts_nobody_until_it_is_resumed() {
    under_both_drivers(|mut edge| {
        edge.connect();
        let handle = edge.app.world().get::<ListenerHandle>(edge.listener).unwrap().clone();
        handle.pause();
        for _ in 0..10 {
            edge.run();
        }
        let _waiting = TcpStream::connect(edge.address()).unwrap();
        for _ in 0..20 {
            edge.run();
        }
        assert_eq!(edge.seen().opened.len(), 1);
        handle.resume();
        edge.until(|seen| seen.opened.len() == 2);
    });
}

#[test]
fn a_closed_listener_frees_its_port_and_keeps_its_connections() {
    under_both_drivers(|mut edge| {
        let (_socket, connection) = edge.connect();
        let address = edge.address();
        edge.app.world_mut().entity_mut(edge.listener).remove::<Listener>();
        edge.app.world_mut().flush();
        while TcpStream::connect(address).is_ok() {
            edge.run();
        }
        assert!(edge.app.world().get::<Connection>(connection).is_some());
        assert!(edge.seen().closed.is_empty());
    });
}

#[test]
fn shutting_down_closes_listeners_and_connections_and_ends_the_app() {
    under_both_drivers(|mut edge| {
        let (socket, connection) = edge.connect();
        let address = edge.address();
        edge.app.world_mut().trigger(Shutdown);
        edge.app.world_mut().flush();
        drop(socket);
        while edge.app.should_exit().is_none() {
            edge.run();
        }
        assert_eq!(edge.seen().closed, [(connection, Cause::Shutdown)]);
        assert!(TcpStream::connect(address).is_err());
    });
}

#[test]
fn a_listener_takes_other_settings_at_the_same_address() {
    under_both_drivers(|mut edge| {
        let (address, listener) = (edge.address(), edge.listener);
        let (_socket, connection) = edge.connect();
        let settings = Listener { address, ..plain() }.websocket();
        edge.app.world_mut().entity_mut(listener).insert(settings);
        edge.app.world_mut().flush();
        assert!(edge.app.world().get::<BindError>(listener).is_none());
        assert_eq!(edge.address(), address);
        let answer = edge.serve(|address| {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.write_all(&frame(b"raw")).unwrap();
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer).unwrap();
            answer
        });
        assert!(answer.starts_with(b"HTTP/1.1 400"), "WebSocket only, from now on");
        assert!(edge.app.world().get::<Connection>(connection).is_some());
    });
}

#[test]
fn a_listener_that_moves_tells_what_is_true_now() {
    under_both_drivers(|mut edge| {
        let (address, listener) = (edge.address(), edge.listener);
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let insert = |world: &mut bevy_ecs::world::World, address| {
            world.entity_mut(listener).insert(Listener { address, ..plain() });
            world.flush();
            (world.get::<ListenerHandle>(listener).is_some(), world.get::<BindError>(listener).is_some())
        };
        let world = edge.app.world_mut();
        assert_eq!(insert(world, taken.local_addr().unwrap()), (false, true));
        assert_eq!(insert(world, ([127, 0, 0, 1], 0).into()), (true, false));
        assert_ne!(edge.address(), address);
        edge.connect();
    });
}
