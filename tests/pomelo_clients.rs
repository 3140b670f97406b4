//! Public npm clients of Pomelo, unmodified, against the headless server.
//!
//! What they try is in `tests/clients`; `cargo xtask clients` installs them, as `cargo xtask test` does. Where they are
//! not installed, nothing is tried, except where CI asks: there that is a failure.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![allow(clippy::print_stderr, reason = "a test that tries nothing says so")]

use serde_json::{Value, json};
use std::{
    collections::HashMap,
    env, fmt, fs,
    io::{BufRead, BufReader, Read, pipe},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// The scripts give up after 40 seconds by themselves, unless a client of theirs is in an endless loop.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_websocket_client_is_served_in_json_and_in_protobuf() {
    everywhere(Over::Plain, "websocket", &[("json", json!({})), ("compact", json!({ "compact": true }))]);
}

#[test]
fn the_websocket_client_is_served_over_tls() {
    everywhere(Over::Tls, "websocket", &[("json", json!({})), ("compact", json!({ "compact": true }))]);
}

#[test]
fn the_tcp_client_is_served() {
    everywhere(Over::Plain, "tcp", &[("still", json!({})), ("beating", json!({ "heartbeat": 1 }))]);
}

#[test]
fn the_tcp_client_is_served_over_tls() {
    everywhere(Over::Tls, "tcp", &[("still", json!({})), ("beating", json!({ "heartbeat": 1 }))]);
}

#[test]
fn pomelos_own_codecs_are_served_over_tcp_in_json_and_in_protobuf() {
    everywhere(Over::Plain, "codecs", &[("json", json!({})), ("compact", json!({ "compact": true }))]);
}

#[test]
fn pomelos_own_codecs_are_served_over_tls() {
    everywhere(Over::Tls, "codecs", &[("json", json!({})), ("compact", json!({ "compact": true }))]);
}

/// Runs a script against some listeners, each of a server of its own: they use the same names for their users.
fn everywhere(over: Over, script: &str, listeners: &[(&str, Value)]) {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    if !clients.join("node_modules").is_dir() {
        let advice = "the clients are not installed: run `cargo xtask clients`";
        assert!(env::var_os("CI").is_none(), "{advice}");
        eprintln!("nothing is tried: {advice}");
        return;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{script}-{over}"));
    // Mostly they wait for heartbeats.
    thread::scope(|scope| {
        for (listener, options) in listeners {
            let (clients, directory) = (&clients, directory.join(listener));
            scope.spawn(move || run(clients, &directory, over, script, listener, options.clone()));
        }
    });
}

fn run(clients: &Path, directory: &Path, over: Over, script: &str, listener: &str, mut options: Value) {
    fs::create_dir_all(directory).unwrap();
    let server = Server::start(directory, over);
    options["port"] = server.listeners[listener].port().into();
    options["tls"] = (over == Over::Tls).into();
    let mut node = Command::new("node");
    node.current_dir(clients);
    // They are from another time of Node's, and use what it has deprecated since.
    node.arg("--no-deprecation").arg(format!("{script}.mjs")).arg(options.to_string());
    if over == Over::Tls {
        node.env("NODE_EXTRA_CA_CERTS", directory.join("certificate.pem"));
    }
    let (passed, said) = output_of(node);
    assert!(passed, "{script}, {listener}, over {over}:\n{said}");
    assert!(said.trim_end().ends_with(" checks passed"), "{script} ended early:\n{said}");
}

/// What comes between the client and the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Plain,
    Tls,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
        })
    }
}

/// Whether a command succeeded, and all that it printed. It is killed if it takes too long.
fn output_of(mut command: Command) -> (bool, String) {
    let (mut reader, writer) = pipe().unwrap();
    command.stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = Killed(command.spawn().unwrap());
    // It holds the other end of the pipe, which would never end.
    drop(command);
    let (send, received) = mpsc::channel();
    let reading = thread::spawn(move || {
        let mut said = Vec::new();
        reader.read_to_end(&mut said).unwrap();
        // Nobody waits for it any more after the time.
        let _ = send.send(());
        String::from_utf8_lossy(&said).into_owned()
    });
    let in_time = received.recv_timeout(PATIENCE).is_ok();
    if !in_time {
        child.0.kill().unwrap();
    }
    let passed = child.0.wait().unwrap().success();
    let said = reading.join().unwrap();
    (passed && in_time, if in_time { said } else { format!("{said}no end after {PATIENCE:?}") })
}

/// The headless server, with a listener of each kind, killed with the test.
struct Server {
    _child: Killed,
    _stdout: BufReader<ChildStdout>,
    listeners: HashMap<String, SocketAddr>,
}

impl Server {
    /// Heartbeats every second; who has sent nothing for three is closed.
    fn start(directory: &Path, over: Over) -> Self {
        // What the TCP client needs instead of schemas: an empty set of them.
        let none = written(directory, "none.json", "{}");
        let empty = format!("client_protos = {none:?}\nserver_protos = {none:?}");
        let demo = "dictionary = \"demo\"\nclient_protos = \"demo\"\nserver_protos = \"demo\"";
        let beats = "heartbeat_seconds = 1\nheartbeat_timeout_seconds = 3";
        let kinds = [
            ("json", beats.to_owned()),
            ("compact", format!("{beats}\n{demo}")),
            ("still", empty.clone()),
            ("beating", format!("{beats}\n{empty}")),
        ];
        let tls = certified(directory, over);
        let listeners = kinds.iter().map(|(name, settings)| {
            format!(
                "[listener.{name}]\nprotocol = \"pomelo\"\naddress = \"127.0.0.1:0\"\nserve = \"connector\"\n\
                 {settings}\n{tls}\n"
            )
        });
        let text = format!("[log]\nlevel = \"warn\"\n{}", listeners.collect::<String>());
        let file = written(directory, "portcullis.toml", &text);

        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        for (name, _) in env::vars_os() {
            if name == "RUST_LOG" || name.to_string_lossy().starts_with("PORTCULLIS_") {
                command.env_remove(name);
            }
        }
        let mut child = Killed(command.arg("--config").arg(file).stdout(Stdio::piped()).spawn().unwrap());
        let mut stdout = BufReader::new(child.0.stdout.take().unwrap());
        let mut listeners = HashMap::new();
        while listeners.len() < kinds.len() {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it ended before it listened");
            if let Some((name, rest)) = line.split_once(": ")
                && let Some(address) = rest.split(' ').next().and_then(|text| text.parse().ok())
            {
                listeners.insert(name.to_owned(), address);
            }
        }
        Self { _child: child, _stdout: stdout, listeners }
    }
}

/// The settings of a listener with a new certificate, which the client is told to trust; none without TLS.
fn certified(directory: &Path, over: Over) -> String {
    if over == Over::Plain {
        return String::new();
    }
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = written(directory, "certificate.pem", &cert.pem());
    let key = written(directory, "key.pem", &signing_key.serialize_pem());
    format!("tls_certificate = {certificate:?}\ntls_key = {key:?}")
}

fn written(directory: &Path, name: &str, text: &str) -> PathBuf {
    let file = directory.join(name);
    fs::write(&file, text).unwrap();
    file
}

/// Ends with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
