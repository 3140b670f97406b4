//! Which roles may not log in, and for how long.
//!
//! The original bans a role with the first body it cannot decode, for ever longer, up to a year, and forgets nothing; it
//! bans role 0 too, which is everybody who has not logged in. This one bears a few, forgives with time, and never bans 0.

use crate::{Strikes, wire::messages::Blacklisted};
use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

/// Entries at most: beyond them the one whose ban ends first goes. A few MB, and more than a server has roles online.
const CAPACITY: usize = 100_000;
/// Entries there may be before those that are over are looked for.
const FIRST_SWEEP: usize = 1024;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is an offence, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlacklistPolicy {
    /// Whether offences ban. Without it only [`Blacklist::ban`] does. Default true.
    pub enabled: bool,
    /// Bad bodies of a role within [`window`](Self::window) that are borne; the next is an offence. Default 3: a client
    /// with a bug shows it, and is closed each time, before its players are punished. The original bears none.
    pub tolerated: u32,
    /// Within which they are counted. Default 10 minutes.
    pub window: Duration,
    /// How long each ban is, by how many there were before; the last holds for all that follow. Default as in the
    /// original: 5 minutes, 30 minutes, 2 hours, a day, 7 days, 30 days, 365 days. Without any, nobody is banned.
    pub durations: Vec<Duration>,
    /// One offence is forgiven for each of these that passes after a ban has ended, before the next. Default 7 days; zero
    /// forgives all at once. The original forgives none: [`Duration::MAX`].
    pub decay: Duration,
}

impl Default for BlacklistPolicy {
    fn default() -> Self {
        let durations = [5 * MINUTE, 30 * MINUTE, 120 * MINUTE, DAY, 7 * DAY, 30 * DAY, 365 * DAY].to_vec();
        Self { enabled: true, tolerated: 3, window: 10 * MINUTE, durations, decay: 7 * DAY }
    }
}

impl BlacklistPolicy {
    /// Bad bodies ban nobody.
    pub fn off() -> Self {
        Self { enabled: false, ..Self::default() }
    }

    /// The length of the ban after so many offences.
    fn duration(&self, offences: u32) -> Option<Duration> {
        let of_these = usize::try_from(offences).ok().and_then(|offences| self.durations.get(offences));
        of_these.or(self.durations.last()).copied()
    }
}

/// From when to when a role may not log in, in whole seconds since the Unix epoch, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Its first second.
    pub start: u32,
    /// The first second after it.
    pub end: u32,
}

impl From<Ban> for Blacklisted {
    fn from(ban: Ban) -> Self {
        Self { start: ban.start, end: ban.end }
    }
}

/// What is known of a role that was banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its last ban, which may be over.
    pub ban: Ban,
    /// Its offences, those included that were forgiven since the ban ended.
    pub offences: u32,
}

impl Entry {
    /// The offences that are not forgiven.
    fn remembered(&self, now: u32, decay: Duration) -> u32 {
        let passed = now.saturating_sub(self.ban.end);
        let forgiven = match decay.as_secs() {
            // Within a second, then: as good as at once.
            0 if passed > 0 => u64::MAX,
            0 => 0,
            decay => u64::from(passed) / decay,
        };
        self.offences.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }

    fn is_over(&self, now: u32, decay: Duration) -> bool {
        self.ban.end <= now && self.remembered(now, decay) == 0
    }
}

/// The banned roles, by their numbers. Times are those since the Unix epoch, and given by the caller.
///
/// It is kept in memory: to keep it longer, save what [`iter`](Self::iter) gives, and [`insert`](Self::insert) it again.
/// It holds at most 100,000 roles.
///
/// ```
/// use portcullis_sysconn::{Blacklist, BlacklistPolicy};
/// use std::time::Duration;
///
/// let mut blacklist = Blacklist::new(BlacklistPolicy { tolerated: 0, ..Default::default() });
/// let now = Duration::from_secs(1_700_000_000);
/// let ban = blacklist.offend(1_000_001, now).expect("nothing is tolerated");
/// assert_eq!((ban.start, ban.end), (1_700_000_000, 1_700_000_300));
/// assert_eq!(blacklist.banned(1_000_001, now), Some(ban));
/// assert_eq!(blacklist.offend(0, now), None);
/// ```
#[derive(Resource, Debug)]
pub struct Blacklist {
    policy: BlacklistPolicy,
    bad_bodies: Strikes<u32>,
    entries: HashMap<u32, Entry>,
    /// The entries by the end of their ban.
    ends: BTreeSet<(u32, u32)>,
    /// How many entries there are when those that are over are dropped.
    sweep_at: usize,
}

impl Default for Blacklist {
    fn default() -> Self {
        Self::new(BlacklistPolicy::default())
    }
}

