//! How long to wait before the next attempt.

use super::ResumePolicy;
use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// Pauses that double, each shortened by chance.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
    attempt: u32,
    /// Chance that needs no generator: each has keys of its own.
    chance: RandomState,
}

impl Backoff {
    pub(super) fn new(policy: &ResumePolicy) -> Self {
        let first = policy.first_delay.min(policy.max_delay);
        Self { next: first, longest: policy.max_delay, attempt: 0, chance: RandomState::new() }
    }

    /// Between half of the pause and all of it.
    pub(super) fn pause(&mut self) -> Duration {
        let part = self.chance.hash_one(self.attempt) as u32;
        let pause = self.next / 2 + (self.next / 2).mul_f64(f64::from(part) / f64::from(u32::MAX));
        self.attempt += 1;
        self.next = self.next.saturating_mul(2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_keep_at_least_their_half() {
        let millis = Duration::from_millis;
        let policy =
            ResumePolicy { first_delay: millis(100), max_delay: millis(350), ..ResumePolicy::default() };
        let mut backoff = Backoff::new(&policy);
        for whole in [100, 200, 350, 350].map(millis) {
            let pause = backoff.pause();
            assert!((whole / 2..=whole).contains(&pause), "{pause:?} of {whole:?}");
        }
    }
}
