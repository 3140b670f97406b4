//! Closing those who make the server hold the most, when it holds too much.

use crate::{Budget, Cause, Clock, Close, Closing, Link, Shortage};
use bevy_ecs::prelude::*;
use std::{cmp::Reverse, time::Duration};

/// How long newcomers wait until room is made for them: longer than a burst takes to drain, and not so long that whoever
/// holds the server just below its limit keeps everybody else out.
const PATIENCE: Duration = Duration::from_secs(5);

/// When the budget is nearly used up, or newcomers have waited for too long: closes the connections that hold the most,
/// until newcomers may come in. It may look at all connections, for what it frees is a tenth of the budget.
pub(crate) fn shed(
    budget: Res<Budget>,
    clock: Res<Clock>,
    mut waiting_since: Local<Option<Duration>>,
    connections: Query<(Entity, &Link, Option<&Closing>)>,
    mut commands: Commands,
) {
    if budget.is_accepting() {
        *waiting_since = None;
        return;
    }
    let since = *waiting_since.get_or_insert(clock.now());
    let is_late = clock.now().saturating_sub(since) >= PATIENCE;
    let mut excess = if is_late { budget.above_low() } else { budget.excess() };
    if excess == 0 {
        return;
    }
    let mut holders = Vec::new();
    for (connection, link, closing) in &connections {
        let held = link.0.held();
        if closing.is_some_and(|closing| !closing.cause.flushes()) {
            // It is on its way.
            excess = excess.saturating_sub(held);
        } else if held > 0 {
            holders.push((held, connection, link, closing.is_some()));
        }
    }
    holders.sort_unstable_by_key(|&(held, connection, ..)| (Reverse(held), connection));
    for (held, connection, link, is_closing) in holders {
        if excess == 0 {
            break;
        }
        excess = excess.saturating_sub(held);
        tracing::debug!(%connection, held, "shed");
        budget.add(Shortage::Shed);
        link.0.close(Duration::ZERO, Cause::Shed.close_code());
        if !is_closing {
            commands.trigger(Close::new(connection, Cause::Shed));
        }
    }
}
