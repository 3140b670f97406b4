//! `cargo xtask fuzz`: every reader of what strangers send, fed by libFuzzer.
//!
//! The targets are the programs in `fuzz/fuzz_targets`. They need a nightly toolchain and cargo-fuzz; what the checks of
//! every change run of them, `fuzz/tests/smoke.rs`, needs neither.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    error::Error,
    project::{CargoLine, Project, forget_our_package},
};

/// The longest input that is tried, in bytes: a frame may have so many before its sender has logged in.
const LONGEST: usize = 4096;
/// A single allocation above this is a finding, in MiB: nothing is allocated by a declared length.
const ALLOCATION: usize = 64;
/// An input that takes longer is a finding, in seconds.
const PATIENCE: usize = 20;

/// The smoke test, in the workspace's own target directory: what can be shared is built once.
pub fn smoke() -> CargoLine {
    CargoLine::new(
        "test --manifest-path fuzz/Cargo.toml --target-dir target --no-default-features --locked --test smoke",
    )
}

/// What clippy says of the targets. They are a workspace of their own, which ours does not see.
pub fn clippy() -> CargoLine {
    CargoLine::new(
        "clippy --manifest-path fuzz/Cargo.toml --target-dir target --no-default-features --locked --all-targets -- -D warnings",
    )
}

/// Runs all targets, or the one called `name`, each for so many seconds, and prints what came of them.
pub fn run(project: &Project, name: Option<&str>, seconds: u64) -> Result<(), Error> {
    let names = names(project, name)?;
    let is_there = cargo_fuzz("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !is_there.is_ok_and(|status| status.success()) {
        return Err(Error::NoFuzz);
    }
    let seeds = "run --quiet --manifest-path fuzz/Cargo.toml --target-dir target --no-default-features --locked --bin seeds --";
    CargoLine::new(seeds).and(&names).run(project)?;
    let mut rows = Vec::new();
    for name in names {
        println!("==> {name}: {seconds} s");
        let figures = fuzz(project, &name, seconds)?;
        rows.push((name, figures));
    }
    print_table(&rows);
    match rows.iter().filter(|(_, figures)| figures.finding.is_some()).count() {
        0 => Ok(()),
        findings => Err(Error::Fuzz(findings)),
    }
}

/// `cargo fuzz` of the nightly toolchain.
fn cargo_fuzz(subcommand: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz", subcommand]);
    forget_our_package(&mut command);
    command
}

