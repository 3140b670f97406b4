//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::{scenario::Scenario, subject::Subject, wire::Wire};

/// Portcullis beside a raw tokio echo server.
#[derive(Parser, Debug)]
#[command(name = "server")]
pub struct Args {
    /// Scenarios to run, by part of their name (1x1, 100x1, 100x32, churn, idle, pomelo-tcp, pomelo-ws, idle-tls …), or
    /// any other `CxD`: C connections with D requests in flight; `pomelo-ws-10x4` and the like. All without one.
    pub filters: Vec<String>,

    /// Servers to compare with raw, comma separated. `raw` itself is allowed: that checks the bench.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "inline,thread")]
    pub subject: Vec<Subject>,

    /// Rounds; each runs raw and then every subject once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,

    /// Measured seconds of one run of a `CxD` scenario. A quarter of it, uncounted, warms up.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,

    /// Bytes of a frame's payload; the first eight are a sequence number. Of Pomelo, of a JSON body (33 at least).
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(8..))]
    pub payload: u16,

    /// Measured connections of one `churn` run. A tenth as many, uncounted, warm up.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub cycles: u32,

    /// Connections of the `idle` scenario, as far as the limit of open files allows.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub idle: u32,

    /// Seconds of silence over which the `idle` scenario counts CPU time.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    pub idle_seconds: f64,

    /// Leave the placing of server and client to the kernel, instead of one core each.
    #[arg(long)]
    pub free: bool,

    /// One round of half a second, a tenth of the churn and a second of idling: a check, not a measurement.
    #[arg(long)]
    pub quick: bool,

    /// What `cargo bench` passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,

    /// Be a server instead of the bench: how the bench starts its child processes.
    #[arg(long, hide = true, value_enum)]
    pub serve: Option<Subject>,

    /// What that server speaks.
    #[arg(long, hide = true, value_enum, default_value = "be16")]
    pub wire: Wire,

    /// The folder of its certificate.
    #[arg(long, hide = true)]
    pub certificate: Option<PathBuf>,

    /// The core that server stays on.
    #[arg(long, hide = true)]
    pub core: Option<usize>,
}

impl Args {
    /// These arguments with `--quick` carried out.
    pub fn settled(self) -> Self {
        if !self.quick {
            return self;
        }
        Self { rounds: 1, seconds: 0.5, cycles: self.cycles.div_ceil(10), idle_seconds: 1.0, ..self }
    }

    /// The scenarios the filters ask for, in the order they are measured.
    pub fn scenarios(&self) -> Vec<Scenario> {
        if self.filters.is_empty() {
            return Scenario::ALL.to_vec();
        }
        let mut chosen: Vec<Scenario> =
            Scenario::ALL.into_iter().filter(|s| self.filters.iter().any(|f| s.is_meant_by(f))).collect();
        let others = self.filters.iter().filter_map(|f| Scenario::parse_load(f));
        for other in others {
            if !chosen.contains(&other) {
                chosen.push(other);
            }
        }
        chosen
    }
}

/// A time that can be measured in clock ticks and waited for: from a tenth of a second to an hour.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("must be between 0.1 and 3600".into()),
    }
}