impl Blacklist {
    /// An empty list.
    pub fn new(policy: BlacklistPolicy) -> Self {
        let bad_bodies = Strikes::new(policy.window, CAPACITY);
        let (entries, ends) = Default::default();
        Self { policy, bad_bodies, entries, ends, sweep_at: FIRST_SWEEP }
    }

    /// What it goes by.
    pub fn policy(&self) -> &BlacklistPolicy {
        &self.policy
    }

    /// Counts a bad body. Gives a ban when it was one too many, but never for role 0.
    pub fn offend(&mut self, role: u32, now: Duration) -> Option<Ban> {
        if !self.policy.enabled || role == 0 {
            return None;
        }
        if self.bad_bodies.strike(role, now) <= self.policy.tolerated {
            return None;
        }
        self.ban(role, now)
    }

    /// Bans a role at once, longer than the last time. Gives none, and does nothing, for role 0, and where the policy has
    /// no durations.
    pub fn ban(&mut self, role: u32, now: Duration) -> Option<Ban> {
        let start = seconds(now);
        let before = self.entries.get(&role).map_or(0, |entry| entry.remembered(start, self.policy.decay));
        let duration = self.policy.duration(before).filter(|_| role != 0)?;
        // A fraction of a second is a whole one: on the wire there is nothing less.
        let end = now.saturating_add(duration).saturating_add(Duration::from_nanos(999_999_999));
        let ban = Ban { start, end: seconds(end) };
        self.bad_bodies.forget(&role);
        self.put(role, Entry { ban, offences: before.saturating_add(1) });
        self.sweep(start);
        Some(ban)
    }

    /// The ban that holds now.
    pub fn banned(&self, role: u32, now: Duration) -> Option<Ban> {
        // Not before its end even if it has not begun: clocks are set back.
        self.entries.get(&role).map(|entry| entry.ban).filter(|ban| seconds(now) < ban.end)
    }

    /// Forgets all that is held against a role, and gives its entry.
    pub fn pardon(&mut self, role: u32) -> Option<Entry> {
        self.bad_bodies.forget(&role);
        let entry = self.entries.remove(&role)?;
        self.ends.remove(&(entry.ban.end, role));
        Some(entry)
    }

