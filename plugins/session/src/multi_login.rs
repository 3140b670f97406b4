//! How often a user may be connected at once.

use crate::binding::is_open;
use bevy_ecs::prelude::*;
use portcullis_core::{AcceptedBy, Bindings};

/// What happens when a user who is logged in logs in over another connection: beside that connection, or beside its
/// listener, or else the server's [`DefaultMultiLogin`].
///
/// The *newcomer's* policy decides, and it looks at all open connections of the user, whatever listeners they came
/// through; those who are there have no say, for one of them may be dead without our knowing. Where the listener for
/// phones says [`Replace`](Self::Replace) and the one for browsers [`Refuse`](Self::Refuse), a phone takes the place of
/// a browser, and a browser never that of a phone. Connections that are closing do not count.
///
/// It is looked up at each login, so that a change holds from the next on. A listener that is despawned leaves its
/// connections to the default.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_session::MultiLogin;
///
/// let mut world = World::new();
/// // As in Pomelo: any number.
/// let listener = world.spawn(MultiLogin::Allow(usize::MAX)).id();
/// // Pomelo's `singleSession`.
/// world.entity_mut(listener).insert(MultiLogin::Refuse);
/// ```
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MultiLogin {
    /// The older connections are closed with [`Cause::Replaced`](portcullis_core::Cause::Replaced) and [`REPLACED`] as
    /// the reason, the new one is bound to the same session. The default: who comes again has most often lost the older
    /// one without our knowing.
    #[default]
    Replace,
    /// The newcomer is refused as long as another connection of the user is open.
    Refuse,
    /// At most so many connections of one user at once; who comes beyond that is refused. [`usize::MAX`] is any number,
    /// as Pomelo's default; 1 is as good as [`Refuse`](Self::Refuse); 0 lets nobody log in.
    Allow(usize),
}

/// The policy of connections that have none of their own, and whose listener has none. Default [`MultiLogin::Replace`].
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultMultiLogin(pub MultiLogin);

/// The reason the older connection is closed with, in words its protocol can show.
pub const REPLACED: &str = "logged in over another connection";

/// What a policy says to one more connection.
pub(crate) enum Verdict {
    Admit,
    Refuse,
    /// Admit, after these are closed.
    Replace(Vec<Entity>),
}

impl MultiLogin {
    /// The policy that holds for a connection.
    pub(crate) fn of(world: &World, connection: Entity) -> Self {
        let own = world.get::<Self>(connection);
        let listener = || world.get::<Self>(world.get::<AcceptedBy>(connection)?.0);
        own.or_else(listener).copied().unwrap_or_else(|| world.resource::<DefaultMultiLogin>().0)
    }

    /// Looks at the open connections of a session; of a user who has none, there is none.
    pub(crate) fn judge(self, world: &World, session: Option<Entity>) -> Verdict {
        let bindings = session.and_then(|session| world.get::<Bindings>(session));
        let bound = bindings.map_or(0, RelationshipTarget::len);
        let open = || {
            let bindings = bindings.into_iter().flat_map(RelationshipTarget::iter);
            bindings.filter(|&connection| is_open(world, connection))
        };
        match self {
            Self::Replace => match open().collect::<Vec<_>>() {
                older if older.is_empty() => Verdict::Admit,
                older => Verdict::Replace(older),
            },
            // Most often nobody has to be looked at: those that are open are no more than those that are bound.
            Self::Allow(most) if bound < most || open().take(most).count() < most => Verdict::Admit,
            Self::Refuse if open().next().is_none() => Verdict::Admit,
            Self::Refuse | Self::Allow(_) => Verdict::Refuse,
        }
    }
}
