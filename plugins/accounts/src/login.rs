//! Routes to log in by: with a password, and then with a ticket.

use crate::{Account, AccountError, Accounts, Password};
use bevy_app::{App, Plugin};
use bevy_ecs::prelude::*;
use portcullis_core::{Bindings, BoundTo, Closing, Connection};
use portcullis_dispatch::{
    AppDispatchExt, Defer, Deferred, Refusal, ReplyCache, ReplyLimits, Request, Responder,
};
use portcullis_session::{
    Credentials, LoginRefusal, Logout, Sessions, Ticket, begin_with, issue_ticket, redeem_ticket, resume,
};
use std::time::Duration;

/// A request with [`Credentials`], answered with a [`Ticket`]: makes an account, and logs in.
pub const REGISTER: &str = "login.register";
/// A request with [`Credentials`], answered with a [`Ticket`]: logs in.
pub const LOGIN: &str = "login.enter";
/// A request with the latest [`Ticket`], answered with the next: comes back to the session, over another connection.
pub const RESUME: &str = "login.resume";
/// A request with nothing, answered with nothing: ends the session, and with it the connection.
pub const LOGOUT: &str = "login.leave";

/// Logs clients in by their [accounts](Accounts), whatever protocol they speak.
///
/// The session is of the account's name, and has the [`Account`] beside it, as it was at the latest login; it lingers when
/// its connection is lost, keeps the answers of its requests in a [`ReplyCache`], and is found again by a ticket: signed,
/// short-lived, and void when the next one was used. A client whose ticket grows old asks for the next over the same
/// connection.
///
/// **A ticket continues, a password begins.** Who comes with a ticket is the same client, which goes on counting its
/// requests, and gets the answers it has missed. Who comes with a password is another: the session stays, with all that
/// the game has put there, but tickets of before are void, and answers of before are forgotten, for the new client
/// counts its requests from the beginning. Where a user who is connected comes again,
/// [`MultiLogin`](portcullis_session::MultiLogin) decides; where it lets several in at once, their ids mean nothing to each
/// other: from the second on that session keeps no answers, and its tickets are no good.
///
/// **A name is not an account.** A session of this name that is not of this account is ended by the login: the account of
/// before was removed while its session waited, or a game lets in guests under any name. Those who are in stay in when
/// their account is disabled: [`shut_out`] does both.
///
/// Names are of accounts, then: a handler that [binds](portcullis_session::bind) strangers by a name they choose would let
/// them into the sessions of others.
///
/// | refusal | when |
/// | --- | --- |
/// | 400 | no account can have this name or password |
/// | 401 | wrong name or password; a ticket that is no good, for whatever reason |
/// | 403 | the account is disabled, or there is no registration |
/// | 409 | the name is taken; the connection is logged in already; the user is, and policy keeps the newcomer out |
/// | 429 | too many wrong passwords for this name; a login of this connection is under way |
/// | 503 | too many logins at once |
/// | 500 | the account store has failed |
///
/// ```
/// use bevy_app::App;
/// use portcullis_accounts::{AccountLoginPlugin, AccountsPlugin};
/// use portcullis_core::CorePlugin;
/// use portcullis_dispatch::DispatchPlugin;
/// use portcullis_session::SessionPlugin;
///
/// App::new()
///     .add_plugins((CorePlugin::default(), SessionPlugin::default(), DispatchPlugin))
///     .add_plugins((AccountsPlugin::default(), AccountLoginPlugin::default()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AccountLoginPlugin {
    /// Whether strangers may make accounts. Default false: each costs a hash and a row for ever, so that is a decision.
    pub registration: bool,
    /// How long a session waits for its user to come back. Default 60 seconds.
    pub linger: Duration,
    /// How many answers it keeps for that. Default: as [`ReplyLimits`], for clients that count their requests upwards, as
    /// ours do.
    pub replies: ReplyLimits,
}

impl Default for AccountLoginPlugin {
    fn default() -> Self {
        Self {
            registration: false,
            linger: Duration::from_secs(60),
            replies: ReplyLimits { ascending: true, ..ReplyLimits::default() },
        }
    }
}

