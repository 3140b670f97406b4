//! Telling many.

use crate::Members;
use bevy_ecs::{prelude::*, system::SystemParam};
use portcullis_core::{Admitted, Closing, Connection, Handshaking};
use portcullis_dispatch::{IntoBody, Pusher, Speaks, Told};
use portcullis_session::{Sessions, Uid};

/// Tells rooms, users and everybody, as a system parameter. Each message is encoded once for each protocol it meets, and
/// nobody gets it twice. What is told leaves with the next flush.
#[derive(SystemParam)]
pub struct Teller<'w, 's> {
    pusher: Pusher<'w, 's>,
    rooms: Query<'w, 's, &'static Members>,
    sessions: Res<'w, Sessions>,
    ready: Query<'w, 's, Entity, Ready>,
}

/// Who may be told what nobody asked for: a handshake is over, where there is one.
type Ready = (With<Connection>, With<Admitted>, With<Speaks>, Without<Handshaking>, Without<Closing>);

/// What came of telling users by their uid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToldUids {
    /// Connections that were written to.
    pub connections: usize,
    /// Those who are not logged in, or have no connection that could be told.
    pub offline: Vec<Uid>,
}

impl Teller<'_, '_> {
    /// Tells all members of a room. A room that does not exist has none.
    pub fn to_room(&mut self, room: Entity, route: &str, body: &impl IntoBody) -> Told {
        let members = self.rooms.get(room).into_iter().flat_map(Members::iter);
        self.pusher.broadcast(members, route, body)
    }

    /// Tells all members of a room but this one.
    pub fn to_others(&mut self, room: Entity, member: Entity, route: &str, body: &impl IntoBody) -> Told {
        let members = self.rooms.get(room).into_iter().flat_map(Members::iter);
        self.pusher.broadcast(members.filter(|&other| other != member), route, body)
    }

    /// Tells users, on all connections of their sessions.
    pub fn to_uids<U: AsRef<str>>(
        &mut self,
        uids: impl IntoIterator<Item = U>,
        route: &str,
        body: &impl IntoBody,
    ) -> ToldUids {
        let mut broadcast = self.pusher.begin(route, body);
        let mut offline = Vec::new();
        for uid in uids {
            let session = self.sessions.get(uid.as_ref());
            if !session.is_some_and(|session| broadcast.to(session)) {
                offline.push(Uid::from(uid.as_ref()));
            }
        }
        ToldUids { connections: broadcast.told().connections, offline }
    }

    /// Tells all connections whose protocol is done with its handshake, logged in or not.
    pub fn to_all(&mut self, route: &str, body: &impl IntoBody) -> Told {
        self.pusher.broadcast(self.ready.iter(), route, body)
    }

    /// Tells these: connections, agents or sessions, from a query perhaps.
    pub fn to(
        &mut self,
        targets: impl IntoIterator<Item = Entity>,
        route: &str,
        body: &impl IntoBody,
    ) -> Told {
        self.pusher.broadcast(targets, route, body)
    }
}
