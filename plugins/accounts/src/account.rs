//! What is told of an account.

use bevy_ecs::prelude::*;

/// An account, as it was when it was looked at. A session whose user has logged in by one has it beside it.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number, from 1. Never used again, even after it is removed: what a game keeps may refer to it.
    pub id: i64,
    /// Its name, spelled as it was registered.
    pub name: String,
    /// When it was registered, in seconds since 1970, by the clock of the machine.
    pub created_at: i64,
    /// Whether it may not log in.
    pub disabled: bool,
}
