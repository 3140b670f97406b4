//! How often someone did what is counted against them: a bounded table that forgets.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

/// Strikes by who made them: an address, or a role.
///
/// A window begins with the first strike of a key, and when it is over all its strikes are forgotten. The table holds at
/// most as many keys as it has room for; when it is full, the one whose window ends first goes. Time is whatever the
/// caller counts in: all calls have to count in the same.
///
/// ```
/// use portcullis_sysconn::Strikes;
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// let mut wrong_secrets = Strikes::new(minute, 10_000);
/// assert_eq!(wrong_secrets.strike("10.0.0.7", Duration::ZERO), 1);
/// assert_eq!(wrong_secrets.strike("10.0.0.7", minute / 2), 2);
/// assert_eq!(wrong_secrets.count(&"10.0.0.7", minute), 0);
/// ```
#[derive(Clone, Debug)]
pub struct Strikes<K> {
    window: Duration,
    capacity: usize,
    tallies: HashMap<K, Tally>,
    /// When whose window began, in that order. Those that are not of their key's present window are left over.
    windows: VecDeque<(Duration, K)>,
}

#[derive(Clone, Copy, Debug)]
struct Tally {
    since: Duration,
    strikes: u32,
}

impl<K: Hash + Eq + Clone> Strikes<K> {
    /// A table that remembers strikes for `window`, of at most `capacity` keys, but of one at least.
    pub fn new(window: Duration, capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { window, capacity, tallies: HashMap::new(), windows: VecDeque::new() }
    }

    /// Counts a strike, and gives how many there are in this window, this one included.
    pub fn strike(&mut self, key: K, now: Duration) -> u32 {
        self.expire(now);
        if let Some(tally) = self.tallies.get_mut(&key) {
            // The clock may have been set back: what is over for `count` is over here.
            if !is_over(tally.since, self.window, now) {
                tally.strikes = tally.strikes.saturating_add(1);
                return tally.strikes;
            }
        } else if self.tallies.len() >= self.capacity {
            self.drop_stalest();
        }
        self.tallies.insert(key.clone(), Tally { since: now, strikes: 1 });
        self.windows.push_back((now, key));
        self.drop_left_over();
        1
    }

    /// How many strikes there are in the present window.
    pub fn count(&self, key: &K, now: Duration) -> u32 {
        let tally = self.tallies.get(key).filter(|tally| !is_over(tally.since, self.window, now));
        tally.map_or(0, |tally| tally.strikes)
    }

    /// Forgets the strikes of a key.
    pub fn forget(&mut self, key: &K) {
        self.tallies.remove(key);
    }

    /// How many keys are remembered, some of them perhaps longer than their window.
    pub fn len(&self) -> usize {
        self.tallies.len()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    fn expire(&mut self, now: Duration) {
        while self.windows.front().is_some_and(|&(since, _)| is_over(since, self.window, now)) {
            self.drop_first();
        }
    }

    fn drop_stalest(&mut self) {
        while self.tallies.len() >= self.capacity && !self.windows.is_empty() {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let Some((since, key)) = self.windows.pop_front() else { return };
        if self.tallies.get(&key).is_some_and(|tally| tally.since == since) {
            self.tallies.remove(&key);
        }
    }

    /// Who is forgotten and strikes again leaves a window behind each time: they go when they are as many as the others.
    fn drop_left_over(&mut self) {
        if self.windows.len() > 2 * self.tallies.len() + 16 {
            let tallies = &self.tallies;
            self.windows.retain(|(since, key)| tallies.get(key).is_some_and(|tally| tally.since == *since));
        }
    }
}

fn is_over(since: Duration, window: Duration, now: Duration) -> bool {
    now.saturating_sub(since) >= window
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn strikes_are_counted_by_key_and_forgotten_after_the_window() {
        let mut strikes = Strikes::new(10 * SECOND, 100);
        assert_eq!(strikes.strike("ann", SECOND), 1);
        assert_eq!(strikes.strike("ann", 2 * SECOND), 2);
        assert_eq!(strikes.strike("bob", 9 * SECOND), 1);
        assert_eq!(strikes.count(&"ann", 10 * SECOND), 2);
        assert_eq!(strikes.count(&"ann", 11 * SECOND), 0, "ten seconds after the first");
        assert_eq!(strikes.strike("ann", 11 * SECOND), 1);
        assert_eq!(strikes.count(&"bob", 11 * SECOND), 1);
        strikes.forget(&"bob");
        assert_eq!(strikes.count(&"bob", 11 * SECOND), 0);
    }

    #[test]
    fn a_full_table_forgets_whose_window_ends_first() {
        let mut strikes = Strikes::new(60 * SECOND, 3);
        for key in 0..3_u32 {
            strikes.strike(key, key * SECOND);
        }
        strikes.strike(0, 3 * SECOND);
        assert_eq!(strikes.strike(3, 4 * SECOND), 1);
        assert_eq!(strikes.len(), 3);
        assert_eq!(
            strikes.count(&0, 4 * SECOND),
            0,
            "its window began first, though its strike was the last"
        );
        assert_eq!(strikes.count(&1, 4 * SECOND), 1);
    }

    #[test]
    fn memory_stays_bounded_whatever_is_struck_and_forgotten() {
        let mut strikes = Strikes::new(60 * SECOND, 50);
        for round in 0..10_000_u32 {
            let now = Duration::from_millis(round.into());
            strikes.strike(round, now);
            strikes.forget(&(round / 2));
            strikes.strike(7, now);
            strikes.forget(&7);
        }
        assert!(strikes.len() <= 50);
        assert!(strikes.windows.len() <= 2 * 50 + 17, "{}", strikes.windows.len());
        assert_eq!(strikes.strike(1, Duration::from_secs(3600)), 1);
        assert_eq!((strikes.len(), strikes.windows.len()), (1, 1), "an hour later all are gone");
    }

    #[test]
    fn who_is_forgotten_begins_a_window_of_their_own() {
        let mut strikes = Strikes::new(10 * SECOND, 2);
        strikes.strike("ann", SECOND);
        strikes.forget(&"ann");
        strikes.strike("ann", 5 * SECOND);
        assert_eq!(strikes.strike("ann", 12 * SECOND), 2, "the first window is over, this one is not");
    }

    #[test]
    fn a_clock_that_is_set_back_harms_nobody() {
        let mut strikes = Strikes::new(10 * SECOND, 2);
        strikes.strike("ann", 100 * SECOND);
        assert_eq!(strikes.strike("ann", SECOND), 2);
        assert_eq!(strikes.strike("bob", SECOND), 1);
        assert_eq!(strikes.count(&"ann", 110 * SECOND), 0);
    }
}
