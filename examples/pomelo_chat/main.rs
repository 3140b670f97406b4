//! The chat of Pomelo's public example *chatofpomelo*: its own web client, unmodified, logs in here, chats, and sees others
//! come and go. The rooms are shared with clients that speak skynet's protocol.
//!
//! ```text
//! cargo run --example pomelo_chat                            # gate on 3014, connector on 3050, skynet's gate on 3060
//! git clone https://github.com/NetEase/chatofpomelo-websocket
//! python3 -m http.server -d chatofpomelo-websocket/web-server/public 3001
//! ```
//!
//! Then open `http://127.0.0.1:3001` in two tabs, and in a terminal join them from the other side:
//!
//! ```text
//! cargo run --example pomelo_chat -- carol pomelo            # carol enters the room; what you type is said to all
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

mod skynet;

use portcullis::{
    net::ListenerHandle,
    prelude::*,
    room::{self, AutoClose, Joined, Left, Members, Room},
    session::{self, MultiLogin, Session, Uid},
};
use serde::{Deserialize, Serialize};
use std::{env, net::SocketAddr};

/// Where the web client asks for a connector.
const GATE: &str = "127.0.0.1:3014";
const CONNECTOR: &str = "127.0.0.1:3050";
/// Where skynet's clients come in.
const SKYNET: &str = "127.0.0.1:3060";
/// What the web client's form allows.
const LONGEST_NAME: usize = 20;

fn main() -> AppExit {
    tracing_subscriber::fmt::init();
    if let [name, room] = env::args().skip(1).collect::<Vec<_>>().as_slice() {
        return skynet::chat(SKYNET, name, room);
    }
    println!(
        "gate {GATE}, connector {CONNECTOR}, skynet {SKYNET}; see the head of examples/pomelo_chat/main.rs"
    );
    App::new()
        .add_plugins((ServerPlugins, SignalPlugin))
        .add_plugins(PomeloPlugin::listen(GATE).with(one_user_once))
        .add_plugins(
            PomeloPlugin::listen(CONNECTOR).dictionary(["onChat", "onAdd", "onLeave"]).with(connector),
        )
        .add_plugins(skynet::gate().listen(SKYNET).agent(|| ()).with(one_user_once))
        .add_plugins(ChatPlugin)
        .run()
}

/// Marks the listener that the gate sends clients to.
#[derive(Component)]
struct Connector;

fn connector(listener: &mut EntityWorldMut) {
    listener.insert(Connector);
    one_user_once(listener);
}

/// A name is one connection's: who comes second is to choose another.
fn one_user_once(listener: &mut EntityWorldMut) {
    listener.insert(MultiLogin::Refuse);
}

/// The same handlers for both worlds: Pomelo's routes have three parts, skynet's one.
struct ChatPlugin;

impl Plugin for ChatPlugin {
    fn build(&self, app: &mut App) {
        app.add_handler("gate.gateHandler.queryEntry", query_entry)
            .add_handler("connector.entryHandler.enter", enter)
            .add_handler("enter", enter)
            .add_handler("chat.chatHandler.send", send)
            .add_handler("send", send)
            .add_push::<Said>("onChat")
            .add_push::<User>("onAdd")
            .add_push::<User>("onLeave")
            .add_observer(came)
            .add_observer(went);
    }
}

#[derive(Serialize)]
struct Entry {
    code: u16,
    host: String,
    port: u16,
}

/// Tells a client which connector is its own; here there is one.
fn query_entry(
    request: Request<()>,
    connections: Query<&Connection>,
    connectors: Query<&ListenerHandle, With<Connector>>,
) -> Result<Entry, Refusal> {
    let connector: SocketAddr = connectors.single()?.address();
    // The address by which this client has reached us will do for the connector too.
    let host = connections.get(request.connection)?.local.ip().to_string();
    Ok(Entry { code: 200, host, port: connector.port() })
}

#[derive(Deserialize)]
struct Enter {
    username: String,
    rid: String,
}

#[derive(Serialize, Default)]
struct Entered {
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<bool>,
}

/// Binds the connection to its user, as `name*room`, and puts the user into the room.
fn enter(request: Request<Enter>, world: &mut World) -> Result<Entered, Refusal> {
    let Enter { username, rid } = &request.body;
    if [username, rid].iter().any(|name| name.is_empty() || name.chars().count() > LONGEST_NAME) {
        return Err("a name has one letter at least, and twenty at most".into());
    }
    let Ok(session) = session::bind(world, request.connection, format!("{username}*{rid}")) else {
        return Ok(Entered { code: Some(500), error: Some(true), ..Entered::default() });
    };
    let room = room::open(world, rid)?;
    world.entity_mut(room).insert(AutoClose);
    room::join(world, room, session)?;
    let members: Vec<Entity> = world.get::<Members>(room).into_iter().flat_map(Members::iter).collect();
    let users =
        members.into_iter().filter_map(|member| world.get::<Session>(member)).map(|user| name(user.uid()));
    Ok(Entered { users: Some(users.collect()), ..Entered::default() })
}

/// The name in `name*room`.
fn name(uid: &Uid) -> String {
    uid.as_str().split('*').next().unwrap_or_default().to_owned()
}

#[derive(Deserialize)]
struct Send {
    content: String,
    target: String,
}

#[derive(Serialize, Clone)]
struct Said {
    msg: String,
    from: String,
    target: String,
}

#[derive(Serialize)]
struct Sent {}

/// To one user, or to the whole room: encoded once for each protocol, however many hear it.
fn send(
    request: Request<Send>,
    bound: Query<&BoundTo>,
    users: Query<(&Session, &MemberOf)>,
    rooms: Query<&Room>,
    mut teller: Teller,
) -> Result<Sent, Refusal> {
    let (user, memberships) =
        users.get(bound.get(request.connection).map_err(|_| "enter a room first")?.0)?;
    let room = memberships.iter().next().ok_or("enter a room first")?;
    let Send { content, target } = request.body;
    let said = Said { msg: content, from: name(user.uid()), target };
    if said.target == "*" {
        teller.to_room(room, "onChat", &said);
    } else {
        let uid = format!("{}*{}", said.target, rooms.get(room)?.name());
        teller.to_uids([uid], "onChat", &said);
    }
    Ok(Sent {})
}

#[derive(Serialize)]
struct User {
    user: String,
}

fn came(event: On<Joined>, users: Query<&Session>, mut teller: Teller) {
    if let Ok(user) = users.get(event.member) {
        teller.to_others(event.room, event.member, "onAdd", &User { user: name(user.uid()) });
    }
}

/// Whatever ended it: a closed tab, a lost connection, a kick.
fn went(event: On<Left>, users: Query<&Session>, mut teller: Teller) {
    if let Ok(user) = users.get(event.member) {
        teller.to_room(event.room, "onLeave", &User { user: name(user.uid()) });
    }
}
