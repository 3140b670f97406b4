//! skynet's msgagent: what plays for a user of a msgserver, and echoes what it is asked after a tenth of a second.

use crate::{
    core::{Agents, DeadlineQueue},
    prelude::*,
    skynet::msgserver::MsgUser,
};
use std::time::Duration;

/// The route of the echo: what [`MsgServerPlugin`] is given.
pub const ROUTE: &str = "demo.msgagent";

/// How long an answer takes.
pub const DELAY: Duration = Duration::from_millis(100);

/// Serves the users of msgservers. Each has an agent of his own, which stays while he is logged in. Who comes and goes is
/// logged at debug, for strangers can do so as often as they like.
///
/// ```
/// use portcullis::{demo::msgagent, prelude::*};
///
/// App::new().add_plugins((ServerPlugins, msgagent::MsgAgentPlugin, MsgServerPlugin::new("sample", msgagent::ROUTE)));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MsgAgentPlugin;

/// The agent: nothing but who it plays for.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct MsgAgent;

/// What is to be echoed when. Dispatch bounds it: by the requests of a session that are not answered.
#[derive(Resource, Default)]
struct Echoes(DeadlineQueue<(Responder<Raw>, Raw)>);

impl Plugin for MsgAgentPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Echoes>()
            .add_handler(ROUTE, echo)
            .add_systems(PreUpdate, answer.in_set(TickSystems::Watch))
            .add_observer(login)
            .add_observer(connect)
            .add_observer(disconnect)
            .add_observer(logout);
    }
}

fn login(event: On<Add<MsgUser>>, sessions: Query<&Session>, mut commands: Commands) -> Result {
    let session = sessions.get(event.entity)?;
    tracing::debug!(user = %session.uid(), server = %session.server(), subid = session.subid(), "logged in");
    commands.spawn((MsgAgent, BelongsTo(event.entity)));
    Ok(())
}

/// The same agent plays, whichever connection the user comes over.
fn connect(
    event: On<LoggedIn>,
    users: Query<(&Session, &Agents), With<MsgUser>>,
    agents: Query<(), With<MsgAgent>>,
    mut commands: Commands,
) {
    // Other protocols have sessions too.
    let Ok((session, agents_of)) = users.get(event.session) else { return };
    tracing::debug!(user = %session.uid(), again = event.resumed, "connected");
    for agent in agents_of.iter().filter(|&agent| agents.contains(agent)) {
        commands.trigger(Forward { entity: event.connection, agent });
    }
}

fn disconnect(event: On<Detached>, users: Query<&Session, With<MsgUser>>) {
    if let Ok(session) = users.get(event.session) {
        tracing::debug!(user = %session.uid(), "away");
    }
}

fn logout(event: On<LoggedOut>, users: Query<(), With<MsgUser>>) {
    if users.contains(event.session) {
        tracing::debug!(user = %event.uid, "logged out");
    }
}

fn echo(
    request: Request<Raw>,
    mut defer: Defer,
    clock: Res<Clock>,
    mut echoes: ResMut<Echoes>,
) -> Result<Deferred<Raw>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    echoes.0.push(clock.now() + DELAY, (responder, request.body));
    Ok(deferred)
}

fn answer(clock: Res<Clock>, mut echoes: ResMut<Echoes>) {
    while let Some((responder, content)) = echoes.0.pop_due(clock.now()) {
        responder.reply(content);
    }
}
