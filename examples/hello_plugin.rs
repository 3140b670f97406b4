//! The smallest game server as a plugin: join with a name, and be told who else is here.
//!
//! `cargo run --example hello_plugin` serves it; `cargo run --example hello_plugin -- ann` joins as a client.

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use portcullis::{native::Manifest, prelude::*, watchdog::AgentTemplate};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Join {
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Joined {
    others: Vec<String>,
}

/// The player: our component on the agent that the watchdog spawns for each connection.
#[derive(Component, Default)]
struct Player {
    name: String,
}

struct HelloPlugin;

impl Plugin for HelloPlugin {
    fn build(&self, app: &mut App) {
        app.add_handler("hello.join", join);
    }
}

fn join(request: Request<Join>, mut players: Query<&mut Player>) -> Result<Joined, Refusal> {
    if request.name.is_empty() {
        return Err("a player needs a name".into());
    }
    let others = players.iter().map(|player| player.name.clone()).filter(|name| !name.is_empty()).collect();
    let agent = request.agent.ok_or("nobody plays on this connection")?;
    players.get_mut(agent)?.name.clone_from(&request.name);
    Ok(Joined { others })
}

const ADDRESS: &str = "127.0.0.1:4001";

fn main() -> AppExit {
    if let Some(name) = std::env::args().nth(1) {
        return client(name);
    }
    tracing_subscriber::fmt::init();
    let native = NativePlugin::listen(ADDRESS).name("hello", 1).with(|listener| {
        listener.insert(AgentTemplate::new(Player::default));
    });
    App::new()
        .add_plugins((ServerPlugins, SignalPlugin, native, HelloPlugin))
        .add_systems(Startup, || {
            println!("listening on {ADDRESS}; join by: cargo run --example hello_plugin -- ann");
        })
        .run()
}

/// What a player's program does.
fn client(name: String) -> AppExit {
    use portcullis::native::client::blocking::Client;
    let manifest = Manifest::new("hello", 1).request::<Join, Joined>("hello.join");
    let joined = Client::connect(ADDRESS, &manifest)
        .and_then(|mut client| client.request::<Join, Joined>("hello.join", &Join { name }));
    match joined {
        Ok(Joined { others }) => {
            println!("joined; here already: {others:?}");
            AppExit::Success
        }
        Err(error) => {
            println!("{error}");
            AppExit::error()
        }
    }
}
