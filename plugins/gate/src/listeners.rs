//! Requests for listeners while the server runs.
//!
//! One is opened by spawning a [`Listener`]; `On<Add<ListenerHandle>>` tells that it is open, `On<Remove<…>>` of the
//! same that it is not any more.

use bevy_ecs::prelude::*;
use portcullis_net::{Listener, ListenerHandle};

/// Request: accept nobody for a while. The kernel holds who comes, up to the listener's backlog.
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct PauseListener {
    /// The listener.
    pub entity: Entity,
}

/// Request: accept again.
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct ResumeListener {
    /// The listener.
    pub entity: Entity,
}

/// Request: stop listening. Connections stay, and so do the entity and its policies: insert a [`Listener`] to reopen.
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct CloseListener {
    /// The listener.
    pub entity: Entity,
}

pub(crate) fn pause(event: On<PauseListener>, handles: Query<&ListenerHandle>) {
    if let Ok(handle) = handles.get(event.entity) {
        handle.pause();
    }
}

pub(crate) fn resume(event: On<ResumeListener>, handles: Query<&ListenerHandle>) {
    if let Ok(handle) = handles.get(event.entity) {
        handle.resume();
    }
}

pub(crate) fn close(event: On<CloseListener>, listeners: Query<(), With<Listener>>, mut commands: Commands) {
    if listeners.contains(event.entity) {
        commands.entity(event.entity).remove::<Listener>();
    }
}
