//! Messages nobody asked for.

use crate::{IntoBody, Outgoing, Protocols, RouteId, Routes, Speaks, answer::append};
use bevy_ecs::{prelude::*, system::SystemParam};
use portcullis_core::{Bindings, Closing, Connection, Forwards, Outboxes};

/// Pushes to connections, agents and sessions, as a system parameter. What is pushed leaves with the next flush.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_core::Agent;
/// use portcullis_dispatch::Pusher;
///
/// fn announce(agents: Query<Entity, With<Agent>>, mut pusher: Pusher) {
///     for agent in &agents {
///         pusher.push(agent, "arena.news", &"the gates are open");
///     }
/// }
/// ```
#[derive(SystemParam)]
pub struct Pusher<'w, 's> {
    outboxes: Outboxes<'w, 's>,
    speaks: Query<'w, 's, &'static Speaks, (With<Connection>, Without<Closing>)>,
    forwards: Query<'w, 's, &'static Forwards>,
    bindings: Query<'w, 's, &'static Bindings>,
    protocols: Res<'w, Protocols>,
    routes: Res<'w, Routes>,
}

impl Pusher<'_, '_> {
    /// Pushes to a connection, to the connections of an agent, or to those of a session. Gives how many it was
    /// written to: none when the target has no connection, is closing, or its protocol has no such push.
    pub fn push(&mut self, target: Entity, route: &str, body: &impl IntoBody) -> usize {
        let Some(route) = self.routes.get(route) else {
            tracing::warn!(
                route,
                "nothing can be pushed on a route that no protocol and no plugin has added"
            );
            return 0;
        };
        if self.speaks.contains(target) {
            return usize::from(self.write(target, route, body));
        }
        let connections: Vec<Entity> = match (self.forwards.get(target), self.bindings.get(target)) {
            (Ok(forwards), _) => forwards.iter().collect(),
            (_, Ok(bindings)) => bindings.iter().collect(),
            _ => return 0,
        };
        connections.into_iter().filter(|&connection| self.write(connection, route, body)).count()
    }

    fn write(&mut self, connection: Entity, route: RouteId, body: &impl IntoBody) -> bool {
        let Ok(&speaks) = self.speaks.get(connection) else { return false };
        let Some(protocol) = self.protocols.get(speaks) else { return false };
        let message = Outgoing::Push { route, body: body.content() };
        let written = self.outboxes.write(connection, |out| {
            let before = out.len();
            append(out, |out| protocol.write(out, message)).map(|()| out.len() > before)
        });
        match written {
            Ok(Ok(anything)) => anything,
            Ok(Err(error)) => {
                let route = self.routes.name(route);
                tracing::warn!(protocol = protocol.name(), route, %error, "a push could not be encoded");
                false
            }
            Err(_) => false,
        }
    }
}
