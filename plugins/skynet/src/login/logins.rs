//! Who is logged in where, and who is about to be.

use super::{
    GameServer, GameServers, Identity, LoginAnswered, LoginPolicy, LoginTicket, Relogin, UserLeft,
    wire::Status,
};
use bevy_ecs::prelude::*;
use portcullis_core::{Cause, Clock, Close, Closing, Connection, DeadlineQueue, write_outbox};
use portcullis_session::{ServerName, Uid};
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};
use zeroize::Zeroizing;

/// Who is logged in at which game server, and the logins that are going on. In memory, as the original's.
///
/// A user is where a game server says that it has logged him in, until it says that he has [left](UserLeft), whatever
/// ended it; so the two cannot drift apart by a login that nobody waited for.
#[derive(Resource, Debug, Default)]
pub struct Logins {
    online: HashMap<Uid, Online>,
    /// The logins of each user in the order they came; the first is going on.
    attempts: HashMap<Uid, VecDeque<Attempt>>,
    /// Users for whom something may go on: looked at one after the other, and not where it is found out, so that logins
    /// that let each other go on are no recursion.
    ready: VecDeque<Uid>,
    /// When which of them has waited long enough; with some of those that have come to an end, for they may be many.
    deadlines: DeadlineQueue<(Uid, u64, Stage)>,
    /// The number of the latest.
    latest: u64,
}

/// Where a user is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Online {
    /// The game server.
    pub server: ServerName,
    /// The session's number there.
    pub subid: u64,
}

#[derive(Debug)]
struct Attempt {
    number: u64,
    connection: Entity,
    server: ServerName,
    secret: Secret,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Another login of the same user goes on.
    Queued,
    /// The older session is to end.
    Kicking,
    /// The game server has been asked.
    LoggingIn,
}

impl Logins {
    /// Where a user is logged in.
    pub fn online(&self, uid: &str) -> Option<&Online> {
        self.online.get(uid)
    }

    /// How many users are logged in.
    pub fn len(&self) -> usize {
        self.online.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.online.is_empty()
    }

    /// How many logins are going on, or wait for another one of the same user.
    pub fn pending(&self) -> usize {
        self.attempts.values().map(VecDeque::len).sum()
    }

    fn first(&mut self, uid: &Uid) -> Option<&mut Attempt> {
        self.attempts.get_mut(uid)?.front_mut()
    }

    /// Whether a user's login that goes on is this one, and waits for this.
    fn going_on(&self, uid: &Uid, number: u64, stage: Stage) -> bool {
        is_going_on(&self.attempts, uid, number, stage)
    }

    /// Logins are quick, and deadlines far: so those that are over are cleared away whenever they are the most. Each was
    /// one once, so that this costs as much as the pushes before it.
    fn wait_until(&mut self, due: Duration, uid: Uid, number: u64, stage: Stage) {
        self.deadlines.push(due, (uid, number, stage));
        if self.deadlines.len() > 2 * self.attempts.len() + FEW {
            let attempts = &self.attempts;
            self.deadlines.retain(|(uid, number, stage)| is_going_on(attempts, uid, *number, *stage));
        }
    }
}

/// So many that are over are no matter.
const FEW: usize = 64;

fn is_going_on(attempts: &HashMap<Uid, VecDeque<Attempt>>, uid: &Uid, number: u64, stage: Stage) -> bool {
    let first = attempts.get(uid).and_then(VecDeque::front);
    first.is_some_and(|attempt| attempt.number == number && attempt.stage == stage)
}

/// A user has proved who he is: he is logged in when it is his turn.
pub(super) fn enter(world: &mut World, connection: Entity, identity: &Identity, secret: Secret) {
    let (uid, server) = (identity.uid().clone(), identity.server().clone());
    if !world.resource::<LoginPolicy>().multi_login && overlaps(world, &uid) {
        return answer(world, connection, &Status::NotAcceptable);
    }
    let mut logins = world.resource_mut::<Logins>();
    logins.latest += 1;
    let number = logins.latest;
    let attempts = logins.attempts.entry(uid.clone()).or_default();
    attempts.push_back(Attempt { number, connection, server, secret, stage: Stage::Queued });
    if attempts.len() == 1 {
        logins.ready.push_back(uid);
    }
}

