//! A public client library of WebSocket, Node's `ws`, unmodified, against the edge.
//!
//! What it tries is in `tests/clients/ws.mjs`; `cargo xtask clients` installs it, as `cargo xtask test` does. Where it is
//! not installed, nothing is tried, except where CI asks: there that is a failure.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![allow(clippy::print_stderr, reason = "a test that tries nothing says so")]

mod common;

use bevy_ecs::prelude::*;
use common::Edge;
use portcullis_core::*;
use portcullis_net::{DriverKind, Listener, MessageKind};
use std::{env, path::Path, process::Command};

const LONGEST: usize = 1024 * 1024;

#[test]
fn nodes_client_is_served_in_text() {
    serve("text", MessageKind::Text);
}

#[test]
fn nodes_client_is_served_in_binary() {
    serve("binary", MessageKind::Binary);
}

fn serve(kind: &'static str, messages: MessageKind) {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients");
    if !clients.join("node_modules").is_dir() {
        let advice = "the clients are not installed: run `cargo xtask clients`";
        assert!(env::var_os("CI").is_none(), "{advice}");
        return eprintln!("nothing is tried: {advice}");
    }
    for driver in [DriverKind::Inline, DriverKind::Thread(2)] {
        let listener =
            Listener::new(([127, 0, 0, 1], 0).into(), Framing::WHOLE).websocket().messages(messages);
        let mut edge = Edge::listening(driver, listener);
        let echo = echo.after(IngressSystems::Receive).before(IngressSystems::Decode);
        edge.app.add_systems(Ingress, echo);
        let policies = (MaxFrame(LONGEST), OutboxLimit(4 * LONGEST));
        edge.app.world_mut().entity_mut(edge.listener).insert(policies);
        let clients = clients.clone();
        let output = edge.serve(move |address| {
            let options = format!(
                r#"{{"host":"127.0.0.1","port":{},"kind":"{kind}","longest":{LONGEST}}}"#,
                address.port()
            );
            Command::new("node").arg("ws.mjs").arg(options).current_dir(clients).output().unwrap()
        });
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{kind}, {driver:?}:\n{said}");
        assert!(said.trim_end().ends_with(" checks passed"), "it ended early:\n{said}");
    }
}

fn echo(mut arrivals: ResMut<Arrivals>, mut out: Outboxes) {
    let all = |_| true;
    arrivals.take_if(all, |arrival| {
        for message in arrival.frames.iter() {
            let _ = out.write(arrival.connection, |out| out.extend_from_slice(message));
        }
    });
}
