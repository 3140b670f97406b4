//! Randomness as a resource. No system of the pipeline has a source of its own.

use bevy_ecs::prelude::*;
use chacha20::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use std::fmt;

/// Bytes that nobody can guess, for challenges, keys and tokens: `ChaCha20`, seeded by the operating system.
///
/// A test that wants the same bytes again inserts one of its own [`seed`](Self::seeded) in its place.
#[derive(Resource)]
pub struct Random(ChaCha20Rng);

impl Random {
    /// The same bytes for the same seed: for tests, and for nothing that has to be secret.
    pub fn seeded(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    /// The next bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

impl Default for Random {
    /// Seeded by the operating system.
    ///
    /// # Panics
    /// When it has no random bytes: then nothing a server says can be secret.
    fn default() -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the operating system has random bytes");
        Self(ChaCha20Rng::from_seed(seed))
    }
}

impl fmt::Debug for Random {
    /// Says nothing of its state, from which all that follows could be told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
