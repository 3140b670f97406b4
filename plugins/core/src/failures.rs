//! What fails again and again is told the first, the second, the fourth, the eighth time, and so on: neither a system
//! that panics each tick nor a peer that asks for what panics fills the log.

use bevy_ecs::error::{BevyError, ErrorContext};
use std::{
    collections::BTreeMap,
    panic,
    sync::{Mutex, PoisonError, TryLockError},
};

/// Failures that are told apart. What comes beyond is counted as one.
const MOST: usize = 256;
/// The longest name of one, in bytes.
const LONGEST: usize = 256;

/// Of the process, for neither Bevy's error handler nor a panic hook knows a world.
static FAILURES: Mutex<Failures> = Mutex::new(Failures(BTreeMap::new()));

/// How often each has failed.
#[derive(Debug, Default)]
struct Failures(BTreeMap<String, u64>);

impl Failures {
    /// One more of these. Gives how many there were, where that is to be told.
    fn count(&mut self, what: &str) -> Option<u64> {
        let end = what.floor_char_boundary(LONGEST);
        let mut what = what.get(..end).unwrap_or_default();
        if self.0.len() >= MOST && !self.0.contains_key(what) {
            what = "others";
        }
        let times = self.0.entry(what.to_owned()).or_insert(0);
        *times = times.saturating_add(1);
        times.is_power_of_two().then_some(*times)
    }
}

/// Logs what a system returned or panicked with; a server goes on.
pub(crate) fn log_error(error: BevyError, context: ErrorContext) {
    let (system, text) = (context.name(), error.to_string());
    let told = FAILURES.lock().unwrap_or_else(PoisonError::into_inner).count(&format!("{system} {text}"));
    if let Some(times) = told {
        tracing::error!(%system, kind = context.kind(), times, "{text}");
    }
}

/// Has the process tell of panics at one place in the code the first, the second, the fourth, the eighth time, and so on,
/// as it would have told of each: for a program whose main job is the server, where handlers panic because peers ask.
///
/// It wraps the panic hook that there is. Call it once.
pub fn bound_panics() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        // Whoever panics while this is counted is told of.
        let told = match FAILURES.try_lock() {
            Ok(mut failures) => failures.count(&place).is_some(),
            Err(TryLockError::Poisoned(failures)) => failures.into_inner().count(&place).is_some(),
            Err(TryLockError::WouldBlock) => true,
        };
        if told {
            tell(info);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_each_tick_is_told_when_it_has_failed_twice_as_often() {
        let mut failures = Failures::default();
        let told: Vec<u64> = (0..1000).filter_map(|_| failures.count("a system")).collect();
        assert_eq!(told, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(failures.count("another"), Some(1));
    }

    #[test]
    fn failures_that_differ_each_time_are_bounded_too() {
        let mut failures = Failures::default();
        let told = (0..10_000).filter_map(|n| failures.count(&format!("{n} {}", "ü".repeat(1000)))).count();
        assert!(told <= MOST + 14, "{told}");
        assert!(failures.0.len() <= MOST + 1);
        assert!(failures.0.keys().all(|what| what.len() <= LONGEST));
    }
}
