//! The game servers a login server logs users in at: in this process, or wherever somebody reaches them.

use bevy_ecs::prelude::*;
use portcullis_session::{ServerName, Uid};
use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

/// A game server as a login server sees it. A [msgserver](crate::msgserver) is one in this world; whoever brings one on
/// another machine implements this by messages to it, and triggers what it answers.
///
/// Calls return at once. There is no promise that they come in pairs: the login server gives up waiting after a while,
/// and what comes later still counts.
pub trait GameServer: Send + Sync + 'static {
    /// Logs a user in: a session of its own, whose connections will prove that they know this secret. Ends in
    /// [`LoginAnswered`] with the ticket, now or later; never is as good as a refusal.
    ///
    /// A user who has a session there already is refused. The original's `login(uid, secret)`.
    fn login(&self, world: &mut World, uid: &Uid, secret: &[u8; 8], ticket: LoginTicket);

    /// Ends a user's session: he wants to log in anew. When it is over, by this or by anything else, [`UserLeft`] is
    /// told; of a session that is over already it is told again, for whoever asks has not heard it. Another session of the
    /// user is left alone. The original's `kick(uid, subid)`.
    fn kick(&self, world: &mut World, uid: &Uid, subid: u64);
}

/// The game servers by name, as tokens say it.
#[derive(Resource, Clone, Default)]
pub struct GameServers(HashMap<ServerName, Arc<dyn GameServer>>);

impl GameServers {
    /// From now on users log in at this server by this name: the original's `register_gate`. One that had the name before
    /// is replaced; who is logged in there stays so until it is told to have left.
    pub fn register(&mut self, name: impl Into<ServerName>, server: impl GameServer) {
        self.0.insert(name.into(), Arc::new(server));
    }

    /// Nobody can log in at this server any more. Who is logged in there is answered 403 when he logs in anywhere, for the
    /// session there may go on: trigger [`UserLeft`] for those of whom it is known that it does not.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The server of this name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn GameServer>> {
        self.0.get(name).cloned()
    }

    /// Their names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &ServerName> {
        self.0.keys()
    }
}

impl fmt::Debug for GameServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Which login a game server's answer is to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginTicket {
    pub(crate) uid: Uid,
    pub(crate) server: ServerName,
    pub(crate) attempt: u64,
}

impl LoginTicket {
    /// The user.
    pub fn uid(&self) -> &Uid {
        &self.uid
    }

    /// The server that was asked.
    pub fn server(&self) -> &ServerName {
        &self.server
    }
}

/// Fact: a game server has logged a user in, or has not.
#[derive(Event, Debug)]
pub struct LoginAnswered {
    /// Which.
    pub ticket: LoginTicket,
    /// The number of the new session, or why there is none, for the log.
    pub subid: Result<u64, Cow<'static, str>>,
}

/// Fact: a user's session at a game server is over, whatever ended it: the original's `logout(uid, subid)`.
#[derive(Event, Clone, Debug)]
pub struct UserLeft {
    /// The game server.
    pub server: ServerName,
    /// The user.
    pub uid: Uid,
    /// The session's number.
    pub subid: u64,
}

/// Fact: a login server wants this session over, for its user logs in anew: the original's `kick_handler`. A msgserver
/// logs it out, unless it leaves [that](crate::msgserver::MsgServerPlugin::logs_out_by_itself) to the game.
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct LogoutAsked {
    /// The session.
    #[event_target]
    pub session: Entity,
}
