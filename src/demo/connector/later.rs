//! What happens after a while, in the server's own time.

use super::bodies::Waited;
use crate::{core::DeadlineQueue, prelude::*};
use serde_json::Value;
use std::{borrow::Cow, time::Duration};

/// What waits for its moment.
#[derive(Resource, Default)]
pub(super) struct Later(DeadlineQueue<Task>);

enum Task {
    Answer(Responder<Waited>, Value),
    End(Close),
}

/// A connection that is about to be shown out: once is enough.
#[derive(Component)]
pub(super) struct Leaving;

/// How long a connection that asked to be shown out stays.
const BEFORE_KICK: Duration = Duration::from_millis(50);

pub(super) fn build(app: &mut App) {
    app.init_resource::<Later>().add_systems(PreUpdate, run.in_set(TickSystems::Watch));
}

impl Later {
    pub(super) fn answer(&mut self, at: Duration, responder: Responder<Waited>, n: Value) {
        self.0.push(at, Task::Answer(responder, n));
    }

    /// Without a reason the connection is closed without a word, as Pomelo does.
    pub(super) fn kick(&mut self, now: Duration, connection: Entity, reason: Option<Cow<'static, str>>) {
        let close = Close { entity: connection, cause: Cause::Kicked, reason };
        self.0.push(now + BEFORE_KICK, Task::End(close));
    }
}

fn run(clock: Res<Clock>, mut later: ResMut<Later>, mut commands: Commands) {
    while let Some(task) = later.0.pop_due(clock.now()) {
        match task {
            Task::Answer(responder, n) => responder.reply(Waited { code: 200, n }),
            Task::End(close) => commands.trigger(close),
        }
    }
}
