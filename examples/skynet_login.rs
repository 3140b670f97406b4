//! skynet's login example: a login server, and a game server "sample" whose users outlive their connections. Everybody's
//! password is "password". Each user has an agent, which echoes after a tenth of a second.
//!
//! `cargo run --example skynet_login`, then run skynet's own `examples/login/client.lua`, unmodified, from a built skynet;
//! run it again, and the second login takes the place of the first. Without Lua:
//!
//! ```text
//! printf 'hello\n' | nc -q1 127.0.0.1 8001          # a challenge, and 401: "hello" is no key
//! printf '\0\003x::' | nc -q1 127.0.0.1 8888 | xxd  # 404: nobody is logged in as x
//! cargo test --test headless login                  # a whole client in Rust: tests/headless/login.rs
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use portcullis::{
    core::{Agents, DeadlineQueue},
    prelude::*,
    skynet::{
        login::{Identity, LOGIN_ROUTE, wire::Token},
        msgserver::MsgUser,
    },
};
use std::time::Duration;

/// The player: belongs to the session, not to a connection. Here only a count of what it was asked.
#[derive(Component, Default)]
struct Player {
    asked: u64,
}

/// What is to be echoed when.
#[derive(Resource, Default)]
struct Echoes(DeadlineQueue<(Responder<Raw>, Raw)>);

fn main() -> AppExit {
    tracing_subscriber::fmt::init();
    App::new()
        .add_plugins((ServerPlugins, SignalPlugin))
        .add_plugins(LoginServerPlugin::default().listen("127.0.0.1:8001"))
        .add_plugins(MsgServerPlugin::new("sample", "echo").listen("127.0.0.1:8888").max_clients(64))
        .init_resource::<Echoes>()
        .add_handler(LOGIN_ROUTE, authenticate)
        .add_handler("echo", echo)
        .add_systems(Update, answer)
        .add_observer(login)
        .add_observer(connect)
        .add_observer(disconnect)
        .add_observer(logout)
        .add_systems(Startup, || {
            println!("login server: 127.0.0.1:8001, game server \"sample\": 127.0.0.1:8888");
        })
        .run()
}

/// Who somebody is, and where he wants to play: for the game to say. This could ask a database, and answer later.
fn authenticate(token: Request<Token>) -> Result<Identity, Refusal> {
    if *token.password != b"password" {
        return Err(Refusal::new(Refusal::UNAUTHORIZED, "wrong password"));
    }
    let text = |bytes| String::from_utf8(bytes).map_err(|_| "names are UTF-8");
    let Token { user, server, .. } = token.body;
    Ok(Identity::new(text(user)?, text(server)?))
}

/// Logged in, and not connected yet.
fn login(event: On<Add<MsgUser>>, sessions: Query<&Session>, mut commands: Commands) -> Result {
    let session = sessions.get(event.entity)?;
    println!("{}@{} is login, subid {}", session.uid(), session.server(), session.subid());
    commands.spawn((Player::default(), BelongsTo(event.entity)));
    Ok(())
}

/// A connection has proved whose it is, the first or a later one: the same agent plays.
fn connect(event: On<LoggedIn>, users: Query<(&Session, &Agents)>, mut commands: Commands) -> Result {
    let (session, agents) = users.get(event.session)?;
    println!("{} {}", session.uid(), if event.resumed { "is back" } else { "is here" });
    for agent in agents.iter() {
        commands.trigger(Forward { entity: event.connection, agent });
    }
    Ok(())
}

/// The connection is lost, but the user may come back.
fn disconnect(event: On<Detached>, sessions: Query<&Session>) -> Result {
    println!("{} is afk", sessions.get(event.session)?.uid());
    Ok(())
}

/// Kicked out by his own next login. The agent goes with the session.
fn logout(event: On<LoggedOut>, users: Query<&Agents>, players: Query<&Player>) -> Result {
    let asked: u64 =
        players.iter_many(users.get(event.session)?.iter()).matched().map(|player| player.asked).sum();
    println!("{} is logout, after {asked} requests", event.uid);
    Ok(())
}

/// Takes the answer into its own hands: no thread waits for it. If the connection is lost until then, the answer is kept.
fn echo(
    request: Request<Raw>,
    mut defer: Defer,
    clock: Res<Clock>,
    mut echoes: ResMut<Echoes>,
    mut players: Query<&mut Player>,
) -> Result<Deferred<Raw>, Refusal> {
    players.get_mut(request.agent.ok_or("nobody plays here")?)?.asked += 1;
    let (deferred, responder) = defer.begin(&request)?;
    echoes.0.push(clock.now() + Duration::from_millis(100), (responder, request.body));
    Ok(deferred)
}

/// On each tick.
fn answer(clock: Res<Clock>, mut echoes: ResMut<Echoes>) {
    while let Some((responder, content)) = echoes.0.pop_due(clock.now()) {
        responder.reply(content);
    }
}
