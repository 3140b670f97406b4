//! Logging in.

use crate::{Lingering, Resumed, Session, Sessions, Uid, logout::LoggingOut};
use bevy_ecs::prelude::*;
use portcullis_core::{Admitted, Authenticated, Bindings, BoundTo, Cause, Clock, Close, Closing, Connection};
use std::fmt;

/// Request: bind a connection to the session of a user, whose identity the caller has proved.
///
/// Ends in [`LoggedIn`] or [`LoginRefused`], or in neither when the connection is closing, or gone.
#[derive(EntityEvent, Clone, Debug)]
pub struct Login {
    /// The connection.
    pub entity: Entity,
    /// The user.
    pub uid: Uid,
}

impl Login {
    /// A login of this user.
    pub fn new(connection: Entity, uid: impl Into<Uid>) -> Self {
        Self { entity: connection, uid: uid.into() }
    }
}

/// Fact: a user has logged in; the connection is bound to the session.
#[derive(EntityEvent, Clone, Debug)]
pub struct LoggedIn {
    /// The session.
    #[event_target]
    pub session: Entity,
    /// The connection.
    pub connection: Entity,
    /// Whether the session was there already: its user came back, took over from another connection, or joined it.
    pub resumed: bool,
}

/// Fact: a login came to nothing. The connection stays; what its peer is told is the protocol's to say.
#[derive(EntityEvent, Clone, Debug)]
pub struct LoginRefused {
    /// The connection.
    pub entity: Entity,
    /// The user.
    pub uid: Uid,
    /// Why.
    pub why: LoginRefusal,
}

/// Why a login came to nothing. [`LoginRefusal::label`] is a stable word to count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoginRefusal {
    /// The user is logged in over another connection, and [`MultiLogin::Refuse`] holds.
    InUse,
    /// The connection is bound to a session already, be it the same one.
    AlreadyLoggedIn,
}

impl LoginRefusal {
    /// A stable label: lower case, words joined by `_`.
    pub fn label(self) -> &'static str {
        match self {
            Self::InUse => "in_use",
            Self::AlreadyLoggedIn => "already_logged_in",
        }
    }
}

impl fmt::Display for LoginRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What happens when a user who is logged in logs in over another connection.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MultiLogin {
    /// The older connection is closed with [`Cause::Replaced`], the new one is bound to the same session. The default:
    /// who comes again has most often lost the older one without our knowing.
    #[default]
    Replace,
    /// The newcomer is refused as long as the older connection is open.
    Refuse,
    /// Both stay.
    Allow,
}

pub(crate) fn login(event: On<Login>, mut commands: Commands) {
    let Login { entity, uid } = event.event().clone();
    // In a command, so that of two logins in one go the second sees what the first has done.
    commands.queue(move |world: &mut World| log_in(world, entity, uid));
}

fn log_in(world: &mut World, connection: Entity, uid: Uid) {
    if !is_open(world, connection) {
        return;
    }
    if world.entity(connection).contains::<BoundTo>() {
        return refuse(world, connection, uid, LoginRefusal::AlreadyLoggedIn);
    }
    let Some(session) = find(world, &uid) else {
        let logged_in_at = world.resource::<Clock>().now();
        let session = world.spawn(Session { uid, logged_in_at }).id();
        return bind(world, session, connection, false);
    };
    let others = open_connections(world, session);
    match *world.resource::<MultiLogin>() {
        MultiLogin::Refuse if !others.is_empty() => refuse(world, connection, uid, LoginRefusal::InUse),
        MultiLogin::Replace if !others.is_empty() => {
            for other in others {
                world.commands().trigger(Close::new(other, Cause::Replaced));
            }
            world.flush();
            // Observers of the closes may have changed everything: look again.
            log_in(world, connection, uid);
        }
        _ => bind(world, session, connection, true),
    }
}

/// The session of a user, unless it is on its way out.
fn find(world: &World, uid: &Uid) -> Option<Entity> {
    let session = world.resource::<Sessions>().get(uid.as_str())?;
    (!world.entity(session).contains::<LoggingOut>()).then_some(session)
}

fn is_open(world: &World, connection: Entity) -> bool {
    world.get_entity(connection).is_ok_and(|entity| {
        entity.contains::<Connection>() && entity.contains::<Admitted>() && !entity.contains::<Closing>()
    })
}

fn bind(world: &mut World, session: Entity, connection: Entity, resumed: bool) {
    let lingered = world.entity_mut(session).take::<Lingering>().is_some();
    world.entity_mut(connection).insert(BoundTo(session));
    world.commands().trigger(Authenticated { entity: connection });
    world.commands().trigger(LoggedIn { session, connection, resumed });
    if lingered {
        world.commands().trigger(Resumed { session, connection });
    }
    world.flush();
}

fn refuse(world: &mut World, entity: Entity, uid: Uid, why: LoginRefusal) {
    tracing::debug!(connection = %entity, %why, "login refused");
    world.trigger(LoginRefused { entity, uid, why });
}

/// The connections of a session which are not on their way out.
fn open_connections(world: &World, session: Entity) -> Vec<Entity> {
    let bindings = world.get::<Bindings>(session).into_iter().flat_map(RelationshipTarget::iter);
    bindings.filter(|&connection| !world.entity(connection).contains::<Closing>()).collect()
}
