//! Packages of npm that tests run, as the `package-lock.json` of their folder has them.
//!
//! Nothing of them is ours to keep: they are installed where they are used, without running any script of theirs.

use std::{
    fs, io,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::{error::Error, project::Project};

/// What of the folder decides what is installed.
const LOCK: &str = "package-lock.json";

/// A copy of the lock that what is there was installed from. It stands among the packages, to be gone when they are.
const STAMP: &str = "node_modules/.installed-from.json";

/// The first version of Node.js the packages are run with.
const OLDEST_NODE: u32 = 20;

/// Installs those of a folder of the project, unless what is there is what its lock says.
pub fn install(project: &Project, name: &str) -> Result<(), Error> {
    require_node()?;
    let folder = project.root().join(name);
    let read = |path: &Path| fs::read(path).map_err(|source| Error::Read { path: path.into(), source });
    let lock = read(&folder.join(LOCK))?;
    let stamp = folder.join(STAMP);
    if read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let output = npm(&["ci", "--ignore-scripts"], Some(&folder))?;
    if !output.status.success() {
        println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        return Err(Error::Command(format!("npm ci --ignore-scripts, in {name}")));
    }
    fs::write(&stamp, lock).map_err(|source| Error::Write { path: stamp, source })
}

/// A machine without them fails here, and not in the tests, where it would be told what to do six times.
fn require_node() -> Result<(), Error> {
    let output =
        answer(Command::new("node").arg("--version")).map_err(|_| Error::Node { program: "node" })?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if major(&version).is_none_or(|major| major < OLDEST_NODE) {
        return Err(Error::OldNode(version));
    }
    npm(&["--version"], None).map(drop)
}

fn npm(arguments: &[&str], folder: Option<&Path>) -> Result<Output, Error> {
    // There it is a script, which is not found without its ending.
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.args(arguments);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    answer(&mut command).map_err(|_| Error::Node { program: "npm" })
}

fn answer(command: &mut Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).output()
}

/// The first number of `v20.11.1`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_version_is_read_as_it_is_printed() {
        assert_eq!(major("v20.11.1"), Some(20));
        assert_eq!(major("v8.0.0"), Some(8));
        assert_eq!(major(""), None);
        assert_eq!(major("20"), None);
    }

    #[test]
    fn the_locks_leave_it_to_whoever_installs_where_from() {
        for lock in [
            include_str!("../../tests/clients/package-lock.json"),
            include_str!("../../tests/browser/package-lock.json"),
        ] {
            assert!(!lock.contains("\"resolved\"") && lock.contains("\"integrity\""));
        }
    }
}
