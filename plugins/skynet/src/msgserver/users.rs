//! Who is logged in at a game server of this process.

use crate::login::{GameServer, LoginAnswered, LoginTicket, LogoutAsked, UserLeft};
use bevy_ecs::prelude::*;
use portcullis_dispatch::{ReplyCache, ReplyLimits};
use portcullis_session::{LoginRefusal, Logout, Secret, ServerName, Session, Sessions, Uid, begin_with};
use std::time::Duration;

/// Beside the sessions of msgservers.
#[derive(Component, Debug)]
pub struct MsgUser {
    /// The index of the last handshake that was accepted; 0 after the login. The next one's is greater.
    pub(crate) index: i64,
    /// Whether a session that somebody wants over is logged out by us.
    logs_out: bool,
}

impl MsgUser {
    /// The index of the last handshake that was accepted; 0 before the first.
    pub fn index(&self) -> i64 {
        self.index
    }
}

/// What the sessions of one msgserver are begun with, beside its listener.
#[derive(Component, Clone, Debug)]
#[component(immutable)]
pub(crate) struct MsgServer {
    server: ServerName,
    pub(crate) replies: ReplyLimits,
    pub(crate) linger: Duration,
    pub(crate) logs_out: bool,
}

impl MsgServer {
    pub(crate) fn new(server: ServerName) -> Self {
        Self { server, replies: ReplyLimits::default(), linger: Duration::MAX, logs_out: true }
    }

    fn begin(&self, world: &mut World, uid: Uid, secret: &[u8; 8]) -> Result<u64, LoginRefusal> {
        let user = MsgUser { index: 0, logs_out: self.logs_out };
        let beside = (user, Secret::new(*secret), ReplyCache::new(self.replies));
        let session = begin_with(world, uid, self.server.clone(), self.linger, beside)?;
        // Whoever observes users may have sent this one away.
        world.get::<Session>(session).map(Session::subid).ok_or(LoginRefusal::NoSession)
    }
}

/// Logs a user in at the msgserver of this name, without a login server: the original's `login(username, secret)`. Gives
/// the number of the session, which is the user's `subid`.
///
/// # Errors
/// [`LoginRefusal::HasSession`] when the user is logged in there already, and [`LoginRefusal::NoSession`] when there is
/// no such msgserver, or somebody who observes sessions has ended the new one at once.
pub fn log_in(
    world: &mut World,
    server: &str,
    uid: impl Into<Uid>,
    secret: &[u8; 8],
) -> Result<u64, LoginRefusal> {
    let mut servers = world.query::<&MsgServer>();
    let server = servers.iter(world).find(|known| known.server.as_str() == server).cloned();
    server.ok_or(LoginRefusal::NoSession)?.begin(world, uid.into(), secret)
}

impl GameServer for MsgServer {
    fn login(&self, world: &mut World, uid: &Uid, secret: &[u8; 8], ticket: LoginTicket) {
        let subid = self.begin(world, uid.clone(), secret);
        let subid = subid.map_err(|why| why.to_string().into());
        world.trigger(LoginAnswered { ticket, subid });
        world.flush();
    }

    fn kick(&self, world: &mut World, uid: &Uid, subid: u64) {
        let session = world
            .resource::<Sessions>()
            .at(self.server.as_str(), uid.as_str())
            .filter(|&session| world.get::<Session>(session).is_some_and(|session| session.subid() == subid));
        match session {
            Some(session) => world.trigger(LogoutAsked { session }),
            // Who asks has not heard that it is over.
            None => world.trigger(UserLeft { server: self.server.clone(), uid: uid.clone(), subid }),
        }
        world.flush();
    }
}

/// Unless the game does it by itself.
pub(crate) fn log_out(event: On<LogoutAsked>, users: Query<&MsgUser>, mut commands: Commands) {
    let session = event.session;
    if users.get(session).is_ok_and(|user| user.logs_out) {
        commands.trigger(Logout { session });
    }
}

/// Whatever ended the session, the login server hears of it.
pub(crate) fn left(event: On<Remove<MsgUser>>, sessions: Query<&Session>, mut commands: Commands) {
    if let Ok(session) = sessions.get(event.entity) {
        let (server, uid) = (session.server().clone(), session.uid().clone());
        commands.trigger(UserLeft { server, uid, subid: session.subid() });
    }
}
