//! Logs, on standard error: standard output is for what the operator asked for.

use super::{
    Failure,
    config::{Format, Log},
};
use std::io;
use tracing_subscriber::EnvFilter;

/// Begins to log. A filter without a target takes the level's place.
pub fn start(log: &Log) -> Result<(), Failure> {
    let directives = match log.filter.as_str() {
        "" => log.level.word().to_owned(),
        filter => format!("{},{filter}", log.level.word()),
    };
    let filter = EnvFilter::try_new(directives).map_err(|error| Failure::Internal(error.to_string()))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match log.format {
        Format::Human => subscriber.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        Format::Json => subscriber.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::Internal(error.to_string()))
}
