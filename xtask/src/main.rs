//! The project's own commands, run as `cargo xtask <command>`.
//!
//! `cargo xtask test` is the one gate every change passes; the other commands are one of its steps alone
//! (`dependencies`, `clients`, `browser`, `autobahn`), or too slow or too particular for every change (`bench`, `fuzz`,
//! `skynet`, `soak`).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks by printing")]

mod autobahn;
mod bench;
mod browser;
mod clients;
mod dependencies;
mod documented;
mod error;
mod fuzz;
mod layers;
mod metadata;
mod npm;
mod project;
mod skynet;
mod soak;
mod test;

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{error::Error, project::Project};

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The project's own commands.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check a change must pass, stopping at the first that fails
    Test,
    /// Check licences, versions, sources, docs/dependencies.md and the layers of our own crates
    Dependencies,
    /// Install the public npm clients that some tests run, unless they are there
    Clients,
    /// Judge the WebSocket side by the Autobahn test suite, which needs Python 2.7
    Autobahn {
        /// Play the cases of long messages, and of many, too
        #[arg(long)]
        performance: bool,
        /// Given to the server, example `websocket_echo`, as they are; else it is judged under each driver
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Install what opens our pages in the tests, unless it is there: Chromium, and its driver from npm
    Browser,
    /// Run the whole-server bench, then every other one but the soak; or only the named one
    Bench {
        /// The one bench to run
        name: Option<String>,
        /// Given to the bench as they are
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Look for bytes that break a reader of them, with libFuzzer: needs a nightly toolchain and cargo-fuzz
    Fuzz {
        /// The one target to run; else all run, one after the other
        target: Option<String>,
        /// How long each target runs
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Soak the server: bots over all protocols come and go, bad clients among them, and nothing may be left of it
    Soak {
        /// How long
        #[arg(long, default_value_t = 20.0)]
        minutes: f64,
        /// How many good ones
        #[arg(long, default_value_t = 3000)]
        bots: u32,
    },
    /// Run skynet's own example clients against the headless server and our own example
    Skynet {
        /// A built checkout of skynet
        #[arg(long, value_name = "DIR")]
        checkout: PathBuf,
        /// Use the server that already listens on port 8888, and 8001 if it has logins, and start none; for example
        /// skynet's own
        #[arg(long)]
        running: bool,
        /// Given to the headless server as they are, where it is a gate
        #[arg(last = true, conflicts_with = "running")]
        arguments: Vec<String>,
    },
}

fn run(arguments: Arguments) -> Result<(), Error> {
    let Some(command) = arguments.command else {
        return Arguments::command().print_help().map_err(Error::Print);
    };
    let project = Project::find()?;
    match command {
        Command::Test => test::run(&project),
        Command::Dependencies => dependencies::run(&project),
        Command::Clients => clients::install(&project),
        Command::Autobahn { performance, arguments } => autobahn::run(&project, performance, &arguments),
        Command::Browser => browser::install(&project),
        Command::Bench { name, arguments } => bench::run(&project, name.as_deref(), &arguments),
        Command::Fuzz { target, seconds } => fuzz::run(&project, target.as_deref(), seconds),
        Command::Soak { minutes, bots } => soak::run(&project, minutes, bots),
        Command::Skynet { checkout, running: true, .. } => skynet::check_running(&checkout),
        Command::Skynet { checkout, arguments, .. } => skynet::check_ours(&project, &checkout, &arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
