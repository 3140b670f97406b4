//! Where the project is, and how cargo is called in it.

use std::{
    env,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{error::Error, metadata::Metadata};

/// The workspace this `xtask` belongs to.
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// Asks cargo, which tells the programs and tests it runs where their package is.
    pub fn find() -> Result<Self, Error> {
        let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = package.as_deref().and_then(Path::parent).ok_or(Error::NoProject)?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// The directory of the workspace's `Cargo.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Everything cargo knows about our crates and what they depend on, with every feature on, for every platform.
    pub fn metadata(&self) -> Result<Metadata, Error> {
        self.read_metadata("metadata --format-version 1 --locked --all-features")
    }

    /// The same for this platform alone: without what, for example, only a browser would need.
    pub fn metadata_here(&self) -> Result<Metadata, Error> {
        self.read_metadata("metadata --format-version 1 --locked --all-features --filter-platform host-tuple")
    }

    fn read_metadata(&self, words: &str) -> Result<Metadata, Error> {
        Ok(serde_json::from_slice(&CargoLine::new(words).output(self)?)?)
    }
}

/// One call of cargo: runs in the project, and prints as what a person would type.
pub struct CargoLine {
    words: Vec<String>,
    environment: Option<(&'static str, &'static str)>,
}

impl CargoLine {
    /// `words` are cargo's arguments, parted by spaces.
    pub fn new(words: &str) -> Self {
        Self { words: words.split_whitespace().map(str::to_owned).collect(), environment: None }
    }

    /// Appends arguments that may hold spaces themselves.
    pub fn and(mut self, arguments: &[String]) -> Self {
        self.words.extend_from_slice(arguments);
        self
    }

    /// Sets one environment variable for the call.
    pub fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment = Some((name, value));
        self
    }

    /// Runs it with our own input and output; true if it succeeded.
    pub fn succeeds(&self, project: &Project) -> Result<bool, Error> {
        let status = self.command(project).status();
        Ok(status.map_err(|source| Error::Start { program: self.to_string(), source })?.success())
    }

    /// Runs it with our own input and output, and fails if it does.
    pub fn run(&self, project: &Project) -> Result<(), Error> {
        if self.succeeds(project)? { Ok(()) } else { Err(Error::Command(self.to_string())) }
    }

    /// Runs it, and returns what it prints.
    pub fn output(&self, project: &Project) -> Result<Vec<u8>, Error> {
        let output = self
            .command(project)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| Error::Start { program: self.to_string(), source })?;
        if output.status.success() { Ok(output.stdout) } else { Err(Error::Command(self.to_string())) }
    }

    /// Whether it runs at all. Prints nothing: for `--version` calls that ask if a tool is there.
    pub fn is_there(&self, project: &Project) -> bool {
        let status = self.command(project).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    fn command(&self, project: &Project) -> Command {
        // The cargo that runs us, so that a step never uses another toolchain than its caller.
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        command.args(&self.words).current_dir(project.root()).envs(self.environment);
        forget_our_package(&mut command);
        command
    }
}

/// Lets a cargo run as if it were called by hand: build scripts that look at what cargo has told us of our own package
/// would run anew each time, and with them half of the build.
pub fn forget_our_package(command: &mut Command) {
    let ours = |name: &str| ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|start| name.starts_with(start));
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(ours)) {
        command.env_remove(name);
    }
}

impl fmt::Display for CargoLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, value)) = self.environment {
            write!(f, "{name}='{value}' ")?;
        }
        write!(f, "cargo {}", self.words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_prints_as_a_person_would_type_it() {
        let line = CargoLine::new("doc --no-deps").with("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(line.to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
    }
}
