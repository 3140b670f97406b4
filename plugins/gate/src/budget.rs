//! What a connection may use before anybody trusts it.

use bevy_ecs::prelude::*;
use portcullis_core::{Authenticated, Connection, Forwarded, InboundLimit, MaxFrame};

/// What a connection may use until it is trusted, as a component beside a listener. Never more than the listener's own
/// [`MaxFrame`] and [`InboundLimit`], which hold afterwards.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreLoginBudget {
    /// The largest frame payload, in bytes. Default 4 KiB: a login fits, and strangers cannot make us hold much.
    pub max_frame: usize,
    /// Bytes that may wait for the world. Default 16 KiB: four such frames.
    pub held: usize,
}

impl Default for PreLoginBudget {
    fn default() -> Self {
        Self { max_frame: 4 * 1024, held: 16 * 1024 }
    }
}

/// The budget of connections whose listener has none of its own.
#[derive(Resource, Clone, Copy, Debug)]
pub(crate) struct DefaultBudget(pub(crate) PreLoginBudget);

/// A connection that is not trusted yet, and the limits it will have then. Removed when they are in force.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct Untrusted {
    /// The largest frame it may send once trusted.
    pub max_frame: MaxFrame,
    /// What may wait for the world once it is trusted.
    pub inbound: InboundLimit,
}

impl Untrusted {
    /// What to give a connection that has these limits of its own.
    pub(crate) fn on(budget: PreLoginBudget, max_frame: MaxFrame, inbound: InboundLimit) -> impl Bundle {
        (
            Self { max_frame, inbound },
            MaxFrame(max_frame.0.min(budget.max_frame)),
            InboundLimit(inbound.0.min(budget.held)),
        )
    }
}

/// Request: give a connection its listener's limits now, where neither an agent nor a login will.
#[derive(EntityEvent, Clone, Copy, Debug)]
pub struct Trust {
    /// The connection.
    pub entity: Entity,
}

pub(crate) fn on_forwarded(event: On<Forwarded>, mut commands: Commands) {
    commands.trigger(Trust { entity: event.entity });
}

pub(crate) fn on_authenticated(event: On<Authenticated>, mut commands: Commands) {
    commands.trigger(Trust { entity: event.entity });
}

pub(crate) fn trust(
    event: On<Trust>,
    connections: Query<&Untrusted, With<Connection>>,
    mut commands: Commands,
) {
    if let Ok(&Untrusted { max_frame, inbound }) = connections.get(event.entity) {
        commands.entity(event.entity).insert((max_frame, inbound)).remove::<Untrusted>();
    }
}
