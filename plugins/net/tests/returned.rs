//! Alone in its file: it counts the descriptors of the whole process.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![cfg(target_os = "linux")]

#[path = "common/tls.rs"]
mod certificates;
mod common;

use common::{Edge, frame, plain};
use portcullis_net::{DriverKind, Proxies};
use std::{
    fs::read_dir,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

fn open_descriptors() -> usize {
    read_dir("/proc/self/fd").unwrap().count()
}

/// Ends in all ways at all stages.
fn visit(address: SocketAddr, believed: &certificates::Believed) {
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY ", b"nonsense", b""] {
        let mut silent = TcpStream::connect(address).unwrap();
        silent.write_all(header).unwrap();
        let mut half = TcpStream::connect(address).unwrap();
        half.write_all(&[header, &[22, 3, 1]].concat()).unwrap();
        let mut broken = TcpStream::connect(address).unwrap();
        broken.write_all(&[header, b"nonsense"].concat()).unwrap();
    }
    for request in
        [&b"GET /health HTTP/1.1\r\n\r\n"[..], b"GET / HTTP/1.1\r\n", &frame(b"hi"), b"\0\x09not all"]
    {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(b"PROXY UNKNOWN\r\n").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut stream = certificates::over(socket, believed);
        stream.write_all(request).unwrap();
        let _ = stream.read(&mut [0; 4]);
    }
}

#[test]
fn every_socket_that_came_is_given_back() {
    let files = certificates::Files::new("returned");
    let believed = files.renew();
    let networks = ["127.0.0.0/8".parse().unwrap()].into();
    let proxies = Proxies { networks, proxy_protocol: true, forwarded_for: true };
    for driver in [DriverKind::Inline, DriverKind::Thread(2)] {
        let listener = plain().hybrid().tls(files.tls()).proxies(proxies.clone());
        let mut edge = Edge::listening(driver, listener).echoing();
        edge.run();
        let before = open_descriptors();
        let believed = believed.clone();
        edge.serve(move |address| visit(address, &believed));
        edge.until(|seen| open_descriptors() <= before && seen.closed.len() == seen.opened.len());
    }
}
