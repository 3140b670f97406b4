//! A game with a login, in virtual time; hashes are cheap.

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_accounts::{
    AccountLoginPlugin, AccountSettings, Accounts, AccountsPlugin, Hashing, LOGIN, Lockout, REGISTER, RESUME,
};
use portcullis_core::{BelongsTo, BoundTo, Forward};
use portcullis_dispatch::{AppDispatchExt, Defer, Deferred, Refusal, Request, Responder};
use portcullis_session::{Credentials, LoggedIn, Session, Sessions, Ticket};
use portcullis_testkit::{PendingReply, TestClient, TestServer, TestServerBuilder};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

pub fn settings() -> AccountSettings {
    let hashing = Hashing { memory: 64, passes: 1, lanes: 1, threads: 2, queue: 128 };
    let lockout = Some(Lockout { after: 2, ..Lockout::default() });
    AccountSettings { hashing, lockout, ..AccountSettings::default() }
}

/// What each user has counted, beside the session.
#[derive(Component, Default)]
pub struct Count(pub u64);

/// How often each handler has run.
#[derive(Resource, Default)]
pub struct Runs {
    pub adds: u64,
    pub holds: u64,
}

/// Requests that wait for the test.
#[derive(Resource, Default)]
pub struct Held(pub Vec<(u64, Responder<u64>)>);

/// An agent of the user.
#[derive(Component)]
pub struct Avatar;

/// Counts, for who is logged in.
fn add(
    request: Request<u64>,
    bound: Query<&BoundTo>,
    mut counts: Query<&mut Count>,
    mut runs: ResMut<Runs>,
) -> Result<u64, Refusal> {
    let bound = bound.get(request.connection).map_err(|_| Refusal::new(Refusal::UNAUTHORIZED, "who?"))?;
    let mut count = counts.get_mut(bound.0)?;
    count.0 += request.body;
    runs.adds += 1;
    Ok(count.0)
}

fn hold(
    request: Request<u64>,
    mut defer: Defer,
    mut held: ResMut<Held>,
    mut runs: ResMut<Runs>,
) -> Result<Deferred<u64>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    held.0.push((request.body, responder));
    runs.holds += 1;
    Ok(deferred)
}

/// The agent that the request has come to.
fn who(request: Request<()>) -> u64 {
    request.agent.map_or(0, Entity::to_bits)
}

pub fn game(app: &mut App) {
    app.init_resource::<Runs>()
        .init_resource::<Held>()
        .register_required_components::<Session, Count>()
        .add_observer(
            |event: On<LoggedIn>,
             agents: Query<(Entity, &BelongsTo), With<Avatar>>,
             mut commands: Commands| {
                let there = agents.iter().find(|(_, owner)| owner.0 == event.session);
                let agent = there.map(|(agent, _)| agent);
                let agent = agent.unwrap_or_else(|| commands.spawn((Avatar, BelongsTo(event.session))).id());
                commands.trigger(Forward { entity: event.connection, agent });
            },
        )
        .add_handler("game.add", add)
        .add_handler("game.hold", hold)
        .add_handler("game.who", who);
}

pub fn login() -> AccountLoginPlugin {
    AccountLoginPlugin { registration: true, ..AccountLoginPlugin::default() }
}

pub fn builder() -> TestServerBuilder {
    builder_with(settings(), login())
}

pub fn builder_with(settings: AccountSettings, login: AccountLoginPlugin) -> TestServerBuilder {
    TestServer::builder().plugin((AccountsPlugin::new(settings), login)).plugin(game)
}

pub fn server() -> TestServer {
    builder().build()
}

pub fn ann() -> Credentials {
    Credentials::new("ann", "correct horse")
}

pub fn register(client: &mut TestClient) -> Ticket {
    client.request(REGISTER, &ann()).expect_reply()
}

pub fn log_in(client: &mut TestClient) -> Ticket {
    client.request(LOGIN, &ann()).expect_reply()
}

pub fn resume(client: &mut TestClient, ticket: &Ticket) -> PendingReply {
    client.request(RESUME, ticket)
}

pub fn session(server: &TestServer) -> Option<Entity> {
    server.world().resource::<Sessions>().get("ann")
}

pub fn count(server: &TestServer) -> Option<u64> {
    let session = session(server)?;
    server.world().get::<Count>(session).map(|count| count.0)
}

/// Runs an operation of the operator's to its end.
pub fn operate<T: Send + 'static>(
    server: &mut TestServer,
    start: impl FnOnce(&Accounts, Box<dyn FnOnce(&mut World, T) + Send>),
) -> T {
    let accounts = server.world().resource::<Accounts>().clone();
    let slot = Arc::new(Mutex::new(None));
    let done = Arc::clone(&slot);
    start(&accounts, Box::new(move |_, outcome| *done.lock().unwrap() = Some(outcome)));
    loop {
        server.settle();
        if let Some(outcome) = slot.lock().unwrap().take() {
            return outcome;
        }
        std::thread::yield_now();
    }
}

pub const MINUTE: Duration = Duration::from_secs(60);
