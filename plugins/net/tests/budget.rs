//! Many peers that make the server hold bytes, over real sockets, and one budget for them all.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod common;

use common::{Edge, frame, plain, under_both_drivers};
use portcullis_core::{Budget, Cause, Charge, Close, Framing, Funnel, Holding, OutboxLimit, Shortage};
use portcullis_net::{Accepts, DriverKind, Listener, memory};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

const LIMIT: usize = 8 << 20;

fn limited(edge: &Edge) -> Budget {
    let budget = edge.app.world().resource::<Budget>().clone();
    budget.set_limit(LIMIT);
    budget
}

fn connect(edge: &mut Edge, count: usize) -> Vec<(TcpStream, bevy_ecs::prelude::Entity)> {
    (0..count).map(|_| edge.connect()).collect()
}

/// Says something, and waits for it to come back.
fn converse(socket: &mut TcpStream) {
    let said = frame(b"are you there");
    socket.write_all(&said).unwrap();
    let mut heard = vec![0; said.len()];
    socket.read_exact(&mut heard).unwrap();
    assert_eq!(heard, said);
}

#[test]
fn peers_that_never_read_cost_no_more_than_the_budget_and_nobody_else() {
    under_both_drivers(|edge| {
        let mut edge = edge.echoing();
        let budget = limited(&edge);
        let deaf = connect(&mut edge, 200);
        let mut readers = connect(&mut edge, 10);
        let mut rounds = 0;
        while budget.count(Shortage::Shed) == 0 || rounds < 40 {
            for (_, connection) in &deaf {
                if edge.app.world().get_entity(*connection).is_ok() {
                    edge.send(*connection, &[7; 60_000]);
                }
            }
            edge.run();
            assert!(budget.used() <= LIMIT, "{budget:?}");
            for (mut socket, connection) in std::mem::take(&mut readers) {
                readers.push((edge.serve(move |_| (converse(&mut socket), socket).1), connection));
                assert!(budget.used() <= LIMIT, "{budget:?}");
            }
            rounds += 1;
            assert!(rounds < 1000, "{budget:?}");
        }
        let closed = edge.seen().closed.clone();
        let shed = budget.count(Shortage::Shed) + budget.count(Shortage::Overrun);
        assert!(closed.iter().all(|&(_, cause)| cause == Cause::Shed), "{closed:?}");
        assert!(closed.iter().all(|(connection, _)| deaf.iter().any(|(_, deaf)| deaf == connection)));
        assert!(shed >= closed.len() as u64);
        assert!(budget.count(Shortage::Paused) > 0);

        // When they are gone there is room for others, and nothing is left of them.
        drop(deaf);
        let mut newcomers = connect(&mut edge, 10);
        for (socket, _) in &mut newcomers {
            let mut socket = socket.try_clone().unwrap();
            edge.serve(move |_| converse(&mut socket));
        }
        drop((newcomers, readers));
        edge.until(|seen| seen.closed.len() == 220);
        edge.until(|_| budget.used() == 0);
    });
}

#[test]
fn newcomers_wait_in_the_kernel_while_the_budget_is_used_up() {
    under_both_drivers(|mut edge| {
        let budget = limited(&edge);
        let mut hogs = connect(&mut edge, 1);
        edge.app.world_mut().entity_mut(hogs[0].1).insert(OutboxLimit(usize::MAX));
        while budget.is_accepting() {
            edge.send(hogs[0].1, &[7; 60_000]);
            edge.run();
        }
        let waiting = TcpStream::connect(edge.address()).unwrap();
        for _ in 0..20 {
            edge.run();
        }
        assert_eq!(edge.seen().opened.len(), 1);
        hogs.clear();
        edge.until(|seen| seen.opened.len() == 2);
        assert_eq!(budget.count(Shortage::Paused), 1);
        drop(waiting);
    });
}

