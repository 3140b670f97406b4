//! skynet's example, as we serve it.

use super::agent::agents;
use portcullis::{
    prelude::*,
    session::{ServerName, Uid},
    skynet::{
        login::{
            GameServer, GameServers, Identity, LOGIN_ROUTE, LoginAnswered, LoginPolicy, LoginServerPlugin,
            LoginTicket, LogoutAsked, wire::Token,
        },
        msgserver::{MsgServerPlugin, log_in, wire::Username},
    },
};
use portcullis_testkit::{TestServer, TestServerBuilder};
use std::time::Duration;

/// The msgserver "sample" alone, whose agents are of this kind.
pub fn msgserver(builder: TestServerBuilder, agent: &str) -> TestServer {
    msgserver_with(builder, agent, |plugin| plugin)
}

pub fn msgserver_with(
    builder: TestServerBuilder,
    agent: &str,
    more: impl Fn(MsgServerPlugin) -> MsgServerPlugin,
) -> TestServer {
    let plugin = MsgServerPlugin::new("sample", agent).listen("127.0.0.1:0").max_clients(64);
    builder.tick(Duration::from_millis(10)).plugin((agents, more(plugin))).build()
}

/// Login server and msgserver "sample".
pub fn example(builder: TestServerBuilder, policy: LoginPolicy) -> TestServer {
    let msgserver = MsgServerPlugin::new("sample", "example").listen("127.0.0.1:0").max_clients(64);
    builder.tick(Duration::from_millis(10)).plugin((agents, msgserver, login_server(policy))).build()
}

/// A login server whose password is for everybody.
pub fn login_server(policy: LoginPolicy) -> impl Plugin {
    move |app: &mut App| {
        app.add_plugins(LoginServerPlugin::default().listen("127.0.0.1:0").policy(policy))
            .add_handler(LOGIN_ROUTE, authenticate);
    }
}

pub fn authenticate(token: Request<Token>) -> Result<Identity, Refusal> {
    match (str::from_utf8(&token.user), str::from_utf8(&token.server)) {
        (Ok(user), Ok(server)) if *token.password == b"password" => Ok(Identity::new(user, server)),
        _ => Err(Refusal::new(Refusal::UNAUTHORIZED, "wrong name or password")),
    }
}

/// Logs a user in at "sample", who is not logged in there.
#[track_caller]
pub fn enter(server: &mut TestServer, uid: &str, secret: &[u8; 8]) -> Username {
    let subid = log_in(&mut server.world_mut(), "sample", uid, secret).unwrap();
    Username { uid: uid.into(), server: "sample".into(), subid }
}

/// The session of a user at "sample".
#[track_caller]
pub fn session(server: &TestServer, uid: &str) -> Entity {
    server.world().resource::<Sessions>().at("sample", uid).expect("a session")
}

pub fn is_logged_in(server: &TestServer, uid: &str) -> bool {
    server.world().resource::<Sessions>().at("sample", uid).is_some()
}

/// The msgserver "sample" where a login takes a second.
pub struct Slow;

#[derive(Resource, Default)]
struct Slowly(Vec<(Duration, LoginTicket, [u8; 8])>);

pub fn slow_logins(app: &mut App) {
    app.init_resource::<Slowly>().add_systems(Update, finish_logins).add_systems(
        Startup,
        |mut servers: ResMut<GameServers>| {
            servers.register("sample", Slow);
        },
    );
}

impl GameServer for Slow {
    fn login(&self, world: &mut World, _: &Uid, secret: &[u8; 8], ticket: LoginTicket) {
        let due = world.resource::<Clock>().now() + Duration::from_secs(1);
        world.resource_mut::<Slowly>().0.push((due, ticket, *secret));
    }

    fn kick(&self, world: &mut World, uid: &Uid, subid: u64) {
        kick(world, &"sample".into(), uid, subid);
    }
}

fn finish_logins(world: &mut World) {
    let now = world.resource::<Clock>().now();
    let due: Vec<_> = world.resource_mut::<Slowly>().0.extract_if(.., |(due, ..)| *due <= now).collect();
    for (_, ticket, secret) in due {
        let subid = log_in(world, ticket.server().as_str(), ticket.uid().clone(), &secret);
        world.trigger(LoginAnswered { ticket, subid: subid.map_err(|why| why.to_string().into()) });
        world.flush();
    }
}

/// What a msgserver does about one who is to leave.
pub fn kick(world: &mut World, server: &ServerName, uid: &Uid, subid: u64) {
    let found = world.resource::<Sessions>().at(server.as_str(), uid.as_str());
    if let Some(session) = found
        && world.get::<Session>(session).is_some_and(|session| session.subid() == subid)
    {
        world.trigger(LogoutAsked { session });
        world.flush();
    }
}