    /// The roles that were banned, and are not all forgiven, in no order; some may be over.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, Entry)> {
        self.entries.iter().map(|(&role, &entry)| (role, entry))
    }

    /// Puts an entry there, in place of the one there is: one that was saved, or of the operator's own making. Ignored
    /// for role 0.
    pub fn insert(&mut self, role: u32, entry: Entry) {
        if role != 0 {
            self.put(role, entry);
        }
    }

    /// How many roles are on it, some of them perhaps with a ban that is over.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is on it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn put(&mut self, role: u32, entry: Entry) {
        if let Some(old) = self.entries.insert(role, entry) {
            self.ends.remove(&(old.ban.end, role));
        }
        self.ends.insert((entry.ban.end, role));
        if self.entries.len() > CAPACITY
            && let Some((_, first)) = self.ends.pop_first()
        {
            self.entries.remove(&first);
        }
    }

    /// Drops what is over. It looks at all, but only when there are twice as many as the last time left.
    fn sweep(&mut self, now: u32) {
        if self.entries.len() < self.sweep_at {
            return;
        }
        let decay = self.policy.decay;
        self.entries.retain(|_, entry| !entry.is_over(now, decay));
        self.ends = self.entries.iter().map(|(&role, entry)| (entry.ban.end, role)).collect();
        self.sweep_at = FIRST_SWEEP.max(2 * self.entries.len());
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn strict() -> Blacklist {
        Blacklist::new(BlacklistPolicy { tolerated: 0, ..BlacklistPolicy::default() })
    }

    fn length(ban: Option<Ban>) -> Duration {
        ban.map_or(Duration::ZERO, |ban| Duration::from_secs((ban.end - ban.start).into()))
    }

    #[test]
    fn a_few_bad_bodies_are_borne_and_the_next_bans() {
        let mut blacklist = Blacklist::default();
        for second in 0..3 {
            assert_eq!(blacklist.offend(7, NOW + Duration::from_secs(second)), None);
        }
        let ban = blacklist.offend(7, NOW + MINUTE);
        assert_eq!(length(ban), 5 * MINUTE);
        assert_eq!(blacklist.banned(7, NOW + 2 * MINUTE), ban);
        assert_eq!(blacklist.banned(7, NOW + 6 * MINUTE), None, "it is over");
        assert_eq!(blacklist.banned(8, NOW + 2 * MINUTE), None);
        assert_eq!(blacklist.offend(7, NOW + 6 * MINUTE), None, "the count begins anew");
    }

    #[test]
    fn bad_bodies_that_are_far_apart_are_forgotten() {
        let mut blacklist = Blacklist::default();
        for round in 0..100 {
            assert_eq!(blacklist.offend(7, NOW + round * 4 * MINUTE), None);
        }
        assert!(blacklist.is_empty());
    }

    #[test]
    fn role_zero_is_never_banned() {
        let mut blacklist = strict();
        assert_eq!(blacklist.offend(0, NOW), None);
        assert_eq!(blacklist.ban(0, NOW), None);
        blacklist.insert(0, Entry { ban: Ban { start: 0, end: u32::MAX }, offences: 1 });
        assert_eq!(blacklist.banned(0, NOW), None);
        assert!(blacklist.is_empty());
    }

    #[test]
    fn each_ban_is_longer_and_the_last_length_repeats() {
        let mut blacklist = strict();
        let lengths: Vec<_> = (0..9).map(|_| length(blacklist.offend(7, NOW))).collect();
        let year = 365 * DAY;
        let rest = [5 * MINUTE, 30 * MINUTE, 120 * MINUTE, DAY, 7 * DAY, 30 * DAY, year, year, year];
        assert_eq!(lengths, rest);
    }

    #[test]
    fn an_offence_is_forgiven_for_each_week_after_the_ban() {
        let mut blacklist = strict();
        let mut last = Ban { start: 0, end: 0 };
        for _ in 0..4 {
            last = blacklist.offend(7, NOW).unwrap_or(last);
        }
        let end = Duration::from_secs(last.end.into());
        assert_eq!(length(blacklist.ban(7, end + 14 * DAY)), 120 * MINUTE, "two of four are forgiven");
        let later = end + 14 * DAY + 120 * MINUTE;
        assert_eq!(
            length(blacklist.ban(7, later + 7 * DAY - Duration::from_secs(1))),
            DAY,
            "of three none is"
        );
        assert_eq!(length(blacklist.ban(7, later + 365 * DAY)), 5 * MINUTE, "all are");
    }

    #[test]
    fn the_original_which_forgives_nothing_can_be_asked_for() {
        let mut blacklist =
            Blacklist::new(BlacklistPolicy { decay: Duration::MAX, tolerated: 0, ..Default::default() });
        blacklist.ban(7, NOW);
        assert_eq!(length(blacklist.ban(7, NOW + 365 * DAY)), 30 * MINUTE);
    }

    #[test]
    fn a_pardon_forgets_bans_and_bad_bodies() {
        let mut blacklist = Blacklist::default();
        blacklist.ban(7, NOW);
        assert_eq!(blacklist.pardon(7).map(|entry| entry.offences), Some(1));
        assert_eq!(blacklist.banned(7, NOW), None);
        assert_eq!(length(blacklist.ban(7, NOW)), 5 * MINUTE);
        for _ in 0..3 {
            blacklist.offend(8, NOW);
        }
        blacklist.pardon(8);
        assert_eq!(blacklist.offend(8, NOW), None);
    }

    #[test]
    fn a_policy_that_is_off_bans_by_hand_only() {
        let mut blacklist = Blacklist::new(BlacklistPolicy::off());
        for _ in 0..100 {
            assert_eq!(blacklist.offend(7, NOW), None);
        }
        assert_eq!(length(blacklist.ban(7, NOW)), 5 * MINUTE);
        let none = BlacklistPolicy { durations: Vec::new(), tolerated: 0, ..Default::default() };
        assert_eq!(Blacklist::new(none).offend(7, NOW), None);
    }

    #[test]
    fn what_was_saved_holds_again() {
        let mut blacklist = strict();
        let ban = blacklist.offend(7, NOW);
        let saved: Vec<_> = blacklist.iter().collect();
        let mut restored = strict();
        for (role, entry) in saved {
            restored.insert(role, entry);
        }
        assert_eq!(restored.banned(7, NOW), ban);
        assert_eq!(length(restored.offend(7, NOW)), 30 * MINUTE);
    }

    #[test]
    fn what_is_over_is_dropped_in_the_course() {
        let mut blacklist = strict();
        let (mut now, mut most) = (NOW, 0);
        for role in 1..=20_000 {
            blacklist.offend(role, now);
            now += 10 * MINUTE;
            most = most.max(blacklist.len());
        }
        // A week has 1008 times ten minutes.
        assert!(most <= 2 * (1010 + 1), "{most}");
        assert_eq!(blacklist.ends.len(), blacklist.len());
    }

    #[test]
    fn a_full_list_drops_the_ban_that_ends_first() {
        let mut blacklist = strict();
        for role in 1..=CAPACITY as u32 {
            blacklist.ban(role, NOW + Duration::from_secs(1));
        }
        blacklist.pardon(50);
        blacklist.ban(50, NOW);
        assert!(blacklist.ban(u32::MAX, NOW + 2 * MINUTE).is_some());
        assert_eq!(blacklist.len(), CAPACITY);
        assert_eq!(blacklist.banned(50, NOW + MINUTE), None);
        assert!(blacklist.banned(51, NOW + MINUTE).is_some());
        assert!(blacklist.banned(u32::MAX, NOW + 3 * MINUTE).is_some());
    }
}
