//! Signals.

use crate::running::{Running, exchange};
use std::{io::Read, net::TcpStream};

#[test]
fn a_signal_drains_the_server_and_it_exits_with_0() {
    let server = Running::start(&[]);
    let mut sockets: Vec<TcpStream> = (0..20).map(|_| server.connect("echo")).collect();
    for socket in &mut sockets {
        exchange(socket, "000568656c6c6f", "000568656c6c6f");
    }
    server.signal("-TERM");
    for socket in &mut sockets {
        assert_eq!(socket.read(&mut [0; 8]).unwrap(), 0, "clients see the end, and no reset");
    }
    drop(sockets);
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let server = Running::start(&[]);
    // A client that does not close keeps the first from being quick.
    let mut socket = server.connect("echo");
    exchange(&mut socket, "000568656c6c6f", "000568656c6c6f");
    server.signal("-INT");
    server.signal("-TERM");
    assert_eq!(server.end(), Some(130));
}
