//! Which connection is whose: the one place where connections are bound to sessions and unbound.

use crate::{
    LoggedIn, LoginRefusal, MultiLogin, Resumed, Session, Sessions, Uid,
    linger::{self, Lingering},
    logout::LoggingOut,
    multi_login::{REPLACED, Verdict},
};
use bevy_ecs::prelude::*;
use portcullis_core::{Admitted, Authenticated, BoundTo, Cause, Clock, Close, Closing, Connection};

/// Request: a connection is no longer its user's. It stays open, and may log in as anyone.
///
/// The session goes on as if the connection had closed: without another it is [`Detached`](crate::Detached), and
/// [lingers](crate::SessionLinger). Ends in [`Unbound`], or in nothing when the connection is bound to no session.
///
/// Gate and watchdog do not ask for another login: limits and deadlines stay as they are after one.
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct Unbind {
    /// The connection.
    pub entity: Entity,
}

/// Fact: a connection is no longer bound to a session. Told once for each [`LoggedIn`], whatever ended the binding: an
/// [`Unbind`], the end of the connection, which does not exist any more then, or that of the session.
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct Unbound {
    /// The session.
    #[event_target]
    pub session: Entity,
    /// The connection.
    pub connection: Entity,
}

/// Binds a connection to the session of a user, whose identity the caller has proved, and gives the session: as
/// [`Login`](crate::Login), for those who must know the outcome at once.
///
/// Binding it again to the same user changes nothing, and gives the same session. All observers have run when it
/// returns; what one of them has undone is undone. Other connections of the user are treated as [`MultiLogin`] says.
///
/// # Errors
/// [`LoginRefusal`] says why not; the connection stays as it was. It is not told as
/// [`LoginRefused`](crate::LoginRefused): the caller knows.
///
/// # In a handler
/// A handler that takes the `World` can answer with the outcome. Unlike what other handlers ask for by commands, all it
/// does, commands included, is done *before* its answer is written: it must not close or kick its own connection, whose
/// farewell would come before the answer. A handler without the `World` may.
///
/// ```
/// use bevy_app::App;
/// use bevy_ecs::prelude::*;
/// use portcullis_core::CorePlugin;
/// use portcullis_dispatch::{AppDispatchExt, DispatchPlugin, Refusal, Request};
/// use portcullis_session::{SessionPlugin, bind};
///
/// /// `connector.entryHandler.enter` of a Pomelo chat: the user's name is all that is asked.
/// fn enter(name: Request<String>, world: &mut World) -> Result<(), Refusal> {
///     match bind(world, name.connection, name.body.as_str()) {
///         Ok(_session) => Ok(()),
///         Err(why) => Err(Refusal::new(Refusal::CONFLICT, why.to_string())),
///     }
/// }
///
/// App::new()
///     .add_plugins((CorePlugin::default(), SessionPlugin::default(), DispatchPlugin))
///     .add_handler("connector.entryHandler.enter", enter);
/// ```
pub fn bind(world: &mut World, connection: Entity, uid: impl Into<Uid>) -> Result<Entity, LoginRefusal> {
    let uid = uid.into();
    // What was asked for before comes before, or facts would be told in the wrong order.
    world.flush();
    let bound = try_bind(world, connection, &uid);
    if let Err(why) = bound {
        tracing::debug!(%connection, why = why.label(), "login refused");
    }
    bound
}

/// Unbinds a connection, and gives the session it was bound to: as [`Unbind`], for those who must know at once.
///
/// The session may be over when this returns: without a connection it lingers as long as
/// [`SessionLinger`](crate::SessionLinger) says, which is not at all by default.
pub fn unbind(world: &mut World, connection: Entity) -> Option<Entity> {
    world.flush();
    let bound = world.get_entity_mut(connection).ok()?.take::<BoundTo>()?;
    world.flush();
    Some(bound.0)
}

fn try_bind(world: &mut World, connection: Entity, uid: &Uid) -> Result<Entity, LoginRefusal> {
    // Each round closes older connections, whose observers may change everything: then look again.
    loop {
        if !is_open(world, connection) {
            return Err(LoginRefusal::NotOpen);
        }
        if let Some(&BoundTo(session)) = world.get(connection) {
            let same = world.get::<Session>(session).is_some_and(|session| session.uid == *uid);
            let stays = world.get::<LoggingOut>(session).is_none();
            return if same && stays { Ok(session) } else { Err(LoginRefusal::AlreadyLoggedIn) };
        }
        let found = find(world, uid);
        match MultiLogin::of(world, connection).judge(world, found) {
            Verdict::Refuse => return Err(LoginRefusal::InUse),
            Verdict::Replace(older) => {
                for entity in older {
                    let reason = Some(REPLACED.into());
                    world.commands().trigger(Close { entity, cause: Cause::Replaced, reason });
                }
                world.flush();
            }
            Verdict::Admit => {
                let session = found.unwrap_or_else(|| {
                    let logged_in_at = world.resource::<Clock>().now();
                    world.spawn(Session { uid: uid.clone(), logged_in_at }).id()
                });
                return tie(world, session, connection, found.is_some());
            }
        }
    }
}

fn tie(
    world: &mut World,
    session: Entity,
    connection: Entity,
    resumed: bool,
) -> Result<Entity, LoginRefusal> {
    if world.get_entity(session).is_err() || !is_open(world, connection) {
        // An observer of the new session was in the way.
        linger::detach(world, session);
        return Err(LoginRefusal::NotOpen);
    }
    let lingered = world.entity_mut(session).take::<Lingering>().is_some();
    world.entity_mut(connection).insert(BoundTo(session));
    world.commands().trigger(Authenticated { entity: connection });
    world.commands().trigger(LoggedIn { session, connection, resumed });
    if lingered {
        world.commands().trigger(Resumed { session, connection });
    }
    world.flush();
    Ok(session)
}

/// The session of a user, unless it is on its way out.
fn find(world: &World, uid: &Uid) -> Option<Entity> {
    let session = world.resource::<Sessions>().get(uid.as_str())?;
    world.get::<LoggingOut>(session).is_none().then_some(session)
}

pub(crate) fn is_open(world: &World, connection: Entity) -> bool {
    world.get_entity(connection).is_ok_and(|entity| {
        entity.contains::<Connection>() && entity.contains::<Admitted>() && !entity.contains::<Closing>()
    })
}

pub(crate) fn on_unbind(event: On<Unbind>, mut commands: Commands) {
    let connection = event.entity;
    // In a command, so that it sees a login that was asked for before it in the same go.
    commands.queue(move |world: &mut World| {
        unbind(world, connection);
    });
}

/// Whatever ended the binding: it is the relationship itself that tells, so that the late end of a connection can only
/// ever end its own.
pub(crate) fn on_unbound(event: On<Remove<BoundTo>>, connections: Query<&BoundTo>, mut commands: Commands) {
    let connection = event.entity;
    if let Ok(&BoundTo(session)) = connections.get(connection) {
        commands.trigger(Unbound { session, connection });
        // In a command: the relationship is taken back after the observers have run.
        commands.queue(move |world: &mut World| linger::detach(world, session));
    }
}
