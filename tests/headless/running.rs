//! The server as a process.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

/// The binary, without what the environment of the tests says to it.
pub fn portcullis() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    for (name, _) in std::env::vars_os() {
        if name == "RUST_LOG" || name.to_string_lossy().starts_with("PORTCULLIS_") {
            command.env_remove(name);
        }
    }
    command
}

/// The binary with its built-in configuration, where other servers do not stand in its way.
pub fn on_free_ports() -> Command {
    let mut command = portcullis();
    for listener in ["SKYNET", "ECHO", "CHAT", "POMELO", "SYSCONN"] {
        command.env(format!("PORTCULLIS_LISTENER_{listener}_ADDRESS"), "127.0.0.1:0");
    }
    command.env("PORTCULLIS_LOG_LEVEL", "warn");
    command
}

/// A client. A server that says nothing fails the test instead of stopping it.
pub fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

/// A server that runs. It is killed if a test does not end it.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    listeners: HashMap<String, SocketAddr>,
}

impl Running {
    /// The built-in configuration with these variables, on free ports.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        let mut command = on_free_ports();
        command.envs(variables.iter().copied());
        Self::run(command, 5)
    }

    /// Whatever the command says, with so many listeners.
    pub fn run(mut command: Command, listeners_there: usize) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut listeners = HashMap::new();
        while listeners.len() < listeners_there {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it ended before it listened");
            if let Some((name, rest)) = line.split_once(": ")
                && let Some(address) = rest.split(' ').next().and_then(|text| text.parse().ok())
            {
                listeners.insert(name.to_owned(), address);
            }
        }
        Self { child, stdout, listeners }
    }

    pub fn address(&self, listener: &str) -> SocketAddr {
        self.listeners[listener]
    }

    pub fn connect(&self, listener: &str) -> TcpStream {
        connect(self.address(listener))
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub fn end(mut self) -> Option<i32> {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends, and wants back. Both in hexadecimal.
pub fn exchange(socket: &mut TcpStream, send: &str, expect: &str) {
    socket.write_all(&bytes(send)).unwrap();
    let mut got = vec![0; bytes(expect).len()];
    socket.read_exact(&mut got).unwrap();
    assert_eq!(got, bytes(expect));
}

pub fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
