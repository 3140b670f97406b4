//! Messages nobody asked for.

use crate::{
    IntoBody, Outgoing, Protocols, RouteId, Routes, Speaks,
    answer::{append_caught, count_send_error},
    broadcast::{Broadcast, Scratch, Told},
};
use bevy_ecs::{prelude::*, system::SystemParam};
use portcullis_core::{Bindings, Closing, Connection, Forwards, Handshaking, Outboxes};

/// Pushes to connections, agents and sessions, as a system parameter. What is pushed leaves with the next flush.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_core::Agent;
/// use portcullis_dispatch::Pusher;
///
/// fn announce(agents: Query<Entity, With<Agent>>, mut pusher: Pusher) {
///     pusher.broadcast(&agents, "arena.news", &"the gates are open");
/// }
/// ```
///
/// A push that a protocol cannot encode is logged at debug, and counted in
/// [`Traffic::send_errors`](portcullis_core::Traffic) when the system's commands are applied.
#[derive(SystemParam)]
pub struct Pusher<'w, 's> {
    pub(crate) outboxes: Outboxes<'w, 's>,
    pub(crate) speaks: Query<'w, 's, &'static Speaks, Ready>,
    forwards: Query<'w, 's, &'static Forwards>,
    bindings: Query<'w, 's, &'static Bindings>,
    pub(crate) protocols: Res<'w, Protocols>,
    pub(crate) routes: Res<'w, Routes>,
    pub(crate) scratch: Local<'s, Scratch>,
    commands: Commands<'w, 's>,
}

/// Who may be told what nobody asked for: a handshake is over, where there is one.
type Ready = (With<Connection>, Without<Handshaking>, Without<Closing>);

impl<'w, 's> Pusher<'w, 's> {
    /// Pushes to a connection, to the connections of an agent, or to those of a session. Gives how many it was
    /// written to: none when the target has no connection, is shaking hands or closing, or its protocol has no
    /// such push.
    pub fn push(&mut self, target: Entity, route: &str, body: &impl IntoBody) -> usize {
        let Some(route) = self.route(route) else { return 0 };
        self.for_connections_of(target, |pusher, connection| pusher.write(connection, route, body))
    }

    /// Pushes to many targets, each a connection, an agent or a session. The message is encoded once for each protocol
    /// that is met, and copied for each connection; a connection gets it once, however many targets it stands behind.
    pub fn broadcast(
        &mut self,
        targets: impl IntoIterator<Item = Entity>,
        route: &str,
        body: &impl IntoBody,
    ) -> Told {
        let mut broadcast = self.begin(route, body);
        for target in targets {
            broadcast.to(target);
        }
        broadcast.told()
    }

    /// As [`broadcast`](Self::broadcast), target by target, for those who must know which of them was reached.
    pub fn begin<'a, B: IntoBody>(&'a mut self, route: &str, body: &'a B) -> Broadcast<'a, 'w, 's, B> {
        let route = self.route(route);
        Broadcast::new(self, route, body)
    }

    fn route(&mut self, route: &str) -> Option<RouteId> {
        let id = self.routes.get(route);
        // The operator's mistake, but peers may decide how often it is made.
        if id.is_none() && self.scratch.unknown_route() {
            tracing::warn!(
                route,
                "nothing can be pushed on a route that no protocol and no plugin has added"
            );
        }
        id
    }

    /// Calls this for each connection a target stands for, and gives how often it said true.
    pub(crate) fn for_connections_of(
        &mut self,
        target: Entity,
        mut tell: impl FnMut(&mut Self, Entity) -> bool,
    ) -> usize {
        if self.speaks.contains(target) {
            return usize::from(tell(self, target));
        }
        let mut connections = std::mem::take(&mut self.scratch.connections);
        if let Ok(forwards) = self.forwards.get(target) {
            connections.extend(forwards.iter());
        } else if let Ok(bindings) = self.bindings.get(target) {
            connections.extend(bindings.iter());
        }
        let told = connections.drain(..).filter(|&connection| tell(self, connection)).count();
        self.scratch.connections = connections;
        told
    }

    fn write(&mut self, connection: Entity, route: RouteId, body: &impl IntoBody) -> bool {
        let Ok(&speaks) = self.speaks.get(connection) else { return false };
        let Some(protocol) = self.protocols.get(speaks) else { return false };
        let message = Outgoing::Push { route, body: body.content() };
        let written = self.outboxes.write(connection, |out| {
            let before = out.len();
            append_caught(out, |out| protocol.write(out, message)).map(|()| out.len() > before)
        });
        match written {
            Ok(Ok(anything)) => anything,
            Ok(Err(error)) => {
                let route = self.routes.name(route);
                tracing::debug!(protocol = protocol.name(), route, %error, "a push could not be encoded");
                self.count_send_error(connection);
                false
            }
            Err(_) => false,
        }
    }

    /// By a command: a parameter that wants the counters themselves would be in the way of others.
    pub(crate) fn count_send_error(&mut self, connection: Entity) {
        self.commands.queue(move |world: &mut World| count_send_error(world, connection));
    }
}
