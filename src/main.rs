//! The headless server: `portcullis --help`.

mod server;

use clap::Parser;
use mimalloc::MiMalloc;
use server::{
    Failure, certificate,
    config::{self, Config, Source},
};
use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

/// It gives back what large buffers leave, which glibc's keeps: the soak's load takes half of the memory with it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
    /// Makes a certificate to develop with, and its key, in this folder, and runs nothing.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["check_config", "print_config", "config"])]
    write_certificate: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "portcullis: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if let Some(folder) = &arguments.write_certificate {
        return say(&certificate::write(folder)?);
    }
    let (config, source): (Config, Source) = config::load(arguments.config.as_deref(), env::vars_os())?;
    config::check(&config, &source)?;
    if arguments.print_config {
        return say(&config.to_toml()?);
    }
    if arguments.check_config {
        return say(&format!("{}: OK\n", source.name()));
    }
    server::run(&config, &source)
}

/// Who stops reading, as `head` does, has what they wanted.
fn say(text: &str) -> Result<ExitCode, Failure> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Internal(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
