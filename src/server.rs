//! The headless server, from its configuration to its exit code.

#[cfg(feature = "accounts")]
mod accounts;
mod app;
mod banner;
pub mod certificate;
pub mod config;
mod connector;
mod edge;
mod log;
mod login;
mod report;
mod schemas;
mod sysconn;

use bevy_app::AppExit;
use config::{Config, Fault, Source};
use portcullis::{
    core,
    net::{BindError, ListenerHandle},
    prelude::*,
};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::ExitCode,
};
use thiserror::Error;

/// Why the server does not run.
#[derive(Debug, Error)]
pub enum Failure {
    /// The operator's mistake.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A certificate that cannot be written.
    #[error("--write-certificate: {} cannot be written ({error}): {}", path.display(), certificate::mend(error))]
    Folder {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Ours.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// The exit code: 2 for what the operator can mend.
    pub fn code(&self) -> u8 {
        match self {
            Self::Fault(_) | Self::Folder { .. } => 2,
            Self::Internal(_) => 1,
        }
    }
}

/// Runs the server until it is told to stop.
pub fn run(config: &Config, source: &Source) -> Result<ExitCode, Failure> {
    run_with(config, source, |_| {})
}

/// Runs the server with `more` in it, until it is told to stop.
pub fn run_with(config: &Config, source: &Source, more: impl FnOnce(&mut App)) -> Result<ExitCode, Failure> {
    for (name, listener) in &config.listener {
        can_listen(name, listener.address.0, source)?;
    }
    log::start(&config.log)?;
    core::bound_panics();
    let mut app = app::build(config, source)?;
    more(&mut app);
    app.finish();
    app.cleanup();
    all_listen(&mut app, source)?;
    if let Err(error) = banner::write(&mut io::stdout(), &mut app, config, source) {
        tracing::debug!(%error, "nobody reads standard output");
    }
    Ok(match core::run(app) {
        AppExit::Success => ExitCode::SUCCESS,
        AppExit::Error(code) => ExitCode::from(code.get()),
    })
}

/// Tries an address before anything is started: what is wrong with it is the operator's one sentence then.
fn can_listen(name: &str, address: SocketAddr, source: &Source) -> Result<(), Failure> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) => Err(not_listening(name, &BindError { address, error }, source)),
    }
}

/// The same for what has come between.
fn all_listen(app: &mut App, source: &Source) -> Result<(), Failure> {
    let world = app.world_mut();
    let mut failed = world.query::<(&Name, &BindError)>();
    if let Some((name, error)) = failed.iter(world).next() {
        return Err(not_listening(name, error, source));
    }
    let open = world.query::<&ListenerHandle>().iter(world).count();
    tracing::info!(listeners = open, "ready");
    Ok(())
}

fn not_listening(name: &str, error: &BindError, source: &Source) -> Failure {
    let address = error.address.to_string();
    let sentence = error.to_string();
    let problem = sentence.strip_prefix(&address).unwrap_or(&sentence).trim_start().to_owned();
    source.fault(&format!("listener.{name}.address"), &format!("{address:?}"), problem).into()
}
