//! What bots draw from: one number decides it all, and each bot has its own.

use std::time::Duration;

/// A generator of pseudo-random numbers (`SplitMix64`).
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    /// The dice of the bot of this number.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number.rotate_left(32));
        dice.roll();
        dice
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// From 0 to 1, and never 1.
    pub fn part(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Between these.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least + most.saturating_sub(least).mul_f64(self.part())
    }

    /// A time as those of things that end at any moment alike (exponential), with this mean, cut at five times as much.
    pub fn lifetime(&mut self, mean: Duration) -> Duration {
        mean.mul_f64((-(1.0 - self.part()).ln()).min(5.0))
    }

    /// So many bytes of any kind.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.roll().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    /// A text of so many letters.
    pub fn text(&mut self, letters: usize) -> String {
        self.bytes(letters).into_iter().map(|byte| char::from(b'a' + byte % 26)).collect()
    }
}
