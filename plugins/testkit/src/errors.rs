//! Errors and panics of systems, observers and commands: a server logs them and goes on, a test wants to know.

use bevy_ecs::error::{BevyError, ErrorContext, Severity};
use std::cell::RefCell;

thread_local! {
    /// A handler of Bevy's is a plain function, and all schedules of a test run in its thread.
    static ERRORS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The error handler of the app.
pub(crate) fn record(error: BevyError, context: ErrorContext) {
    if matches!(error.severity(), Severity::Error | Severity::Panic) {
        ERRORS.with_borrow_mut(|errors| errors.push(format!("{context}: {error}")));
    }
}

/// What has gone wrong since it was last taken.
pub(crate) fn all() -> Vec<String> {
    ERRORS.with_borrow(Vec::clone)
}

/// Takes them.
pub(crate) fn take() -> Vec<String> {
    ERRORS.take()
}
