//! A server as a process, with fewer descriptors than clients.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const FRAME: &[u8] = b"\0\x05hello";
/// It has so many open when nobody is there, at most.
const LIMIT: u64 = 64;

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The echo of the built-in configuration, with so many descriptors.
fn start(driver: &str) -> Server {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {LIMIT} && exec \"$0\"")]).arg(env!("CARGO_BIN_EXE_portcullis"));
    for (name, _) in std::env::vars_os() {
        if name == "RUST_LOG" || name.to_string_lossy().starts_with("PORTCULLIS_") {
            command.env_remove(name);
        }
    }
    for listener in ["SKYNET", "ECHO", "CHAT", "POMELO", "SYSCONN"] {
        command.env(format!("PORTCULLIS_LISTENER_{listener}_ADDRESS"), "127.0.0.1:0");
    }
    command.env("PORTCULLIS_LOG_LEVEL", "warn").env("PORTCULLIS_NET_DRIVER", driver);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let address = stdout.lines().find_map(|line| {
        let line = line.unwrap();
        line.strip_prefix("echo: ").and_then(|rest| rest.split(' ').next()?.parse().ok())
    });
    Server { child, address: address.expect("it listens") }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

/// Whether this is answered, sooner or later.
fn is_served(socket: &mut TcpStream) -> bool {
    let mut echo = [0; FRAME.len()];
    socket.write_all(FRAME).is_ok() && socket.read_exact(&mut echo).is_ok() && echo == FRAME
}

/// Whether an answer has come by now.
fn has_answer(socket: &mut TcpStream) -> bool {
    socket.set_nonblocking(true).unwrap();
    let came = socket.peek(&mut [0; 1]).is_ok_and(|count| count > 0);
    socket.set_nonblocking(false).unwrap();
    came
}

fn descriptors(server: &Server) -> u64 {
    std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).unwrap().count() as u64
}

#[test]
fn descriptor_exhaustion() {
    for driver in ["inline", "thread"] {
        let mut server = start(driver);
        let mut first = connect(server.address);
        assert!(is_served(&mut first), "{driver}");
        let mut clients: Vec<_> = (0..100).map(|_| connect(server.address)).collect();
        for client in &mut clients {
            client.write_all(FRAME).unwrap();
        }
        // It takes as many as it has descriptors for, and the kernel holds the others.
        let begun = Instant::now();
        while descriptors(&server) < LIMIT {
            assert!(begun.elapsed() < Duration::from_secs(20), "{driver}: {} are open", descriptors(&server));
            std::thread::yield_now();
        }
        // Meanwhile accepting is tried over and over, and told of once.
        assert!((0..10_000).all(|_| is_served(&mut first)), "{driver}: who was there is served");
        let served = clients.iter_mut().filter_map(|client| has_answer(client).then_some(())).count();
        assert!(served < 64, "{driver}: {served} are served with {LIMIT} descriptors");
        assert!(server.child.try_wait().unwrap().is_none(), "{driver}: it lives");
        // When some leave, those have their turn who have waited: the last too.
        let mut waiting = clients.split_off(50);
        drop(clients);
        let mut echo = [0; FRAME.len()];
        for client in &mut waiting {
            client.read_exact(&mut echo).unwrap();
            assert_eq!(echo, FRAME, "{driver}");
            client.shutdown(std::net::Shutdown::Both).unwrap();
        }
        drop(waiting);
        assert!(is_served(&mut connect(server.address)), "{driver}: a newcomer");
        assert!(is_served(&mut first), "{driver}: who was there first");
        server.child.kill().unwrap();
        let mut log = String::new();
        server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        let warnings =
            log.lines().filter(|line| line.contains("descriptors") || line.contains("accept")).count();
        assert!((1..=3).contains(&warnings), "{driver}: {warnings} warnings in {log}");
    }
}
