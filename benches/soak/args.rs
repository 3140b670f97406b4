//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

/// Thousands of bots over all protocols, bad clients among them, for as long as is asked.
#[derive(Parser, Debug)]
#[command(name = "soak")]
pub struct Args {
    /// How long the bots are there. Two to three minutes are added for the server to come to rest.
    #[arg(long, default_value_t = 20.0, value_parser = minutes)]
    pub minutes: f64,

    /// Good bots. A tenth as many bad clients come and go beside them.
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    pub bots: u32,

    /// What the bots do is drawn from this number.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// 200 bots for 30 seconds: does the soak work? Too short for most verdicts.
    #[arg(long)]
    pub quick: bool,

    /// What `cargo bench` passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,

    /// Be the server instead of the soak, with the certificate of this folder: how the soak starts it.
    #[arg(long, hide = true)]
    pub serve: Option<PathBuf>,
}

impl Args {
    /// These arguments with `--quick` carried out.
    pub fn settled(self) -> Self {
        if self.quick { Self { minutes: 0.5, bots: 200, ..self } } else { self }
    }

    /// How long the bots are there.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }
}

/// From half a minute to a year.
fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.5..=525_600.0).contains(&minutes) => Ok(minutes),
        _ => Err("must be between 0.5 and 525600".into()),
    }
}
