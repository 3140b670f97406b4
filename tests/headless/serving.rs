//! What the built-in configuration serves, byte for byte.

use crate::running::{Running, bytes, connect, exchange, on_free_ports};
use portcullis::{
    demo::chat::{ECHO, Echo, Heard, SAID, SAY, Said, Say, manifest},
    native::client::blocking::Client,
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write, pipe},
    process::{Child, Stdio},
    time::Duration,
};

const HANDSHAKE: &str = "000415020404";
const HEARTBEAT: &str = "0003050104";
const ECHOED: &str = "000568656c6c6f";

/// What skynet's own client and server said to each other: handshake, set, get, get of nothing, quit.
fn recorded() -> Vec<Value> {
    let text = include_str!("../vectors/skynet/gate_sproto.json");
    let recording: Value = serde_json::from_str(text).unwrap();
    let flows = recording["flows"].as_array().unwrap();
    let flow = flows.iter().find(|flow| flow["name"] == "client_lua_unmodified").unwrap();
    flow["messages"].as_array().unwrap().clone()
}

#[test]
fn skynets_client_hears_what_skynets_server_told_it() {
    for driver in ["inline", "thread"] {
        let variables =
            [("PORTCULLIS_NET_DRIVER", driver), ("PORTCULLIS_LISTENER_SKYNET_HEARTBEAT_SECONDS", "0")];
        let server = Running::start(&variables);
        let mut socket = server.connect("skynet");
        let mut answers = 0;
        for message in recorded() {
            let Some(hex) = message["hex"].as_str() else { continue };
            if message["dir"] == "c2s" {
                socket.write_all(&bytes(hex)).unwrap();
            } else if hex != HEARTBEAT {
                let mut got = vec![0; bytes(hex).len()];
                socket.read_exact(&mut got).unwrap();
                assert_eq!(got, bytes(hex), "{}", message["meaning"]);
                answers += 1;
            }
        }
        assert_eq!(answers, 4);
        assert_eq!(socket.read(&mut [0; 8]).unwrap(), 0, "quit is not answered");
        exchange(&mut server.connect("echo"), ECHOED, ECHOED);
    }
}

#[test]
fn a_heartbeat_comes_without_being_asked_for() {
    let server = Running::start(&[("PORTCULLIS_LISTENER_SKYNET_HEARTBEAT_SECONDS", "0.1")]);
    exchange(&mut server.connect("skynet"), "", &HEARTBEAT.repeat(3));
}

#[test]
fn exactly_64_clients_of_skynet_are_served() {
    let server = Running::start(&[("PORTCULLIS_LISTENER_SKYNET_HEARTBEAT_SECONDS", "0")]);
    let welcome = recorded()
        .iter()
        .find_map(|message| (message["dir"] == "s2c").then(|| message["hex"].as_str().unwrap().to_owned()))
        .unwrap();
    let mut served: Vec<_> = (0..64).map(|_| server.connect("skynet")).collect();
    for socket in &mut served {
        exchange(socket, HANDSHAKE, &welcome);
    }
    assert_eq!(server.connect("skynet").read(&mut [0; 8]).unwrap(), 0, "one too many");
    // A place is free as soon as its socket is gone.
    let mut leaving = served.swap_remove(0);
    leaving.write_all(&bytes("000415020a0c")).unwrap();
    assert_eq!(leaving.read(&mut [0; 8]).unwrap(), 0);
    drop(leaving);
    let next = || {
        let mut socket = server.connect("skynet");
        let mut first = [0; 1];
        socket.write_all(&bytes(HANDSHAKE)).is_ok() && socket.read(&mut first).is_ok_and(|read| read == 1)
    };
    assert!((0..1000).any(|_| next()), "the place stays taken");
}

#[test]
fn the_chat_is_heard_by_everyone() {
    let server = Running::start(&[]);
    let client = || Client::connect(server.address("chat"), &manifest()).unwrap();
    let (mut ann, mut bob) = (client(), client());
    let echo: Echo = bob.request(ECHO, &Echo { text: "hello".into() }).unwrap();
    assert_eq!(echo.text, "hello");
    let heard: Heard = ann.request(SAY, &Say { name: "ann".into(), text: "hi".into() }).unwrap();
    assert_eq!(heard.by, 2);
    for listener in [&mut ann, &mut bob] {
        let push = listener.next_push(Duration::from_secs(20)).unwrap().unwrap();
        assert_eq!(&*push.route, SAID);
        assert_eq!(push.decode::<Said>().unwrap(), Said { name: "ann".into(), text: "hi".into() });
    }
}

/// Ends it with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn logs_are_json_where_asked_and_nobody_needs_to_read_standard_output() {
    let (reader, stdout) = pipe().unwrap();
    drop(reader);
    let mut command = on_free_ports();
    command.env("PORTCULLIS_LOG_FORMAT", "json").env("PORTCULLIS_LOG_LEVEL", "info");
    let child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Killed(child);
    let log = BufReader::new(child.0.stderr.take().unwrap());
    let lines =
        log.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).expect("a line of JSON"));
    let mut echo = None;
    for line in lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        if line["message"] == "listening" && line["framing"] == "be16" {
            echo.get_or_insert_with(|| line["address"].as_str().unwrap().to_owned());
        }
        if line["message"] == "ready" {
            break;
        }
    }
    exchange(&mut connect(echo.unwrap().parse().unwrap()), ECHOED, ECHOED);
}

#[test]
fn the_log_tells_how_many_were_refused_and_closed_by_cause() {
    let (reader, stderr) = pipe().unwrap();
    let mut command = on_free_ports();
    command.env("PORTCULLIS_LOG_FORMAT", "json").env("PORTCULLIS_LOG_LEVEL", "info").stderr(stderr);
    command.env("PORTCULLIS_LOG_REPORT_SECONDS", "0.1").env("PORTCULLIS_LISTENER_ECHO_MAX_CLIENTS", "1");
    let server = Running::run(command, 5);
    let mut served = server.connect("echo");
    exchange(&mut served, ECHOED, ECHOED);
    assert_eq!(server.connect("echo").read(&mut [0; 8]).unwrap(), 0, "one too many");
    drop(served);
    let mut untold = vec![("refused", "listener_full 1"), ("closed", "peer_closed 1")];
    for line in BufReader::new(reader).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        untold.retain(|&(key, told)| line[key] != told);
        if untold.is_empty() {
            return;
        }
    }
    panic!("the server has ended");
}
