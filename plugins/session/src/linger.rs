//! Sessions whose connections are all gone.

use crate::{Logout, Session, binding::Pending, logout::LoggingOut};
use bevy_ecs::{entity::EntityHashMap, lifecycle::HookContext, prelude::*, world::DeferredWorld};
use portcullis_core::{Bindings, Clock, DeadlineQueue};
use std::time::Duration;

/// How long a session whose last connection closed, or was [unbound](crate::unbind), waits for its user. Default zero: it is logged out at once.
/// [`Duration::MAX`] waits until a [`Logout`]. A change holds for sessions that are detached from then on.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionLinger(pub Duration);

/// How long this session waits for its user, in place of the [`SessionLinger`] of all. A change holds from when it is
/// next detached on.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linger(pub Duration);

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

/// A session that has no connection, or has none yet. To let it wait longer, or not so long, insert another; where the
/// user has come back meanwhile, it is taken out again.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable, storage = "SparseSet", on_insert = arm)]
pub struct Lingering {
    /// When it is logged out, as time of the [`Clock`]; never, if there is no moment.
    pub until: Option<Duration>,
}

/// Detached sessions by the moment they have to be looked at. One entry each, however often their user comes and goes,
/// and none for those that are over, but for a share of leftovers that is swept away when it grows.
#[derive(Resource, Debug, Default)]
pub(crate) struct Waiting {
    queue: DeadlineQueue<(Entity, Duration)>,
    /// When the entry of a session is due; entries due at another time are left over.
    armed: EntityHashMap<Duration>,
}

/// So many leftovers are no matter.
const FEW: usize = 64;

impl Waiting {
    fn arm(&mut self, session: Entity, due: Duration) {
        if self.armed.get(&session).is_none_or(|&armed| due < armed) {
            self.armed.insert(session, due);
            self.queue.push(due, (session, due));
            self.sweep();
        }
    }

    /// Looks at a session no more.
    pub(crate) fn forget(&mut self, session: Entity) {
        self.armed.remove(&session);
        self.sweep();
    }

    /// Each entry that is swept was left over once, so that a sweep costs as much as the pushes before it.
    fn sweep(&mut self) {
        if self.queue.len() > 2 * self.armed.len() + FEW {
            let armed = &self.armed;
            self.queue.retain(|(session, due)| armed.get(session) == Some(due));
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
    // While a connection is on its way to it, it is too early to say.
    let pending = world.resource::<Pending>().concerns(session);
    if bound || over || pending || !entity.contains::<Session>() {
        return;
    }
    let own = entity.get::<Linger>().map(|linger| linger.0);
    let linger = own.unwrap_or_else(|| world.resource::<SessionLinger>().0);
    let until = until(world, linger);
    world.entity_mut(session).insert(Lingering { until });
    if world.get::<Lingering>(session).is_none() {
        // An observer of that was quick.
        return;
    }
    world.trigger(Detached { session });
    world.flush();
    // Unless somebody came back while it was told.
    if linger.is_zero() && world.get::<Lingering>(session).is_some_and(|lingering| lingering.until == until) {
        world.trigger(Logout { session });
        world.flush();
    }
}

/// When a session that lingers so long from now on is logged out; `None` is never.
pub(crate) fn until(world: &World, linger: Duration) -> Option<Duration> {
    let now = world.resource::<Clock>().now();
    if linger == Duration::MAX { None } else { now.checked_add(linger) }
}

/// Has a session looked at when it has waited long enough.
fn arm(mut world: DeferredWorld, context: HookContext) {
    if world.get::<Bindings>(context.entity).is_some_and(|bindings| !bindings.is_empty()) {
        // Whoever let it wait longer did not see that its user is back: he must not be logged out for that.
        world.commands().entity(context.entity).try_remove::<Lingering>();
        return;
    }
    let Some(&Lingering { until: Some(until) }) = world.get(context.entity) else { return };
    if let Some(mut waiting) = world.get_resource_mut::<Waiting>() {
        waiting.arm(context.entity, until);
    }
}

/// Logs out the sessions that have waited long enough, and lets those wait that a panic has left without a connection.
pub(crate) fn expire(
    clock: Res<Clock>,
    mut waiting: ResMut<Waiting>,
    mut pending: ResMut<Pending>,
    sessions: Query<&Lingering>,
    mut commands: Commands,
) {
    for session in pending.abandon() {
        commands.queue(move |world: &mut World| detach(world, session));
    }
    while let Some(session) = waiting.pop_due(clock.now()) {
        // Resumed or logged out meanwhile, or detached again since.
        let Ok(&lingering) = sessions.get(session) else { continue };
        let Some(until) = lingering.until else { continue };
        if until > clock.now() {
            waiting.arm(session, until);
            continue;
        }
        commands.queue(move |world: &mut World| {
            // Another system's commands may have brought its user back in the last moment.
            if world.get(session) == Some(&lingering) {
                world.trigger(Logout { session });
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_leaves_no_more_than_a_few_entries() {
        let mut world = World::new();
        let mut waiting = Waiting::default();
        let stays = world.spawn_empty().id();
        waiting.arm(stays, Duration::from_secs(5));
        for i in 0..10_000 {
            // One that is logged out long before its time, and one that waits less and less.
            let session = world.spawn_empty().id();
            waiting.arm(session, Duration::from_secs(1_000_000));
            waiting.forget(session);
            waiting.arm(stays, Duration::from_millis(4_999 - i.min(4_000)));
            assert!(waiting.queue.len() <= 2 * waiting.armed.len() + FEW + 1 && waiting.armed.len() == 1);
        }
        assert_eq!(waiting.pop_due(Duration::from_secs(1)), Some(stays));
        assert_eq!(waiting.pop_due(Duration::MAX), None);
    }

    #[test]
    fn those_who_wait_are_not_swept_away() {
        let mut world = World::new();
        let mut waiting = Waiting::default();
        let sessions: Vec<Entity> = (0..1000).map(|_| world.spawn_empty().id()).collect();
        for (due, &session) in (0..).zip(&sessions) {
            waiting.arm(session, Duration::from_secs(due));
        }
        sessions.iter().skip(10).for_each(|&session| waiting.forget(session));
        let due: Vec<Entity> = std::iter::from_fn(|| waiting.pop_due(Duration::MAX)).collect();
        assert_eq!(due, sessions[..10]);
    }
}
