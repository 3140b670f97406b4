//! `cargo xtask skynet`: skynet's own example clients, unmodified, against the headless server and our example.
//!
//! The clients are the best judges of whether we speak skynet's protocols. They need a checkout of skynet that somebody
//! built, so this is not among the checks of every change.

mod client;
mod gate;
mod login;
mod running;

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use thiserror::Error as ThisError;

use self::running::Running;
use crate::{
    error::Error as AnyError,
    project::{CargoLine, Project},
};

/// Where the example clients connect to; they take no arguments. Gate and msgserver have the same port.
const GAME: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8888);
const LOGIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8001);

/// What the clients need of their checkout.
const NEEDED: &[&str] = &[
    "3rd/lua/lua",
    "luaclib/client.so",
    "luaclib/sproto.so",
    "examples/client.lua",
    "examples/login/client.lua",
];

/// How long a start or an end may take before we give up on it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often we look whether something has started or ended.
const GLANCE: Duration = Duration::from_millis(20);

/// Why the check with skynet's clients failed.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The checkout has not been built.
    #[error(
        "the checkout has no {0}; build it there with: make linux MALLOC_STATICLIB= SKYNET_DEFINES=-DNOUSE_JEMALLOC"
    )]
    NotBuilt(&'static str),
    /// Somebody else has the port.
    #[error("something listens on {0} already; to check just that, add --running")]
    PortTaken(SocketAddr),
    /// Nobody has the port.
    #[error("nothing listens on {0}")]
    NobodyListens(SocketAddr),
    /// The server ended before it listened.
    #[error("the server ended before it listened: {0}")]
    EndedEarly(ExitStatus),
    /// The server did not end well when asked to.
    #[error("the server ended with {0} after SIGTERM, not with code 0")]
    EndedBadly(ExitStatus),
    /// Something did not end in time.
    #[error("the {0} did not end within {PATIENCE:?} and was killed")]
    StillRunning(&'static str),
    /// The client did not see what it should have; what it printed stands above.
    #[error("the client did not see {}", .0.join("; nor "))]
    NotSeen(Vec<&'static str>),
    /// The login client printed something else, or gave up; what it printed stands above.
    #[error("login {time}: {what}")]
    OtherLogin {
        /// Which, counted from 1.
        time: usize,
        /// What is other than it should be.
        what: String,
    },
    /// The operating system failed us.
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
}

/// Builds the servers, checks each with its client, and checks that it ends well.
pub fn check_ours(project: &Project, checkout: &Path, arguments: &[String]) -> Result<(), AnyError> {
    let checkout = built(checkout)?;
    let build = "build --release --locked --package portcullis --bin portcullis --example skynet_login";
    CargoLine::new(build).run(project)?;
    let release = project.metadata()?.target_directory.join("release");
    let server = |program: &str, arguments: &[String]| {
        let mut command = Command::new(release.join(program));
        command.args(arguments).current_dir(project.root()).stdin(Stdio::null());
        command
    };
    let config = ["--config", "assets/skynet-login.toml"].map(str::to_owned);
    // One after the other: they have the same ports.
    check_one("gate", server("portcullis", arguments), &[GAME], || gate::talk(&checkout))?;
    for (what, command) in [
        ("assets/skynet-login.toml", server("portcullis", &config)),
        ("example skynet_login", server("examples/skynet_login", &[])),
    ] {
        check_one(what, command, &[LOGIN, GAME], || login::talk(&checkout))?;
    }
    Ok(())
}

fn check_one(
    what: &str,
    command: Command,
    addresses: &[SocketAddr],
    talk: impl Fn() -> Result<(), Error>,
) -> Result<(), Error> {
    if let Some(&taken) = addresses.iter().find(|address| listens(**address)) {
        return Err(Error::PortTaken(taken));
    }
    let mut server = Running::start("server", command)?;
    server.wait_until_it_listens(addresses)?;
    let seen = talk();
    // The client's complaint goes first: it says more than how the server ended.
    let status = server.terminate();
    seen?;
    let status = status?;
    if !status.success() {
        return Err(Error::EndedBadly(status));
    }
    println!("==> {what}: skynet's client is content, and the server ended with code 0");
    Ok(())
}

/// Checks whatever server listens already: by its ports, it is a gate or has a login server.
pub fn check_running(checkout: &Path) -> Result<(), AnyError> {
    let checkout = built(checkout)?;
    if !listens(GAME) {
        return Err(Error::NobodyListens(GAME).into());
    }
    match listens(LOGIN) {
        true => login::talk(&checkout)?,
        false => gate::talk(&checkout)?,
    }
    println!("==> skynet's client is content");
    Ok(())
}

fn built(checkout: &Path) -> Result<PathBuf, Error> {
    match NEEDED.iter().find(|file| !checkout.join(file).is_file()) {
        Some(file) => Err(Error::NotBuilt(file)),
        None => fs::canonicalize(checkout).map_err(|error| Error::Io("the checkout", error)),
    }
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, PATIENCE).is_ok()
}
