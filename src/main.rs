//! The headless server: `portcullis --help`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its operator")]

mod server;

use clap::Parser;
use server::{
    Failure,
    config::{self, Config, Source},
};
use std::{env, path::PathBuf, process::ExitCode};

/// A game server in which every network connection is an entity.
///
/// Without options it runs the demo servers of its built-in configuration. Every key of a configuration can be set by
/// an environment variable too, as `PORTCULLIS_NET_DRIVER` or `PORTCULLIS_LISTENER_SKYNET_ADDRESS`.
#[derive(Parser, Debug)]
#[command(version)]
struct Arguments {
    /// The configuration, in TOML; it says only what differs from the built-in one, but all its listeners.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Says whether the configuration can be used, and does not run it.
    #[arg(long)]
    check_config: bool,
    /// Prints the settings in force, and does not run them.
    #[arg(long, conflicts_with = "check_config")]
    print_config: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("portcullis: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let (config, source): (Config, Source) = config::load(arguments.config.as_deref(), env::vars_os())?;
    config::check(&config, &source)?;
    if arguments.print_config {
        print!("{}", config.to_toml()?);
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.check_config {
        println!("{}: OK", source.name());
        return Ok(ExitCode::SUCCESS);
    }
    server::run(&config, &source)
}
