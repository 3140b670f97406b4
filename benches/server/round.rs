//! What one run of one server came to.

use std::{io, time::Duration};

use hdrhistogram::Histogram;

/// Counts answers and remembers how long each took.
pub struct Tally {
    answers: u64,
    /// Nanoseconds, to three digits.
    latencies: Histogram<u64>,
}

impl Tally {
    /// The longest latency told apart from longer ones, in nanoseconds: a minute.
    const LONGEST: u64 = 60_000_000_000;

    /// An empty tally.
    pub fn new() -> io::Result<Self> {
        let latencies = Histogram::new_with_max(Self::LONGEST, 3).map_err(io::Error::other)?;
        Ok(Self { answers: 0, latencies })
    }

    /// Counts `answers` that took `latency` each.
    pub fn record(&mut self, latency: Duration, answers: u64) {
        self.answers += answers;
        self.latencies.saturating_record_n(latency.as_nanos() as u64, answers);
    }

    /// Forgets the warm-up.
    pub fn clear(&mut self) {
        self.answers = 0;
        self.latencies.reset();
    }

    /// Closes the books on `elapsed`, in which the server used `cpu`.
    pub fn finish(self, elapsed: Duration, cpu: Duration) -> Round {
        let micros = |quantile| self.latencies.value_at_quantile(quantile) as f64 / 1e3;
        let answers = self.answers.max(1) as f64;
        Round {
            rate: self.answers as f64 / elapsed.as_secs_f64(),
            p50: micros(0.50),
            p99: micros(0.99),
            cpu: cpu.as_secs_f64() * 1e6 / answers,
            share: cpu.as_secs_f64() / elapsed.as_secs_f64(),
        }
    }
}

/// The figures of one run.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Answers a second.
    pub rate: f64,
    /// Median latency, in µs.
    pub p50: f64,
    /// 99th percentile of latency, in µs.
    pub p99: f64,
    /// The server's CPU time for one answer, in µs.
    pub cpu: f64,
    /// The server's CPU time as a part of one core's: well below 1 under load, something else is the limit.
    pub share: f64,
}

/// The middle of `values`, or the mean of the two in the middle; not a number without any.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}
