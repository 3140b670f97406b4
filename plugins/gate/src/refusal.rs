//! Connections that were not let in, and why.

use bevy_ecs::prelude::*;
use std::fmt;

/// Why a connection was not let in. [`Refusal::label`] is a stable word to count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The server is shutting down.
    ShuttingDown,
    /// The address is on the [`DenyList`](crate::DenyList).
    Denied,
    /// The listener is [open to others only](crate::AdmitOnly).
    NotReady,
    /// The server has as many connections as it may have.
    Full,
    /// The listener has as many.
    ListenerFull,
    /// The address has as many.
    AddressLimit,
    /// Its address, or its network, [comes too fast](crate::AcceptRates).
    TooFast,
}

impl Refusal {
    /// All reasons, in the order they are looked at.
    pub const ALL: [Self; 7] = [
        Self::ShuttingDown,
        Self::Denied,
        Self::NotReady,
        Self::Full,
        Self::ListenerFull,
        Self::AddressLimit,
        Self::TooFast,
    ];

    /// A stable label: lower case, words joined by `_`.
    pub fn label(self) -> &'static str {
        match self {
            Self::ShuttingDown => "shutting_down",
            Self::Denied => "denied",
            Self::NotReady => "not_ready",
            Self::Full => "full",
            Self::ListenerFull => "listener_full",
            Self::AddressLimit => "address_limit",
            Self::TooFast => "too_fast",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Fact: a connection was not let in. What an observer writes to its outbox is sent before the socket closes.
///
/// The entity lives until the socket is gone. [`Opened`](portcullis_core::Opened) and
/// [`Closed`](portcullis_core::Closed) are never told of it.
#[derive(EntityEvent, Clone, Debug)]
pub struct Refused {
    /// The connection.
    pub entity: Entity,
    /// Why.
    pub why: Refusal,
}

/// How many connections were refused since the server started.
#[derive(Resource, Clone, Debug, Default)]
pub struct Refusals([u64; Refusal::ALL.len()]);

impl Refusals {
    /// How many for this reason.
    pub fn count(&self, why: Refusal) -> u64 {
        self.0[why as usize]
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) fn add(&mut self, why: Refusal) {
        self.0[why as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_counter_and_a_label_of_its_own() {
        let mut refusals = Refusals::default();
        let mut labels = std::collections::HashSet::new();
        for why in Refusal::ALL {
            refusals.add(why);
            assert_eq!(refusals.count(why), 1);
            assert!(labels.insert(why.label()));
        }
        assert_eq!(refusals.total(), Refusal::ALL.len() as u64);
    }
}
