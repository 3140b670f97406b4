//! `cargo xtask test`: every check a change must pass.
//!
//! The steps run from the quickest to the slowest, and the first that fails ends the run with the command that
//! repeats it alone.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use crate::{
    autobahn, browser, clients, dependencies,
    error::Error,
    fuzz,
    project::{CargoLine, Project},
};

/// Runs all steps.
pub fn run(project: &Project) -> Result<(), Error> {
    need_component(project, "fmt", "rustfmt")?;
    need_component(project, "clippy", "clippy")?;

    let start = Instant::now();
    let steps = steps(CargoLine::new("nextest --version").is_there(project));
    for step in &steps {
        step.run(project)?;
    }
    println!("==> all {} steps passed in {:.1} s", steps.len(), start.elapsed().as_secs_f64());
    Ok(())
}

/// The steps, in order. Benches are not run, but clippy's `--all-targets` says whether they compile.
fn steps(nextest: bool) -> Vec<Step> {
    let tests = if nextest {
        "nextest run --workspace --all-features --locked"
    } else {
        "test --workspace --all-features --locked --lib --bins --tests --examples"
    };
    vec![
        Step::cargo("format", CargoLine::new("fmt --all --check")),
        Step::cargo("format of fuzz", CargoLine::new("fmt --manifest-path fuzz/Cargo.toml --check")),
        Step { name: "dependencies", work: Work::Dependencies },
        Step::cargo(
            "clippy",
            CargoLine::new("clippy --workspace --all-targets --all-features --locked -- -D warnings"),
        ),
        Step { name: "client packages", work: Work::Clients },
        Step { name: "browser", work: Work::Browser },
        Step::cargo("tests", CargoLine::new(tests)),
        Step::cargo("clippy of fuzz", fuzz::clippy()),
        Step::cargo("fuzz smoke", fuzz::smoke()),
        Step { name: "WebSocket conformance", work: Work::Autobahn },
        Step::cargo("doctests", CargoLine::new("test --workspace --all-features --locked --doc")),
        Step::cargo(
            "docs",
            CargoLine::new("doc --workspace --all-features --locked --no-deps")
                .with("RUSTDOCFLAGS", "-D warnings"),
        ),
        // With the features a user gets who asks for none: clippy above saw them all on.
        Step::cargo("examples", CargoLine::new("build --workspace --locked --examples")),
    ]
}

struct Step {
    name: &'static str,
    work: Work,
}

enum Work {
    Cargo(CargoLine),
    Dependencies,
    /// What some of the tests run.
    Clients,
    Autobahn,
    Browser,
}

impl Step {
    fn cargo(name: &'static str, line: CargoLine) -> Self {
        Self { name, work: Work::Cargo(line) }
    }

    fn run(&self, project: &Project) -> Result<(), Error> {
        println!("==> {}: {}", self.name, self.again());
        let start = Instant::now();
        let passed = match &self.work {
            Work::Cargo(line) => line.succeeds(project)?,
            Work::Dependencies => match dependencies::run(project) {
                Err(Error::Findings(_)) => false,
                other => other.map(|()| true)?,
            },
            Work::Clients => clients::install(project).map(|()| true)?,
            Work::Autobahn => match autobahn::run_if_possible(project) {
                Err(Error::Autobahn(autobahn::Error::Wrong { .. })) => false,
                other => other.map(|()| true)?,
            },
            Work::Browser => browser::install(project).map(|()| true)?,
        };
        if !passed {
            return Err(Error::Step { step: self.name, again: self.again() });
        }
        println!("==> {}: passed in {:.1} s", self.name, start.elapsed().as_secs_f64());
        Ok(())
    }

    /// The command that runs this step alone.
    fn again(&self) -> String {
        match &self.work {
            Work::Cargo(line) => line.to_string(),
            Work::Dependencies => "cargo xtask dependencies".to_owned(),
            Work::Clients => "cargo xtask clients".to_owned(),
            Work::Autobahn => "cargo xtask autobahn".to_owned(),
            Work::Browser => "cargo xtask browser".to_owned(),
        }
    }
}

/// Installs a component of the toolchain if `cargo <subcommand>` is not there, and rustup is.
fn need_component(project: &Project, subcommand: &str, component: &'static str) -> Result<(), Error> {
    let asked = CargoLine::new(&format!("{subcommand} --version"));
    if asked.is_there(project) {
        return Ok(());
    }
    println!("==> {component} is missing: rustup component add {component}");
    let status = Command::new("rustup")
        .args(["component", "add", component])
        .current_dir(project.root())
        .stdin(Stdio::null())
        .status();
    let installed = status.is_ok_and(|status| status.success()) && asked.is_there(project);
    if installed { Ok(()) } else { Err(Error::Component { component }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(nextest: bool) -> Vec<String> {
        steps(nextest).iter().map(Step::again).collect()
    }

    #[test]
    fn without_nextest_cargo_runs_the_same_tests() {
        assert!(lines(true).iter().any(|line| line.starts_with("cargo nextest run")));
        assert!(lines(false).iter().all(|line| !line.contains("nextest")));
        assert_eq!(lines(true).len(), lines(false).len());
    }

    #[test]
    fn clients_and_browser_are_there_before_the_tests_that_run_them() {
        let lines = lines(true);
        let at = |start: &str| lines.iter().position(|line| line.starts_with(start)).unwrap();
        assert!(at("cargo xtask clients") < at("cargo nextest run"));
        assert!(at("cargo xtask browser") < at("cargo nextest run"));
    }

    #[test]
    fn no_step_runs_a_bench() {
        for line in lines(true).iter().chain(&lines(false)) {
            assert!(!line.contains("bench"), "{line}");
            assert!(!line.contains("test --all-targets"), "{line}");
        }
    }

    #[test]
    fn every_step_that_can_respects_the_lock_file() {
        for line in lines(true).iter().chain(&lines(false)) {
            let cannot = line.starts_with("cargo fmt") || line.starts_with("cargo xtask");
            assert!(cannot || line.contains("--locked"), "{line}");
        }
    }
}
