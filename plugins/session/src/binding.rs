//! Which connection is whose: the one place where connections are bound to sessions and unbound.

use crate::{
    LoggedIn, LoginRefusal, MultiLogin, Resumed, ServerName, Session, Sessions, Uid,
    begin::Awaited,
    linger::{self, Lingering},
    logout::LoggingOut,
    multi_login::{REPLACED, Verdict},
};
use bevy_ecs::prelude::*;
use portcullis_core::{Admitted, Authenticated, Bindings, BoundTo, Cause, Clock, Close, Closing, Connection};

/// Request: a connection is no longer its user's. It stays open, and may log in as anyone.
///
/// The session goes on as if the connection had closed: without another it is [`Detached`](crate::Detached), and
/// [lingers](crate::Lingering). Ends in [`Unbound`], or in nothing when the connection is bound to no session.
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
    bind_to(world, connection, &Whose::User(uid.into()))
}

/// Which session a connection is to be bound to.
pub(crate) enum Whose {
    /// That of this user, at the unnamed server; a new one where there is none.
    User(Uid),
    /// This one.
    Session(Entity),
}

/// Bindings that are being made, by session and connection, the innermost last. Observers may do anything meanwhile; it
/// is judged when all is done: until then no such session is detached, or a takeover could log out what it takes over,
/// and nothing is told of a connection that [`LoggedIn`] has not been told of.
#[derive(Resource, Debug, Default)]
pub(crate) struct Pending(Vec<(Entity, Option<Entity>)>);

impl Pending {
    /// Whether connections are on their way to this session.
    pub(crate) fn concerns(&self, session: Entity) -> bool {
        self.0.iter().any(|pending| pending.0 == session)
    }

    /// Ends what an observer has left in the middle by its panic: between systems nothing is being made. Gives the
    /// sessions, which have to be looked at.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = Entity> {
        self.0.drain(..).map(|pending| pending.0)
    }

    /// Whether this is the binding that is being made.
    fn is(&self, session: Entity, connection: Entity) -> bool {
        self.0.contains(&(session, Some(connection)))
    }
}

/// What came of a bind.
enum Bound {
    /// It was bound already.
    Before(Entity),
    Now {
        session: Entity,
        /// As [`LoggedIn`] has it.
        resumed: bool,
        /// Whether the session was detached.
        lingered: bool,
    },
}

pub(crate) fn bind_to(world: &mut World, connection: Entity, whose: &Whose) -> Result<Entity, LoginRefusal> {
    // What was asked for before comes before, or facts would be told in the wrong order.
    world.flush();
    let outer = world.resource::<Pending>().0.len();
    let bound = try_bind(world, connection, whose);
    for (session, _) in world.resource_mut::<Pending>().0.split_off(outer) {
        linger::detach(world, session);
    }
    match bound {
        Ok(Bound::Before(session)) => Ok(session),
        Ok(Bound::Now { session, resumed, lingered }) => {
            // A trigger does not flush: all is told before anything that an observer asks for is done.
            world.trigger(Authenticated { entity: connection });
            world.trigger(LoggedIn { session, connection, resumed });
            if lingered {
                world.trigger(Resumed { session, connection });
            }
            world.flush();
            Ok(session)
        }
        Err(why) => {
            tracing::debug!(%connection, why = why.label(), "login refused");
            Err(why)
        }
    }
}

/// Unbinds a connection, and gives the session it was bound to: as [`Unbind`], for those who must know at once.
///
/// The session may be over when this returns: without a connection it lingers as long as
/// [`Linger`](crate::Linger) or else [`SessionLinger`](crate::SessionLinger) says, which is not at all by default.
pub fn unbind(world: &mut World, connection: Entity) -> Option<Entity> {
    world.flush();
    let bound = world.get_entity_mut(connection).ok()?.take::<BoundTo>()?;
    world.flush();
    Some(bound.0)
}

