//! Showing a user out.

use crate::{Sessions, Uid};
use bevy_ecs::prelude::*;
use portcullis_core::Kick;
use std::borrow::Cow;

/// Request: [kick](Kick) all connections of a user, at whatever servers, and say why. Ignored when the user is not
/// logged in.
///
/// The session stays for as long as it [lingers](crate::Lingering); a [`Logout`](crate::Logout) ends it at once. Who
/// logs in again afterwards is let in: keeping somebody out is the protocol's part, or the gate's.
#[derive(Event, Clone, Debug)]
pub struct KickUser {
    /// The user.
    pub uid: Uid,
    /// What the peers are told.
    pub reason: Cow<'static, str>,
}

impl KickUser {
    /// A kick for this reason.
    pub fn new(uid: impl Into<Uid>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { uid: uid.into(), reason: reason.into() }
    }
}

pub(crate) fn kick(event: On<KickUser>, mut commands: Commands) {
    let KickUser { uid, reason } = event.event().clone();
    // In a command, so that it sees a login that was asked for before it in the same go.
    commands.queue(move |world: &mut World| {
        let sessions: Vec<Entity> = world.resource::<Sessions>().of(uid.as_str()).collect();
        for session in sessions {
            world.trigger(Kick::new(session, reason.clone()));
        }
    });
}