#[test]
fn a_write_that_does_not_fit_ends_its_own_connection_only() {
    under_both_drivers(|mut edge| {
        let budget = limited(&edge);
        let clients = connect(&mut edge, 2);
        let [(_, deaf), (_, other)] = &clients[..] else { panic!("there are two") };
        let world = edge.app.world_mut();
        world.entity_mut(*deaf).insert(OutboxLimit(usize::MAX));
        portcullis_core::write_outbox(world, *deaf, |out| out.resize(4 * LIMIT, 0)).unwrap();
        edge.until(|seen| !seen.closed.is_empty());
        assert_eq!(edge.seen().closed, [(*deaf, Cause::Shed)]);
        assert_eq!(budget.count(Shortage::Overrun), 1);
        assert!(edge.app.world().get_entity(*other).is_ok());
        edge.until(|_| budget.held(Holding::Outgoing) == 0);
    });
}

#[test]
fn frames_that_never_end_are_charged_and_shed() {
    under_both_drivers(|mut edge| {
        let budget = limited(&edge);
        let mut clients = connect(&mut edge, 300);
        let mut most = 0;
        for (socket, _) in &mut clients {
            // Of a frame of 65,535 bytes, half.
            socket.write_all(&[&[0xff, 0xff][..], &[1; 32 * 1024]].concat()).unwrap();
            edge.run();
            most = most.max(budget.held(Holding::Incomplete));
            assert!(budget.used() <= LIMIT, "{budget:?}");
        }
        edge.until(|seen| !seen.closed.is_empty());
        assert!(most > LIMIT / 2);
        assert!(edge.seen().closed.iter().all(|&(_, cause)| cause == Cause::Shed));
        drop(clients);
        edge.until(|seen| seen.closed.len() == 300);
        edge.until(|_| budget.used() == 0);
    });
}

#[test]
fn what_a_greeting_holds_is_charged() {
    let listener = Listener { accepts: Accepts::Both, ..plain() };
    let mut edge = Edge::listening(DriverKind::Inline, listener);
    let budget = limited(&edge);
    let (mut socket, connection) = edge.connect();
    socket.write_all(&[&b"GET / HTTP/1.1\r\nX: "[..], &[b'x'; 5000]].concat()).unwrap();
    edge.until(|_| budget.held(Holding::Incomplete) >= 5000);
    edge.app.world_mut().trigger(Close::new(connection, Cause::Requested));
    edge.app.world_mut().flush();
    drop(socket);
    edge.until(|seen| seen.closed.len() == 1);
    edge.until(|_| budget.used() == 0);
}

/// It has taken nearly all it was ever sent, and that is not to be held any more.
#[test]
fn a_peer_that_is_always_a_little_behind_has_us_hold_what_it_is_behind() {
    const BEHIND: usize = 300_000;
    let mut edge = Edge::new(DriverKind::Inline);
    let budget = edge.app.world().resource::<Budget>().clone();
    let (socket, connection) = edge.connect();
    edge.app.world_mut().entity_mut(connection).insert(OutboxLimit(usize::MAX));
    socket.set_nonblocking(true).unwrap();
    let (mut taken, mut sent, mut buffer) = (0, 0, vec![0; 256 * 1024]);
    // With what the kernel takes, which grows for a while.
    let (mut behind, mut most) = (0, 0);
    while taken < 24 << 20 {
        while sent - taken < behind || budget.held(Holding::Outgoing) == 0 {
            if budget.held(Holding::Outgoing) == 0 {
                behind = sent - taken + BEHIND;
            }
            edge.send(connection, &[7; 50_000]);
            sent += 50_002;
            edge.run();
        }
        most = most.max(budget.held(Holding::Outgoing));
        if let Ok(read) = (&socket).read(&mut buffer) {
            taken += read;
        }
        edge.run();
    }
    assert!(most < 12 << 20, "{most}");
}

#[test]
fn what_comes_by_memory_waits_for_room_as_what_comes_by_sockets_does() {
    let mut edge = Edge::new(DriverKind::Inline);
    let budget = limited(&edge);
    let funnel = edge.app.world().resource::<Funnel>().clone();
    let peer = ([127, 0, 0, 1], 1).into();
    let client = memory::connect(&funnel, edge.listener, Framing::BE16, peer);
    edge.until(|seen| seen.opened.len() == 1);
    let mut charge = Charge::new(&budget, Holding::Kept);
    charge.set(LIMIT);
    client.write(&frame(b"later"));
    for _ in 0..20 {
        edge.run();
    }
    assert!(edge.seen().frames.is_empty());
    drop(charge);
    edge.until(|seen| seen.frames == [(client.connection(), b"later".to_vec())]);
}
