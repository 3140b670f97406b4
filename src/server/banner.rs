//! What listens where, and how to poke at it.

use super::config::{Config, Serve, Speaks};
use portcullis::{net::ListenerHandle, prelude::*};
use std::net::SocketAddr;

/// Tells the operator. The addresses are the real ones, also where port 0 was asked for.
pub fn print(app: &mut App, config: &Config) {
    let world = app.world_mut();
    let mut listeners: Vec<(String, SocketAddr)> = world
        .query::<(&Name, &ListenerHandle)>()
        .iter(world)
        .map(|(name, handle)| (name.to_string(), handle.address()))
        .collect();
    listeners.sort();
    println!("portcullis {}", env!("CARGO_PKG_VERSION"));
    for (name, address) in listeners {
        let Some(settings) = config.listener.get(&name) else { continue };
        println!("{name}: {address} speaks {}, serves {}", settings.protocol.word(), settings.serve.word());
        for line in poke(settings.protocol, settings.serve, address) {
            println!("    {line}");
        }
    }
}

fn poke(protocol: Speaks, serve: Serve, address: SocketAddr) -> Vec<String> {
    let (host, port) = (address.ip(), address.port());
    match (protocol, serve) {
        (Speaks::Skynet, Serve::SimpleDb) => vec![
            format!("printf '\\0\\004\\025\\002\\004\\004' | nc -q1 {host} {port} | xxd"),
            "or skynet's own client, unmodified: 3rd/lua/lua examples/client.lua (it connects to port 8888)"
                .into(),
        ],
        (Speaks::Raw, Serve::Echo) => vec![format!("printf '\\0\\005hello' | nc -q1 {host} {port} | xxd")],
        (Speaks::Native, Serve::Chat) => {
            vec![format!("cargo run --example native_client -- ann hello {address}")]
        }
        _ => vec!["nothing is served here: add a plugin that handles what it is asked".into()],
    }
}
