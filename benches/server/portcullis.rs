//! The servers under test: frames through the whole pipeline to an ordered handler, and back.

use portcullis::{
    core::{AcceptedBy, run},
    demo::roles::RolesPlugin,
    gate::{GatePlugin, MaxConnections},
    net::{ListenerHandle, Tls},
    pomelo::PomeloPlugin,
    prelude::*,
    session::{DefaultMultiLogin, Login, MultiLogin},
    skynet::msgserver::{MsgServerListener, MsgServerPlugin, log_in as log_in_user},
    sysconn::SysconnListener,
    watchdog::AgentTemplate,
};
use serde::{Deserialize, Serialize};
use std::{io, net::Ipv4Addr, path::Path, time::Duration};

use crate::{certificate, frames::ROUTE, users, wire::Wire};

/// Runs an echo server of Portcullis with the driver `"inline"` or `"thread"`, as [`crate::subject::serve`]
/// describes: gate, watchdog, session and dispatch are in the way, as they are in any server.
pub fn serve(
    driver: &str,
    wire: Wire,
    folder: Option<&Path>,
    report_port: impl FnOnce(u16) -> io::Result<()>,
) -> io::Result<()> {
    let driver = if driver == "inline" { DriverKind::Inline } else { DriverKind::Thread(1) };
    let gate = GatePlugin { max_connections: MaxConnections(20_000), ..GatePlugin::default() };
    let mut app = App::new();
    app.add_plugins(ServerPlugins.set(NetPlugin { driver }).set(gate))
        .insert_resource(DefaultMultiLogin(MultiLogin::Allow(usize::MAX)))
        .add_observer(log_in);
    match wire {
        Wire::Be16 => {
            app.add_plugins(SkynetPlugin::raw("echo").listen("127.0.0.1:0").agent(|| ()))
                .add_raw_handler("echo", echo);
        }
        Wire::MsgServer => {
            app.add_plugins(MsgServerPlugin::new(users::SERVER, "echo").listen("127.0.0.1:0"))
                .add_raw_handler("echo", echo);
        }
        Wire::PomeloTcp | Wire::PomeloWs | Wire::PomeloTls => {
            let address = (Ipv4Addr::LOCALHOST, 0).into();
            let mut listener = PomeloPlugin::listener(address);
            if let Some(folder) = folder {
                let [certificate, key] = certificate::files(folder);
                listener = listener.tls(Tls::from_pem_files(certificate, key).map_err(io::Error::other)?);
            }
            // Longer than any scenario: the client sends none.
            let pomelo = PomeloPlugin::default().heartbeat(Duration::from_secs(3600));
            app.add_plugins(pomelo.with(move |entity| {
                entity.insert((AgentTemplate::new(|| ()), listener.clone()));
            }))
            .add_handler(ROUTE, echo_json);
        }
        Wire::Sysconn => {
            app.add_plugins((SysconnPlugin::listen("127.0.0.1:0"), RolesPlugin { max_roles: 1_000_000 }));
        }
    }
    app.finish();
    app.cleanup();
    let world = app.world_mut();
    if wire == Wire::MsgServer {
        for number in 0..users::COUNT {
            log_in_user(world, users::SERVER, users::uid(number), &users::SECRET)
                .map_err(io::Error::other)?;
        }
    }
    let handle = world.query::<&ListenerHandle>().single(world).map_err(io::Error::other)?;
    report_port(handle.address().port())?;
    run(app);
    Ok(())
}

/// As after a login: each connection has an agent and a session of its own. Clients of msgserver and of the connector log
/// in themselves.
fn log_in(
    event: On<Opened>,
    connections: Query<&AcceptedBy>,
    by_themselves: Query<(), Or<(With<MsgServerListener>, With<SysconnListener>)>>,
    mut commands: Commands,
) {
    if connections.get(event.entity).is_ok_and(|accepted| by_themselves.contains(accepted.0)) {
        return;
    }
    commands.trigger(Login::new(event.entity, event.entity.to_string()));
}

fn echo(request: RawRequest) {
    request.reply.extend_from_slice(request.body);
}

/// What Pomelo's bodies hold: see [`crate::frames`].
#[derive(Deserialize, Serialize)]
struct Echo {
    text: String,
    target: u32,
    loud: bool,
}

fn echo_json(request: Request<Echo>) -> Echo {
    request.body
}
