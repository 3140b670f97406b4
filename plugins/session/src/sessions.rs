//! The session entity, and how it is found.

use crate::Uid;
use bevy_ecs::{lifecycle::HookContext, prelude::*, world::DeferredWorld};
use std::{collections::HashMap, time::Duration};

/// A user who is logged in. It outlives connections: its [`Bindings`](crate::Bindings) are those it has now.
///
/// Made by [`Login`](crate::Login) only, so that there is one for each user.
#[derive(Component, Clone, Debug)]
#[component(immutable, on_insert = enter, on_discard = leave)]
pub struct Session {
    pub(crate) uid: Uid,
    pub(crate) logged_in_at: Duration,
}

impl Session {
    /// The user.
    pub fn uid(&self) -> &Uid {
        &self.uid
    }

    /// When the session began, as time of the [`Clock`](portcullis_core::Clock).
    pub fn logged_in_at(&self) -> Duration {
        self.logged_in_at
    }
}

/// The sessions by user. Kept by the sessions themselves: it cannot differ from what exists.
#[derive(Resource, Debug, Default)]
pub struct Sessions(HashMap<Uid, Entity>);

impl Sessions {
    /// The session of a user who is logged in.
    pub fn get(&self, uid: &str) -> Option<Entity> {
        self.0.get(uid).copied()
    }

    /// How many users are logged in.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn enter(mut world: DeferredWorld, context: HookContext) {
    let Some(uid) = world.get::<Session>(context.entity).map(|session| session.uid.clone()) else { return };
    if let Some(mut sessions) = world.get_resource_mut::<Sessions>() {
        sessions.0.insert(uid, context.entity);
    }
}

fn leave(mut world: DeferredWorld, context: HookContext) {
    let Some(uid) = world.get::<Session>(context.entity).map(|session| session.uid.clone()) else { return };
    let Some(mut sessions) = world.get_resource_mut::<Sessions>() else { return };
    // The user may have logged in anew while observers of the logout ran.
    if sessions.0.get(&uid) == Some(&context.entity) {
        sessions.0.remove(&uid);
    }
}