/// What sessions are begun with.
#[derive(Resource, Clone, Copy, Debug)]
struct Terms {
    registration: bool,
    linger: Duration,
    replies: ReplyLimits,
}

impl Plugin for AccountLoginPlugin {
    fn build(&self, app: &mut App) {
        let &Self { registration, linger, replies } = self;
        app.insert_resource(Terms { registration, linger, replies })
            .add_handler(REGISTER, register)
            .add_handler(LOGIN, log_in)
            .add_handler(RESUME, come_back)
            .add_handler(LOGOUT, log_out);
    }
}

/// A login of this connection is under way.
#[derive(Component, Clone, Copy, Debug)]
#[component(storage = "SparseSet")]
struct LoggingIn;

/// Who may ask for a hash: not who is in, nor who has asked for one.
type Asking<'a> = (Has<BoundTo>, Has<LoggingIn>);

fn register(
    request: Request<Credentials>,
    mut defer: Defer,
    mut commands: Commands,
    asking: Query<Asking<'_>>,
    terms: Res<Terms>,
    accounts: Res<Accounts>,
) -> Result<Deferred<Ticket>, Refusal> {
    if !terms.registration {
        return Err(Refusal::new(Refusal::FORBIDDEN, "accounts are not made here"));
    }
    may_ask(asking.get(request.connection)?)?;
    let (deferred, responder) = defer.begin(&request)?;
    let (connection, Credentials { name, password }) = (request.connection, &request.body);
    commands.entity(connection).try_insert(LoggingIn);
    accounts.register(name, Password::from(password.as_str()), move |world, account| {
        admit(world, connection, account, responder);
    });
    Ok(deferred)
}

fn log_in(
    request: Request<Credentials>,
    mut defer: Defer,
    mut commands: Commands,
    asking: Query<Asking<'_>>,
    accounts: Res<Accounts>,
) -> Result<Deferred<Ticket>, Refusal> {
    may_ask(asking.get(request.connection)?)?;
    let (deferred, responder) = defer.begin(&request)?;
    let (connection, Credentials { name, password }) = (request.connection, &request.body);
    commands.entity(connection).try_insert(LoggingIn);
    accounts.verify(name, Password::from(password.as_str()), move |world, account| {
        admit(world, connection, account, responder);
    });
    Ok(deferred)
}

fn may_ask((bound, logging_in): (bool, bool)) -> Result<(), Refusal> {
    if bound {
        return Err(conflict(LoginRefusal::AlreadyLoggedIn));
    }
    if logging_in {
        return Err(Refusal::new(Refusal::TOO_MANY, "a login is under way"));
    }
    Ok(())
}

fn come_back(ticket: Request<Ticket>, world: &mut World) -> Result<Ticket, Refusal> {
    let session = redeem_ticket(world, &ticket.token).map_err(|fault| {
        tracing::debug!(connection = %ticket.connection, %fault, "a ticket was refused");
        anew()
    })?;
    // Where no answers are kept, what is asked again would be handled again.
    if world.get::<ReplyCache>(session).is_none() {
        return Err(anew());
    }
    resume(world, ticket.connection, session).map_err(conflict)?;
    issue_ticket(world, session).ok_or_else(anew)
}

fn log_out(request: Request<()>, bound: Query<&BoundTo>, mut commands: Commands) -> Result<(), Refusal> {
    let bound = bound.get(request.connection);
    let session = bound.map_err(|_| Refusal::new(Refusal::UNAUTHORIZED, "log in first"))?.0;
    // It is answered before commands are applied.
    commands.trigger(Logout { session });
    Ok(())
}

/// Binds a connection to the session of an account whose password was right.
fn admit(
    world: &mut World,
    connection: Entity,
    account: Result<Account, AccountError>,
    responder: Responder<Ticket>,
) {
    if let Ok(mut connection) = world.get_entity_mut(connection) {
        connection.remove::<LoggingIn>();
    }
    // Who was told that it took too long must not be logged in behind his back.
    if responder.is_late() {
        return;
    }
    let session = account.map_err(refusal).and_then(|account| enter(world, connection, account));
    responder.answer(session.and_then(|session| only_ticket(world, session).ok_or_else(anew)));
}

