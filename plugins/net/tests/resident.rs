//! Alone in its file: it looks at the memory of the whole process.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![cfg(target_os = "linux")]

mod common;

use common::Edge;
use portcullis_core::{Budget, Shortage};
use portcullis_net::DriverKind;
use socket2::{Domain, Socket, Type};
use std::fs::read_to_string;

const LIMIT: usize = 32 << 20;
const CLIENTS: usize = 1000;
/// Frames of 60,000 bytes that are written in one run, which the budget does not count.
const FRAMES_A_RUN: usize = 20;

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn a_thousand_peers_that_never_read_take_no_more_memory_than_the_budget() {
    let mut edge = Edge::new(DriverKind::Inline);
    let budget = edge.app.world().resource::<Budget>().clone();
    budget.set_limit(LIMIT);
    let clients: Vec<Socket> = (0..CLIENTS)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            // Of what is written to them the kernel takes as little as it can.
            socket.set_recv_buffer_size(4096).unwrap();
            socket.set_tcp_mss(536).unwrap();
            socket.connect(&edge.address().into()).unwrap();
            edge.run();
            socket
        })
        .collect();
    edge.until(|seen| seen.opened.len() == CLIENTS);
    let (before, mut most) = (resident(), 0);
    // Until the most have been written a megabyte, or are gone.
    for frame in 0..CLIENTS * 1_000_000 / 60_000 {
        let connection = edge.seen().opened[frame % CLIENTS];
        if edge.app.world().get_entity(connection).is_ok() {
            edge.send(connection, &[7; 60_000]);
        }
        if frame % FRAMES_A_RUN == 0 {
            edge.run();
            assert!(budget.used() <= LIMIT, "{budget:?}");
            most = most.max(resident() - before);
        }
    }
    println!("{} MiB of {} MiB, {} shed", most >> 20, LIMIT >> 20, budget.count(Shortage::Shed));
    assert!(budget.count(Shortage::Shed) > 0);
    assert!(most < LIMIT + LIMIT / 2, "{most}");
    drop(clients);
    edge.until(|seen| seen.closed.len() == CLIENTS);
    assert_eq!(budget.used(), 0);
}
