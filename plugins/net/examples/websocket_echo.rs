//! Two WebSocket listeners that send back each message as it came: one takes and sends text alone, the other binary.
//!
//! `cargo xtask autobahn` judges them by the Autobahn test suite. They are printed, a line each, as `text
//! ws://127.0.0.1:40001`. Arguments: the driver, `inline` or `thread`; `--tls CERTIFICATE KEY`, two PEM files, for `wss`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to whoever starts it")]

use bevy_app::{App, AppExit};
use bevy_ecs::prelude::*;
use portcullis_core::*;
use portcullis_net::{DriverKind, Listener, ListenerHandle, MessageKind, NetPlugin, Tls};
use std::{env, process::ExitCode};

/// The longest message that the suite sends, and asks to have back.
const LONGEST: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (driver, rest) = match words.as_slice() {
        ["inline", rest @ ..] => (DriverKind::Inline, rest),
        ["thread", rest @ ..] => (DriverKind::Thread(1), rest),
        rest => (DriverKind::Auto, rest),
    };
    let tls = match rest {
        [] => None,
        ["--tls", certificate, key] => match Tls::from_pem_files(certificate, key) {
            Ok(tls) => Some(tls),
            Err(error) => return complain(error),
        },
        _ => return complain("websocket_echo [inline | thread] [--tls CERTIFICATE KEY]"),
    };
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    let mut app = App::new();
    app.add_plugins((CorePlugin::default(), NetPlugin { driver }))
        .add_systems(Ingress, (admit.in_set(IngressSystems::Admit), echo.in_set(IngressSystems::Decode)));
    for (name, messages) in [("text", MessageKind::Text), ("binary", MessageKind::Binary)] {
        let mut listener =
            Listener::new(([127, 0, 0, 1], 0).into(), Framing::WHOLE).websocket().messages(messages);
        listener.tls.clone_from(&tls);
        // Of the longest message, one may come while another leaves.
        let policies = (MaxFrame(LONGEST), OutboxLimit(3 * LONGEST));
        let id = app.world_mut().spawn((listener, policies)).id();
        app.world_mut().flush();
        match app.world().get::<ListenerHandle>(id) {
            Some(handle) => println!("{name} {scheme}://{}", handle.address()),
            None => return complain("no port of 127.0.0.1 could be opened"),
        }
    }
    match app.run() {
        AppExit::Success => ExitCode::SUCCESS,
        AppExit::Error(_) => ExitCode::FAILURE,
    }
}

fn complain(what: impl std::fmt::Display) -> ExitCode {
    eprintln!("{what}");
    ExitCode::FAILURE
}

/// Lets everyone in, as there is no gate here.
fn admit(mut arriving: ResMut<Arriving>, mut commands: Commands) {
    for entity in arriving.0.drain(..) {
        commands.entity(entity).insert(Admitted);
        commands.trigger(Start { entity });
    }
}

fn echo(mut arrivals: ResMut<Arrivals>, mut out: Outboxes) {
    let all = |_| true;
    arrivals.take_if(all, |arrival| {
        for message in arrival.frames.iter() {
            // Whoever is gone needs no answer.
            let _ = out.write(arrival.connection, |out| out.extend_from_slice(message));
        }
    });
}
