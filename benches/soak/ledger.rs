//! What was seen over time: the soak's duration in equal parts, so many that quarters and rows can be told apart, and no more.

use std::{collections::BTreeMap, io, ops::Range, time::Duration};

use hdrhistogram::Histogram;

use crate::{child::Process, sample::Sample, tally::Counts};

/// Parts of a soak: a multiple of its quarters, thirds and rows.
const PARTS: usize = 48;
/// The largest value that is told from larger ones: KiB of memory, or things.
const MOST: u64 = 1 << 28;

/// All parts.
pub struct Ledger {
    duration: Duration,
    parts: Vec<Part>,
    /// The latest part that something was noted in.
    reached: usize,
    before: Sample,
    cpu: Duration,
}

/// What was seen in a part of the soak. Its figures are noted once a second.
pub struct Part {
    pub counts: Counts,
    /// Resident memory, in KiB.
    pub rss: Histogram<u64>,
    pub connections: Histogram<u64>,
    pub sessions: Histogram<u64>,
    pub entities: Histogram<u64>,
    /// The most there were.
    pub archetypes: u64,
    pub slots: u64,
    pub rooms: u64,
    pub descriptors: u64,
    pub threads: u64,
    /// The most the budget held, in bytes, and the latest tick, in milliseconds.
    pub budget: u64,
    pub late_ms: u64,
    /// CPU time of the server, and over how many seconds.
    pub cpu: Duration,
    pub seconds: u64,
    /// Connections that ended, by cause.
    pub closed: BTreeMap<String, u64>,
}

impl Part {
    fn new() -> io::Result<Self> {
        let figures = || Histogram::new_with_max(MOST, 3).map_err(io::Error::other);
        Ok(Self {
            counts: Counts::new()?,
            rss: figures()?,
            connections: figures()?,
            sessions: figures()?,
            entities: figures()?,
            archetypes: 0,
            slots: 0,
            rooms: 0,
            descriptors: 0,
            threads: 0,
            budget: 0,
            late_ms: 0,
            cpu: Duration::ZERO,
            seconds: 0,
            closed: BTreeMap::new(),
        })
    }

    fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        for (mine, others) in [
            (&mut self.rss, &other.rss),
            (&mut self.connections, &other.connections),
            (&mut self.sessions, &other.sessions),
            (&mut self.entities, &other.entities),
        ] {
            // Both have the same bounds.
            let _ = mine.add(others);
        }
        for (mine, others) in [
            (&mut self.archetypes, other.archetypes),
            (&mut self.slots, other.slots),
            (&mut self.rooms, other.rooms),
            (&mut self.descriptors, other.descriptors),
            (&mut self.threads, other.threads),
            (&mut self.budget, other.budget),
            (&mut self.late_ms, other.late_ms),
        ] {
            *mine = (*mine).max(others);
        }
        self.cpu += other.cpu;
        self.seconds += other.seconds;
        for (cause, count) in &other.closed {
            *self.closed.entry(cause.clone()).or_default() += count;
        }
    }

    /// CPU time of the server, as a part of one core's.
    pub fn cpu_share(&self) -> f64 {
        self.cpu.as_secs_f64() / self.seconds.max(1) as f64
    }
}

/// The middle one.
pub fn median(figures: &Histogram<u64>) -> u64 {
    figures.value_at_quantile(0.5)
}

impl Ledger {
    /// For a soak of so long.
    pub fn new(duration: Duration) -> io::Result<Self> {
        let parts = (duration.as_secs() as usize / 2).clamp(4, PARTS);
        let parts = (0..parts).map(|_| Part::new()).collect::<io::Result<_>>()?;
        Ok(Self { duration, parts, reached: 0, before: Sample::default(), cpu: Duration::ZERO })
    }

    /// Notes what was seen so long after the start.
    pub fn note(&mut self, elapsed: Duration, sample: &Sample, process: &Process, counts: &Counts) {
        let share = elapsed.as_secs_f64() / self.duration.as_secs_f64();
        self.reached = ((share * self.parts.len() as f64) as usize).min(self.parts.len() - 1);
        let part = &mut self.parts[self.reached];
        part.counts.add(counts);
        part.rss.saturating_record(process.rss);
        part.connections.saturating_record(sample.connections);
        part.sessions.saturating_record(sample.sessions);
        part.entities.saturating_record(sample.entities);
        for (mine, now) in [
            (&mut part.archetypes, sample.archetypes),
            (&mut part.slots, sample.entity_slots),
            (&mut part.rooms, sample.rooms),
            (&mut part.descriptors, process.descriptors),
            (&mut part.threads, process.threads),
            (&mut part.budget, sample.budget()),
            (&mut part.late_ms, sample.late_ms),
        ] {
            *mine = (*mine).max(now);
        }
        part.cpu += process.cpu.saturating_sub(self.cpu);
        part.seconds += 1;
        for (cause, count) in &sample.closed {
            let before = self.before.closed.get(cause).copied().unwrap_or_default();
            *part.closed.entry(cause.clone()).or_default() += count.saturating_sub(before);
        }
        (self.before, self.cpu) = (sample.clone(), process.cpu);
    }

    /// The parts that were reached, as `count` rows or fewer: the minute each begins at, and what was seen in it.
    pub fn rows(&self, count: usize) -> io::Result<Vec<(f64, Part)>> {
        let reached = self.reached + 1;
        let count = count.min(reached);
        let minutes = self.duration.as_secs_f64() / 60.0 / self.parts.len() as f64;
        (0..count)
            .map(|row| {
                let range = row * reached / count..(row + 1) * reached / count;
                let begins = range.start as f64 * minutes;
                Ok((begins, self.sum(range)?))
            })
            .collect()
    }

    fn sum(&self, range: Range<usize>) -> io::Result<Part> {
        let mut sum = Part::new()?;
        self.parts[range].iter().for_each(|part| sum.add(part));
        Ok(sum)
    }
}
