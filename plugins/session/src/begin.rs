//! Sessions whose user has no connection yet, and connections that come to a session that is there.

use crate::{
    Linger, Lingering, LoginRefusal, ServerName, Session, Sessions, Uid,
    binding::{self, Whose},
    linger,
};
use bevy_ecs::prelude::*;
use portcullis_core::Clock;
use std::time::Duration;

/// A session that no connection has been bound to so far: its first one logs in, and does not resume.
#[derive(Component, Clone, Copy, Debug)]
#[component(storage = "SparseSet")]
pub(crate) struct Awaited;

/// Begins a session that has no connection yet, of a user whose identity the caller has proved, perhaps elsewhere: what
/// a login server asks of a game server. Connections come to it by [`resume`], and the first of them is told as
/// [`LoggedIn`](crate::LoggedIn) that is not resumed.
///
/// It [lingers](Linger) so long, for its first connection as for every later one; [`Duration::MAX`] is for ever, and
/// zero until the next tick, and then no longer than its connections. Who does not come is told as
/// [`LoggedOut`](crate::LoggedOut), and neither as logged in nor as [`Detached`](crate::Detached) before. All observers
/// of the new [`Session`] have run when this returns; if one of them has ended it, the entity is gone.
///
/// The server's name is the operator's, never one that a peer has made up: the numbers of a server's sessions are
/// counted for as long as the process lives. How many sessions there may be is the caller's to bound, too.
///
/// # Errors
/// [`LoginRefusal::HasSession`] when the user has a session at this server already: log it out first. One that is being
/// logged out is none.
///
/// # A login server, and a client that drops and comes back
/// ```
/// use bevy_app::App;
/// use bevy_ecs::prelude::*;
/// use portcullis_core::{Cause, Close};
/// use portcullis_session::{
///     LoginRefusal, Secret, Session, Ticket, TicketFault, begin, issue_ticket, redeem_ticket, resume,
/// };
/// use std::time::Duration;
///
/// /// Where the user has logged in: what goes back to the client is the session's number.
/// fn login(world: &mut World, uid: &str, secret: [u8; 8]) -> Result<u64, LoginRefusal> {
///     let session = begin(world, uid, "arena", Duration::from_secs(60))?;
///     world.entity_mut(session).insert(Secret::new(secret));
///     Ok(world.get::<Session>(session).map_or(0, Session::subid))
/// }
///
/// /// Where its first connection arrives, and has proved that it knows the secret: it need not do so again.
/// fn enter(world: &mut World, connection: Entity, session: Entity) -> Option<Ticket> {
///     resume(world, connection, session).ok()?;
///     issue_ticket(world, session)
/// }
///
/// /// Where the later ones do.
/// fn come_back(world: &mut World, connection: Entity, token: &str) -> Option<Ticket> {
///     let session = redeem_ticket(world, token).ok()?;
///     enter(world, connection, session)
/// }
/// # use portcullis_core::{CorePlugin, Framing, Funnel};
/// # use portcullis_session::{SessionPlugin, Sessions};
/// # let mut app = App::new();
/// # app.add_plugins((CorePlugin::default(), portcullis_gate::GatePlugin::default(), SessionPlugin::default()));
/// # let listener = app.world_mut().spawn_empty().id();
/// # let funnel = app.world().resource::<Funnel>().clone();
/// # let connect = || {
/// #     let peer = "192.0.2.1:9999".parse().unwrap();
/// #     portcullis_net::memory::connect(&funnel, listener, Framing::BE16, peer)
/// # };
/// # let (first, second, third) = (connect(), connect(), connect());
/// # app.update();
/// # let world = app.world_mut();
/// # let (first, second, third) = (first.connection(), second.connection(), third.connection());
///
/// assert_eq!(login(world, "ann", *b"8 bytes!"), Ok(1));
/// assert_eq!(login(world, "ann", *b"8 bytes!"), Err(LoginRefusal::HasSession));
/// let ann = world.resource::<Sessions>().at("arena", "ann").unwrap();
/// assert!(world.get::<Secret>(ann).unwrap().is(b"8 bytes!"));
/// let ticket = enter(world, first, ann).unwrap();
/// world.trigger(Close::new(first, Cause::PeerClosed));
///
/// // The answer is lost on its way: the ticket still holds, until the one it brought is used.
/// let lost = come_back(world, second, &ticket.token).unwrap();
/// let newer = come_back(world, third, &ticket.token).unwrap();
/// assert_eq!(redeem_ticket(world, &newer.token), Ok(ann));
/// assert_eq!(redeem_ticket(world, &ticket.token), Err(TicketFault::Replaced));
/// # assert_eq!(redeem_ticket(world, &lost.token), Err(TicketFault::Replaced));
/// ```
pub fn begin(
    world: &mut World,
    uid: impl Into<Uid>,
    server: impl Into<ServerName>,
    linger: Duration,
) -> Result<Entity, LoginRefusal> {
    begin_with(world, uid, server, linger, ())
}

/// As [`begin`], with these components beside the session from its first moment on: whoever observes it sees them.
///
/// # Errors
/// As [`begin`].
///
/// # Panics
/// When [`Linger`] or [`Lingering`] is among them: the session has its own.
pub fn begin_with(
    world: &mut World,
    uid: impl Into<Uid>,
    server: impl Into<ServerName>,
    linger: Duration,
    beside: impl Bundle,
) -> Result<Entity, LoginRefusal> {
    let (uid, server) = (uid.into(), server.into());
    world.flush();
    let there = world.resource::<Sessions>().at(server.as_str(), uid.as_str());
    if there.is_some_and(|session| binding::is_on(world, session)) {
        return Err(LoginRefusal::HasSession);
    }
    let now = world.resource::<Clock>().now();
    let until = linger::until(world, linger);
    let (server, subid) = world.resource_mut::<Sessions>().number(server);
    let session = Session { uid, server, subid, logged_in_at: now };
    let session = world.spawn((Awaited, Linger(linger), Lingering { until }, session, beside)).id();
    world.flush();
    Ok(session)
}

/// Binds a connection to this session, whose user's proof the caller has checked: as [`bind`](crate::bind), but it
/// never begins another. What else is bound to it is treated as [`MultiLogin`](crate::MultiLogin) says; a session that
/// is taken over is not [`Detached`](crate::Detached) in between, whatever becomes of the older connection meanwhile.
///
/// # Errors
/// [`LoginRefusal::NoSession`] when there is no such session any more, or it is being logged out; else as
/// [`bind`](crate::bind). Connection and session stay as they were.
pub fn resume(world: &mut World, connection: Entity, session: Entity) -> Result<(), LoginRefusal> {
    binding::bind_to(world, connection, &Whose::Session(session)).map(drop)
}
