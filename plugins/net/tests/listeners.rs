//! Listeners as entities, under both drivers.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod common;

use common::under_both_drivers;
use portcullis_core::*;
use portcullis_net::{BindError, Listener, ListenerHandle};
use std::net::TcpStream;

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
