//! `assets/sysconn.html` in a headless Chromium, against the example `sysconn_game` and against the headless server.
//!
//! What is tried is in `sysconn.mjs` beside this; `cargo xtask browser` installs what it needs, as `cargo xtask test` does.
//! Where that is not installed, and cannot be, nothing is tried, and it says so.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![allow(clippy::print_stderr, reason = "a test that tries nothing says so")]

#[path = "../../examples/sysconn_game.rs"]
#[expect(dead_code, reason = "its own `main`")]
mod sysconn_game;

use portcullis::{core, net::ListenerHandle, prelude::*};
use serde_json::json;
use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
};

#[test]
fn the_page_plays_the_example() {
    if let Some(chromium) = chromium() {
        drive(&chromium, example(), "example");
    }
}

#[test]
fn the_page_plays_the_demo_of_the_headless_server() {
    if let Some(chromium) = chromium() {
        let server = Headless::start(&[]);
        drive(&chromium, server.address("sysconn"), "demo");
    }
}

#[cfg(feature = "accounts")]
#[test]
fn the_page_logs_in_by_the_password_of_an_account() {
    use portcullis::{
        demo::chat,
        native::{Credentials, client::blocking::Client},
    };
    if let Some(chromium) = chromium() {
        let config = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/accounts.toml");
        let server = Headless::start(&["--config", config]);
        let mut client = Client::connect(server.address("chat"), &chat::manifest().with_login()).unwrap();
        client.register(&Credentials::new("ann", "correct horse")).unwrap();
        drive(&chromium, server.address("sysconn"), "accounts");
    }
}

/// The browser, if all is there that drives it.
fn chromium() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let mut files = env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    let found = files.find(|file| file.is_file()).filter(|_| folder().join("node_modules").is_dir());
    if found.is_none() {
        let advice = "Chromium or its driver is not installed: run `cargo xtask browser`";
        eprintln!("nothing is tried: {advice}");
    }
    found
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

/// Runs the script, which gives up by itself when nothing comes.
#[track_caller]
fn drive(chromium: &Path, address: SocketAddr, server: &str) {
    let options = json!({ "chromium": chromium, "address": address, "server": server });
    let mut node = Command::new("node");
    node.current_dir(folder()).args(["sysconn.mjs", &options.to_string()]).stdin(Stdio::null());
    let output = node.output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}

/// The example's game, in a thread of this process: it ends with it.
fn example() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let connector = SysconnPlugin::listen("127.0.0.1:0");
        let mut app = App::new();
        app.add_plugins((ServerPlugins, connector, sysconn_game::GamePlugin));
        app.finish();
        app.cleanup();
        let world = app.world_mut();
        tell.send(world.query::<&ListenerHandle>().single(world).unwrap().address()).unwrap();
        core::run(app)
    });
    told.recv().unwrap()
}

/// The headless server, which ends with the test.
struct Headless {
    child: Child,
    listeners: HashMap<String, SocketAddr>,
}

impl Headless {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        let listeners: &[_] = match arguments {
            [] => &["SKYNET", "ECHO", "CHAT", "POMELO", "SYSCONN"],
            _ => &["CHAT", "SYSCONN"],
        };
        for listener in listeners {
            command.env(format!("PORTCULLIS_LISTENER_{listener}_ADDRESS"), "127.0.0.1:0");
        }
        command.env("PORTCULLIS_ACCOUNTS_FILE", "").env("PORTCULLIS_LOG_LEVEL", "error");
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        // Whoever reads no further has what they wanted.
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let found = lines.filter_map(|line| {
            let (name, rest) = line.split_once(": ")?;
            Some((name.to_owned(), rest.split(' ').next()?.parse().ok()?))
        });
        let listeners = found.take(listeners.len()).collect();
        Self { child, listeners }
    }

    fn address(&self, listener: &str) -> SocketAddr {
        self.listeners[listener]
    }
}

impl Drop for Headless {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
