//! What plays for a connection.

use bevy_ecs::{prelude::*, system::EntityCommands};
use portcullis_core::{AcceptedBy, BelongsTo, Closing, Forward, Opened};
use std::{fmt, sync::Arc};

/// Beside a listener: the agent each of its connections gets when it is opened, and is forwarded to.
///
/// The agent [belongs to](BelongsTo) its connection: it is despawned with it, after
/// [`Closed`](portcullis_core::Closed) was told. A protocol with a login has no use for this: there the agent belongs
/// to the session.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_watchdog::AgentTemplate;
///
/// #[derive(Component)]
/// struct Lives(u8);
///
/// let template = AgentTemplate::new(|| (Lives(3), Name::new("player")));
/// ```
#[derive(Component, Clone)]
#[component(immutable)]
pub struct AgentTemplate(Arc<dyn Fn(Entity, &mut EntityCommands) + Send + Sync>);

impl AgentTemplate {
    /// Agents made of this bundle.
    pub fn new<B: Bundle>(make: impl Fn() -> B + Send + Sync + 'static) -> Self {
        Self::build(move |_, agent| {
            agent.insert(make());
        })
    }

    /// Agents that are built knowing their connection. They belong to it already.
    pub fn build(build: impl Fn(Entity, &mut EntityCommands) + Send + Sync + 'static) -> Self {
        Self(Arc::new(build))
    }
}

impl fmt::Debug for AgentTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentTemplate")
    }
}

/// The template of connections whose listener has none. Without it they are not forwarded.
#[derive(Resource, Clone, Debug)]
pub struct DefaultAgent(pub AgentTemplate);

pub(crate) fn spawn(
    event: On<Opened>,
    connections: Query<Option<&AcceptedBy>, Without<Closing>>,
    templates: Query<&AgentTemplate>,
    default: Option<Res<DefaultAgent>>,
    mut commands: Commands,
) {
    let entity = event.entity;
    let Ok(listener) = connections.get(entity) else { return };
    let own = listener.and_then(|listener| templates.get(listener.0).ok());
    let Some(template) = own.or(default.as_ref().map(|default| &default.0)) else { return };
    let mut agent = commands.spawn(BelongsTo(entity));
    (template.0)(entity, &mut agent);
    let agent = agent.id();
    commands.trigger(Forward { entity, agent });
}
