//! Alone in its file: it lowers a limit of the whole process.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![cfg(target_os = "linux")]

mod common;

use common::Edge;
use portcullis_net::DriverKind;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::{fs::read_dir, net::TcpStream};

#[test]
fn accepting_survives_running_out_of_descriptors() {
    let mut edge = Edge::new(DriverKind::Inline);
    let mut clients: Vec<_> = (0..30).map(|_| TcpStream::connect(edge.address()).unwrap()).collect();
    let open = read_dir("/proc/self/fd").unwrap().count() as u64;
    let limit = getrlimit(Resource::Nofile);
    let lowered = rustix::process::Rlimit { current: Some(open + 8), ..limit };
    setrlimit(Resource::Nofile, lowered).unwrap();
    edge.until(|seen| seen.opened.len() >= 5);
    for _ in 0..20 {
        edge.run();
    }
    let accepted = edge.seen().opened.len();
    assert!(accepted < 30, "the limit holds");
    clients.truncate(10);
    edge.until(|seen| seen.opened.len() == 30);
    setrlimit(Resource::Nofile, limit).unwrap();
}
