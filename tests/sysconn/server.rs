//! The demo's server, as the conversations were recorded from the original.

use portcullis::{demo::roles::RolesPlugin, prelude::*, sysconn::BlacklistPolicy};
use portcullis_testkit::{TestServer, TestServerBuilder};
use std::time::Duration;

/// As the original where ours bears more by default: the first body that nobody can read bans.
pub fn strict(server: TestServerBuilder) -> TestServer {
    with(server, |plugin| plugin.blacklist(BlacklistPolicy { tolerated: 0, ..BlacklistPolicy::default() }))
}

/// As it is by default.
pub fn demo(server: TestServerBuilder) -> TestServer {
    with(server, |plugin| plugin)
}

/// With what is changed of the connector's defaults.
pub fn with(server: TestServerBuilder, change: impl FnOnce(SysconnPlugin) -> SysconnPlugin) -> TestServer {
    with_game(server, change, |_| {})
}

/// With what a game of its own adds.
pub fn with_game(
    server: TestServerBuilder,
    change: impl FnOnce(SysconnPlugin) -> SysconnPlugin,
    game: impl Fn(&mut App) + Send + Sync + 'static,
) -> TestServer {
    let plugin = change(SysconnPlugin::listen("127.0.0.1:0"));
    // Nothing else tells the transport.
    let in_memory = format!("{server:?}").contains("Memory");
    let mut server = server.plugin((RolesPlugin::default(), plugin, game)).build();
    server.world_mut().insert_resource(InMemory(in_memory));
    server
}

/// Whether clients are in memory, and need no WebSocket.
#[derive(Resource)]
pub struct InMemory(pub bool);

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
