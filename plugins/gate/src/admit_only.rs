//! Listeners that are open to a few only.

use crate::Networks;
use bevy_ecs::prelude::*;

/// Beside a listener: only these [`Networks`] are let in while it stands there; all others are refused with
/// [`Refusal::NotReady`](crate::Refusal::NotReady). Who is in already stays.
///
/// This is how a game says that it is not ready yet, or not any more: its own people come in and look, the others come
/// when it is removed.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_gate::AdmitOnly;
///
/// let mut world = World::new();
/// let listener = world.spawn(AdmitOnly("192.0.2.7".parse().unwrap())).id();
/// // The game has loaded what it needs:
/// world.entity_mut(listener).remove::<AdmitOnly>();
/// ```
#[derive(Component, Clone, Debug, Default, PartialEq, Eq)]
pub struct AdmitOnly(pub Networks);