fn try_bind(world: &mut World, connection: Entity, whose: &Whose) -> Result<Bound, LoginRefusal> {
    // Each round closes older connections, whose observers may change everything: then look again.
    loop {
        if !is_open(world, connection) {
            return Err(LoginRefusal::NotOpen);
        }
        let found = whose.find(world);
        if let (Whose::Session(_), None) = (whose, found) {
            return Err(LoginRefusal::NoSession);
        }
        if let Some(&BoundTo(session)) = world.get(connection) {
            let same = found == Some(session);
            return if same { Ok(Bound::Before(session)) } else { Err(LoginRefusal::AlreadyLoggedIn) };
        }
        match MultiLogin::of(world, connection).judge(world, found) {
            Verdict::Refuse => return Err(LoginRefusal::InUse),
            Verdict::Replace(older) => {
                world.resource_mut::<Pending>().0.extend(found.map(|session| (session, None)));
                for entity in older {
                    let reason = Some(REPLACED.into());
                    world.commands().trigger(Close { entity, cause: Cause::Replaced, reason });
                }
                world.flush();
            }
            Verdict::Admit => {
                let session = match whose {
                    Whose::User(uid) => found.unwrap_or_else(|| spawn(world, uid.clone())),
                    Whose::Session(session) => *session,
                };
                return tie(world, session, connection, found.is_some());
            }
        }
    }
}

impl Whose {
    /// The session, unless it is on its way out.
    fn find(&self, world: &World) -> Option<Entity> {
        let session = match self {
            Self::User(uid) => world.resource::<Sessions>().get(uid.as_str())?,
            Self::Session(session) => *session,
        };
        is_on(world, session).then_some(session)
    }
}

/// Whether this is a session, and not on its way out.
pub(crate) fn is_on(world: &World, session: Entity) -> bool {
    world
        .get_entity(session)
        .is_ok_and(|entity| entity.contains::<Session>() && !entity.contains::<LoggingOut>())
}

fn spawn(world: &mut World, uid: Uid) -> Entity {
    let (server, subid) = world.resource_mut::<Sessions>().number(ServerName::default());
    let logged_in_at = world.resource::<Clock>().now();
    world.spawn(Session { uid, server, subid, logged_in_at }).id()
}

fn tie(world: &mut World, session: Entity, connection: Entity, found: bool) -> Result<Bound, LoginRefusal> {
    world.resource_mut::<Pending>().0.push((session, Some(connection)));
    // Observers of a new session may have been in the way.
    if !is_open(world, connection) {
        return Err(LoginRefusal::NotOpen);
    }
    if !is_on(world, session) {
        return Err(LoginRefusal::NoSession);
    }
    if let Some(bound) = world.get::<BoundTo>(connection) {
        let same = bound.0 == session;
        return if same { Ok(Bound::Before(session)) } else { Err(LoginRefusal::AlreadyLoggedIn) };
    }
    world.entity_mut(connection).insert(BoundTo(session));
    let lingering = world.get_entity_mut(session).ok().and_then(|mut entity| entity.take::<Lingering>());
    if world.get::<BoundTo>(connection).is_none_or(|bound| bound.0 != session) {
        forget(world, session, connection);
        // Observers of these two were: it waits as it has waited before.
        if let Some(lingering) = lingering
            && is_on(world, session)
            && world.get::<Bindings>(session).is_none_or(RelationshipTarget::is_empty)
        {
            world.entity_mut(session).insert(lingering);
        }
        return Err(if is_open(world, connection) { LoginRefusal::NoSession } else { LoginRefusal::NotOpen });
    }
    let first = world.get_entity_mut(session).is_ok_and(|mut entity| entity.take::<Awaited>().is_some());
    Ok(Bound::Now { session, resumed: found && !first, lingered: lingering.is_some() && !first })
}

/// Takes a connection that is not bound out of the bindings. Bevy puts it there by a command, which comes after those of
/// observers of the insertion: what they take back at once would stay, and keep the session for ever.
fn forget(world: &mut World, session: Entity, connection: Entity) {
    let Some(mut bindings) = world.get_mut::<Bindings>(session) else { return };
    bindings.collection_mut_risky().retain(|&bound| bound != connection);
    if bindings.is_empty() {
        world.entity_mut(session).remove::<Bindings>();
    }
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
pub(crate) fn on_unbound(
    event: On<Remove<BoundTo>>,
    connections: Query<&BoundTo>,
    pending: Res<Pending>,
    mut commands: Commands,
) {
    let connection = event.entity;
    if let Ok(&BoundTo(session)) = connections.get(connection) {
        if !pending.is(session, connection) {
            commands.trigger(Unbound { session, connection });
        }
        // In a command: the relationship is taken back after the observers have run.
        commands.queue(move |world: &mut World| linger::detach(world, session));
    }
}
