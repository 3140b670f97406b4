//! The session entity, and how it is found.

use crate::{ServerName, Uid, linger::Waiting};
use bevy_ecs::{lifecycle::HookContext, prelude::*, world::DeferredWorld};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// A user who is logged in. It outlives connections: its [`Bindings`](crate::Bindings) are those it has now.
///
/// Made by [`Login`](crate::Login), [`bind`](crate::bind) and [`begin`](crate::begin) only, so that there is one for each
/// user at each server; `On<Add<Session>>` tells of it. End it by
/// [`Logout`](crate::Logout): a despawn by other hands leaves its connections open, and tells
/// [`Unbound`](crate::Unbound) only.
///
/// # What a game knows of a user
/// Session data are the game's own components beside it. They are there for every connection of the user, survive a
/// reconnect if the session does, and go with it; nothing has to be pushed back. Agents
/// [belong to](portcullis_core::BelongsTo) it in the same way.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_core::{Agents, BelongsTo, BoundTo};
/// use portcullis_session::{LoggedIn, LoggedOut};
///
/// #[derive(Component, Default)]
/// struct Wallet { coins: u64 }
///
/// #[derive(Component)]
/// struct Hero;
///
/// /// Once for each session: who comes back finds what was left.
/// fn furnish(event: On<LoggedIn>, mut commands: Commands) {
///     if !event.resumed {
///         commands.entity(event.session).insert(Wallet::default());
///         commands.spawn((Hero, BelongsTo(event.session)));
///     }
/// }
///
/// /// From a connection, as a handler has it, to the user's data.
/// fn earn(connection: In<Entity>, bound: Query<&BoundTo>, mut wallets: Query<&mut Wallet>) -> Result<u64> {
///     let mut wallet = wallets.get_mut(bound.get(*connection)?.0)?;
///     wallet.coins += 1;
///     Ok(wallet.coins)
/// }
///
/// /// The last moment to save.
/// fn save(event: On<LoggedOut>, users: Query<(&Wallet, &Agents)>, mut saved: ResMut<Saved>) -> Result {
///     let (wallet, agents) = users.get(event.session)?;
///     saved.0.push((event.uid.to_string(), wallet.coins, agents.iter().count()));
///     Ok(())
/// }
///
/// #[derive(Resource, Default)]
/// struct Saved(Vec<(String, u64, usize)>);
/// #
/// # use portcullis_core::{CorePlugin, Framing, Funnel};
/// # use portcullis_session::{Logout, SessionPlugin, bind};
/// # let mut app = bevy_app::App::new();
/// # app.add_plugins((CorePlugin::default(), portcullis_gate::GatePlugin::default(), SessionPlugin::default()))
/// #     .init_resource::<Saved>();
/// # app.add_observer(furnish).add_observer(save);
/// # let listener = app.world_mut().spawn_empty().id();
/// # let funnel = app.world().resource::<Funnel>().clone();
/// # let peer = "192.0.2.1:9999".parse().unwrap();
/// # let socket = portcullis_net::memory::connect(&funnel, listener, Framing::BE16, peer);
/// # app.update();
/// # let session = bind(app.world_mut(), socket.connection(), "ann").unwrap();
/// # use bevy_ecs::system::RunSystemOnce;
/// # let coins = app.world_mut().run_system_once_with(earn, socket.connection());
/// # assert!(matches!(coins, Ok(Ok(1))));
/// # app.world_mut().trigger(Logout { session });
/// # app.world_mut().flush();
/// # assert_eq!(app.world().resource::<Saved>().0, [("ann".to_owned(), 1, 1)]);
/// ```
///
/// # Who is here
/// Figures are queries, so that they cannot drift. What Pomelo's connection statistics tell, is this:
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_core::Connection;
/// use portcullis_session::{Bindings, Session, Sessions};
///
/// fn statistics(
///     connections: Query<&Connection>,
///     index: Res<Sessions>,
///     sessions: Query<(&Session, Option<&Bindings>)>,
/// ) -> String {
///     let mut text = format!("{} connections, {} users\n", connections.iter().len(), index.len());
///     for (session, bindings) in &sessions {
///         // None while the session lingers.
///         let bound = bindings.into_iter().flat_map(|bindings| bindings.iter());
///         let addresses: Vec<_> =
///             bound.filter_map(|connection| Some(connections.get(connection).ok()?.peer)).collect();
///         let since = session.logged_in_at();
///         text += &format!("{} since {since:?}, {} times, from {addresses:?}\n", session.uid(), addresses.len());
///     }
///     text
/// }
/// # use portcullis_core::{CorePlugin, Framing, Funnel, TimeSource};
/// # use portcullis_session::{SessionPlugin, bind};
/// # let mut app = bevy_app::App::new();
/// # let core = CorePlugin { time: TimeSource::manual(), ..CorePlugin::default() };
/// # app.add_plugins((core, portcullis_gate::GatePlugin::default(), SessionPlugin::default()));
/// # let listener = app.world_mut().spawn_empty().id();
/// # let funnel = app.world().resource::<Funnel>().clone();
/// # let peer = "192.0.2.1:9999".parse().unwrap();
/// # let socket = portcullis_net::memory::connect(&funnel, listener, Framing::BE16, peer);
/// # app.update();
/// # bind(app.world_mut(), socket.connection(), "ann").unwrap();
/// # use bevy_ecs::system::RunSystemOnce;
/// # let text = app.world_mut().run_system_once(statistics).unwrap();
/// # assert_eq!(text, "1 connections, 1 users\nann since 0ns, 1 times, from [192.0.2.1:9999]\n");
/// ```
#[derive(Component, Debug)]
#[component(immutable, on_insert = enter, on_discard = leave)]
pub struct Session {
    pub(crate) uid: Uid,
    pub(crate) server: ServerName,
    pub(crate) subid: u64,
    pub(crate) logged_in_at: Duration,
}

