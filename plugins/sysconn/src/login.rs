//! Logging in, and coming back: which connection is whose.

use crate::{
    Blacklist, ClientRecord, ErrorId, Manners, Pb, Role, SERVER,
    entrance::Body,
    pushes::push_in,
    strikes::Strikes,
    wire::{
        commands::BLACKLIST_NOTICE,
        errors::{BLACKLISTED, BUSY, LOGGED_IN_ALREADY, LOGGED_IN_ELSEWHERE, ROLE_DATA, SECRET},
        messages::{Blacklisted, LoginAnswer, Reconnect, RoleInfo},
    },
};
use bevy_ecs::prelude::*;
use portcullis_core::{Agents, BelongsTo, BoundTo, Clock, Connection, Forward, Random};
use portcullis_dispatch::{Answer, Request};
use portcullis_gate::neighbourhood;
use portcullis_session::{LoginRefusal, Logout, Secret, Sessions, begin_with, resume, unbind};
use std::{
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

/// Binds a connection to a role, and gives what its client is told: the outcome of a login whose handler said so.
pub(crate) fn enter(world: &mut World, connection: Entity, entrance: Body) -> Result<LoginAnswer, u16> {
    let Body { account, info, created } = entrance;
    if world.get::<BoundTo>(connection).is_some() {
        return Err(LOGGED_IN_ALREADY);
    }
    if info.role_id == 0 {
        tracing::warn!("a login was answered with role 0, which is nobody's");
        return Err(ROLE_DATA);
    }
    keep_out(world, connection, info.role_id)?;
    let role = Role { id: info.role_id, account: account.into() };
    let mut answer = match online(world, role.id) {
        Some(session) => match take_over(world, connection, session) {
            // It is on its way out.
            Err(LoginRefusal::NoSession) => begin(world, connection, role, info),
            outcome => outcome,
        },
        None => begin(world, connection, role, info),
    }
    .map_err(error_of)?;
    if created {
        answer.info.regist = Some(1);
    }
    Ok(answer)
}

/// A role that is banned is told until when, whatever it asks.
fn keep_out(world: &mut World, connection: Entity, role: u32) -> Result<(), u16> {
    let now = world.resource::<Clock>().unix();
    let Some(ban) = world.resource::<Blacklist>().banned(role, now) else { return Ok(()) };
    push_in(world, connection, BLACKLIST_NOTICE, &Blacklisted::from(ban));
    Err(BLACKLISTED)
}

/// The session of a role, if it is online, with or without a connection.
pub(crate) fn online(world: &World, role: u32) -> Option<Entity> {
    world.resource::<Sessions>().at(SERVER, &role.to_string())
}

fn begin(
    world: &mut World,
    connection: Entity,
    role: Role,
    info: RoleInfo,
) -> Result<LoginAnswer, LoginRefusal> {
    let secret = Secret::new(world.resource_mut::<Random>().bytes::<4>());
    // Whatever was guessed before, it was not this.
    world.resource_mut::<Guesses>().by_role.forget(&role.id);
    let linger = world.get::<Manners>(connection).map_or(Duration::ZERO, |manners| manners.linger);
    let session = begin_with(world, role.id.to_string(), SERVER, linger, secret)?;
    if world.get_entity(session).is_ok() {
        world.spawn((role, info, BelongsTo(session)));
        world.flush();
    }
    take_over(world, connection, session).inspect_err(|_| {
        world.trigger(Logout { session });
        world.flush();
    })
}

/// In one go: the connection of before is kicked, this one is bound and forwarded, and nobody lingers any more. Or
/// nothing has happened to it: a client that is told of an error must be free to log in again.
fn take_over(world: &mut World, connection: Entity, session: Entity) -> Result<LoginAnswer, LoginRefusal> {
    if world.get::<BoundTo>(connection).is_some() {
        return Err(LoginRefusal::AlreadyLoggedIn);
    }
    let taken = catch_unwind(AssertUnwindSafe(|| try_take_over(world, connection, session)));
    if !matches!(taken, Ok(Ok(_))) {
        unbind(world, connection);
        note_role(world, connection, None);
    }
    // The game's observers run in there, and whoever calls this knows what to do about their panics.
    taken.unwrap_or_else(|panic| resume_unwind(panic))
}

fn try_take_over(
    world: &mut World,
    connection: Entity,
    session: Entity,
) -> Result<LoginAnswer, LoginRefusal> {
    let (agent, role) = agent_of(world, session).ok_or(LoginRefusal::NoSession)?;
    // Before, so that observers of the login see whose it is.
    note_role(world, connection, Some(&role));
    resume(world, connection, session)?;
    // They may have taken it back, here and behind.
    let is_bound = |world: &World| world.get::<BoundTo>(connection).is_some_and(|bound| bound.0 == session);
    if is_bound(world) {
        world.trigger(Forward { entity: connection, agent });
        world.flush();
    }
    let secret = world.get::<Secret>(session).filter(|_| is_bound(world)).ok_or(LoginRefusal::NotOpen)?;
    let id = secret.expose().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let info = world.get::<RoleInfo>(agent).cloned().ok_or(LoginRefusal::NotOpen)?;
    // Whatever the game has made of these two: by the one it comes back, the other is for who has just been made.
    let info = RoleInfo { role_id: role.id, regist: None, ..info };
    Ok(LoginAnswer { info, id })
}

fn note_role(world: &mut World, connection: Entity, role: Option<&Role>) {
    if let Some(mut record) = world.get_mut::<ClientRecord>(connection) {
        record.role = role.map_or(0, |role| role.id);
        record.account = role.map(|role| role.account.clone());
    }
}

fn agent_of(world: &World, session: Entity) -> Option<(Entity, Role)> {
    let agents = world.get::<Agents>(session)?;
    agents.iter().find_map(|agent| Some((agent, world.get::<Role>(agent)?.clone())))
}

fn error_of(why: LoginRefusal) -> u16 {
    match why {
        LoginRefusal::AlreadyLoggedIn => LOGGED_IN_ALREADY,
        LoginRefusal::InUse => LOGGED_IN_ELSEWHERE,
        _ => BUSY,
    }
}

/// How often somebody may guess a secret, which has 32 bits: by address, and by role.
#[derive(Resource, Debug)]
pub(crate) struct Guesses {
    by_address: Strikes<IpAddr>,
    by_role: Strikes<u32>,
}

/// Wrong secrets within [`GUESS_WINDOW`] from one address, behind which whole schools may sit.
const GUESSES_BY_ADDRESS: u32 = 20;
/// Wrong secrets for one role, whose client knows the right one. Beyond it has to log in.
const GUESSES_BY_ROLE: u32 = 10;
const GUESS_WINDOW: Duration = Duration::from_secs(600);
/// Addresses and roles that are remembered.
const GUESSERS: usize = 10_000;

impl Default for Guesses {
    fn default() -> Self {
        Self {
            by_address: Strikes::new(GUESS_WINDOW, GUESSERS),
            by_role: Strikes::new(GUESS_WINDOW, GUESSERS),
        }
    }
}

/// 1003: a client that comes back by the secret of its last login.
pub(crate) fn reconnect(
    request: Request<Pb<Reconnect>>,
    world: &mut World,
) -> Result<Answer<Pb<LoginAnswer>>, ErrorId> {
    let Reconnect { role_id, id } = request.body.0;
    // As in the original: an empty body is nobody's, and no error.
    if role_id.is_none() && id.is_none() {
        return Ok(Answer::Silent);
    }
    let answer = come_back(world, request.connection, role_id.unwrap_or(0), id);
    answer.map(|answer| Answer::Reply(Pb(answer))).map_err(ErrorId)
}

fn come_back(world: &mut World, connection: Entity, role: u32, id: Option<u32>) -> Result<LoginAnswer, u16> {
    let now = world.resource::<Clock>().now();
    let Some(peer) = world.get::<Connection>(connection).map(|connection| connection.peer.ip()) else {
        return Err(BUSY);
    };
    let address = neighbourhood(peer);
    let guesses = world.resource::<Guesses>();
    // Behind loopback there may be a proxy, and all clients behind that.
    if (!peer.is_loopback() && guesses.by_address.count(&address, now) >= GUESSES_BY_ADDRESS)
        || guesses.by_role.count(&role, now) >= GUESSES_BY_ROLE
    {
        return Err(SECRET);
    }
    let session = online(world, role);
    let secret = session.and_then(|session| world.get::<Secret>(session));
    let knows = secret.zip(id).is_some_and(|(secret, id)| secret.is(&id.to_be_bytes()));
    let (Some(session), true) = (session, knows) else {
        // A role that is not online has no secret: after a restart all clients come with old ones, and mean no harm.
        if session.is_some() {
            let mut guesses = world.resource_mut::<Guesses>();
            guesses.by_address.strike(address, now);
            guesses.by_role.strike(role, now);
        }
        return Err(SECRET);
    };
    keep_out(world, connection, role)?;
    take_over(world, connection, session).map_err(|why| match why {
        LoginRefusal::NoSession => SECRET,
        why => error_of(why),
    })
}
