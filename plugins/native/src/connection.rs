//! How far each connection has come, and how it says goodbye.

use crate::{protocol::Service, wire::ServerFrame};
use bevy_ecs::prelude::*;
use portcullis_core::{Cause, Close, Closing, Connection, Outboxes, start_unless_forwarded};
use portcullis_dispatch::Speaks;
use portcullis_watchdog::Handshaking;
use std::{borrow::Cow, sync::Arc};

/// How far a connection of this protocol has come.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeState {
    /// Its Hello has not come yet.
    Greeting,
    /// It may ask.
    Ready,
    /// Its handshake was refused, and it was told why; it is about to be closed.
    Rejected,
    /// It broke the protocol, and is about to be closed.
    Broken,
}

/// The services of the app, by what their connections speak.
#[derive(Resource, Default)]
pub(crate) struct Services(Vec<(Speaks, Arc<Service>)>);

impl Services {
    pub(crate) fn add(&mut self, speaks: Speaks, service: Arc<Service>) {
        self.0.push((speaks, service));
    }

    /// An app has one or two: there is no faster way to find one.
    pub(crate) fn get(&self, speaks: Speaks) -> Option<&Service> {
        self.0.iter().find(|(known, _)| *known == speaks).map(|(_, service)| &**service)
    }
}

/// A connection that speaks our protocol is read at once: what it says first is the handshake.
pub(crate) fn greet(
    event: On<Add<Speaks>>,
    connections: Query<&Speaks, With<Connection>>,
    services: Res<Services>,
    mut commands: Commands,
) {
    let entity = event.entity;
    let Ok(&speaks) = connections.get(entity) else { return };
    if services.get(speaks).is_none() {
        return;
    }
    commands.entity(entity).insert((NativeState::Greeting, Handshaking));
    start_unless_forwarded(&mut commands, entity);
}

/// Tells a peer why its connection closes, unless it knows or cannot be told.
pub(crate) fn farewell(
    event: On<Add<Closing>>,
    connections: Query<(&NativeState, &Closing)>,
    mut outboxes: Outboxes,
) {
    let Ok((state, closing)) = connections.get(event.entity) else { return };
    let gone = matches!(closing.cause, Cause::PeerClosed | Cause::Reset);
    if gone || !closing.cause.flushes() || *state == NativeState::Rejected {
        return;
    }
    let bye =
        ServerFrame::Bye { cause: closing.cause.label(), reason: closing.reason.as_deref().unwrap_or("") };
    let written = outboxes.write(event.entity, |out| bye.write(out));
    if let Ok(Err(error)) = written {
        tracing::debug!(connection = %event.entity, %error, "no farewell could be said");
    }
}

/// Connections that are closed for what they sent, after what they sent before it was handled.
#[derive(Resource, Default)]
pub(crate) struct Offenders(pub(crate) Vec<(Entity, Cause, Cow<'static, str>)>);

pub(crate) fn close_offenders(mut offenders: ResMut<Offenders>, mut commands: Commands) {
    for (entity, cause, reason) in offenders.0.drain(..) {
        commands.trigger(Close { entity, cause, reason: Some(reason) });
    }
}