/// Whether somebody waits for a login of this user. One whose client has left overlaps nothing, for most often it is the
/// same client that comes again; and it keeps no place, so that one who comes and goes leaves no queue behind.
fn overlaps(world: &mut World, uid: &Uid) -> bool {
    let Some(mut attempts) = world.resource_mut::<Logins>().attempts.remove(uid) else { return false };
    attempts.retain(|attempt| !attempt.waits_for_us() || is_there(world, attempt.connection));
    let overlaps = attempts.iter().any(|attempt| is_there(world, attempt.connection));
    if !attempts.is_empty() {
        world.resource_mut::<Logins>().attempts.insert(uid.clone(), attempts);
    }
    overlaps
}

/// Whether there is something to do.
pub(super) fn any_ready(logins: Res<Logins>) -> bool {
    !logins.ready.is_empty()
}

/// Takes logins as far as they go without waiting.
pub(super) fn go_on(world: &mut World) {
    while let Some(uid) = world.resource_mut::<Logins>().ready.pop_front() {
        while let Some(status) = step(world, &uid) {
            finish(world, &uid, &status);
        }
    }
}

/// What a user's first login has to do next.
enum Next {
    Kick { older: Arc<dyn GameServer>, subid: u64 },
    Ask { server: Arc<dyn GameServer>, secret: Secret, ticket: LoginTicket },
}

/// Takes the first login of a user a step further. Gives the status when it has come to an end, and none when it waits,
/// or there is none.
fn step(world: &mut World, uid: &Uid) -> Option<Status> {
    let connection =
        world.resource_mut::<Logins>().first(uid).filter(|attempt| attempt.waits_for_us())?.connection;
    if !is_there(world, connection) {
        // Who has left is not logged in: nobody would know his number.
        return Some(Status::Forbidden);
    }
    let policy = *world.resource::<LoginPolicy>();
    let gates = world.resource::<GameServers>().clone();
    match world.resource_mut::<Logins>().next(uid, policy.relogin, &gates) {
        Err(status) => return Some(status),
        Ok(Next::Kick { older, subid }) => {
            let Relogin::Kick { within } = policy.relogin else { return None };
            wait(world, uid, Stage::Kicking, within);
            older.kick(world, uid, subid);
        }
        Ok(Next::Ask { server, secret, ticket }) => {
            wait(world, uid, Stage::LoggingIn, policy.answer_within);
            server.login(world, uid, &secret.0, ticket);
        }
    }
    None
}

impl Logins {
    fn next(&mut self, uid: &Uid, relogin: Relogin, gates: &GameServers) -> Result<Next, Status> {
        let online = self.online.get(uid).cloned();
        let attempt = self.first(uid).ok_or(Status::Forbidden)?;
        // An unknown server costs nobody his session elsewhere.
        let server = gates.get(attempt.server.as_str()).ok_or(Status::Forbidden)?;
        match (online, relogin) {
            (Some(_), Relogin::Refuse) => Err(Status::NotAcceptable),
            (Some(Online { server: name, subid }), Relogin::Kick { .. }) => {
                // A server that is gone cannot tell that the user has left.
                let older = gates.get(name.as_str()).ok_or(Status::Forbidden)?;
                Ok(Next::Kick { older, subid })
            }
            (None, _) => {
                let (uid, name) = (uid.clone(), attempt.server.clone());
                let ticket = LoginTicket { uid, server: name, attempt: attempt.number };
                Ok(Next::Ask { server, secret: attempt.secret.clone(), ticket })
            }
        }
    }
}

impl Attempt {
    /// Whether nobody else has to do something first.
    fn waits_for_us(&self) -> bool {
        self.stage == Stage::Queued
    }
}

fn is_there(world: &World, connection: Entity) -> bool {
    world
        .get_entity(connection)
        .is_ok_and(|entity| entity.contains::<Connection>() && !entity.contains::<Closing>())
}

/// Before the game server is asked, for it may answer at once.
fn wait(world: &mut World, uid: &Uid, stage: Stage, within: Duration) {
    let due = world.resource::<Clock>().now().checked_add(within);
    let mut logins = world.resource_mut::<Logins>();
    let Some(attempt) = logins.first(uid) else { return };
    attempt.stage = stage;
    let number = attempt.number;
    if let Some(due) = due {
        logins.wait_until(due, uid.clone(), number, stage);
    }
}

/// Ends the first login of a user, and lets the next one go on.
fn finish(world: &mut World, uid: &Uid, status: &Status) {
    let mut logins = world.resource_mut::<Logins>();
    let Some(attempts) = logins.attempts.get_mut(uid) else { return };
    let ended = attempts.pop_front();
    if attempts.is_empty() {
        logins.attempts.remove(uid);
    } else {
        logins.ready.push_back(uid.clone());
    }
    if let Some(attempt) = ended {
        answer(world, attempt.connection, status);
    }
}

