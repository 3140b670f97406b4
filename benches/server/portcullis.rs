//! The servers under test: frames through the whole pipeline to an ordered handler, and back.

use portcullis::{
    core::run,
    gate::{GatePlugin, MaxConnections},
    net::ListenerHandle,
    prelude::*,
    session::{DefaultMultiLogin, Login, MultiLogin},
};
use std::io;

/// Runs an echo server of Portcullis with the driver `"inline"` or `"thread"`, as [`crate::subject::serve`]
/// describes: gate, watchdog, session and dispatch are in the way, as they are in any server.
pub fn serve(driver: &str, report_port: impl FnOnce(u16) -> io::Result<()>) -> io::Result<()> {
    let driver = if driver == "inline" { DriverKind::Inline } else { DriverKind::Thread(1) };
    let gate = GatePlugin { max_connections: MaxConnections(20_000), ..GatePlugin::default() };
    let mut app = App::new();
    app.add_plugins((
        ServerPlugins.set(NetPlugin { driver }).set(gate),
        SkynetPlugin::raw("echo").listen("127.0.0.1:0").agent(|| ()),
    ))
    .insert_resource(DefaultMultiLogin(MultiLogin::Allow(usize::MAX)))
    .add_observer(log_in)
    .add_raw_handler("echo", echo);
    app.finish();
    app.cleanup();
    let world = app.world_mut();
    let handle = world.query::<&ListenerHandle>().single(world).map_err(io::Error::other)?;
    report_port(handle.address().port())?;
    run(app);
    Ok(())
}

/// As after a login: each connection has an agent and a session of its own.
fn log_in(event: On<Opened>, mut commands: Commands) {
    commands.trigger(Login::new(event.entity, event.entity.to_string()));
}

fn echo(request: RawRequest) {
    request.reply.extend_from_slice(request.body);
}
