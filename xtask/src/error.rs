//! Why a command of `xtask` can fail, each in one line that says what to do.

use std::{io, path::PathBuf};

use thiserror::Error as ThisError;

/// Why a command failed.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The binary was started by hand, so it cannot know where the project is.
    #[error("the project is not known here: start this as `cargo xtask`")]
    NoProject,
    /// Standard output is gone.
    #[error("cannot print: {0}")]
    Print(io::Error),
    /// A program could not be started at all.
    #[error("`{program}` does not start: {source}")]
    Start {
        /// What should have started.
        program: String,
        /// Why it did not.
        source: io::Error,
    },
    /// A step of the checks failed; what failed in it is printed above.
    #[error("step `{step}` failed; run it again with: {again}")]
    Step {
        /// The step's name.
        step: &'static str,
        /// The command that runs this step alone.
        again: String,
    },
    /// A program ended with a failure of its own, printed above.
    #[error("failed: {0}")]
    Command(String),
    /// A part of the toolchain is missing and could not be installed.
    #[error(
        "{component} is missing: install it with `rustup component add {component}`, or with your system's package of it"
    )]
    Component {
        /// The name rustup knows it by.
        component: &'static str,
    },
    /// The packages of npm that tests run cannot be installed without it.
    #[error(
        "{program} is missing: install Node.js 20 or later, with npm, from your system's packages or nodejs.org"
    )]
    Node {
        /// What was looked for.
        program: &'static str,
    },
    /// Node.js is from before what the tests are run with.
    #[error("Node.js {0} is too old for what the tests run with it: install Node.js 20 or later, with npm")]
    OldNode(String),
    /// A file cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `cargo metadata` printed what we cannot read.
    #[error("cannot read what `cargo metadata` printed: {0}")]
    Metadata(#[from] serde_json::Error),
    /// A file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The dependency checks found something; each finding is printed above.
    #[error("{0} finding(s) in the dependencies; check again with: cargo xtask dependencies")]
    Findings(usize),
    /// No bench has this name.
    #[error("no bench is called `{name}`; there are: {known}")]
    NoBench {
        /// The name asked for.
        name: String,
        /// The benches there are.
        known: String,
    },
    /// What fuzzing needs is not there.
    #[error(
        "fuzzing needs a nightly toolchain and cargo-fuzz: `rustup toolchain install nightly && cargo install cargo-fuzz`"
    )]
    NoFuzz,
    /// No fuzz target has this name.
    #[error("no fuzz target is called `{name}`; there are: {known}")]
    NoTarget {
        /// The name asked for.
        name: String,
        /// The targets there are.
        known: String,
    },
    /// Inputs were found that break their target; each is printed above.
    #[error("{0} target(s) were broken by the inputs printed above; add each as a test where the fault is")]
    Fuzz(usize),
    /// The check with skynet's client failed.
    #[error(transparent)]
    Skynet(#[from] crate::skynet::Error),
    /// The check with the Autobahn test suite failed.
    #[error(transparent)]
    Autobahn(#[from] crate::autobahn::Error),
}
