//! A game server that answers when the test says so.

use portcullis::{
    prelude::*,
    session::Uid,
    skynet::login::{GameServer, GameServers, LoginAnswered, LoginTicket, Logins, Online, UserLeft},
};
use portcullis_testkit::TestServer;

/// What was asked of it.
#[derive(Resource, Default)]
pub struct Asked {
    pub logins: Vec<LoginTicket>,
    pub kicks: Vec<(String, u64)>,
}

pub struct ByHand;

impl GameServer for ByHand {
    fn login(&self, world: &mut World, _: &Uid, _: &[u8; 8], ticket: LoginTicket) {
        world.resource_mut::<Asked>().logins.push(ticket);
    }

    fn kick(&self, world: &mut World, uid: &Uid, subid: u64) {
        world.resource_mut::<Asked>().kicks.push((uid.to_string(), subid));
    }
}

/// It is called "far".
pub fn by_hand(app: &mut App) {
    app.init_resource::<Asked>().add_systems(Startup, |mut servers: ResMut<GameServers>| {
        servers.register("far", ByHand);
    });
}

/// The next login it was asked for.
#[track_caller]
pub fn asked(server: &mut TestServer) -> LoginTicket {
    server.settle();
    let mut world = server.world_mut();
    let logins = &mut world.resource_mut::<Asked>().logins;
    assert!(!logins.is_empty(), "nobody was to be logged in");
    logins.remove(0)
}

/// The kicks it was asked for since this was last called.
pub fn kicks(server: &mut TestServer) -> Vec<(String, u64)> {
    server.settle();
    std::mem::take(&mut server.world_mut().resource_mut::<Asked>().kicks)
}

pub fn answer(server: &mut TestServer, ticket: &LoginTicket, subid: Result<u64, &'static str>) {
    server.trigger(LoginAnswered { ticket: ticket.clone(), subid: subid.map_err(Into::into) });
    server.step();
}

pub fn leave(server: &mut TestServer, uid: &str, subid: u64) {
    server.trigger(UserLeft { server: "far".into(), uid: uid.into(), subid });
    server.step();
}

/// Where a user is, as the login server knows it.
pub fn online(server: &TestServer, uid: &str) -> Option<(String, u64)> {
    let world = server.world();
    let Online { server, subid } = world.resource::<Logins>().online(uid)?;
    Some((server.to_string(), *subid))
}

pub fn pending(server: &TestServer) -> usize {
    server.world().resource::<Logins>().pending()
}
