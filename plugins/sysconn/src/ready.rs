//! Whether the game is ready for players.

use crate::SysconnListener;
use bevy_ecs::prelude::*;
use portcullis_gate::{AdmitOnly, Networks};

/// Request: say whether the game is ready. While it is not, only those that a listener [trusts](crate::SysconnPlugin::trusted)
/// are let in; all others are told 503, as a browser or a proxy understands it, and those who are in stay: the original's
/// `game_ready`.
///
/// Said while plugins are built, it holds for the listeners that come when the app is finished, whatever
/// [`not_ready`](crate::SysconnPlugin::not_ready) says of them.
#[derive(Event, Clone, Copy, Debug, PartialEq, Eq)]
pub struct GameReady(pub bool);

/// Who is let in while the game is not ready, beside a listener.
#[derive(Component, Clone, Debug, Default)]
pub(crate) struct Trusted(pub(crate) Networks);

/// What was said last, for listeners that are still to be spawned.
#[derive(Resource, Clone, Copy, Debug, Default)]
pub(crate) struct Said(pub(crate) Option<bool>);

pub(crate) fn set(
    event: On<GameReady>,
    listeners: Query<(Entity, &Trusted), With<SysconnListener>>,
    mut said: ResMut<Said>,
    mut commands: Commands,
) {
    said.0 = Some(event.0);
    for (listener, trusted) in &listeners {
        match *event.event() {
            GameReady(true) => commands.entity(listener).remove::<AdmitOnly>(),
            GameReady(false) => commands.entity(listener).insert(AdmitOnly(trusted.0.clone())),
        };
    }
}
