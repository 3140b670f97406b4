//! Who has failed to log in, how often, and who has to wait therefore.

use crate::{AccountError, Lockout, name::Name};
use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

/// Failed logins by name. One thread owns it.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    lockout: Option<Lockout>,
    names: HashMap<String, Record>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// Wrong passwords since the last right one.
    wrong: u32,
    /// Attempts whose passwords are looked at right now: they count as wrong until it is known, or a guesser would make
    /// all his attempts at once.
    pending: u32,
    /// Time of the clock of the last change, or the end of the lock, whichever is later.
    until: Duration,
    locked: bool,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The password was the account's.
    Right,
    /// It was not.
    Wrong,
    /// It could not be told.
    Untold,
}

impl Failures {
    pub(crate) fn new(lockout: Option<Lockout>) -> Self {
        Self { lockout, names: HashMap::new() }
    }

    /// Begins an attempt, which is to be [ended](Self::end).
    ///
    /// # Errors
    /// [`AccountError::Locked`] while the name is locked, and [`AccountError::Busy`] while as many attempts are pending
    /// as could lock it.
    pub(crate) fn begin(&mut self, name: &Name, now: Duration) -> Result<(), AccountError> {
        let Some(lockout) = self.lockout else { return Ok(()) };
        let name = name.folded();
        if self.names.len() >= lockout.names && !self.names.contains_key(&name) {
            self.make_room(&lockout, now);
        }
        let record =
            self.names.entry(name).or_insert(Record { wrong: 0, pending: 0, until: now, locked: false });
        if record.locked && now < record.until {
            return Err(AccountError::Locked { wait: record.until - now });
        }
        if record.pending == 0 && record.is_over(&lockout, now) {
            (record.wrong, record.locked) = (0, false);
        }
        if record.pending > 0 && record.wrong.saturating_add(record.pending) >= lockout.after {
            return Err(AccountError::Busy);
        }
        record.pending = record.pending.saturating_add(1);
        Ok(())
    }

    pub(crate) fn end(&mut self, name: &Name, outcome: Outcome, now: Duration) {
        let Some(lockout) = self.lockout else { return };
        let Entry::Occupied(mut entry) = self.names.entry(name.folded()) else { return };
        let record = entry.get_mut();
        record.pending = record.pending.saturating_sub(1);
        match outcome {
            Outcome::Right => (record.wrong, record.locked) = (0, false),
            Outcome::Wrong => record.fail(&lockout, now),
            Outcome::Untold => {}
        }
        if record.wrong == 0 && record.pending == 0 {
            entry.remove();
        }
    }

    /// Drops what is over, and if nothing is, the name that was quiet for the longest time.
    fn make_room(&mut self, lockout: &Lockout, now: Duration) {
        self.names.retain(|_, record| record.pending > 0 || !record.is_over(lockout, now));
        if self.names.len() < lockout.names {
            return;
        }
        // Those that are pending stay, and are no more than the queue is long.
        let quiet = self.names.iter().filter(|(_, record)| record.pending == 0);
        if let Some(name) = quiet.min_by_key(|(_, record)| record.until).map(|(name, _)| name.clone()) {
            self.names.remove(&name);
        }
    }
}

impl Record {
    fn fail(&mut self, lockout: &Lockout, now: Duration) {
        self.wrong = self.wrong.saturating_add(1);
        self.until = self.until.max(now);
        if let Some(more) = self.wrong.checked_sub(lockout.after.max(1)) {
            let delay = lockout.first.saturating_mul(2u32.saturating_pow(more)).min(lockout.longest);
            self.locked = true;
            self.until = now.saturating_add(delay);
        }
    }

    fn is_over(&self, lockout: &Lockout, now: Duration) -> bool {
        now >= self.until.saturating_add(lockout.forget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failures(names: usize) -> Failures {
        let forget = 60 * SECOND;
        Failures::new(Some(Lockout { after: 3, first: 10 * SECOND, longest: 30 * SECOND, forget, names }))
    }

    fn name(name: &str) -> Name {
        Name::new(name).unwrap()
    }

    fn fail(failures: &mut Failures, who: &str, now: Duration) -> Result<(), AccountError> {
        failures.begin(&name(who), now)?;
        failures.end(&name(who), Outcome::Wrong, now);
        Ok(())
    }

    fn locked(seconds: u32) -> Result<(), AccountError> {
        Err(AccountError::Locked { wait: seconds * SECOND })
    }

    #[test]
    fn each_wrong_password_after_a_lock_doubles_it_up_to_the_longest() {
        let mut failures = failures(10);
        let mut now = 5 * SECOND;
        for _ in 0..3 {
            assert_eq!(fail(&mut failures, "ann", now), Ok(()));
        }
        for wait in [10, 20, 30, 30] {
            assert_eq!(fail(&mut failures, "ANN", now), locked(wait));
            now += (wait - 1) * SECOND;
            assert_eq!(fail(&mut failures, "ann", now), locked(1));
            now += SECOND;
            assert_eq!(fail(&mut failures, "ann", now), Ok(()));
        }
        assert_eq!(fail(&mut failures, "ben", now), Ok(()));
    }

    #[test]
    fn a_right_password_forgets_the_wrong_ones() {
        let mut failures = failures(10);
        for _ in 0..10 {
            for _ in 0..2 {
                assert_eq!(fail(&mut failures, "ann", SECOND), Ok(()));
            }
            assert_eq!(failures.begin(&name("ann"), SECOND), Ok(()));
            failures.end(&name("ann"), Outcome::Right, SECOND);
        }
        assert!(failures.names.is_empty());
    }

    #[test]
    fn failures_are_forgotten_after_a_quiet_time() {
        let mut failures = failures(10);
        for minute in 0..10 {
            for _ in 0..2 {
                assert_eq!(fail(&mut failures, "ann", minute * 60 * SECOND), Ok(()));
            }
        }
    }

    #[test]
    fn attempts_made_at_once_are_no_more_than_lock_a_name() {
        let mut failures = failures(10);
        for _ in 0..3 {
            assert_eq!(failures.begin(&name("ann"), SECOND), Ok(()));
        }
        assert_eq!(failures.begin(&name("ann"), SECOND), Err(AccountError::Busy));
        for _ in 0..3 {
            failures.end(&name("ann"), Outcome::Wrong, SECOND);
        }
        assert_eq!(failures.begin(&name("ann"), SECOND), locked(10));
        // One at a time from then on.
        assert_eq!(failures.begin(&name("ann"), 11 * SECOND), Ok(()));
        assert_eq!(failures.begin(&name("ann"), 11 * SECOND), Err(AccountError::Busy));
    }

    #[test]
    fn what_could_not_be_told_counts_for_nothing() {
        let mut failures = failures(10);
        for _ in 0..100 {
            assert_eq!(failures.begin(&name("ann"), SECOND), Ok(()));
            failures.end(&name("ann"), Outcome::Untold, SECOND);
        }
        assert!(failures.names.is_empty());
    }

    #[test]
    fn the_names_that_are_remembered_are_bounded_and_the_latest_stay() {
        let mut failures = failures(10);
        for _ in 0..3 {
            assert_eq!(fail(&mut failures, "ann", 20 * SECOND), Ok(()));
        }
        for other in 0..100 {
            assert_eq!(fail(&mut failures, &format!("other{other}"), 21 * SECOND), Ok(()));
            assert!(failures.names.len() <= 10);
        }
        assert_eq!(fail(&mut failures, "ann", 21 * SECOND), locked(9));
    }
}
