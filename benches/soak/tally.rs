//! What good bots count: answers, how long they took, and what went wrong. Bounded, however long the soak.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use hdrhistogram::Histogram;

use crate::trouble::Trouble;

/// So many troubles are shown as they come; the rest is counted.
const SHOWN: u64 = 50;
/// The longest latency told apart from longer ones, in nanoseconds: a minute.
const LONGEST: u64 = 60_000_000_000;

/// The counts of a part of the soak.
pub struct Counts {
    /// Latencies in nanoseconds, to three digits, of what is answered as soon as can be.
    pub latencies: Histogram<u64>,
    /// Right answers.
    pub answers: u64,
    /// Lives that ended because something wrong came, or an answer was not there in time, or was lost with a connection.
    pub failures: u64,
    /// Lives that began, and times a bot came back to its session.
    pub lives: u64,
    pub returns: u64,
}

impl Counts {
    /// None yet.
    pub fn new() -> io::Result<Self> {
        let latencies = Histogram::new_with_max(LONGEST, 3).map_err(io::Error::other)?;
        Ok(Self { latencies, answers: 0, failures: 0, lives: 0, returns: 0 })
    }

    /// Adds those of another part.
    pub fn add(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.latencies.add(&other.latencies);
        self.answers += other.answers;
        self.failures += other.failures;
        self.lives += other.lives;
        self.returns += other.returns;
    }

    fn clear(&mut self) {
        self.latencies.reset();
        (self.answers, self.failures, self.lives, self.returns) = (0, 0, 0, 0);
    }

    /// This quantile of the latencies, in milliseconds.
    pub fn millis(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1e6
    }
}

/// The counts since they were last taken, and those of all time.
pub struct Tally {
    since: Counts,
    /// Of all time, by what the bot speaks: answers, failures.
    pub by_protocol: BTreeMap<&'static str, (u64, u64)>,
    /// What bad clients have done, by its name, and how often.
    pub mischief: BTreeMap<&'static str, u64>,
    /// Answers that were lost with a connection, and that the server had no room to keep.
    pub unkept: u64,
    failures: u64,
}

impl Tally {
    /// None yet.
    pub fn new() -> io::Result<Self> {
        let (by_protocol, mischief) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { since: Counts::new()?, by_protocol, mischief, unkept: 0, failures: 0 })
    }

    /// A right answer, and how long it took where that is of interest.
    pub fn answered(&mut self, protocol: &'static str, latency: Option<Duration>) {
        self.since.answers += 1;
        self.by_protocol.entry(protocol).or_default().0 += 1;
        if let Some(latency) = latency {
            self.since.latencies.saturating_record(latency.as_nanos() as u64);
        }
    }

    /// A life begins.
    pub fn lived(&mut self) {
        self.since.lives += 1;
    }

    /// A bot has come back to its session.
    pub fn returned(&mut self) {
        self.since.returns += 1;
    }

    /// A life has ended as it should not.
    pub fn failed(&mut self, protocol: &'static str, slot: usize, doing: &str, trouble: &Trouble) {
        self.since.failures += 1;
        self.by_protocol.entry(protocol).or_default().1 += 1;
        self.failures += 1;
        if self.failures <= SHOWN {
            writeln!(io::stderr(), "bot {slot}, {protocol}, {doing}: {trouble}").ok();
        }
    }

    /// A bad client has done this.
    pub fn did(&mut self, mischief: &'static str) {
        *self.mischief.entry(mischief).or_default() += 1;
    }

    /// Moves what was counted since the last time to `counts`.
    pub fn take_into(&mut self, counts: &mut Counts) {
        counts.add(&self.since);
        self.since.clear();
    }
}
