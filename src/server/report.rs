//! What was refused, closed and shed, told in the log now and then.

use portcullis::{
    core::{Budget, Cause, Causes, Clock, Shortage},
    gate::{Refusal, Refusals},
    prelude::*,
    session::Session,
};
use std::{fmt::Write, time::Duration};

/// Writes a line each so often, if anything has happened since the last.
pub struct ReportPlugin {
    pub every: Duration,
}

impl Plugin for ReportPlugin {
    fn build(&self, app: &mut App) {
        let every = self.every;
        let due = move |clock: Res<Clock>, mut next: Local<Option<Duration>>| {
            let due = next.get_or_insert(clock.now() + every);
            let is_due = clock.now() >= *due;
            if is_due {
                *due = clock.now() + every;
            }
            is_due
        };
        app.add_systems(Last, report.run_if(due));
    }
}

/// What was told last.
#[derive(Default)]
struct Told {
    refused: [u64; Refusal::ALL.len()],
    closed: [u64; Cause::ALL.len()],
    short: [u64; Shortage::ALL.len()],
}

fn report(
    (refusals, causes, budget): (Res<Refusals>, Res<Causes>, Res<Budget>),
    connections: Query<(), With<Connection>>,
    sessions: Query<(), With<Session>>,
    mut told: Local<Told>,
) {
    let now = Told {
        refused: Refusal::ALL.map(|why| refusals.count(why)),
        closed: Cause::ALL.map(|cause| causes.count(cause)),
        short: Shortage::ALL.map(|shortage| budget.count(shortage)),
    };
    let refused = since(told.refused, now.refused, Refusal::ALL.map(Refusal::label));
    let closed = since(told.closed, now.closed, Cause::ALL.map(Cause::label));
    let short = since(told.short, now.short, Shortage::ALL.map(Shortage::label));
    *told = now;
    if refused.is_empty() && closed.is_empty() && short.is_empty() {
        return;
    }
    tracing::info!(
        connections = connections.iter().len(),
        sessions = sessions.iter().len(),
        held = budget.used(),
        refused,
        closed,
        short_of_bytes = short,
        "since the last report"
    );
}

/// What has become more, as "idle 3, reset 1".
fn since<const N: usize>(before: [u64; N], now: [u64; N], labels: [&str; N]) -> String {
    let mut text = String::new();
    for ((before, now), label) in before.into_iter().zip(now).zip(labels) {
        if now > before {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}{label} {}", now - before);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_become_more_is_told_by_its_label() {
        assert_eq!(since([1, 2, 3], [1, 3, 10], ["a", "b", "c"]), "b 1, c 7");
        assert_eq!(since([4], [4], ["a"]), "");
    }
}
