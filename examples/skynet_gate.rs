//! skynet's example server: gate, watchdog and agent, with handshake, get, set and quit over a key-value store that all
//! agents share, and a heartbeat every five seconds.
//!
//! `cargo run --example skynet_gate`, then run skynet's own `examples/client.lua`, unmodified, from a built skynet, or:
//!
//! ```text
//! printf '\0\004\025\002\004\004' | nc -q1 127.0.0.1 8888 | xxd
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use portcullis::{
    prelude::*,
    watchdog::{HeartbeatDue, HeartbeatInterval, IdleLimit, Kick},
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};

/// The schemas: what clients ask, and what the server says unasked.
const ASKED: &str = include_str!("../assets/skynet/c2s.sproto");
const PUSHED: &str = include_str!("../assets/skynet/s2c.sproto");

/// skynet's SIMPLEDB: what is a service of its own there is a resource here. A real one would be bounded.
#[derive(Resource, Default)]
struct SimpleDb(HashMap<String, String>);

/// The player; here only a count of what it has asked.
#[derive(Component, Default)]
struct Player {
    asked: u64,
}

#[derive(Serialize)]
struct Welcome {
    msg: &'static str,
}

#[derive(Deserialize)]
struct Get {
    what: Option<String>,
}

#[derive(Serialize)]
struct Got {
    result: Option<String>,
}

#[derive(Deserialize)]
struct Set {
    what: Option<String>,
    value: Option<String>,
}

fn main() -> AppExit {
    tracing_subscriber::fmt::init();
    let gate = SkynetPlugin::sproto(ASKED, PUSHED)
        .expect("the schemas are sound")
        .listen("127.0.0.1:8888")
        .max_clients(64)
        .agent(Player::default)
        .with(|listener| {
            // The stock client keeps quiet while its user does.
            listener.insert((HeartbeatInterval(Duration::from_secs(5)), IdleLimit(Duration::MAX)));
        });
    App::new()
        .add_plugins((ServerPlugins, SignalPlugin, gate))
        .init_resource::<SimpleDb>()
        .add_handler("handshake", handshake)
        .add_handler("get", get)
        .add_handler("set", set)
        .add_handler("quit", quit)
        .add_observer(heartbeat)
        .add_systems(Startup, || {
            println!("skynet gate: printf '\\0\\004\\025\\002\\004\\004' | nc -q1 127.0.0.1 8888 | xxd");
        })
        .run()
}

fn handshake(request: Request<()>, mut players: Query<&mut Player>) -> Welcome {
    if let Some(mut player) = request.agent.and_then(|agent| players.get_mut(agent).ok()) {
        player.asked += 1;
    }
    Welcome { msg: "Welcome to skynet, I will send heartbeat every 5 sec." }
}

/// A key that is not there, or not named, has no result.
fn get(request: Request<Get>, db: Res<SimpleDb>) -> Got {
    let result = request.body.what.and_then(|what| db.0.get(&what).cloned());
    Got { result }
}

fn set(request: Request<Set>, mut db: ResMut<SimpleDb>) -> Result<(), Refusal> {
    let Set { what, value } = request.body;
    let what = what.ok_or("set needs a key")?;
    match value {
        Some(value) => db.0.insert(what, value),
        None => db.0.remove(&what),
    };
    Ok(())
}

/// Is not answered: the client sees the end of the stream.
fn quit(request: Request<()>, mut commands: Commands) -> NoReply {
    commands.trigger(Kick::new(request.connection, "quit"));
    NoReply
}

fn heartbeat(event: On<HeartbeatDue>, mut pusher: Pusher) {
    pusher.push(event.entity, "heartbeat", &());
}
