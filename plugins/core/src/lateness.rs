//! How far the loop is behind.

use bevy_ecs::prelude::*;
use std::time::Duration;

/// How late the last tick began, after the moment it was due; ticks that were skipped count from the first of them.
///
/// Set by our [runner](crate::run) before each tick, so that what takes the time of the loop can be seen, and refused.
/// Zero in an app with another runner.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness(pub Duration);
