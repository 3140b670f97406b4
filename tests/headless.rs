//! The headless server as its operator runs it: the real binary, real sockets, exit codes.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::Duration,
};

fn portcullis() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTCULLIS_") {
            command.env_remove(name);
        }
    }
    command
}

/// A configuration file of this test's own.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Runs to the end, which must be the operator's mistake, and gives its one sentence.
#[track_caller]
fn mistake(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "one sentence: {said}");
    said
}

#[track_caller]
fn mistake_in(name: &str, text: &str) -> String {
    let path = file(name, text);
    let said = mistake(portcullis().arg("--config").arg(&path));
    assert!(said.contains(name), "it names the file: {said}");
    said
}

#[test]
fn a_wrong_key_is_named_with_the_one_that_was_meant() {
    let said = mistake_in("wrong_key.toml", "[net]\ndrivr = \"inline\"\n");
    assert!(said.contains("line 2: net.drivr = \"inline\" is no key: did you mean net.driver?"), "{said}");
    let said = mistake_in("wrong_section.toml", "[nets]\n");
    assert!(said.contains("nets") && said.contains("net"), "{said}");
}

#[test]
fn a_bad_value_is_named_with_what_is_allowed() {
    for (name, text, parts) in [
        ("word.toml", "[net]\ndriver = \"fast\"\n", ["net.driver = \"fast\"", "\"inline\""]),
        ("number.toml", "[server]\ntick_rate = 0\n", ["server.tick_rate = 0", "a number from"]),
        ("kind.toml", "[log]\nlevel = 3\n", ["log.level = 3", "\"debug\""]),
        ("network.toml", "[gate]\ndeny = [\"nowhere\"]\n", ["gate.deny", "192.0.2.7"]),
        ("toml.toml", "[net\n", ["line 1", "not TOML"]),
        ("empty.toml", "", ["listener", "[listener.NAME]"]),
        (
            "address.toml",
            "[listener.a]\nprotocol = \"raw\"\naddress = \"localhost\"\n",
            ["listener.a.address = \"localhost\"", "127.0.0.1:4000"],
        ),
        (
            "demo.toml",
            "[listener.a]\nprotocol = \"raw\"\naddress = \"127.0.0.1:0\"\nserve = \"chat\"\n",
            ["listener.a.serve = \"chat\"", "native"],
        ),
        (
            "schema.toml",
            "[listener.a]\nprotocol = \"skynet\"\naddress = \"127.0.0.1:0\"\nschema_c2s = \"/nowhere.sproto\"\n",
            ["listener.a.schema_c2s = \"/nowhere.sproto\"", "cannot be read"],
        ),
    ] {
        let said = mistake_in(name, text);
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?} in {said}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let said = mistake(portcullis().args(["--config", "no/such/file.toml"]));
    assert!(said.contains("no/such/file.toml") && said.contains("cannot be read"), "{said}");
}

#[test]
fn a_wrong_variable_is_named() {
    let said = mistake(portcullis().env("PORTCULLIS_LOG_FORMATT", "json"));
    assert!(said.contains("PORTCULLIS_LOG_FORMATT") && said.contains("PORTCULLIS_LOG_FORMAT?"), "{said}");
    let said = mistake(portcullis().env("PORTCULLIS_GATE_MAX_CONNECTIONS", "many"));
    assert!(said.contains("PORTCULLIS_GATE_MAX_CONNECTIONS") && said.contains("\"many\""), "{said}");
}

#[test]
fn a_taken_port_is_named_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = format!("[listener.game]\nprotocol = \"raw\"\naddress = \"{address}\"\n");
    let said = mistake_in("taken.toml", &text);
    let key = format!("listener.game.address = \"{address}\" is taken");
    assert!(said.contains(&key) && said.contains("choose another port"), "{said}");
}

#[test]
fn a_sound_configuration_is_checked_and_not_run() {
    let output = portcullis().arg("--check-config").output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("OK"));
}

#[test]
fn what_is_printed_can_be_read_again() {
    let print = |command: &mut Command| {
        let output = command.arg("--print-config").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let first =
        print(portcullis().env("PORTCULLIS_LOG_FORMAT", "json").env("PORTCULLIS_SERVER_TICK_RATE", "7.5"));
    assert!(first.contains("format = \"json\"") && first.contains("tick_rate = 7.5"), "{first}");
    let path = file("printed.toml", &first);
    assert_eq!(print(portcullis().arg("--config").arg(path)), first);
}

/// A server that runs. It is killed if a test does not end it.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    listeners: HashMap<String, SocketAddr>,
}

impl Running {
    /// The built-in configuration, on free ports.
    fn start(driver: &str) -> Self {
        let mut command = portcullis();
        for listener in ["SKYNET", "ECHO", "CHAT"] {
            command.env(format!("PORTCULLIS_LISTENER_{listener}_ADDRESS"), "127.0.0.1:0");
        }
        command.env("PORTCULLIS_NET_DRIVER", driver).env("PORTCULLIS_LOG_LEVEL", "warn");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut listeners = HashMap::new();
        while listeners.len() < 3 {
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

    fn connect(&self, listener: &str) -> TcpStream {
        let socket = TcpStream::connect(self.listeners[listener]).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn end(mut self) -> Option<i32> {
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

fn exchange(socket: &mut TcpStream, send: &str, expect: &str) {
    socket.write_all(&bytes(send)).unwrap();
    let mut got = vec![0; bytes(expect).len()];
    socket.read_exact(&mut got).unwrap();
    assert_eq!(got, bytes(expect));
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

const HANDSHAKE: &str = "000415020404";
const WELCOME: &str = "003f5502010401c4355765ff056c636f6d6520746f20736b796e65742c20492077696c6c2073656e6420\
                       686561727462656174206576657279203520730765632e";

#[test]
fn skynets_bytes_are_answered_by_skynets_bytes() {
    for driver in ["inline", "thread"] {
        let server = Running::start(driver);
        let mut socket = server.connect("skynet");
        exchange(&mut socket, HANDSHAKE, WELCOME);
        exchange(&mut socket, "0014550208060210053f68656c6c6f053e776f726c64", "000415020106");
        exchange(&mut socket, "000d5502060801c4056865076c6c6f", "000d5502010801c405776f07726c64");
        socket.write_all(&bytes("000415020a0c")).unwrap();
        assert_eq!(socket.read(&mut [0; 8]).unwrap(), 0, "quit is not answered");
        let mut echo = server.connect("echo");
        exchange(&mut echo, "000568656c6c6f", "000568656c6c6f");
    }
}

#[test]
fn a_signal_drains_the_server_and_it_exits_with_0() {
    let server = Running::start("auto");
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
    let server = Running::start("auto");
    // A client that does not close keeps the first from being quick.
    let mut socket = server.connect("echo");
    exchange(&mut socket, "000568656c6c6f", "000568656c6c6f");
    server.signal("-INT");
    assert_eq!(socket.read(&mut [0; 8]).unwrap(), 0);
    server.signal("-INT");
    assert_eq!(server.end(), Some(130));
}

#[test]
fn the_configuration_in_assets_says_everything_that_is_printed() {
    let assets = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/portcullis.toml")).unwrap();
    let printed = String::from_utf8(portcullis().arg("--print-config").output().unwrap().stdout).unwrap();
    for key in printed.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key) {
        assert!(assets.contains(&format!("{key} ")), "{key} is not told of");
    }
}
