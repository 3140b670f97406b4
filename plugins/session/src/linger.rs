//! Sessions whose connections are all gone.

use crate::{Logout, Session, logout::LoggingOut};
use bevy_ecs::{entity::EntityHashMap, prelude::*};
use portcullis_core::{Bindings, Clock, DeadlineQueue};
use std::time::Duration;

/// How long a session whose last connection closed, or was [unbound](crate::unbind), waits for its user. Default zero: it is logged out at once.
/// [`Duration::MAX`] waits until a [`Logout`]. A change holds for sessions that are detached from then on.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionLinger(pub Duration);

/// Fact: a session has lost its last connection. It is logged out at once, or when it has [lingered](SessionLinger),
/// unless it is [`Resumed`] before. Told after [`Unbound`](crate::Unbound).
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct Detached {
    /// The session.
    #[event_target]
    pub session: Entity,
}

/// Fact: a detached session has a connection again. Told after [`LoggedIn`](crate::LoggedIn).
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct Resumed {
    /// The session.
    #[event_target]
    pub session: Entity,
    /// The connection.
    pub connection: Entity,
}

/// A session that has no connection.
#[derive(Component, Clone, Copy, Debug)]
#[component(immutable, storage = "SparseSet")]
pub struct Lingering {
    /// When it is logged out, as time of the [`Clock`]; never, if there is no moment.
    pub until: Option<Duration>,
}

/// Detached sessions by the moment they have to be looked at. One entry each, however often their user comes and goes.
#[derive(Resource, Debug, Default)]
pub(crate) struct Waiting {
    queue: DeadlineQueue<(Entity, Duration)>,
    /// When the entry of a session is due; entries due at another time are left over.
    armed: EntityHashMap<Duration>,
}

impl Waiting {
    fn arm(&mut self, session: Entity, due: Duration) {
        if self.armed.get(&session).is_none_or(|&armed| due < armed) {
            self.armed.insert(session, due);
            self.queue.push(due, (session, due));
        }
    }

    fn pop_due(&mut self, now: Duration) -> Option<Entity> {
        loop {
            let (session, due) = self.queue.pop_due(now)?;
            if self.armed.get(&session) == Some(&due) {
                self.armed.remove(&session);
                return Some(session);
            }
        }
    }
}

/// If a session has no connection any more, lets it linger, or logs it out.
pub(crate) fn detach(world: &mut World, session: Entity) {
    let Ok(entity) = world.get_entity(session) else { return };
    let bound = entity.get::<Bindings>().is_some_and(|bindings| !bindings.is_empty());
    let over = entity.contains::<Lingering>() || entity.contains::<LoggingOut>();
    if bound || over || !entity.contains::<Session>() {
        return;
    }
    let linger = world.resource::<SessionLinger>().0;
    let until = world.resource::<Clock>().now().checked_add(linger);
    world.entity_mut(session).insert(Lingering { until });
    world.commands().trigger(Detached { session });
    if linger.is_zero() {
        world.commands().trigger(Logout { session });
    } else if let Some(until) = until {
        world.resource_mut::<Waiting>().arm(session, until);
    }
    world.flush();
}

/// Logs out the sessions that have waited long enough.
pub(crate) fn expire(
    clock: Res<Clock>,
    mut waiting: ResMut<Waiting>,
    sessions: Query<&Lingering>,
    mut commands: Commands,
) {
    while let Some(session) = waiting.pop_due(clock.now()) {
        // Resumed or logged out meanwhile, or detached again since.
        let Ok(&Lingering { until: Some(until) }) = sessions.get(session) else { continue };
        if until <= clock.now() {
            commands.trigger(Logout { session });
        } else {
            waiting.arm(session, until);
        }
    }
}