fn names(project: &Project, wanted: Option<&str>) -> Result<Vec<String>, Error> {
    let path = project.root().join("fuzz/fuzz_targets");
    let read = |source| Error::Read { path: path.clone(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(&path).map_err(read)? {
        let file = PathBuf::from(entry.map_err(read)?.file_name());
        names.extend(file.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    match wanted {
        Some(name) if names.iter().any(|known| known == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(Error::NoTarget { name: name.to_owned(), known: names.join(", ") }),
        None => Ok(names),
    }
}

/// Runs one target. What libFuzzer says of its progress is not shown; the rest is.
fn fuzz(project: &Project, name: &str, seconds: u64) -> Result<Figures, Error> {
    let mut command = cargo_fuzz("run");
    command.args([name, "--"]).args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={LONGEST}"),
        format!("-malloc_limit_mb={ALLOCATION}"),
        format!("-timeout={PATIENCE}"),
        // To look for leaks after each input costs more than the input itself, where that is a whole server.
        "-detect_leaks=0".to_owned(),
        "-print_final_stats=1".to_owned(),
    ]);
    let dictionary = project.root().join(format!("fuzz/dictionaries/{name}.dict"));
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    let start = |source| Error::Start { program: "rustup run nightly cargo fuzz".to_owned(), source };
    let mut running = command
        .current_dir(project.root())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let mut figures = Figures::default();
    if let Some(stderr) = running.stderr.take() {
        for line in BufReader::new(stderr).split(b'\n') {
            let line = line.map_err(start)?;
            let line = String::from_utf8_lossy(&line);
            if !figures.take(&line) {
                eprintln!("{line}");
            }
        }
    }
    if !running.wait().map_err(start)?.success() && figures.finding.is_none() {
        return Err(Error::Command(format!("cargo +nightly fuzz run {name}")));
    }
    Ok(figures)
}

/// What libFuzzer told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    executions: u64,
    per_second: u64,
    /// Edges of the program that were reached.
    edges: u64,
    /// Inputs that reach something no other does.
    corpus: u64,
    /// The file of an input that broke something.
    finding: Option<String>,
}

impl Figures {
    /// Takes a line, and gives whether there is nothing in it for people.
    fn take(&mut self, line: &str) -> bool {
        if let Some((name, value)) = line.strip_prefix("stat::").and_then(|rest| rest.split_once(':')) {
            let value = value.trim().parse().unwrap_or_default();
            match name {
                "number_of_executed_units" => self.executions = value,
                "average_exec_per_sec" => self.per_second = value,
                _ => {}
            }
            return true;
        }
        if let Some((_, file)) = line.split_once("Test unit written to ") {
            // One that only took long is below our patience: the machine had other things to do.
            let is_slow = file.contains("/slow-unit-");
            self.finding = self.finding.take().or_else(|| (!is_slow).then(|| file.trim().to_owned()));
            return is_slow;
        }
        let mut words = line.split_whitespace();
        if !words.next().is_some_and(|word| word.starts_with('#')) {
            return line.starts_with("INFO: ") || line.starts_with("\tNEW_FUNC");
        }
        while let Some(word) = words.next() {
            match word {
                "cov:" => self.edges = number(words.next()),
                // The size comes behind a slash.
                "corp:" => self.corpus = number(words.next()),
                _ => {}
            }
        }
        true
    }
}

fn number(word: Option<&str>) -> u64 {
    word.and_then(|word| word.split('/').next()?.parse().ok()).unwrap_or_default()
}

fn print_table(rows: &[(String, Figures)]) {
    println!("| target | executions | per second | edges | corpus | finding |");
    println!("| --- | ---: | ---: | ---: | ---: | --- |");
    for (name, Figures { executions, per_second, edges, corpus, finding }) in rows {
        let finding = finding.as_deref().unwrap_or("none");
        println!("| {name} | {executions} | {per_second} | {edges} | {corpus} | {finding} |");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_what_libfuzzer_says() {
        let mut figures = Figures::default();
        for line in [
            "INFO: Seed: 2784562134",
            "#2\tINITED cov: 71 ft: 72 corp: 1/1b exec/s: 0 rss: 45Mb",
            "#524288\tpulse  cov: 90 ft: 312 corp: 61/1024b lim: 4096 exec/s: 262144 rss: 90Mb",
            "\tNEW_FUNC[1/2]: 0x55d0 in somewhere",
            "#600001\tDONE   cov: 91 ft: 313 corp: 62/1025b lim: 4096 exec/s: 200000 rss: 90Mb",
            "stat::number_of_executed_units: 600001",
            "stat::average_exec_per_sec:     200000",
            "stat::peak_rss_mb:              90",
        ] {
            assert!(figures.take(line), "{line}");
        }
        let expected =
            Figures { executions: 600_001, per_second: 200_000, edges: 91, corpus: 62, finding: None };
        assert_eq!(figures, expected);
    }

    #[test]
    fn a_finding_is_shown_and_kept() {
        let mut figures = Figures::default();
        assert!(!figures.take("thread '<unnamed>' panicked at src/targets/frames.rs:51:5:"));
        assert!(!figures.take(
            "artifact_prefix='/x/fuzz/artifacts/line/'; Test unit written to /x/fuzz/artifacts/line/crash-da39"
        ));
        assert_eq!(figures.finding.as_deref(), Some("/x/fuzz/artifacts/line/crash-da39"));
    }

    #[test]
    fn what_only_took_long_is_no_finding() {
        let mut figures = Figures::default();
        figures
            .take("artifact_prefix='/x/line/'; Test unit written to /x/fuzz/artifacts/line/slow-unit-0172");
        assert_eq!(figures.finding, None);
    }
}