impl Session {
    /// The user.
    pub fn uid(&self) -> &Uid {
        &self.uid
    }

    /// The game server it is at; the unnamed one unless somebody [began](crate::begin) it at another.
    pub fn server(&self) -> &ServerName {
        &self.server
    }

    /// Its number: sessions at one server are counted from 1 on, and no number comes twice. So what was proved for an
    /// earlier session of the same user says nothing of this one.
    pub fn subid(&self) -> u64 {
        self.subid
    }

    /// When the session began, as time of the [`Clock`](portcullis_core::Clock).
    pub fn logged_in_at(&self) -> Duration {
        self.logged_in_at
    }
}

/// The sessions by server and user, in constant time. Kept by the sessions themselves, so that it cannot differ from
/// what exists, whoever despawns what.
#[derive(Resource, Debug, Default)]
pub struct Sessions {
    /// As many as an operator has named servers. In order, so that what is done to all sessions of a user is done in the
    /// same order in each run.
    servers: BTreeMap<ServerName, Here>,
    len: usize,
}

#[derive(Debug, Default)]
struct Here {
    sessions: HashMap<Uid, Entity>,
    /// The number of the latest.
    subid: u64,
}

impl Sessions {
    /// The session of a user at the unnamed server, also while it lingers.
    pub fn get(&self, uid: &str) -> Option<Entity> {
        self.at("", uid)
    }

    /// The session of a user at this server, also while it lingers.
    pub fn at(&self, server: &str, uid: &str) -> Option<Entity> {
        self.servers.get(server)?.sessions.get(uid).copied()
    }

    /// The sessions of a user at all servers, in the order of their names.
    pub fn of(&self, uid: &str) -> impl Iterator<Item = Entity> {
        self.servers.values().filter_map(move |here| here.sessions.get(uid).copied())
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody is logged in.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of the next session at this server, and its name, as all sessions there share it.
    pub(crate) fn number(&mut self, server: ServerName) -> (ServerName, u64) {
        let here = self.servers.entry(server);
        let name = here.key().clone();
        let here = here.or_default();
        here.subid += 1;
        (name, here.subid)
    }
}

fn enter(mut world: DeferredWorld, context: HookContext) {
    let Some((server, uid)) = key(&world, context.entity) else { return };
    if let Some(mut sessions) = world.get_resource_mut::<Sessions>()
        && sessions.servers.entry(server).or_default().sessions.insert(uid, context.entity).is_none()
    {
        sessions.len += 1;
    }
}

fn leave(mut world: DeferredWorld, context: HookContext) {
    if let Some(mut waiting) = world.get_resource_mut::<Waiting>() {
        waiting.forget(context.entity);
    }
    let Some((server, uid)) = key(&world, context.entity) else { return };
    let Some(mut sessions) = world.get_resource_mut::<Sessions>() else { return };
    let Some(here) = sessions.servers.get_mut(&server) else { return };
    // The user may have logged in anew while observers of the logout ran.
    if here.sessions.get(&uid) == Some(&context.entity) {
        here.sessions.remove(&uid);
        sessions.len -= 1;
    }
}

fn key(world: &DeferredWorld, session: Entity) -> Option<(ServerName, Uid)> {
    world.get::<Session>(session).map(|session| (session.server.clone(), session.uid.clone()))
}
