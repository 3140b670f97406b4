//! What a user and we know, and nobody else.

use bevy_ecs::prelude::*;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The secret of a session, beside it: what a later connection proves with that it is of the same user. The protocol
/// that has agreed on one inserts it, and asks for the proof.
///
/// It shows itself in no log, and its memory is wiped when it goes.
#[derive(Component)]
#[component(immutable)]
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// A secret of these bytes.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes, to make or check a proof with.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is this, in a time that does not tell where the two differ.
    pub fn is(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