/// The last line of a connection.
pub(super) fn answer(world: &mut World, connection: Entity, status: &Status) {
    if is_there(world, connection) {
        let _ = write_outbox(world, connection, |out| status.write(out));
        world.trigger(Close::new(connection, Cause::Requested));
        world.flush();
    }
}

/// A game server has an answer. One that comes too late for its login, or when the client has left, still counts, for the
/// user is logged in there; but he knows nothing of it, so it is ended again.
pub(super) fn answered(event: On<LoginAnswered>, mut commands: Commands) {
    let LoginTicket { uid, server, attempt } = event.ticket.clone();
    let subid = event.subid.clone();
    // In a command, so that it sees who has left before.
    commands.queue(move |world: &mut World| {
        let waits = world.resource::<Logins>().going_on(&uid, attempt, Stage::LoggingIn);
        match subid {
            Ok(subid) => logged_in(world, &uid, Online { server, subid }, waits),
            Err(why) => {
                tracing::debug!(%uid, %server, %why, "a game server did not log a user in");
                if waits {
                    finish(world, &uid, &Status::Forbidden);
                }
            }
        }
    });
}

/// A user is logged in there, and somebody `waits` for that, or not.
fn logged_in(world: &mut World, uid: &Uid, online: Online, waits: bool) {
    let mut logins = world.resource_mut::<Logins>();
    // The same answer twice is one answer.
    if !waits && logins.online.get(uid) == Some(&online) {
        return;
    }
    let Online { server, subid } = online.clone();
    let connection = logins.first(uid).filter(|_| waits).map(|attempt| attempt.connection);
    let heard = connection.is_some_and(|connection| is_there(world, connection));
    let mut logins = world.resource_mut::<Logins>();
    if waits {
        logins.online.insert(uid.clone(), online);
        finish(world, uid, &Status::Ok(subid.to_string().into_bytes()));
    } else {
        logins.online.entry(uid.clone()).or_insert(online);
    }
    if heard {
        return;
    }
    tracing::debug!(%uid, %server, subid, "a game server logged a user in whom nobody can tell of it");
    if let Some(late) = world.resource::<GameServers>().get(server.as_str()) {
        late.kick(world, uid, subid);
    }
}

/// A user's session is over: who waited for that goes on.
pub(super) fn left(event: On<UserLeft>, mut commands: Commands) {
    let UserLeft { server, uid, subid } = event.event().clone();
    commands.queue(move |world: &mut World| {
        let mut logins = world.resource_mut::<Logins>();
        // The end of an earlier session says nothing of the one there is.
        if logins.online.get(&uid) != Some(&Online { server, subid }) {
            return;
        }
        logins.online.remove(&uid);
        if let Some(attempt) = logins.first(&uid)
            && attempt.stage == Stage::Kicking
        {
            attempt.stage = Stage::Queued;
            logins.ready.push_back(uid);
        }
    });
}

/// Gives up on game servers that take too long.
pub(super) fn expire(world: &mut World) {
    let now = world.resource::<Clock>().now();
    loop {
        let mut logins = world.resource_mut::<Logins>();
        let Some((uid, number, stage)) = logins.deadlines.pop_due(now) else { return };
        if logins.going_on(&uid, number, stage) {
            tracing::warn!(%uid, ?stage, "a game server did not answer in time: the user is not logged in");
            finish(world, &uid, &Status::Forbidden);
        }
    }
}

/// What client and server have agreed on. It does not show itself.
#[derive(Clone)]
pub(super) struct Secret(pub(super) Zeroizing<[u8; 8]>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_that_are_over_do_not_wait_for_their_deadline() {
        let mut logins = Logins::default();
        let attempt = |number| Attempt {
            number,
            connection: Entity::PLACEHOLDER,
            server: "sample".into(),
            secret: Secret(Zeroizing::new([0; 8])),
            stage: Stage::LoggingIn,
        };
        let enter = |logins: &mut Logins, uid: &str, number, due| {
            logins.attempts.entry(uid.into()).or_default().push_back(attempt(number));
            logins.wait_until(Duration::from_secs(due), uid.into(), number, Stage::LoggingIn);
        };
        enter(&mut logins, "stays", 0, 7);
        for number in 1..10_000 {
            let uid = number.to_string();
            enter(&mut logins, &uid, number, 1_000_000);
            logins.attempts.remove(uid.as_str());
            assert!(logins.deadlines.len() <= FEW + 4);
        }
        let first = logins.deadlines.pop_due(Duration::from_secs(7));
        assert_eq!(first, Some(("stays".into(), 0, Stage::LoggingIn)));
    }
}