/// A ticket, after which those before are void: they are of clients whose requests the session has forgotten.
fn only_ticket(world: &mut World, session: Entity) -> Option<Ticket> {
    let ticket = issue_ticket(world, session)?;
    redeem_ticket(world, &ticket.token).ok()?;
    Some(ticket)
}

fn enter(world: &mut World, connection: Entity, account: Account) -> Result<Entity, Refusal> {
    // Hashing takes its time. Nobody is told of a session that nobody is there for.
    if !is_open(world, connection) {
        return Err(conflict(LoginRefusal::NotOpen));
    }
    if world.get::<BoundTo>(connection).is_some() {
        return Err(conflict(LoginRefusal::AlreadyLoggedIn));
    }
    let Terms { linger, replies, .. } = *world.resource::<Terms>();
    let mut here = world.resource::<Sessions>().get(&account.name);
    if let Some(other) = here.filter(|&session| !is_of(world, session, &account)) {
        end(world, other);
        here = None;
    }
    let Some(session) = here else {
        let name = account.name.clone();
        let beside = (account, ReplyCache::new(replies));
        let session = begin_with(world, name, "", linger, beside).map_err(conflict)?;
        return resume(world, connection, session).map(|()| session).map_err(|why| {
            end(world, session);
            conflict(why)
        });
    };
    resume(world, connection, session).map_err(conflict)?;
    let several = others(world, session, connection);
    // It is of another client, even where that is the same user's: its ids begin anew.
    if let Ok(mut session) = world.get_entity_mut(session) {
        session.insert(account);
        if several {
            session.remove::<ReplyCache>();
        } else if let Some(mut replies) = session.get_mut::<ReplyCache>() {
            replies.clear();
        }
    }
    Ok(session)
}

/// Whether other connections of the session are open. One whose place was taken is closing, and bound for a while still.
fn others(world: &World, session: Entity, connection: Entity) -> bool {
    let bindings = world.get::<Bindings>(session);
    let mut bound = bindings.into_iter().flat_map(RelationshipTarget::iter);
    bound.any(|other| other != connection && is_open(world, other))
}

fn is_open(world: &World, connection: Entity) -> bool {
    world
        .get_entity(connection)
        .is_ok_and(|connection| connection.contains::<Connection>() && !connection.contains::<Closing>())
}

fn is_of(world: &World, session: Entity, account: &Account) -> bool {
    world.get::<Account>(session).is_some_and(|here| here.id == account.id)
}

fn end(world: &mut World, session: Entity) {
    world.trigger(Logout { session });
    world.flush();
}

/// Disables an account, and logs its user out. Once `done` has run, nobody is in by it, and nobody comes in, neither with
/// the password nor with a ticket.
///
/// # Errors
/// As of [`Accounts::disable`].
pub fn shut_out(
    accounts: &Accounts,
    name: &str,
    done: impl FnOnce(&mut World, Result<Account, AccountError>) + Send + 'static,
) {
    accounts.disable(name, move |world, account| {
        if let Ok(account) = &account
            && let Some(session) = world.resource::<Sessions>().get(&account.name)
            && is_of(world, session, account)
        {
            end(world, session);
        }
        done(world, account);
    });
}

fn anew() -> Refusal {
    Refusal::new(Refusal::UNAUTHORIZED, "log in anew")
}

fn conflict(why: LoginRefusal) -> Refusal {
    Refusal::new(Refusal::CONFLICT, why.to_string())
}

fn refusal(error: AccountError) -> Refusal {
    let code = match error {
        AccountError::Wrong | AccountError::Unknown => Refusal::UNAUTHORIZED,
        AccountError::Disabled => Refusal::FORBIDDEN,
        AccountError::Locked { .. } => Refusal::TOO_MANY,
        AccountError::Busy => Refusal::TOO_BUSY,
        AccountError::Taken => Refusal::CONFLICT,
        AccountError::BadName(_) | AccountError::BadPassword { .. } => Refusal::BAD_REQUEST,
        AccountError::Store => Refusal::INTERNAL,
    };
    Refusal::new(code, error.to_string())
}
