//! The servers the conversations were recorded from, as apps.

use portcullis::{
    core::MaxFrame,
    demo::connector::{CLIENT_PROTOS, ConnectorPlugin, DICTIONARY, SERVER_PROTOS},
    gate::DenyList,
    pomelo::{HANDSHAKE_ROUTE, PomeloListener},
    prelude::*,
    session::MultiLogin,
    watchdog::{HandshakeLimit, IdleLimit},
};
use portcullis_testkit::{TestServer, TestServerBuilder};
use serde_json::{Value, json};
use std::time::Duration;

/// As the original where ours is stricter by default: no deadline for the handshake, as many connections of a user as
/// there are, heartbeats alone as signs of life.
fn pomelo() -> PomeloPlugin {
    PomeloPlugin::listen("127.0.0.1:0").heartbeat(Duration::from_secs(3)).strict_heartbeats().with(
        |listener| {
            listener.insert((
                MultiLogin::Allow(usize::MAX),
                HandshakeLimit(Duration::MAX),
                MaxFrame(256 * 1024),
            ));
        },
    )
}

pub fn listener(server: &TestServer) -> Entity {
    server.listeners::<PomeloListener>()[0]
}

fn hello(request: Request<Option<Value>>) -> Result<Value, Refusal> {
    match request.body {
        Some(user) if user["reject"] == true => Err("rejected".into()),
        Some(user) => Ok(json!({ "hello": "from server", "you": user })),
        None => Ok(json!({ "hello": "from server" })),
    }
}

/// The demo's handlers, served by this.
pub fn with_handlers(builder: TestServerBuilder, types: &[&str], plugin: PomeloPlugin) -> TestServerBuilder {
    let handlers = types.iter().map(|server_type| format!("{server_type}.entryHandler")).collect();
    builder.plugin((ConnectorPlugin { handlers }, plugin))
}

/// The server of this type, with what `more` adds to its listener.
pub fn serve(
    server: TestServerBuilder,
    kind: &str,
    more: impl Fn(PomeloPlugin) -> PomeloPlugin,
) -> TestServer {
    let plain =
        |plugin: PomeloPlugin| plugin.check_client(|client| client.version.as_deref() != Some("0.0.0-old"));
    let with_dictionary = |plugin: PomeloPlugin| plugin.dictionary_json(DICTIONARY).unwrap();
    let both = ["connector", "dictonly"];
    let server = match kind {
        "plain" => with_handlers(server, &["plain"], more(plain(pomelo()))).plugin(|app: &mut App| {
            app.add_handler(HANDSHAKE_ROUTE, hello);
        }),
        "connector" => {
            let plugin = with_dictionary(pomelo()).protos(CLIENT_PROTOS, SERVER_PROTOS).unwrap();
            with_handlers(server, &both, more(plugin))
        }
        "dictonly" => with_handlers(server, &both, more(with_dictionary(pomelo()))),
        "nohb" => {
            let silent = pomelo().heartbeat(None).with(|listener| {
                listener.insert(IdleLimit(Duration::from_secs(4)));
            });
            with_handlers(server, &["nohb"], more(silent))
        }
        "emptyproto" => with_handlers(server, &["emptyproto"], more(pomelo().protos("{}", "{}").unwrap())),
        "bufpush" => with_handlers(server, &["bufpush"], more(pomelo())),
        "banned" => with_handlers(server, &["banned"], more(pomelo())).plugin(|app: &mut App| {
            app.world_mut().resource_mut::<DenyList>().add("127.0.0.1/32".parse().unwrap());
        }),
        // The stand-in of Pitaya's, by its routes.
        "room" => server.plugin((ConnectorPlugin { handlers: vec!["room.room".to_owned()] }, more(pomelo()))),
        other => panic!("a server of type {other} is not known here"),
    };
    server.build()
}
