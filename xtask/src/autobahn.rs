//! `cargo xtask autobahn`: the Autobahn test suite against the WebSocket side of `portcullis_net`.
//!
//! The suite is the judge that WebSocket implementations go by. A client of it plays some 250 cases against our echo
//! server, under each driver: frames of all lengths and in all pieces, pings, what is reserved, text that is and is not
//! UTF-8, and closes with all kinds of codes. A listener of ours sends one kind of message, so that the cases that
//! want a text back are played to one of text, and the others, of binary, to one of binary.
//!
//! Cases 12.* and 13.* are left out: they are about compression, which is declined by design.

mod judge;
mod server;
mod suite;

use std::{io, path::PathBuf, time::Instant};

use thiserror::Error as ThisError;

use self::{judge::Report, server::Server, suite::Suite};
use crate::{
    error::Error as AnyError,
    project::{CargoLine, Project},
};

/// The cases in which binary is to come back.
const BINARY: &[&str] = &["1.2.*", "9.2.*", "9.4.*", "9.6.*", "9.8.*"];

/// The cases of long messages, and of many.
const PERFORMANCE: &str = "9.*";

/// The cases of compression.
const COMPRESSION: &[&str] = &["12.*", "13.*"];

/// How many cases the suite has, so that fewer are noticed.
const CASES: usize = 247;
/// How many of [`PERFORMANCE`] come to them.
const PERFORMANCE_CASES: usize = 54;

/// Why our WebSocket was not judged, or not found good.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The suite is of its time.
    #[error(
        "python2.7 is missing, which the Autobahn test suite is written for: install Python 2.7 with pip, for example with `pyenv install 2.7`"
    )]
    NoPython,
    /// The suite could not be installed.
    #[error("the Autobahn test suite could not be installed: {0}; what pip said stands above")]
    NotInstalled(String),
    /// The server did not say where it listens.
    #[error("the server did not say where it listens")]
    NotListening,
    /// The suite has no end.
    #[error("the suite was still running after {} seconds, and was ended; what it said is in {}", suite::PATIENCE.as_secs(), .log.display())]
    StillRunning {
        /// What it said.
        log: PathBuf,
    },
    /// The suite failed, or left no report.
    #[error("the suite failed: {why}; what it said is in {}", .log.display())]
    Failed {
        /// How.
        why: String,
        /// What it said.
        log: PathBuf,
    },
    /// Not what should have been judged was.
    #[error("{played} cases were played, not {expected}: has the suite changed?")]
    OtherCases {
        /// How many were.
        played: usize,
        /// How many should have been.
        expected: usize,
    },
    /// Some cases did not go as they must; each is printed above.
    #[error("{wrong} case(s) went wrong; how is told in {}", .reports.display())]
    Wrong {
        /// How many.
        wrong: usize,
        /// Where the suite wrote what happened.
        reports: PathBuf,
    },
    /// The operating system failed us.
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
}

/// Plays all cases against servers with these arguments, or under one driver and then the other.
pub fn run(project: &Project, performance: bool, arguments: &[String]) -> Result<(), AnyError> {
    let build = "build --workspace --all-features --locked --example websocket_echo";
    let target = project.metadata()?.target_directory;
    let suite = Suite::install(project, &target)?;
    CargoLine::new(build).run(project)?;
    let program = target.join("debug/examples/websocket_echo");
    let drivers = [["inline".to_owned()], ["thread".to_owned()]];
    let runs: Vec<&[String]> = match arguments {
        [] => drivers.iter().map(<[String; 1]>::as_slice).collect(),
        given => vec![given],
    };
    for arguments in runs {
        let start = Instant::now();
        let server = Server::start(&program, arguments)?;
        let mut report = Report::default();
        let cases = |kind: &str| Cases::of(kind, performance);
        for (kind, url) in server.listeners() {
            report.add(suite.play(kind, url, &cases(kind))?);
        }
        drop(server);
        println!(
            "==> websocket_echo {}, judged in {:.1} s",
            arguments.join(" "),
            start.elapsed().as_secs_f64()
        );
        print!("{report}");
        let expected = CASES + if performance { PERFORMANCE_CASES } else { 0 };
        report.verdict(expected, suite.reports())?;
    }
    Ok(())
}

/// Where Python 2.7 is missing, which few machines still have, it says so, and nothing is judged.
pub fn run_if_possible(project: &Project) -> Result<(), AnyError> {
    match run(project, false, &[]) {
        Err(AnyError::Autobahn(missing @ Error::NoPython)) => {
            println!("==> SKIPPED, the WebSocket side is NOT judged by the Autobahn test suite: {missing}");
            Ok(())
        }
        other => other,
    }
}

/// Cases as the suite is told them.
#[derive(Debug, PartialEq)]
struct Cases {
    wanted: Vec<&'static str>,
    unwanted: Vec<&'static str>,
}

impl Cases {
    /// Those for the listener that sends this kind of message.
    fn of(kind: &str, performance: bool) -> Self {
        let (wanted, mut unwanted) = match kind {
            "binary" => (BINARY.to_vec(), Vec::new()),
            _ => (vec!["*"], [BINARY, COMPRESSION].concat()),
        };
        if !performance {
            unwanted.push(PERFORMANCE);
        }
        Self { wanted, unwanted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_is_played_to_one_listener() {
        for performance in [false, true] {
            let (text, binary) = (Cases::of("text", performance), Cases::of("binary", performance));
            assert!(binary.wanted.iter().all(|case| text.unwanted.contains(case)));
            assert_eq!(text.unwanted.contains(&PERFORMANCE), !performance);
            assert_eq!(binary.unwanted.contains(&PERFORMANCE), !performance);
        }
    }
}
