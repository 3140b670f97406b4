//! `cargo xtask soak`: thousands of bots over all protocols, for as long as is asked.

use crate::{
    bench::SOAK,
    error::Error,
    project::{CargoLine, Project},
};

/// Runs the bench that soaks the server. It ends by itself, or by Ctrl-C, and fails when something that has to hold does not.
pub fn run(project: &Project, minutes: f64, bots: u32) -> Result<(), Error> {
    let line = CargoLine::new(&format!(
        "bench --locked --package portcullis --bench {SOAK} -- --minutes {minutes} --bots {bots}"
    ));
    println!("==> {line}");
    line.run(project)
}
